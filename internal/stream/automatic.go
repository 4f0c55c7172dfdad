package stream

import (
	"fmt"
)

// automatic writes mail that no person wrote. None of it may be answered.
func (s *Stream) automatic(m *Message) {
	m.Kind = Automatic
	m.Form = pick(s, []string{"out-of-office", "bounce", "newsletter"})
	r := pick(s, s.requests)
	switch m.Form {
	case "out-of-office":
		s.outOfOffice(m, r)
	case "bounce":
		s.bounce(m, r)
	default:
		s.newsletter(m)
	}
}

// outOfOffice answers a confirmation (RFC 3834).
func (s *Stream) outOfOffice(m *Message, r *request) {
	m.MessageID = s.newID("mail." + s.Domain)
	m.From, m.To, m.Parent = r.who.addr, r.to, r.messageID
	subject, c, ok := r.subject, Confirmation{}, false
	if c, ok = s.confirmation(r.messageID); ok {
		m.To, subject = c.ReplyTo, c.Subject
	}
	h := s.header(r.who, person{"", m.To}, "Respuesta automática: "+subject, m.MessageID)
	if ok {
		field(h, "In-Reply-To", "<"+c.MessageID+">")
		field(h, "References", "<"+c.MessageID+">")
	}
	field(h, "Auto-Submitted", "auto-replied")
	field(h, "X-Auto-Response-Suppress", "All")
	m.Raw = assemble(h, s.plain("Estaré fuera de la oficina hasta el lunes y responderé a mi regreso.\n\n"+r.who.name))
}

// bounce says that a confirmation could not be delivered (RFC 3464).
func (s *Stream) bounce(m *Message, r *request) {
	daemon := person{"Mail Delivery System", "MAILER-DAEMON@mail." + s.Domain}
	m.MessageID = s.newID("mail." + s.Domain)
	m.From, m.To, m.Parent = "", r.to, r.messageID
	original, subject := "unknown."+r.messageID, r.subject
	if c, ok := s.confirmation(r.messageID); ok {
		m.To, original, subject = c.ReturnPath, c.MessageID, c.Subject
	}
	h := s.header(daemon, person{"", m.To}, "Undelivered Mail Returned to Sender", m.MessageID)
	field(h, "Auto-Submitted", "auto-replied")
	m.Raw = assemble(h, s.multipart("report", " report-type=delivery-status;",
		entity{"Content-Type: text/plain; charset=us-ascii\r\n", crlf(fmt.Sprintf(
			"This is the mail system at host mail.%s.\n\nI'm sorry to have to inform you that your message could not\nbe delivered.\n\n"+
				"<%s>: mailbox is full", s.Domain, r.who.addr))},
		entity{"Content-Type: message/delivery-status\r\n", crlf(fmt.Sprintf(
			"Reporting-MTA: dns; mail.%s\n\nFinal-Recipient: rfc822; %s\nAction: failed\nStatus: 5.2.2\n"+
				"Diagnostic-Code: smtp; 552 5.2.2 mailbox is full", s.Domain, r.who.addr))},
		entity{"Content-Type: text/rfc822-headers\r\n", crlf(fmt.Sprintf(
			"From: %s\nTo: %s\nSubject: %s\nMessage-ID: <%s>", r.to, r.who.addr, ascii(subject), original))},
	))
}

// newsletter is bulk mail (RFC 2369, RFC 2919).
func (s *Stream) newsletter(m *Message) {
	list := person{"Boletín universitario", "boletin@listas." + s.Domain}
	m.MessageID = s.newID("listas." + s.Domain)
	m.From, m.To = "boletin-bounces@listas."+s.Domain, pick(s, s.Topics)
	h := s.header(list, person{"", m.To}, "Boletín número "+fmt.Sprint(s.n), m.MessageID)
	field(h, "List-Id", "Boletin <boletin.listas."+s.Domain+">")
	field(h, "List-Unsubscribe", "<mailto:boletin-leave@listas."+s.Domain+">")
	field(h, "Precedence", "bulk")
	text := "Noticias de la semana\n\n" + pick(s, sentences) + "\n\n" + pick(s, sentences)
	m.Raw = assemble(h, s.alternative(text, "<h1>Noticias de la semana</h1><p>"+htmlText(text)+"</p>"))
}
