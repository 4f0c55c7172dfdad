package mailpipe

import "buzon/ticket"

// attachedForward reads the message that a forward attaches instead of showing
// it (message/rfc822); nil unless there is exactly one. It looks no deeper.
func (r *reading) attachedForward() *ticket.Forwarded {
	found := -1
	for i := range r.parts {
		if p := &r.parts[i]; !p.isContainer() && p.kind == "message" && (p.sub == "rfc822" || p.sub == "global") {
			if found >= 0 {
				return nil
			}
			found = i
		}
	}
	if found < 0 {
		return nil
	}
	p := &r.parts[found]
	raw := lineFeeds(decodeTransfer(p.body.of(r.raw), p.encoding))
	s := scan(raw)
	var m ticket.Message
	readHeaders(&m, s.parts[0].header, declaredCharset(s.parts))
	if s.over != "" || m.From.IsZero() && m.Subject == "" {
		return nil
	}
	return &ticket.Forwarded{
		From: m.From, To: m.To, Cc: m.Cc, Subject: m.Subject, Date: m.Date,
		Text: withoutMarks(newReading(raw, s.parts).body()),
	}
}
