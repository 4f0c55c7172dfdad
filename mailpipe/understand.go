package mailpipe

import (
	"bytes"
	"fmt"
	"strings"

	"buzon/ticket"
)

// Options of Understand.
type Options struct {
	// Own tells whether an address is one of the desk's own; nil: none is.
	Own func(addr string) bool
	// Footers are lines, or how lines begin, with which the institution's texts
	// below every mail begin: from there on it is signature. Case has no weight.
	Footers []string
	// Learned tells whether a paragraph, given as its digest, ends so many mails
	// of a domain that it is a footer and counts as signature; nil: none does.
	Learned func(domain, digest string) bool
	// Group tells whether an address is a group (a Google Group, a mailing list)
	// that feeds the desk; nil: none is.
	Group func(addr string) bool
	// Hostname is the desk's name in its Message-IDs; empty: not known.
	Hostname string
}

// Understand reads a message. It never fails: what breaks it or exceeds a budget
// comes back with Quarantine set and whatever could be read. It fills in all of
// the message but what its arrival says: ID, Envelope, Archive, SHA256, Size.
//
// It is safe for concurrent use, keeps nothing of raw, and takes time linear in
// its length.
func Understand(raw []byte, opt Options) (m *ticket.Message) {
	m = &ticket.Message{Kind: ticket.KindHuman}
	defer func() {
		if cause := recover(); cause != nil {
			m.Quarantine = fmt.Sprintf("%s: %v", quarantineBroken, cause)
			m.AutoReplyAllowed = false
			sealIdentity(m, raw)
		}
	}()
	raw = lineFeeds(raw)
	s := scan(raw)
	head := s.parts[0].header
	charset := declaredCharset(s.parts)
	readHeaders(m, head, charset)
	if s.over != "" {
		m.Quarantine, m.KindReason = s.over, "not understood"
		sealIdentity(m, raw)
		return m
	}
	if len(head) == 0 {
		m.Warnings = append(m.Warnings, "no header")
	}
	// gofail: var insideParsing struct{}
	readGroup(m, head, opt)
	r := newReading(raw, s.parts)
	body := r.body()
	if strings.TrimSpace(body) == "" && len(r.attachments) == 0 {
		body = r.secondOpinion()
	}
	m.Attachments = r.attachments
	m.Warnings = append(m.Warnings, r.warnings...)

	hints := replyHints{
		reply:   len(m.InReplyTo) > 0 || len(m.References) > 0 || isReplySubject(m.Subject),
		forward: isForwardSubject(m.Subject),
		footers: footerLines(opt.Footers),
	}
	if domain := ticket.Domain(m.From.Addr); opt.Learned != nil && domain != "" {
		hints.learned = func(digest string) bool { return opt.Learned(domain, digest) }
	}
	cut := cutReply(body, hints)
	m.Text = strings.Trim(withoutMarks(body), "\n")
	m.ReplyText, m.QuotedText, m.Signature, m.Forwarded = cut.reply, cut.quoted, cut.signature, cut.forwarded
	m.Ending = cut.ending
	if m.Forwarded == nil && (isForwardSubject(m.Subject) || m.Text == "") {
		m.Forwarded = r.attachedForward()
	}
	if f := m.Forwarded; f != nil && f.Subject == "" && isForwardSubject(m.Subject) {
		_, after, _ := strings.Cut(m.Subject, ":")
		f.Subject = strings.TrimSpace(after)
	}
	m.Language = guessLanguage(m.ReplyText)
	m.Separators = ticket.SeparatorTokens(m.Text)
	m.Commands, _ = ticket.SplitCommands(m.ReplyText)
	judge(m, &s, raw, opt)
	if m.Kind == ticket.KindBounce || m.Kind == ticket.KindReport {
		// the returned message in a machine's text is nobody's quote or forward
		m.ReplyText, m.QuotedText, m.Signature, m.Forwarded, m.Commands = m.Text, "", "", nil, nil
	}
	if head.count("from") > 1 || severalSenders(head, charset) {
		m.Quarantine = quarantineTwoFrom + ": which of them wrote it can't be known"
		m.AutoReplyAllowed = false
	}
	m.IdentityKey, m.VariantKey = identity(m, raw, s.parts)
	return m
}

// lineFeeds makes line feeds of the carriage returns of a message that has no
// other line ends, as old Macintosh files have; one line feed at the very end,
// which an editor or a transport added, is no other. Offsets stay the same.
func lineFeeds(raw []byte) []byte {
	text := bytes.TrimSuffix(raw, []byte{'\n'})
	if bytes.IndexByte(text, '\n') >= 0 || bytes.IndexByte(bytes.TrimSuffix(text, []byte{'\r'}), '\r') < 0 {
		return raw
	}
	return bytes.ReplaceAll(raw, []byte{'\r'}, []byte{'\n'})
}
