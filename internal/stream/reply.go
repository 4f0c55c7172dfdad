package stream

import (
	"fmt"
	"html"
	"strings"
)

// reply writes what the requester of an earlier request adds to it: by Reply on
// the confirmation, or on their own sent mail while there is none.
func (s *Stream) reply(m *Message, r *request) {
	id := s.newID("mail." + s.Domain)
	text := pick(s, followUps)
	if s.rng.IntN(2) == 0 {
		text += "\n\n" + pick(s, sentences)
	}
	text += fmt.Sprintf("\n\nReferencia %d.", s.n)
	m.Kind, m.From, m.To, m.MessageID, m.Text, m.Parent = Reply, r.who.addr, r.to, id, text, r.messageID
	m.Form = pick(s, []string{"gmail", "outlook"})

	subject, parent := r.subject, r.messageID
	references := "<" + r.messageID + ">"
	quote := "Mensaje anterior"
	author := r.who
	if c, ok := s.confirmation(r.messageID); ok {
		m.To, subject, parent, quote = c.ReplyTo, c.Subject, c.MessageID, lf(c.Text)
		author = person{"Mesa de ayuda", c.ReplyTo}
		references += " <" + c.MessageID + ">"
	}
	h := s.header(r.who, person{"", m.To}, "Re: "+subject, id)
	field(h, "In-Reply-To", "<"+parent+">")
	field(h, "References", references)
	write := s.gmail
	if m.Form == "outlook" {
		write = s.outlook
	}
	m.Raw = assemble(h, write(text, quote, subject, author, r.who))
}

func (s *Stream) confirmation(messageID string) (Confirmation, bool) {
	if s.Confirmation == nil {
		return Confirmation{}, false
	}
	return s.Confirmation(messageID)
}

// gmail quotes below an attribution line.
func (s *Stream) gmail(text, quote, _ string, author, _ person) entity {
	attribution := fmt.Sprintf("El %s, %s (<%s>) escribió:", s.date().Format("2/1/2006 a las 15:04"), author.name, author.addr)
	lines := strings.Split(strings.TrimRight(quote, "\r\n"), "\n")
	plain := text + "\n\n" + attribution + "\n\n> " + strings.Join(lines, "\n> ")
	return s.alternative(plain, fmt.Sprintf(
		`<div dir="ltr">%s</div><br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">%s<br></div>`+
			`<blockquote class="gmail_quote" style="margin:0px 0px 0px 0.8ex;border-left:1px solid rgb(204,204,204);padding-left:1ex">%s</blockquote></div>`,
		htmlText(text), html.EscapeString(attribution), htmlText(quote)))
}

// outlook quotes the whole mail below a block of its header fields.
func (s *Stream) outlook(text, quote, subject string, author, who person) entity {
	block := []string{
		fmt.Sprintf("De: %s <%s>", author.name, author.addr),
		"Enviado: " + s.date().Format("2 de 01 de 2006 15:04"),
		fmt.Sprintf("Para: %s <%s>", who.name, who.addr),
		"Asunto: " + subject,
	}
	plain := text + "\n\n________________________________\n" + strings.Join(block, "\n") + "\n\n" + quote
	var fields strings.Builder
	for _, line := range block {
		label, value, _ := strings.Cut(line, ": ")
		fmt.Fprintf(&fields, "<b>%s:</b> %s<br>", label, html.EscapeString(value))
	}
	return s.alternative(plain, fmt.Sprintf(
		`<div class="elementToProof">%s</div><div id="appendonsend"></div><hr style="display:inline-block;width:98%%" tabindex="-1">`+
			`<div id="divRplyFwdMsg" dir="ltr"><font face="Calibri, sans-serif">%s</font></div><div>%s</div>`,
		htmlText(text), fields.String(), htmlText(quote)))
}
