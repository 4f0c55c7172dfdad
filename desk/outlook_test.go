package desk_test

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"testing"

	"buzon/mailpipe"
	"buzon/ticket"
)

// An agent's Outlook packs everything into a winmail.dat: the requester gets what
// is inside, and never the container.
func TestAnswerFromOutlook(t *testing.T) {
	o := open(t)
	_, confirmation, notification := o.opened()
	to := reply(notification, ana, "").to
	pdf := "%PDF-1.4\n" + strings.Repeat("contenido\x00\xff", 40)
	raw := "From: Ana <ana@privada.example>\r\nTo: " + to + "\r\nSubject: RE: Constancia\r\nMessage-ID: <o@privada.example>\r\n" +
		"Date: Tue, 24 Nov 2026 10:30:00 -0500\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=M\r\n\r\n" +
		"--M\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nAhí va.\r\n" +
		"--M\r\nContent-Type: application/ms-tnef; name=winmail.dat\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		base64.StdEncoding.EncodeToString(tnef("constancia.pdf", pdf)) + "\r\n--M--\r\n"
	out, err := o.desk.Receive(context.Background(), o.message([]byte(raw), ticket.Envelope{Account: "smtp", Recipients: []string{to}}))
	if err != nil || out.Event != ticket.EventAnswered {
		t.Fatalf("outcome %+v, %v", out, err)
	}
	answer := o.only(o.sent(), "laura@estudiantes.example")
	if len(answer.Attachments) != 1 || !strings.Contains(answer.Text, "Ahí va.") {
		t.Fatalf("files %+v, text %q", answer.Attachments, answer.Text)
	}
	got := answer.Attachments[0]
	content, err := mailpipe.DecodeAttachment([]byte(answer.raw), got)
	if err != nil || got.Name != "constancia.pdf" || got.Type != "application/pdf" || got.Packed != 0 || string(content) != pdf {
		t.Errorf("%+v: %q, %v", got, content, err)
	}

	// A mail of ours inside it holds the token of whoever it was sent to.
	inner := "From: x@virtual.example\r\nSubject: Acuse\r\n\r\n" + confirmation.raw
	raw = strings.Replace(raw, base64.StdEncoding.EncodeToString(tnef("constancia.pdf", pdf)), base64.StdEncoding.EncodeToString(tnef("acuse.eml", inner)), 1)
	raw = strings.Replace(raw, "<o@privada.example>", "<o2@privada.example>", 1)
	if _, err := o.desk.Receive(context.Background(), o.message([]byte(raw), ticket.Envelope{Account: "smtp", Recipients: []string{to}})); err != nil {
		t.Fatal(err)
	}
	if again := o.only(o.sent(), "laura@estudiantes.example"); len(again.Attachments) != 0 || !strings.Contains(again.Text, "acuse.eml") {
		t.Errorf("files %+v:\n%s", again.Attachments, again.Text)
	}
}

// tnef writes a winmail.dat with one file ([MS-OXTNEF]).
func tnef(name, content string) []byte {
	out := []byte("\x78\x9f\x3e\x22\x01\x00")
	for _, a := range []struct {
		id    uint32
		value string
	}{{0x00069002, strings.Repeat("\x00", 14)}, {0x00018010, name + "\x00"}, {0x0006800f, content}} {
		sum := uint16(0)
		for _, c := range []byte(a.value) {
			sum += uint16(c)
		}
		out = binary.LittleEndian.AppendUint32(append(out, 2), a.id)
		out = binary.LittleEndian.AppendUint32(out, uint32(len(a.value)))
		out = binary.LittleEndian.AppendUint16(append(out, a.value...), sum)
	}
	return out
}
