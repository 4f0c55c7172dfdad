package mailpipe

import (
	"strings"

	"buzon/ticket"
)

// report tells which of the reports that machines send to each other a message
// is; empty: none.
func report(m *ticket.Message, s *skeleton) string {
	root := &s.parts[0]
	kind := ""
	if root.isType("multipart", "report") {
		kind = strings.ToLower(root.param("report-type"))
	}
	subject := strings.ToLower(m.Subject)
	switch {
	case kind == "feedback-report" || hasLeaf(s, "message", "feedback-report"):
		return "abuse feedback (RFC 5965)"
	case kind == "disposition-notification" || hasLeaf(s, "message", "disposition-notification"):
		return "read receipt (RFC 8098)"
	case kind == "tlsrpt" || root.header.has("tls-report-domain") || hasLeaf(s, "application", "tlsrpt+gzip") || hasLeaf(s, "application", "tlsrpt+json"):
		return "TLS report (RFC 8460)"
	case isReplySubject(m.Subject) || isForwardSubject(m.Subject) || len(m.InReplyTo) > 0:
		return "" // a person sends one on, or asks about it
	case hasLeaf(s, "message", "rfc822") && (strings.HasPrefix(subject, "complaint about message from") || root.header.has("x-hmxmroriginalrecipient") ||
		strings.HasPrefix(subject, "email feedback report for ip")):
		return "abuse feedback"
	}
	if reason := fileReport(m, subject); reason != "" {
		return reason
	}
	if isReceipt(m, subject, root.header) {
		return "read receipt"
	}
	return ""
}

// fileReport goes by the names of the attached files, receiver!domain!begin!end.xml.gz
// (RFC 7489, section 7.2.1.1; RFC 8460, section 5.1), and by the subject that
// both prescribe.
func fileReport(m *ticket.Message, subject string) string {
	titled := strings.Contains(subject, "report domain:") && strings.Contains(subject, "submitter:")
	for _, a := range m.Attachments {
		name := strings.ToLower(a.Name)
		packed := strings.HasSuffix(name, ".xml.gz") || strings.HasSuffix(name, ".zip") || strings.HasSuffix(name, ".xml") || strings.HasSuffix(name, ".gz") || strings.HasSuffix(name, ".gzip")
		switch json := strings.HasSuffix(name, ".json.gz") || strings.HasSuffix(name, ".json"); {
		case json && (titled || strings.Count(name, "!") >= 3):
			return "TLS report (RFC 8460)"
		case packed && (titled || strings.Count(name, "!") >= 3):
			return "DMARC report (RFC 7489)"
		case packed && strings.Contains(localPart(m.From.Addr), "dmarc"):
			return "DMARC report"
		}
	}
	if titled && len(m.Attachments) > 0 {
		return "DMARC report (RFC 7489)"
	}
	return ""
}

// receiptSubjects begin the subjects of read receipts that came without their
// machine-readable part.
var receiptSubjects = []string{"read: ", "leído: ", "leido: ", "lido: ", "lu : ", "lu: ", "gelesen: ", "letto: ", "gelezen: ", "not read: ", "no leído: ", "sin leer: ",
	"return receipt (displayed)", "acuse de recibo (mostrado)", "confirmación de lectura", "read receipt: ", "empfangsbestätigung (angezeigt)", "accusé de réception (affiché)"}

// receiptTexts are what mail programs write into read receipts.
var receiptTexts = []string{"was read on", "was read at", "was deleted without being read", "fue leído el", "se leyó el", "se leyó en", "se ha leído el", "se eliminó sin", "this is a return receipt for the mail",
	"the message was displayed on the recipient", "este es un acuse de recibo", "no garantiza que el destinatario haya leído", "es wurde gelesen", "wurde am", "a été lu", "foi lida em", "è stato letto"}

func isReceipt(m *ticket.Message, subject string, head header) bool {
	return containsPrefix(subject, receiptSubjects) && containsAny(strings.ToLower(cutBytes(m.Text, 2000)), receiptTexts) && !head.has("list-id")
}

// isReject tells the answer of a mail store that took a mail and then refused it
// (RFC 5429, section 2.2): it has the form of a read receipt and is a bounce. The
// bounce is filled in.
func isReject(m *ticket.Message, s *skeleton, raw []byte) bool {
	for i := range s.parts {
		p := &s.parts[i]
		if p.isContainer() || !p.isType("message", "disposition-notification") {
			continue
		}
		fields := scanner{raw: decodeTransfer(p.body.of(raw), p.encoding), leaf: -1}
		h, _ := fields.readHeader(0)
		disposition := strings.ToLower(h.get("disposition"))
		if !strings.Contains(disposition, "automatic-action") || !strings.Contains(disposition, "deleted") && !strings.Contains(disposition, "denied") ||
			!containsAny(strings.ToLower(cutBytes(m.Text, 2000)), []string{"rejected", "rechazad", "refused", "quota", "could not be delivered"}) {
			return false
		}
		b := &ticket.Bounce{OriginalMessageID: readMessageID(h.get("original-message-id"))}
		if r, ok := statusRecipient(h); ok {
			b.Recipients = append(b.Recipients, r)
		}
		completeByText(b, m, s.parts[0].header, bounceText(m, s, raw))
		m.Bounce = b
		return true
	}
	return false
}

func isFailure(b *ticket.Bounce) bool {
	if len(b.Recipients) == 0 {
		return true
	}
	for _, r := range b.Recipients {
		if r.Action != "delivered" && r.Action != "relayed" && r.Action != "expanded" {
			return true
		}
	}
	return false
}
