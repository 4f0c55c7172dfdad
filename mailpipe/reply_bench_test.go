package mailpipe

import (
	"os"
	"strings"
	"testing"
)

// BenchmarkCutReply is a plain answer above our mail.
func BenchmarkCutReply(b *testing.B) {
	text := "Buenos días:\n\nMi código es 20251234 y el programa es Física.\nYa pagué el recibo.\n\nAtentamente,\nAna Gómez\n\n" +
		"El lun, 3 mar 2025 a las 10:12, Mesa de Ayuda (<soporte@desk.example>)\nescribió:\n\n> Buenos días, Ana:\n>\n> ¿En qué programa está?\n>\n> Mesa de Ayuda\n"
	b.ReportAllocs()
	for b.Loop() {
		cutReply(text, replyHints{reply: true})
	}
}

// BenchmarkUnderstandReply is the whole reading of one.
func BenchmarkUnderstandReply(b *testing.B) {
	raw, err := os.ReadFile("testdata/spanish/gmail-web-es.eml")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		Understand(raw, Options{})
	}
}

// BenchmarkCutReplyWorst are texts of 770 KB made to be slow.
func BenchmarkCutReplyWorst(b *testing.B) {
	for name, unit := range map[string]string{
		"signs": ">", "signs-lines": ">\n", "colons": "a:\n", "attributions": "El 3 mar 2025, 10:12, X <x@y.z> escribió:\n", "verbs": "wrote wrote wrote:\n",
		"labels": "De: x\n", "blocks": "De: x@y.z\nPara: y\n\n", "rulers": "---\nx\n", "dashes": "-----\n", "brackets": "<(<(@@@:\n", "starts": "El 3 mar 2025 10:12\n",
		"blanks": "\n", "digits": "1.1.1.1:11\n", "footers": "AVISO LEGAL\n", "quoted-labels": "> De: x@y.z\n", "links": "> <http\nx>\n",
	} {
		text := strings.Repeat(unit, 770_000/len(unit))
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				cutReply(text, replyHints{reply: true})
				cutReply(text, replyHints{forward: true})
				cutReply(text, replyHints{})
			}
		})
	}
}
