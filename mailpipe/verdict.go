package mailpipe

import (
	"net/textproto"
	"strings"

	"buzon/ticket"
)

// maxReceived is how many Received lines a message may have before it is taken
// for a loop. Real mail has fewer than 20 (RFC 5321, section 6.3 advises 100).
const maxReceived = 30

// judge decides what a message is, and whether an automatic mail may answer it.
// When in doubt it is human and gets no automatic mail: a person who waits is a
// smaller harm than a person who is lost, and a loop is worse than both.
func judge(m *ticket.Message, s *skeleton, raw []byte, opt Options) {
	head := s.parts[0].header
	m.Bounce = readBounce(m, s, raw)
	doubt := ""
	m.Kind, m.KindReason, doubt = kindOf(m, s, raw, opt)
	if m.Kind != ticket.KindBounce {
		m.Bounce = nil
	}
	if m.Kind == ticket.KindOwn {
		reason, _ := automatic(m, s, head)
		m.ByHand = reason == "" && opt.Own != nil && opt.Own(m.From.Addr) && !isOwnID(m.MessageID, opt.Hostname) &&
			head.count("received") <= maxReceived && !head.has("auto-submitted") && !head.has("x-auto-response-suppress") && !head.has("x-loop")
	}
	if m.Kind != ticket.KindHuman {
		return
	}
	if doubt == "" {
		doubt = mute(m, head)
	}
	reaction := hasLeaf(s, "text", "vnd.google.email-reaction+json")
	if doubt == "" && reaction {
		doubt = "a reaction"
	}
	if doubt != "" {
		m.KindReason += "; no automatic answer: " + doubt
	} else {
		m.AutoReplyAllowed = true
	}
	m.Courtesy = reaction || len(m.Attachments) == 0 && m.Forwarded == nil && len(m.Commands) == 0 && isCourtesy(m.ReplyText)
}

// kindOf goes from what is certain to what is likely. doubt is why a message
// that is taken for a person's might not be one.
func kindOf(m *ticket.Message, s *skeleton, raw []byte, opt Options) (kind ticket.Kind, reason, doubt string) {
	head := s.parts[0].header
	if isReject(m, s, raw) {
		return ticket.KindBounce, "automatic rejection (RFC 5429)", ""
	}
	if reason := report(m, s); reason != "" {
		return ticket.KindReport, reason, ""
	}
	switch {
	case m.Bounce != nil:
		if !isFailure(m.Bounce) {
			return ticket.KindReport, "successful delivery (RFC 3464)", ""
		}
		return ticket.KindBounce, "delivery status", ""
	case opt.Own != nil && m.From.Addr != "" && opt.Own(m.From.Addr):
		return ticket.KindOwn, "sent from one of our own addresses", ""
	case isOwnID(m.MessageID, opt.Hostname):
		return ticket.KindOwn, "its Message-ID is ours", ""
	case head.count("received") > maxReceived:
		return ticket.KindOwn, "passed through too many servers: a loop", ""
	}
	if reason := spam(head); reason != "" {
		return ticket.KindSpam, reason, ""
	}
	if reason := challenge(m, head); reason != "" {
		return ticket.KindChallenge, reason, ""
	}
	if reason, sure := automatic(m, s, head); reason != "" {
		if sure || !isPersonal(m, head) {
			return ticket.KindAutoreply, reason, ""
		}
		doubt = reason
	}
	if reason, sure := bulk(m, head); reason != "" && m.Group == "" {
		if sure || !isPersonal(m, head) {
			return ticket.KindList, reason, ""
		}
		doubt = reason
	}
	if doubt != "" {
		return ticket.KindHuman, "answers a mail and quotes it, as people do", doubt
	}
	return ticket.KindHuman, "nothing says otherwise", ""
}

func hasLeaf(s *skeleton, kind, sub string) bool {
	for i := range s.parts {
		if s.parts[i].isType(kind, sub) && !s.parts[i].isContainer() {
			return true
		}
	}
	return false
}

// isOwnID tells a Message-ID that this desk made: our token's shape at our name.
// Another desk of the same make has another name, and its mail is not ours.
func isOwnID(id, hostname string) bool {
	if hostname == "" {
		return false
	}
	_, shaped := ticket.MessageIDToken(id)
	at := strings.LastIndexByte(id, '@')
	return shaped && at >= 0 && strings.EqualFold(id[at+1:], hostname)
}

// isPersonal tells a mail that a person wrote although a header says otherwise,
// as mail programs and gateways that are set up wrongly do: it answers a mail,
// quotes it below new words, and none of these are an automaton's.
func isPersonal(m *ticket.Message, head header) bool {
	return len(m.InReplyTo) > 0 && strings.TrimSpace(m.ReplyText) != "" && m.QuotedText != "" &&
		!isRobotName(localPart(m.From.Addr)) && !isNullPath(head) && !suppresses(head.get("x-auto-response-suppress")) &&
		!containsAny(strings.ToLower(m.ReplyText), automaticTexts) && !isAbsenceSubject(m.Subject)
}

