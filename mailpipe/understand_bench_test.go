package mailpipe

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// benchUnderstand reads a message over and over, and reports how many a second
// and how many nanoseconds an octet.
func benchUnderstand(b *testing.B, raw []byte) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		if m := Understand(raw, Options{}); m.Quarantine != "" {
			b.Fatal(m.Quarantine)
		}
	}
	each := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
	b.ReportMetric(1e9/each, "mails/s")
	b.ReportMetric(each/float64(len(raw)), "ns/octet")
}

// ordinary are messages as they come all day, of up to 20 kB. Those of a thread
// carry the earlier messages along, as Outlook's and Gmail's do.
func ordinary(b *testing.B) map[string][]byte {
	b.Helper()
	mails := map[string][]byte{}
	for name, file := range map[string]string{
		"plain": "understand/thunderbird-es", "gmail": "spanish/gmail-web-es", "gmail-html": "understand/gmail-html-only",
		"outlook": "spanish/outlook-desktop-es", "outlook-html": "understand/outlook-html-only",
	} {
		raw, err := os.ReadFile("testdata/" + file + ".eml")
		if err != nil {
			b.Fatal(err)
		}
		mails[name] = raw
	}
	answer := "Buenos días:\r\n\r\nMi código es 20251234 y el programa es Física.\r\nYa pagué el recibo.\r\n\r\nAtentamente,\r\nAna Gómez\r\n"
	quoted := "> Buenos días, Ana:\r\n>\r\n> ¿En qué programa está matriculada? Necesitamos también su código.\r\n>\r\n> Mesa de Ayuda\r\n"
	plain := answer + "\r\nEl lun, 3 mar 2025 a las 10:12, Mesa de Ayuda (<soporte@desk.example>)\r\nescribió:\r\n\r\n" + strings.Repeat(quoted, 40)
	gmail := `<div dir="ltr"><div>Buenos días:</div><div><br></div><div>Mi código es 20251234.</div></div><br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">` +
		`El lun, 3 mar 2025 a las 10:12, Mesa de Ayuda (&lt;<a href="mailto:soporte@desk.example">soporte@desk.example</a>&gt;) escribió:<br></div>` +
		`<blockquote class="gmail_quote" style="margin:0px 0px 0px 0.8ex">` + strings.Repeat("Buenos días, Ana:<br>\r\n<br>\r\n¿En qué programa está matriculada?<br>\r\n", 60) + "</blockquote></div>"
	office := `<html xmlns:o="urn:schemas-microsoft-com:office:office"><head><style><!--` + strings.Repeat("\r\np.MsoNormal {margin:0cm; font-size:11.0pt; font-family:Calibri,sans-serif;}", 20) +
		"\r\n--></style></head><body lang=ES-CO><div class=WordSection1>" +
		strings.Repeat("<p class=MsoNormal><span style='mso-fareast-language:EN-US'>Ya pagué el recibo.<o:p></o:p></span></p>\r\n", 10) +
		"<div style='border:none;border-top:solid #E1E1E1 1.0pt'><p class=MsoNormal><b>De:</b> Mesa de Ayuda &lt;soporte@desk.example&gt;<br><b>Enviado el:</b> lunes, 3 de marzo de 2025 10:12<br>" +
		"<b>Para:</b> Ana Gómez<br><b>Asunto:</b> Matrícula<o:p></o:p></p></div>" +
		strings.Repeat("<p class=MsoNormal><span lang=ES>¿En qué programa está matriculada? Necesitamos su código.<o:p></o:p></span></p>\r\n", 100) + "</div></body></html>"
	mails["plain-thread"] = []byte(ordinaryHead + "Content-Type: text/plain; charset=utf-8\r\n\r\n" + plain)
	mails["gmail-thread"] = []byte(alternative(plain, gmail))
	mails["outlook-thread"] = []byte(ordinaryHead + "Content-Type: text/html; charset=utf-8\r\n\r\n" + office)
	for name, raw := range mails {
		if len(raw) > 20_000 {
			b.Fatalf("%s has %d octets", name, len(raw))
		}
	}
	return mails
}

const ordinaryHead = "Received: from mx.example.edu.co (mx.example.edu.co [192.0.2.7]) by mail.desk.example with ESMTPS id 4Z5x; Mon, 3 Mar 2025 15:31:09 +0000\r\n" +
	"From: =?utf-8?B?QW5hIEfDs21leg==?= <ana.gomez@example.edu.co>\r\nTo: Mesa de Ayuda <soporte@desk.example>\r\n" +
	"Subject: =?utf-8?B?UmU6IFsjMDAzMTgxXSBNYXRyw61jdWxh?=\r\nDate: Mon, 03 Mar 2025 10:31:07 -0500\r\nMessage-ID: <1@mail.example.edu.co>\r\n" +
	"In-Reply-To: <0@desk.example>\r\nReferences: <00@desk.example> <0@desk.example>\r\nMIME-Version: 1.0\r\n"

