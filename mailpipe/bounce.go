package mailpipe

import (
	"bytes"
	"strings"

	"buzon/ticket"
)

const (
	maxBounced    = 200      // recipients read of one bounce
	maxBounceText = 64 << 10 // octets of text that are searched
	maxDiagnostic = 1000     // octets
)

// readBounce reads a delivery status notification (RFC 3464), or one of the
// older forms by its text. It returns nil when the message is none.
func readBounce(m *ticket.Message, s *skeleton, raw []byte) *ticket.Bounce {
	b := &ticket.Bounce{}
	isReport := false
	for i := range s.parts {
		p := &s.parts[i]
		if p.isContainer() {
			continue
		}
		switch {
		case p.isType("message", "delivery-status"), p.isType("message", "global-delivery-status"):
			isReport = true
			readStatus(b, decodeTransfer(p.body.of(raw), p.encoding))
		case p.isType("message", "rfc822"), p.isType("text", "rfc822-headers"), p.isType("message", "global"),
			p.isType("message", "rfc822-headers"), p.isType("message", "global-headers"):
			if b.OriginalMessageID == "" {
				b.OriginalMessageID = returnedID(decodeTransfer(p.body.of(raw), p.encoding))
			}
		}
	}
	root := &s.parts[0]
	if root.isType("multipart", "report") && strings.EqualFold(root.param("report-type"), "delivery-status") {
		isReport = true
	}
	text := bounceText(m, s, raw)
	if !isReport && !looksLikeBounce(m, root.header, text) {
		return nil
	}
	completeByText(b, m, root.header, text)
	return b
}

// readStatus reads the fields of a delivery-status part: a group for the message,
// and one for each recipient, divided by empty lines (RFC 3464, section 2).
func readStatus(b *ticket.Bounce, body []byte) {
	s := scanner{raw: append(bytes.TrimLeft(body, "\r\n \t"), '\n'), leaf: -1}
	for pos := 0; pos < len(s.raw) && len(b.Recipients) < maxBounced; {
		h, next := s.readHeader(pos)
		if next <= pos {
			_, next = lineAt(s.raw, pos) // not a field: passed over
		}
		pos = next
		if r, ok := statusRecipient(h); ok {
			b.Recipients = append(b.Recipients, r)
		}
	}
}

func statusRecipient(h header) (ticket.BouncedRecipient, bool) {
	r := ticket.BouncedRecipient{
		Address:    statusAddress(h.get("final-recipient")),
		Action:     token(h.get("action")),
		Status:     findStatus(h.get("status")),
		Diagnostic: statusDiagnostic(h.get("diagnostic-code")),
	}
	original := statusAddress(h.get("original-recipient"))
	if r.Address == "" || !strings.Contains(r.Address, "@") && strings.Contains(original, "@") {
		r.Address = original
	}
	if r.Address == "" {
		r.Address = statusAddress(h.get("x-actual-recipient"))
	}
	switch r.Action {
	case "failure", "fail", "error", "undeliverable":
		r.Action = "failed"
	case "delay":
		r.Action = "delayed"
	}
	return r, r.Address != "" || r.Action != "" || r.Diagnostic != "" && r.Status != ""
}

// statusAddress reads "rfc822; user@host" (RFC 3464, section 2.3.1).
func statusAddress(value string) string {
	if kind, rest, ok := strings.Cut(value, ";"); ok && !strings.Contains(kind, "@") {
		value = rest
	}
	if list := parseAddresses(strings.TrimSpace(value)); len(list) > 0 {
		return list[0].Addr
	}
	return ""
}

func statusDiagnostic(value string) string {
	kind, rest, ok := strings.Cut(value, ";")
	if ok && len(kind) < 20 && !strings.ContainsAny(strings.TrimSpace(kind), " 0123456789") {
		value = rest
	}
	return cleanLine(decodeWords(value), maxDiagnostic)
}

// findStatus returns the first enhanced status code in s (RFC 3463): class 2, 4
// or 5, subject, detail.
func findStatus(s string) string {
	for i := 0; i+4 < len(s); i++ {
		if s[i+1] != '.' || s[i] != '5' && s[i] != '4' && s[i] != '2' ||
			i > 0 && (isDigit(s[i-1]) || s[i-1] == '.' || s[i-1] == '-' || s[i-1] == '/') {
			continue
		}
		j := digits(s, i+2)
		if j == i+2 || j > i+5 || j >= len(s) || s[j] != '.' {
			continue
		}
		k := digits(s, j+1)
		if k == j+1 || k > j+4 || k+1 < len(s) && s[k] == '.' && isDigit(s[k+1]) {
			continue
		}
		return s[i:k]
	}
	return ""
}

func digits(s string, i int) int {
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	return i
}

// returnedID finds the Message-ID in a returned message or its header.
func returnedID(body []byte) string {
	s := scanner{raw: body, leaf: -1}
	h, _ := s.readHeader(skipEnvelopeLine(body))
	return readMessageID(h.get("message-id"))
}
