package mailpipe

import (
	"bytes"
	"slices"
	"strings"

	"buzon/ticket"
)

const (
	maxBounced    = 200      // recipients read of one bounce
	maxBounceText = 64 << 10 // octets of text that are searched
	maxDiagnostic = 1000     // octets

	maxReportFiles = 4 // attached texts that are searched as well
)

// readBounce reads a delivery status notification (RFC 3464), a notice of Amazon
// SES, or one of the older forms by its text. It returns nil when the message is
// none.
func readBounce(m *ticket.Message, s *skeleton, raw []byte) *ticket.Bounce {
	if b := readNotice(m, s.parts[0].header); b != nil {
		return b
	}
	b := &ticket.Bounce{}
	isReport := readReport(b, s, raw)
	root := &s.parts[0]
	if root.isType("multipart", "report") && strings.EqualFold(root.param("report-type"), "delivery-status") {
		isReport = true
	}
	text := bounceText(m, s, raw)
	if !isReport && !looksLikeBounce(m, root.header, text) {
		return nil
	}
	if len(b.Recipients) == 0 {
		readInnerReport(b, s, raw)
	}
	completeByText(b, m, root.header, text)
	return b
}

// readReport reads the parts of a message that machines are to read, and tells
// whether there was a delivery status.
func readReport(b *ticket.Bounce, s *skeleton, raw []byte) bool {
	isReport := false
	for i := range s.parts {
		p := &s.parts[i]
		if p.isContainer() {
			continue
		}
		switch {
		case p.isType("message", "delivery-status"), p.isType("message", "global-delivery-status"), p.isType("message", "feedback-status"):
			isReport = true
			readStatus(b, decodeTransfer(p.body.of(raw), p.encoding))
		case isReturned(p):
			if b.OriginalMessageID == "" {
				b.OriginalMessageID = returnedID(decodeTransfer(p.body.of(raw), p.encoding))
			}
		}
	}
	return isReport
}

// isReturned tells a part that holds the returned message or its header.
func isReturned(p *part) bool {
	return p.isType("message", "rfc822") || p.isType("text", "rfc822-headers") || p.isType("message", "global") ||
		p.isType("message", "rfc822-headers") || p.isType("message", "global-headers")
}

// readInnerReport looks into the attached message of a bounce that says nothing
// itself: some gateways wrap the bounce of another server in one of their own.
func readInnerReport(b *ticket.Bounce, s *skeleton, raw []byte) {
	for i := range s.parts {
		if p := &s.parts[i]; !p.isContainer() && p.isType("message", "rfc822") {
			body := decodeTransfer(p.body.of(raw), p.encoding)
			inner := scan(body)
			found := ticket.Bounce{}
			if inner.over == "" && inner.parts[0].isType("multipart", "report") && readReport(&found, &inner, body) && len(found.Recipients) > 0 {
				*b = found
			}
			return
		}
	}
}

// readStatus reads the fields of a delivery-status part: a group for the message,
// and one for each recipient, divided by empty lines (RFC 3464, section 2).
func readStatus(b *ticket.Bounce, body []byte) {
	// Clipped, because what follows the part in the message is not to be written to.
	s := scanner{raw: append(slices.Clip(bytes.TrimLeft(body, "\r\n \t")), '\n'), leaf: -1}
	for pos := 0; pos < len(s.raw) && len(b.Recipients) < maxBounced; {
		h, next := s.readHeader(pos)
		if next <= pos {
			_, next = lineAt(s.raw, pos) // not a field: passed over
		}
		pos = next
		for len(h) > 0 && len(b.Recipients) < maxBounced {
			group := statusGroup(h)
			if r, ok := statusRecipient(h[:group]); ok {
				b.Recipients = append(b.Recipients, r)
			}
			h = h[group:]
		}
	}
}

// statusGroup counts the fields of the first recipient in a group of fields; some
// servers leave out the empty line before the next recipient.
func statusGroup(h header) int {
	final, original := false, false
	for i := range h {
		switch h[i].name {
		case "final-recipient":
			if final {
				return i
			}
			final = true
		case "original-recipient":
			if final && original {
				return i
			}
			original = true
		}
	}
	return len(h)
}

func statusRecipient(h header) (ticket.BouncedRecipient, bool) {
	r := ticket.BouncedRecipient{
		Address:    statusAddress(h.get("final-recipient")),
		Action:     statusAction(h.get("action")),
		Status:     findStatus(h.get("status")),
		Diagnostic: statusDiagnostic(h.get("diagnostic-code")),
	}
	for _, other := range []string{"original-recipient", "x-actual-recipient"} {
		if addr := statusAddress(h.get(other)); r.Address == "" || !isQualified(r.Address) && isQualified(addr) {
			r.Address = addr // the final one is known to the reporting server only
		}
	}
	return r, r.Address != "" || r.Action != "" || r.Diagnostic != "" && r.Status != ""
}

// isQualified tells an address with a whole domain name, as mail is sent to.
func isQualified(addr string) bool {
	_, domain, ok := strings.Cut(addr, "@")
	return ok && strings.Contains(domain, ".")
}

// statusAction reads an Action field (RFC 3464, section 2.3.3), also in words
// that are not the standard's.
func statusAction(value string) string {
	switch action := token(value); action {
	case "failure", "fail", "error", "undeliverable", "hard-fail", "bounced", "rejected", "expired":
		return "failed"
	case "delay", "deferred", "soft-fail", "transient":
		return "delayed"
	default:
		return action
	}
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
	code, _ := nextStatus(s)
	return code
}

// nextStatus also returns where the code ends.
func nextStatus(s string) (code string, end int) {
	for i := 0; i+4 < len(s); i++ {
		if s[i+1] != '.' || s[i] != '5' && s[i] != '4' && s[i] != '2' ||
			i > 0 && (isDigit(s[i-1]) || s[i-1] == '.' || s[i-1] == '-' && (i == 1 || !isDigit(s[i-2])) || s[i-1] == '/' || s[i-1] == '@') {
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
		return s[i:k], k
	}
	return "", len(s)
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
