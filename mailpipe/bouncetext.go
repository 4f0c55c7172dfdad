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
	text := cutBytes(m.Text, maxBounceText)
	for i := range s.parts {
		p := &s.parts[i]
		if len(s.parts) > 1 && p.isType("text", "html") && strings.TrimSpace(text) == "" {
			text = cutBytes(htmlToText(string(decodeTransfer(p.body.of(raw), p.encoding)), nil), maxBounceText)
		}
	}
	for i, a := range m.Attachments { // some put their report into a file
		if i < maxReportFiles && a.Type == "text/plain" && a.Length < maxBounceText && len(text) < maxBounceText {
			if content, err := DecodeAttachment(raw, a); err == nil {
				decoded, _ := decodeCharset(content, a.Charset)
				text = cutBytes(text+"\n\n"+cleanText(decoded), maxBounceText)
			}
		}
	}
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
		bare := strings.TrimSpace(cutBytes(line, 200))
		if bare != "" && !mayBeMark(bare) { // most lines
			if line[0] != ' ' && line[0] != '\t' {
				headers = 0
			}
			pos += len(line) + 1
			rest = tail
			continue
		}
		low := lower(bare)
		if strings.HasPrefix(low, "your message reads") && pos > 0 {
			return pos
		}
		ruled := strings.HasPrefix(low, "--") || strings.HasPrefix(low, "==") || strings.HasPrefix(low, "**") || strings.HasPrefix(low, "#")
		if ruled || len(low) < 80 && (strings.HasSuffix(low, ":") || strings.HasSuffix(low, ".") || strings.HasSuffix(low, "-")) {
			if pos > 0 && returnedMarksIndex.in(low) && (ruled || returnsHeader(tail)) {
				return pos
			}
		}
		switch {
		case strings.HasPrefix(line, "  ") && !strings.HasPrefix(low, "received:"): // a header that is told about, not returned
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

// mayBeMark tells whether returnedAt has to look at a line: it is drawn, closes
// with a mark, or begins with the name of a header field.
func mayBeMark(s string) bool {
	switch s[len(s)-1] {
	case ':', '.', '-':
		return true
	}
	switch s[0] {
	case '-', '=', '*', '#', 'y', 'Y': // "Your message reads"
		return true
	}
	return strings.IndexByte(s[:min(len(s), len("mime-version:"))], ':') >= 0
}

// returnsHeader tells whether a header begins within the next lines.
func returnsHeader(text string) bool {
	for i := 0; i < 8 && text != ""; i++ {
		line, rest, _ := strings.Cut(text, "\n")
		line = strings.TrimLeft(line, "> ")
		if colon := fieldColon([]byte(line)); colon > 1 && !strings.ContainsAny(line[:colon], "@<>[]") {
			return true
		}
		text = rest
	}
	return false
}

// looksLikeBounce judges a message that carries no delivery-status part: a
// machine that delivers mail wrote it, and says that it did not.
func looksLikeBounce(m *ticket.Message, head header, text bounceBody) bool {
	if head.has("x-failed-recipients") || head.has("x-ms-exchange-message-is-ndr") || isListRefusal(m, head, text.said) {
		return true
	}
	subject := strings.ToLower(m.Subject)
	titled := bounceSubjectsIndex.in(subject)
	said, told := "", false
	if titled || isDaemon(m.From) || isMailerDaemon(m.From) || isNullPath(head) { // otherwise nobody asks
		said = strings.ToLower(cutBytes(text.said, 8000))
		told = bounceTextsIndex.in(said)
	}
	returned := text.returned != "" || hasReturned(m) || isHeaded(said)
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
	case isSystem(m.From) && titled && told && head.get("in-reply-to") == "":
		return returned || replyCode(said) != ""
	default:
		// a person who asks about a failed mail pastes all of it
		return titled && told && returned && head.get("in-reply-to") == "" && (m.From.Addr == "" || isRobotName(localPart(m.From.Addr)) ||
			strings.Contains(localPart(m.From.Addr), "smtp") || head.has("precedence") || head.has("auto-submitted"))
	}
}

// isHeaded tells whether the text, in lower case, begins with a drawn title such
// as "--- Non-Delivery Report ---".
func isHeaded(said string) bool {
	title, _, _ := strings.Cut(strings.TrimSpace(said), "\n")
	title = strings.TrimSpace(title)
	inner := strings.Trim(title, "-=*# ")
	return len(title)-len(inner) > 4 && len(inner) < 60 && containsAny(inner, bounceSubjects)
}

var (
	withoutSigns  = strings.NewReplacer(".", "", "-", "", "_", "", " ", "", `"`, "")
	withoutDashes = strings.NewReplacer("-", "", "_", "", ".", "", `\`, "")
)

// isSystem tells a sender that is the machine's administrator by name: a person
// may write under it too.
func isSystem(from ticket.Address) bool {
	for _, s := range []string{localPart(from.Addr), strings.ToLower(from.Name)} {
		switch withoutSigns.Replace(s) {
		case "systemadministrator", "administradordelsistema", "administradordesistema", "administradordosistema", "systemadministratör", "administrateursystème",
			"systemadministratorin", "amministratoredisistema", "mailadministrator", "administradordecorreo":
			return true
		}
	}
	return false
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
	switch local := withoutDashes.Replace(localPart(from.Addr)); local {
	case "mailerdaemon", "postmaster", "maildaemon", "mailer", "daemon", "mdaemon", "maildeliverysystem", "smtpd", "mailadmin", "mmdf",
		"maileradmin", "mailsystem", "mailmaster", "mailerdemon", "maildeliverysubsystem", "bounce", "bounces", "amavis", "mta":
		return true
	}
	name := strings.ToLower(from.Name)
	return containsAny(name, []string{"mail delivery s", "mailer-daemon", "mail administrator", "postmaster", "mail system", "mail daemon",
		"delivery subsystem", "mailer daemon", "internet mail delivery", "system attendant"})
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
	subject, said = strings.ToLower(subject), strings.ToLower(said)
	switch {
	case containsAny(said, givenUpWords):
		return false
	case containsAny(subject, []string{"delay", "retrasad", "retraso", "demorad", "verzöger", "atrasad", "retardé"}):
		return true
	case strings.Contains(subject, "warning:"): // some warn of what they gave up
		return containsAny(said, delayedWords) || !containsAny(subject+said, []string{"user unknown", "unknown user", "no such user"})
	}
	return !containsAny(subject, []string{"returned mail", "failure", "undeliver"}) && containsAny(said, delayedWords)
}

// isListRefusal tells the answer of a mailing list manager that did not take a
// mail: fml, Mailman, ezmlm, Majordomo, LISTSERV and their kin.
func isListRefusal(m *ticket.Message, head header, said string) bool {
	machine := head.has("x-mlserver") || head.has("x-mailman-version") || head.has("mailing-list") || head.has("x-listserver") || head.has("x-ml-name")
	local := localPart(m.From.Addr)
	machine = machine || strings.HasSuffix(local, "-bounces") || strings.HasSuffix(local, "-owner") || strings.HasPrefix(local, "listserv") ||
		strings.HasPrefix(local, "majordomo") || strings.HasPrefix(local, "owner-")
	if !machine || isReplySubject(m.Subject) || m.ListID != "" && head.has("list-post") && len(m.InReplyTo) > 0 {
		return false
	}
	low := strings.ToLower(m.Subject + "\n" + cutBytes(said, 1000))
	return containsAny(low, listRefusals) && !strings.Contains(low, "awaits moderator")
}