// spam tells which server on the way took the message for spam; empty: none did.
func spam(head header) string {
	for _, name := range []string{"x-spam-flag", "x-spam-status", "x-spam", "x-spam-flag2", "x-barracuda-spam-flag", "x-barracuda-spam-status",
		"x-rspamd-spam", "x-dspam-result", "x-bogosity", "x-yandex-spam-flag", "x-aol-spam-flag"} {
		switch value := strings.ToLower(head.get(name)); strings.TrimRight(token(strings.ReplaceAll(value, ",", " ")), ",;") {
		case "yes", "true", "spam":
			return textproto.CanonicalMIMEHeaderKey(name)
		}
	}
	if verdict := forefront(head.get("x-forefront-antispam-report"), "SFV"); verdict == "SPM" || verdict == "SKS" || verdict == "SKB" {
		return "X-Forefront-Antispam-Report: SFV:" + verdict
	}
	if level := strings.TrimSpace(head.get("x-ms-exchange-organization-scl")); len(level) == 1 && level >= "5" && level <= "9" {
		return "X-MS-Exchange-Organization-SCL: " + level
	}
	return ""
}

// forefront returns a value of Microsoft's report, which is made of NAME:VALUE
// pairs that end with semicolons.
func forefront(report, name string) string {
	for _, pair := range strings.Split(report, ";") {
		if key, value, ok := strings.Cut(strings.TrimSpace(pair), ":"); ok && strings.EqualFold(key, name) {
			return strings.ToUpper(strings.TrimSpace(value))
		}
	}
	return ""
}

// challenge tells mail of systems that want senders to prove themselves.
func challenge(m *ticket.Message, head header) string {
	for _, name := range []string{"x-boxtrapper", "x-tmda-confirm", "x-spamarrest-challenge", "x-challenge-response", "x-asf-challenge",
		"x-mailblocks-challenge", "x-boxbe-challenge", "x-ask-auth", "x-qconfirm", "x-uol-antispam", "x-choicemail-challenge"} {
		if head.has(name) {
			return name
		}
	}
	subject := strings.ToLower(m.Subject)
	if containsAny(subject, challengeSubjects) {
		return "asks the sender to confirm"
	}
	_, domain, _ := strings.Cut(strings.ToLower(m.From.Addr), "@")
	for _, service := range challengeServices {
		if domain == service || strings.HasSuffix(domain, "."+service) {
			return "from " + service
		}
	}
	answers := len(m.InReplyTo) > 0 || len(m.References) > 0 || isReplySubject(m.Subject)
	machine := isNullPath(head) || head.has("auto-submitted") || token(head.get("precedence")) != "" || isRobotName(localPart(m.From.Addr)) ||
		strings.Contains(localPart(m.From.Addr), "-confirm")
	if answers && machine && containsAny(strings.ToLower(cutBytes(m.Text, 4000)), challengeTexts) {
		return "asks the sender to confirm"
	}
	return ""
}

// bulk tells why a message is from a list or a newsletter; empty: it isn't. sure:
// no single person's mail carries that by mistake.
func bulk(m *ticket.Message, head header) (reason string, sure bool) {
	for i := range head {
		switch name := head[i].name; name {
		case "list-id", "list-post", "list-subscribe", "list-archive", "x-mailing-list", "mailing-list", "x-mailman-version", "x-beenthere":
			return name, true
		}
	}
	switch value := token(head.get("precedence")); value {
	case "bulk", "list", "junk":
		return "Precedence: " + value, false
	}
	for i := range head {
		switch name := head[i].name; name {
		case "list-unsubscribe", "list-help", "list-owner", "x-list", "x-campaign", "x-campaignid", "x-mailer-listid", "x-mc-user", "x-mailchimp-campaign-id":
			return name, false
		}
	}
	return "", false
}

// isNullPath tells whether the return path is empty, which redirected mail of
// people has as well.
func isNullPath(head header) bool {
	return head.has("return-path") && strings.Trim(head.get("return-path"), "<> ") == ""
}

// mute tells why a human's mail gets no automatic answer; empty: it may get one.
func mute(m *ticket.Message, head header) string {
	local, _, _ := strings.Cut(strings.ToLower(m.From.Addr), "@")
	switch {
	case !strings.Contains(m.From.Addr, "@"):
		return "no sender"
	case suppresses(head.get("x-auto-response-suppress")):
		return "X-Auto-Response-Suppress"
	case isNullPath(head):
		return "null return path"
	case isRobotName(local):
		return "sender's name is a machine's"
	case isRobotDaemon(head.get("return-path")):
		return "return path is a machine's"
	case head.has("feedback-id") || head.has("x-feedback-id"):
		return "Feedback-ID"
	case head.has("x-loop"):
		return "X-Loop"
	}
	return ""
}

func suppresses(value string) bool {
	for _, word := range strings.Split(strings.ToLower(value), ",") {
		switch strings.TrimSpace(word) {
		case "all", "oof", "autoreply":
			return true
		}
	}
	return false
}

var withoutPunctuation = strings.NewReplacer("-", "", "_", "", ".", "")

func isRobotName(local string) bool {
	local, _, _ = strings.Cut(local, "+")
	flat := withoutPunctuation.Replace(local)
	switch flat {
	case "noreply", "donotreply", "noresponder", "noresponda", "norespondas", "mailerdaemon", "postmaster", "daemon", "nobody",
		"bounce", "bounces", "mailerdemon", "autoreply", "autoresponder", "notreply", "naoresponda", "nepasrepondre", "root", "www", "wwwdata", "cron":
		return true
	}
	return strings.HasPrefix(flat, "noreply") || strings.HasPrefix(flat, "donotreply") || strings.HasPrefix(local, "bounce-") ||
		strings.HasSuffix(flat, "noreply") || strings.HasPrefix(flat, "noresponder")
}

func isRobotDaemon(returnPath string) bool {
	local, _, _ := strings.Cut(strings.ToLower(strings.Trim(returnPath, "<> ")), "@")
	return local == "mailer-daemon" || local == "postmaster"
}
