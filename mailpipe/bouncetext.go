package mailpipe

import (
	"strings"

	"buzon/ticket"
)

// bounceBody is the text of a bounce, divided where the returned message begins.
type bounceBody struct {
	said     string // what the server says
	returned string // the returned message or its header, as text
}

// bounceText gathers the readable text of a bounce.
func bounceText(m *ticket.Message, s *skeleton, raw []byte) bounceBody {
	text := m.Text
	for i := range s.parts {
		p := &s.parts[i]
		if len(s.parts) > 1 && p.isType("text", "html") && strings.TrimSpace(text) == "" {
			text += "\n" + htmlToText(string(decodeTransfer(p.body.of(raw), p.encoding)), nil)
		}
	}
	text = cutBytes(text, maxBounceText)
	if at := returnedAt(text); at >= 0 {
		return bounceBody{text[:at], text[at:]}
	}
	return bounceBody{said: text}
}

// returnedAt finds where the returned message begins; -1: nowhere.
func returnedAt(text string) int {
	pos := 0
	headers := 0
	start := 0
	for rest := text; rest != ""; {
		line, tail, _ := strings.Cut(rest, "\n")
		low := strings.ToLower(strings.TrimSpace(cutBytes(line, 200)))
		ruled := strings.HasPrefix(low, "--") || strings.HasPrefix(low, "==") || strings.HasPrefix(low, "**") || strings.HasPrefix(low, "#")
		if ruled || strings.HasSuffix(low, ":") || strings.HasSuffix(low, ".") || strings.HasSuffix(low, "-") {
			for _, mark := range returnedMarks {
				if strings.Contains(low, mark) && (ruled || len(low) < 80) && pos > 0 && returnsHeader(tail) {
					return pos
				}
			}
		}
		switch {
		case strings.HasPrefix(low, "received:"), strings.HasPrefix(low, "return-path:"), strings.HasPrefix(low, "message-id:"):
			if headers == 0 {
				start = pos
			}
			if !strings.HasPrefix(low, "received: from reporting") {
				return start
			}
		case strings.HasPrefix(low, "from:"), strings.HasPrefix(low, "to:"), strings.HasPrefix(low, "subject:"),
			strings.HasPrefix(low, "date:"), strings.HasPrefix(low, "mime-version:"), strings.HasPrefix(low, "x-mailer:"):
			if headers++; headers == 1 {
				start = pos
			}
		case low == "" || strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t"):
		default:
			headers = 0
		}
		pos += len(line) + 1
		rest = tail
	}
	return -1
}

// returnsHeader tells whether a header begins within the next lines.
func returnsHeader(text string) bool {
	for i := 0; i < 8 && text != ""; i++ {
		line, rest, _ := strings.Cut(text, "\n")
		if fieldColon([]byte(strings.TrimLeft(line, "> "))) > 0 {
			return true
		}
		text = rest
	}
	return false
}

// looksLikeBounce judges a message that carries no delivery-status part: a
// machine that delivers mail wrote it, and says that it did not.
func looksLikeBounce(m *ticket.Message, head header, text bounceBody) bool {
	if head.has("x-failed-recipients") {
		return true
	}
	subject := strings.ToLower(m.Subject)
	said := strings.ToLower(cutBytes(text.said, 8000))
	titled := containsAny(subject, bounceSubjects)
	told := containsAny(said, bounceTexts)
	returned := text.returned != "" || hasReturned(m)
	switch {
	case isMailerDaemon(m.From):
		return titled || told || returned || len(leadingAddresses(text.said)) > 0
	case isForwardSubject(m.Subject) || isReplySubject(m.Subject):
		return false
	case isDaemon(m.From):
		return titled || told && (returned || isNullPath(head) || replyCode(said) != "")
	case isNullPath(head): // redirected mail of people has that too
		code := findStatus(text.said) != "" || replyCode(said) != ""
		return told && (titled && (returned || code) || returned && (code || isRobotName(localPart(m.From.Addr))))
	default:
		// a person who asks about a failed mail pastes all of it
		return titled && told && returned && head.get("in-reply-to") == "" && (m.From.Addr == "" || isRobotName(localPart(m.From.Addr)) ||
			strings.Contains(localPart(m.From.Addr), "smtp") || head.has("precedence") || head.has("auto-submitted"))
	}
}

