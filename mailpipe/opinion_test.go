package mailpipe

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

const opinionWarning = "broken structure: read by a second reader"

// brokenNest is a message whose inner boundary stands behind something else in
// its line, so that the scan meets only its end.
func brokenNest(before string) string {
	return "From: a@example.org\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=AAA\r\n\r\n" +
		"--AAA\r\nContent-Type: multipart/mixed; boundary=BBB\r\n\r\n" +
		before + "--BBB\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nPetici=C3=B3n perdida\r\n" +
		before + "--BBB\r\nContent-Type: application/pdf; name=\"acta.pdf\"\r\nContent-Transfer-Encoding: base64\r\n" +
		"Content-Disposition: attachment; filename=\"acta.pdf\"\r\n\r\n" + base64Text([]byte(strings.Repeat("%PDF-1.4 ", 20))) +
		"--BBB\r\nContent-Type: text/plain\r\n\r\n\r\n--BBB--\r\n--AAA--\r\n"
}

func TestSecondOpinion(t *testing.T) {
	for _, before := range []string{" ", "-", "\t"} {
		raw := []byte(brokenNest(before))
		m := Understand(raw, Options{})
		if m.Text != "Petición perdida" || !slices.Contains(m.Warnings, opinionWarning) {
			t.Errorf("%q: %q, %q", before, m.Text, m.Warnings)
		}
		if got := unpacked(t, raw, m); got["acta.pdf application/pdf"] != strings.Repeat("%PDF-1.4 ", 20) {
			t.Errorf("%q: %q", before, got)
		}
	}
	early := "From: a@example.org\r\nContent-Type: multipart/mixed; boundary=AAA\r\nSubject: x\r\n--AAA--\r\n\r\n--AAA\r\n" +
		"Content-Type: text/html\r\n\r\n<p>Hola<p>Adi&oacute;s\r\n--AAA--\r\n"
	if m := Understand([]byte(early), Options{}); !strings.Contains(m.Text, "Hola") || !strings.Contains(m.Text, "Adiós") {
		t.Errorf("%q, %q", m.Text, m.Warnings)
	}
}

// What is whole, empty, large or has many parts is not shown to the second reader.
func TestSecondOpinionNotAsked(t *testing.T) {
	lost := brokenNest(" ")
	many := strings.Repeat("--CCC\r\n", maxOpinionLines)
	for name, raw := range map[string]string{
		"empty":     "From: a@example.org\r\nSubject: x\r\nContent-Type: multipart/mixed; boundary=AAA\r\n\r\n--AAA\r\n\r\n--AAA--\r\n",
		"no body":   "From: a@example.org\r\nSubject: x\r\n\r\n \r\n",
		"lines":     strings.Replace(lost, "--BBB\r\nContent-Type: text/plain\r\n", many+"--BBB\r\nContent-Type: text/plain\r\n", 1),
		"multipart": strings.Replace(lost, "Subject: x", "Subject: x\r\nX-Y: "+strings.Repeat("boundary ", 10), 1),
		"large":     strings.Replace(lost, "Subject: x", "Subject: x\r\nX-Y: y"+strings.Repeat("\r\n "+strings.Repeat("z", 60_000), 100), 1),
	} {
		m := Understand([]byte(raw), Options{})
		if slices.Contains(m.Warnings, opinionWarning) {
			t.Errorf("%s: %q", name, m.Warnings)
		}
	}
	whole := fmt.Sprintf(strings.ReplaceAll(lost, " --BBB", "%s"), "--BBB", "--BBB")
	if m := Understand([]byte(whole), Options{}); m.Text != "Petición perdida" || len(m.Attachments) != 1 || slices.Contains(m.Warnings, opinionWarning) {
		t.Errorf("%q, %+v, %q", m.Text, m.Attachments, m.Warnings)
	}
}