func alternative(plain, html string) string {
	return ordinaryHead + "Content-Type: multipart/alternative; boundary=\"b1\"\r\n\r\n--b1\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + plain +
		"\r\n--b1\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + html + "\r\n--b1--\r\n"
}

// BenchmarkOrdinary: ordinary mail read whole. The aim is 3,000 a second on one
// core; run it with -cpu 1.
func BenchmarkOrdinary(b *testing.B) {
	for name, raw := range ordinary(b) {
		b.Run(fmt.Sprintf("%s-%dB", name, len(raw)), func(b *testing.B) { benchUnderstand(b, raw) })
	}
}

// BenchmarkLarge: an attachment of 5 MB is scanned for its end, and not decoded:
// reading the message costs little more than the scan.
func BenchmarkLarge(b *testing.B) {
	raw := []byte("From: Ana <ana@example.edu.co>\r\nSubject: Recibo\r\nMessage-ID: <1@x>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nAdjunto el recibo.\r\n--b\r\nContent-Type: application/pdf; name=recibo.pdf\r\n" +
		"Content-Transfer-Encoding: base64\r\n\r\n" + strings.Repeat(strings.Repeat("QUJD", 19)+"\r\n", 5_000_000/57) + "--b--\r\n")
	b.Run("read", func(b *testing.B) { benchUnderstand(b, raw) })
	b.Run("scan", func(b *testing.B) {
		for b.Loop() {
			scan(raw)
		}
	})
}

// BenchmarkLinear reads the same text once, and 10, 100 and 1,000 times as long:
// the nanoseconds an octet must not grow.
func BenchmarkLinear(b *testing.B) {
	text := "Buenos días: mi código es 20251234 y el programa es Física.\r\nYa pagué el recibo, el lunes 3 de marzo, y no aparece: ¿qué hago?\r\n\r\n" +
		"Adjunto el comprobante. Gracias por su ayuda con este trámite.\r\n"
	for name, make := range map[string]func(n int) string{
		"plain": func(n int) string { return textMail(strings.Repeat(text+text+text, n)) },
		"quoted": func(n int) string {
			return textMail(strings.Repeat("> "+strings.ReplaceAll(text+text+text, "\n", "\n> "), n))
		},
		"html": func(n int) string {
			return htmlMail(strings.Repeat("<p class=MsoNormal><b>Buenos</b> días: <a href='https://x.example/y'>mi código</a> es 20251234.<br>Ya pagué.</p>\r\n", 6*n))
		},
		"header": func(n int) string {
			return "From: a@b.example\r\n" + strings.Repeat("Received: from x.example by y.example with ESMTPS id 4Z5x; Mon, 3 Mar 2025 15:31:09 +0000\r\n", n-n/100) + "\r\nHola\r\n"
		},
		"parts": func(n int) string {
			return "From: a@b.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
				strings.Repeat("--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"+text+"\r\n", n-n/100) + "--b--\r\n"
		},
	} {
		for _, n := range []int{1, 10, 100, 1000} {
			raw := []byte(make(n))
			b.Run(fmt.Sprintf("%s/%dx", name, n), func(b *testing.B) { benchUnderstand(b, raw) })
		}
	}
}

// BenchmarkWorst are messages that strain a reader: the aim is 50 ms each.
func BenchmarkWorst(b *testing.B) {
	var levels, end strings.Builder
	levels.WriteString("From: a@b.example\r\nContent-Type: multipart/mixed; boundary=b0\r\n\r\n")
	for i := range maxDepth - 1 {
		fmt.Fprintf(&levels, "--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n", i, i+1)
	}
	for i := maxDepth - 1; i >= 0; i-- {
		fmt.Fprintf(&end, "--b%d\r\nContent-Type: text/plain\r\n\r\nHola\r\n--b%d--\r\n", i, i)
	}
	for name, raw := range map[string]string{
		"signs-770kB": textMail(strings.Repeat(">", 770_000)),
		"text-770kB":  textMail(strings.Repeat("Ya pagué el recibo y no aparece.\r\n", 22_000)),
		"html-770kB":  htmlMail(strings.Repeat("<div><p style='color:red'>Ya <b>pagué</b> el recibo&nbsp;y no aparece.</p></div>\r\n", 9_000)),
		"parts-1000": "From: a@b.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
			strings.Repeat("--b\r\nContent-Type: text/plain\r\n\r\nHola\r\n", maxParts-1) + "--b--\r\n",
		"levels-20":      levels.String() + end.String(),
		"recipients-100": "From: a@b.example\r\nTo: " + strings.Repeat("=?utf-8?q?Ana_G=C3=B3mez?= <ana.gomez@example.edu.co>,\r\n ", 99) + "z@b.example\r\n\r\nHola\r\n",
	} {
		b.Run(name, func(b *testing.B) { benchUnderstand(b, []byte(raw)) })
	}
}
