package stream

import (
	"fmt"
	"strings"
)

// Large makes a request with an attachment, of about so many octets in all.
func (s *Stream) Large(size int) *Message {
	s.n++
	who, to := s.someone(), pick(s, s.Topics)
	m := &Message{N: s.n, Kind: Request, Form: "plain", From: who.addr, To: to, MessageID: s.newID("mail." + s.Domain)}
	m.Text = s.paragraphs(1)
	m.Attached = size / 78 * 57 // as base64 in lines
	h := s.header(who, person{"", to}, pick(s, subjects), m.MessageID)
	m.Raw = assemble(h, s.mixed(s.plain(m.Text), s.attachment(m.Attached)))
	s.remember(&request{who: who, to: to, messageID: m.MessageID})
	return m
}

// Hard is a message that strains whoever reads it.
type Hard struct {
	Name string
	// Quarantined: no reader has to understand it.
	Quarantined bool
	// Rest is the message but for the field Message-ID, which is to come first.
	Rest string
}

// Hards are large messages, such as mail may be, and bombs, which nobody sends in
// earnest. The same every time.
func Hards() []Hard {
	const from = "From: Ana Gómez <ana@uni.test>\r\nDate: Mon, 2 Mar 2026 08:00:00 -0500\r\nSubject: Recibo\r\nMIME-Version: 1.0\r\n"
	const mixed = from + "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
	text := func(body string) string {
		return from + "To: soporte@desk.test\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + body
	}
	html := func(body string) string {
		return from + "To: soporte@desk.test\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + body
	}
	part := func(body string) string { return "--b\r\nContent-Type: text/plain\r\n\r\n" + body + "\r\n" }
	lines := strings.Repeat("QUJD", 19) + "\r\n"
	return []Hard{
		{Name: "25MB", Rest: mixed + part("Adjunto el recibo.") + "--b\r\nContent-Type: application/pdf; name=recibo.pdf\r\n" +
			"Content-Transfer-Encoding: base64\r\n\r\n" + strings.Repeat(lines, 25<<20/len(lines)) + "--b--\r\n"},
		{Name: "parts-1000", Rest: mixed + strings.Repeat(part("Hola"), 999) + "--b--\r\n"},
		{Name: "levels-20", Rest: from + nested(20, true)},
		{Name: "recipients-100", Rest: from + "To: " + strings.Repeat("=?utf-8?q?Ana_G=C3=B3mez?= <ana.gomez@uni.test>,\r\n ", 99) + "soporte@desk.test\r\n\r\nHola\r\n"},
		{Name: "signs-770kB", Rest: text(strings.Repeat(">", 770_000) + "\r\n")},
		{Name: "sign-lines-770kB", Rest: text(strings.Repeat(">\r\n", 770_000/3))},
		{Name: "text-770kB", Rest: text(strings.Repeat("Ya pagué el recibo y no aparece.\r\n", 22_000))},
		{Name: "html-770kB", Rest: html(strings.Repeat("<div><p style='color:red'>Ya <b>pagué</b> el recibo&nbsp;y no aparece.</p></div>\r\n", 9_000))},
		{Name: "bomb-levels-10000", Quarantined: true, Rest: from + nested(10_000, false)},
		{Name: "bomb-parts-500000", Quarantined: true, Rest: mixed + strings.Repeat("--b\r\n\r\nx\r\n", 500_000)},
		{Name: "bomb-header-1000000", Quarantined: true, Rest: from + strings.Repeat("X-A: b\r\n", 1_000_000) + "\r\nHola\r\n"},
		{Name: "bomb-encoded-words", Rest: "Subject: " + strings.Repeat("=?a?q?x ", 100_000) + "\r\n" + from + "\r\nHola\r\n"},
		{Name: "bomb-open-tags", Rest: html(strings.Repeat("<a href=http://x", 50_000))},
		{Name: "bomb-blockquotes", Rest: html(strings.Repeat("<blockquote>a", 60_000))},
		{Name: "bomb-attributes", Rest: html("<p" + strings.Repeat(" a=b", 200_000) + ">x")},
	}
}

// nested is a multipart in a multipart, so deep.
func nested(levels int, closed bool) string {
	var b, end strings.Builder
	b.WriteString("Content-Type: multipart/mixed; boundary=b0\r\n\r\n")
	for i := range levels - 1 {
		fmt.Fprintf(&b, "--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n", i, i+1)
	}
	if !closed {
		return b.String()
	}
	for i := levels - 1; i >= 0; i-- {
		fmt.Fprintf(&end, "--b%d\r\nContent-Type: text/plain\r\n\r\nHola\r\n--b%d--\r\n", i, i)
	}
	return b.String() + end.String()
}
