package mailpipe

import "strings"

// serverReply is an SMTP reply of an error in the text of a bounce (RFC 5321,
// section 4.2), with the enhanced status code that follows it (RFC 2034).
type serverReply struct {
	code   string // three digits, class 4 or 5
	status string // empty: none was written
	quoted bool   // stands in brackets: what another server had said
	sure   bool   // stands where replies stand, not in the middle of a sentence
	at     int    // offset in the text
}

// maxReplies are the replies read of one text; servers say the rest again.
const maxReplies = 32

// replyWords stand before a reply in a sentence.
var replyWords = []string{"said", "error", "code", "response", "reply", "reason", "status", "smtp", "with", "returned", "responded",
	"message", "was", "code is", "error_code", "server", "dijo", "respondió", "código", "devolvió"}

// serverReplies finds the replies of errors in a text, in its order.
func serverReplies(s string) []serverReply {
	var list []serverReply
	for i := 0; i+3 <= len(s) && len(list) < maxReplies; i++ {
		if !isReplyCode(s, i) {
			continue
		}
		r := serverReply{code: s[i : i+3], status: statusAfter(s, i+3), at: i}
		before := strings.TrimRight(s[max(0, i-24):i], " \t")
		r.quoted = strings.HasSuffix(before, "<") || strings.HasSuffix(before, "(") || strings.HasSuffix(before, "[") || strings.HasSuffix(before, "'")
		r.sure = r.status != "" || r.quoted || before == "" || strings.ContainsAny(before[len(before)-1:], ":;=#-\"\n|,")
		if !r.sure {
			low := strings.ToLower(before)
			for _, w := range replyWords {
				if strings.HasSuffix(low, w) {
					r.sure = true
					break
				}
			}
		}
		list = append(list, r)
		i += 2
	}
	return list
}

// isReplyCode tells whether a reply code of class 4 or 5 stands at s[i:].
func isReplyCode(s string, i int) bool {
	if s[i] != '4' && s[i] != '5' || s[i+1] < '0' || s[i+1] > '5' || !isDigit(s[i+2]) {
		return false
	}
	if i > 0 {
		if c := s[i-1]; isDigit(c) || c == '.' || c == '@' || c == '/' || c == '+' || c == '$' || c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' ||
			c == '-' && i > 1 && s[i-2] != ' ' && s[i-2] != '-' && s[i-2] != '\n' {
			return false
		}
	}
	if i+3 == len(s) {
		return true
	}
	switch c := s[i+3]; c {
	case '.':
		return i+4 < len(s) && !isDigit(s[i+4])
	case ' ', '\t':
		// a number of minutes, octets or people is none
		return !containsPrefix(strings.ToLower(strings.TrimLeft(cutBytes(s[i+3:], 24), " \t")), countedThings)
	case '-', '\n', ',', ':', '#', ']', ')', ';', '<', '>', '"', '\'', '_', '/', '!', '*', '|', '&', '=':
		return true
	}
	return false
}

// countedThings follow a number that is no reply code.
var countedThings = []string{"minute", "min ", "hour", "second", "sec ", "sec.", "day", "byte", "octet", "kb", "mb", "kilobyte", "megabyte", "recipient", "message", "times", "line",
	"minuto", "hora", "segundo", "día", "connections"}

func containsPrefix(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

// statusAfter returns the enhanced status code right behind a reply code:
// "550 5.1.1", "550-5.7.1", "550 #5.1.0", "550-'5.7.1", "550 [5.4.1]".
func statusAfter(s string, i int) string {
	for end := min(i+3, len(s)); i < end && strings.IndexByte(" -#([<'\"_\t:", s[i]) >= 0; {
		i++
	}
	if i < len(s) && (s[i] == '4' || s[i] == '5') {
		if code := findStatus(cutBytes(s[i:], 12)); code != "" && strings.HasPrefix(s[i:], code) {
			return code
		}
	}
	return ""
}

// bestReply is the reply that says why: of those that stand where replies stand
// the first with a status code of its own, or else the first. A reply of another
// server that the last one quotes says more than the words around it.
func bestReply(replies []serverReply) (serverReply, bool) {
	var best serverReply
	found := false
	for _, r := range replies {
		switch {
		case !found, r.sure && !best.sure:
			best, found = r, true
		case r.sure && r.quoted && r.status != "" && isVague(best.status):
			best = r
		case r.sure && best.status == "" && r.status != "" && r.code == best.code:
			best = r
		}
	}
	return best, found
}

// isVague tells a status that says nothing, or only that time ran out.
func isVague(status string) bool {
	return status == "" || strings.HasSuffix(status, ".0.0") || strings.HasSuffix(status, ".4.7") || strings.HasSuffix(status, ".4.0")
}

// replyCode is the code of the reply that says why in s; empty: there is none.
func replyCode(s string) string {
	r, _ := bestReply(serverReplies(s))
	return r.code
}

// saidStatus is the enhanced status code that a server's words give: the one of
// its reply, or else the first one that says something.
func saidStatus(s string) string {
	if r, ok := bestReply(serverReplies(s)); ok && r.status != "" {
		return r.status
	}
	first := ""
	for rest := s; ; {
		code, end := nextStatus(rest)
		if code == "" {
			return first
		}
		if !strings.HasSuffix(code, ".0.0") {
			return code
		}
		if first == "" {
			first = code
		}
		rest = rest[end:]
	}
}

// replyLine is the line of a text that holds the reply which says why; empty:
// there is none.
func replyLine(s string) string {
	r, ok := bestReply(serverReplies(s))
	if !ok || !r.sure {
		return ""
	}
	line, _, _ := strings.Cut(s[r.at:], "\n")
	return line
}