// isMailerDaemon tells a sender that no person uses.
func isMailerDaemon(from ticket.Address) bool {
	local := localPart(from.Addr)
	return local == "mailer-daemon" || local == "mailerdaemon" || local == "mailer_daemon" || local == "maildaemon" || local == "mail-daemon"
}

func hasReturned(m *ticket.Message) bool {
	for _, a := range m.Attachments {
		if a.Type == "message/rfc822" || a.Type == "text/rfc822-headers" {
			return true
		}
	}
	return false
}

func containsAny(s string, phrases []string) bool {
	for _, p := range phrases {
		if strings.Contains(s, p) {
			return true
		}
	}
	return false
}

func localPart(addr string) string {
	local, _, _ := strings.Cut(strings.ToLower(addr), "@")
	return local
}

// isDaemon tells senders that deliver mail.
func isDaemon(from ticket.Address) bool {
	switch local := strings.NewReplacer("-", "", "_", "", ".", "", `\`, "").Replace(localPart(from.Addr)); local {
	case "mailerdaemon", "postmaster", "maildaemon", "mailer", "daemon", "mdaemon", "maildeliverysystem", "smtpd", "mailadmin", "mmdf",
		"maileradmin", "mailsystem", "mailmaster", "mailerdemon", "maildeliverysubsystem", "bounce", "bounces", "amavis", "mta":
		return true
	}
	name := strings.ToLower(from.Name)
	return containsAny(name, []string{"mail delivery s", "mailer-daemon", "mail administrator", "postmaster", "mail system", "mail daemon",
		"delivery subsystem", "mailer daemon", "internet mail delivery", "system attendant"})
}

// completeByText fills in what the delivery-status part did not say, from the
// words of the server.
func completeByText(b *ticket.Bounce, m *ticket.Message, head header, text bounceBody) {
	if b.OriginalMessageID == "" {
		b.OriginalMessageID = textMessageID(text.returned)
	}
	if b.OriginalMessageID == "" {
		b.OriginalMessageID = textMessageID(text.said)
	}
	delayed := saysDelayed(m.Subject, text.said)
	if len(b.Recipients) == 0 {
		if strings.Contains(strings.ToLower(text.said), "final-recipient:") {
			lines := strings.ToLower(text.said)
			at := strings.Index(lines, "reporting-mta:")
			if at < 0 {
				at = strings.Index(lines, "final-recipient:")
			}
			readStatus(b, []byte(text.said[at:]))
		}
	}
	if !anyRecipient(b) {
		b.Recipients = recipientsByText(m, head, text)
	}
	for i := range b.Recipients {
		r := &b.Recipients[i]
		said := r.Diagnostic
		if said == "" && (len(b.Recipients) == 1 || strings.Contains(strings.ToLower(text.said), strings.ToLower(r.Address))) {
			said = wordsAbout(text.said, r.Address)
			r.Diagnostic = cleanLine(said, maxDiagnostic)
		}
		// the code of the server that refused says more than that of the one that reports
		if code := findStatus(said); code != "" && (r.Status == "" || code[0] == r.Status[0] && !strings.HasSuffix(code, ".0.0")) {
			r.Status = code
		}
		if r.Status == "" {
			r.Status = statusByWords(said, delayed || r.Action == "delayed")
			if about := wordsAbout(text.said, r.Address); strings.HasSuffix(r.Status, ".0.0") && about != said {
				r.Status = statusByWords(about, delayed || r.Action == "delayed")
			}
		}
		if r.Action == "" {
			r.Action = "failed"
			if delayed {
				r.Action = "delayed"
			}
		}
	}
}

func anyRecipient(b *ticket.Bounce) bool {
	for _, r := range b.Recipients {
		if r.Address != "" {
			return true
		}
	}
	return false
}

func textMessageID(text string) string {
	low := strings.ToLower(text)
	if i := strings.Index(low, "message-id:"); i >= 0 && len(low) == len(text) {
		line, _, _ := strings.Cut(strings.TrimLeft(text[i+len("message-id:"):], " \t\n"), "\n")
		return readMessageID(line)
	}
	return ""
}

// saysDelayed tells a warning, after which the server tries on.
func saysDelayed(subject, said string) bool {
	return containsAny(strings.ToLower(subject), []string{"delay", "warning:", "retrasad", "retraso", "verzöger", "deferred"}) ||
		containsAny(strings.ToLower(said), []string{"will be retried", "will keep trying", "still trying", "will continue to try", "do not need to resend",
			"delivery is delayed", "has been delayed", "not yet been delivered", "delivery attempts will continue", "seguirá intentando", "temporarily"}) &&
			!containsAny(strings.ToLower(said), []string{"permanent", "giving up", "gave up", "given up"})
}

// recipientsByText finds the addresses that a bounce is about.
func recipientsByText(m *ticket.Message, head header, text bounceBody) []ticket.BouncedRecipient {
	ours := map[string]bool{m.From.Key(): true, ticket.AddressKey(strings.Trim(head.get("return-path"), "<>")): true}
	for _, a := range m.To {
		ours[a.Key()] = true
	}
	var found []ticket.BouncedRecipient
	seen := make(map[string]bool)
	add := func(addr string) {
		addr = cleanAddr(addr)
		key := ticket.AddressKey(addr)
		if !strings.Contains(addr, "@") || seen[key] || ours[key] || len(found) >= maxBounced {
			return
		}
		if local := localPart(addr); local == "postmaster" || local == "mailer-daemon" {
			return
		}
		seen[key] = true
		found = append(found, ticket.BouncedRecipient{Address: addr})
	}
	for _, a := range parseAddresses(head.get("x-failed-recipients")) {
		add(a.Addr)
	}
	finders := []func(string) []string{leadingAddresses, announcedAddresses, labelledAddresses, commandAddresses, allAddresses}
	for _, find := range finders {
		if len(found) > 0 {
			return found
		}
		for _, addr := range find(text.said) {
			add(addr)
		}
	}
	if len(found) == 0 { // the returned message says to whom it was sent
		s := scanner{raw: []byte(text.returned), leaf: -1}
		_, pos := lineAt(s.raw, 0)
		for tries := 0; tries < 4 && pos < len(s.raw); tries++ {
			h, next := s.readHeader(pos)
			for _, a := range h.addresses("to") {
				add(a.Addr)
			}
			if next <= pos {
				_, next = lineAt(s.raw, pos)
			}
			pos = next
		}
	}
	if len(found) == 0 {
		found = append(found, ticket.BouncedRecipient{})
	}
	return found
}

// leadingAddresses are the ones that stand first on their line, alone or before
// what is said about them.
func leadingAddresses(text string) []string {
	var list []string
	for _, line := range strings.Split(text, "\n") {
		line = strings.Trim(cutBytes(line, maxMarker), " \t*-•\"'")
		first, rest := line, ""
		if i := strings.IndexAny(line, " \t,;("); i > 0 {
			first, rest = line[:i], line[i:]
		}
		trimmed := strings.TrimRight(first, ":.,;")
		if (strings.HasPrefix(trimmed, "<") && strings.HasSuffix(trimmed, ">") || strings.HasSuffix(first, ":") || rest == "" ||
			strings.ContainsAny(rest[:1], ",;(") || strings.HasPrefix(strings.TrimSpace(rest), "(") || strings.HasPrefix(strings.TrimSpace(rest), ":") ||
			strings.HasPrefix(strings.TrimSpace(rest), "-")) && isAddress(trimmed) {
			list = append(list, trimmed)
			continue
		}
		if i := strings.Index(trimmed, "<mailto:"); i > 0 && isAddress(trimmed[:i]) {
			list = append(list, trimmed[:i])
		}
	}
	return list
}

// announcedAddresses stand in the lines below "the following recipients".
func announcedAddresses(text string) []string {
	var list []string
	announced := 0
	for _, line := range strings.Split(text, "\n") {
		low := strings.ToLower(cutBytes(line, maxMarker))
		switch {
		case containsAny(low, []string{"following recipient", "following address", "following user", "siguientes destinatarios", "siguiente destinatario",
			"siguientes direcciones", "folgenden empfänger", "destinataires suivants", "seguintes destinatários"}):
			announced = 4
		case announced > 0 && strings.TrimSpace(low) != "":
			announced--
			if addr := firstAddress(line); addr != "" {
				list = append(list, addr)
				announced = max(announced, 1)
			}
		}
	}
	return list
}

// labelledAddresses stand behind "To:" and its kin.
func labelledAddresses(text string) []string {
	var list []string
	for _, line := range strings.Split(text, "\n") {
		line = strings.Trim(cutBytes(line, maxMarker), " \t*-•\"'")
		for _, label := range []string{"to:", "recipient:", "user:", "address:", "recipient address:", "para:", "failed recipient:",
			"invalid address:", "rcpt to:", "mailbox:", "destinatario:"} {
			if len(line) > len(label) && strings.EqualFold(line[:len(label)], label) {
				list = append(list, firstAddress(line))
			}
		}
	}
	return list
}

// commandAddresses are the ones in what servers said to each other.
func commandAddresses(text string) []string {
	var list []string
	for _, line := range strings.Split(text, "\n") {
		low := strings.ToLower(cutBytes(line, 2*maxMarker))
		if len(low) > len(line) {
			continue
		}
		if i := strings.Index(low, "rcpt to:"); i >= 0 {
			list = append(list, firstAddress(line[i+8:]))
			continue
		}
		if replyCode(low) != "" && strings.Contains(low, "<") {
			list = append(list, firstAddress(line))
			continue
		}
		for _, lead := range []string{"recipient", "address", "mailbox", "deliver", "destinatario", "entregar", "entregó", "dirección", "buzón", "user "} {
			if strings.Contains(low, lead) {
				list = append(list, firstAddress(line))
				break
			}
		}
	}
	return list
}

func allAddresses(text string) []string {
	var list []string
	for _, word := range strings.FieldsFunc(text, isAddressBreak) {
		if isAddress(strings.TrimRight(word, ".:")) {
			list = append(list, strings.TrimRight(word, ".:"))
		}
	}
	return list
}

func isAddressBreak(r rune) bool { return r <= ' ' || strings.ContainsRune("<>()[],;\"'=:", r) }

func firstAddress(s string) string {
	if list := allAddresses(cutBytes(s, 2*maxMarker)); len(list) > 0 {
		return list[0]
	}
	return ""
}

func isAddress(s string) bool {
	s = strings.Trim(s, "<>")
	at := strings.LastIndexByte(s, '@')
	return at > 0 && at < len(s)-2 && len(s) <= maxAddrBytes && !strings.ContainsAny(s, " \t<>()\"") && strings.IndexByte(s[at:], ':') < 0 &&
		!strings.HasPrefix(s, "mailto:") && strings.Count(s, "@") == 1
}

// wordsAbout is what a bounce says about an address: from its first mention to
// the next empty line but one; without a mention, all it says.
func wordsAbout(said, addr string) string {
	at := -1
	if addr != "" {
		at = strings.Index(strings.ToLower(said), strings.ToLower(addr))
	}
	if at < 0 || at > len(said) {
		return cutBytes(said, 4*maxDiagnostic)
	}
	return strings.ToValidUTF8(cutBytes(said[at:], 2*maxDiagnostic), "")
}
