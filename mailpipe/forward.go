package mailpipe

import (
	"sort"
	"strings"
	"unicode/utf8"

	"buzon/ticket"
)

// maxForwardHeader bounds how far a forward's header may reach, in lines.
const maxForwardHeader = 60

// forwardHead returns the words of a line that stands above a forwarded message,
// and the empty string for other lines.
func forwardHead(s string) string {
	if s == "" || len(s) >= maxMarker {
		return ""
	}
	if s == "" || !mayBeDrawn(s[0]) && s[0] != ' ' && s[0] != '\t' && strings.IndexByte(s, ':') < 0 && !strings.Contains(s, "：") && !strings.Contains(s, "---") {
		return "" // most lines
	}
	inner := strings.TrimLeft(s, "-—_=* \t")
	dashed := len(s)-len(inner) >= 2
	flat := false
	if end := strings.Index(inner, "---"); end > 0 {
		flat = end+10 < len(inner)
		inner = inner[:end]
	}
	inner = strings.TrimRight(inner, " ")
	colon := strings.HasSuffix(inner, ":") || strings.HasSuffix(inner, "：")
	if !dashed && !colon && !flat || len(inner) > 90 {
		return ""
	}
	inner = strings.ToLower(strings.Trim(inner, "-—_=*:： \t"))
	if forwardMarkers[inner] {
		return inner
	}
	if dashed {
		for _, by := range forwardedBy {
			if strings.HasPrefix(inner, by) {
				return inner
			}
		}
	}
	return ""
}

// readForward reads a forwarded message from the line above it on. body is the
// line with which its text begins.
func readForward(lines []line) (f *ticket.Forwarded, body int) {
	texts := make([]string, len(lines))
	bares := make([]string, len(lines))
	for i := range lines {
		texts[i], bares[i] = lines[i].text, lines[i].bare
		if lines[0].quoted {
			texts[i] = dropQuoteSign(texts[i])
		}
	}
	f = &ticket.Forwarded{}
	i := 0
	if isRuler(bares[0]) {
		i = skipBlank(bares, 1)
	}
	if i < len(bares) {
		switch {
		case forwardHead(bares[i]) != "":
			readFlatHeader(f, texts[i])
			i++
		case isOriginalLine(bares[i]):
			i++
		default:
			if label, _ := headerLabel(bares[i]); label == 0 {
				i = readForwardAttribution(f, bares, i)
			}
		}
	}
	i = readForwardHeader(f, bares, i)
	i = min(i, len(texts))
	rest := texts[i:]
	for beginsQuoted(rest) {
		for k := range rest {
			rest[k] = dropQuoteSign(rest[k])
		}
	}
	f.Text = strings.Trim(strings.Join(rest, "\n"), "\n \t")
	return f, i
}

// forwardEnd is where a forwarded message that stands behind quote signs ends:
// at the first line with text that has none and does not go on a quoted one.
// Other forwards reach to the end of the text.
func forwardEnd(lines []line) int {
	quoted := lines[0].quoted
	for i := 1; i < len(lines); i++ {
		if lines[i].quoted {
			quoted = true
		}
		if lines[i].bare == "" || lines[i].quoted {
			continue
		}
		if !quoted {
			if label, _ := headerLabel(lines[i].bare); label != 0 {
				return len(lines) // its header is not behind quote signs
			}
			continue
		}
		if lines[i-1].blank() {
			return i
		}
	}
	return len(lines)
}

func skipBlank(bares []string, i int) int {
	for i < len(bares) && bares[i] == "" {
		i++
	}
	return i
}

// readForwardHeader reads label lines from i on and returns where the text
// begins.
func readForwardHeader(f *ticket.Forwarded, bares []string, i int) int {
	begin := i
	var seen, last labelKind
	for ; i < len(bares) && i < begin+maxForwardHeader; i++ {
		if bares[i] == "" {
			next := skipBlank(bares, i)
			if next < len(bares) && (seen == 0 || next <= i+2) {
				if label, _ := headerLabel(bares[next]); label != 0 && (seen == 0 || label&seen == 0) {
					continue
				}
			}
			if seen == 0 {
				return begin
			}
			return i
		}
		label, value := headerLabel(bares[i])
		switch {
		case label != 0 && label != labelOther && label&seen != 0 && label != labelCc:
			return i // the text itself begins like a header
		case label != 0:
			seen |= label
			last = label
			setForwarded(f, label, value)
		case seen == 0:
			return begin
		case last == labelFrom && f.From.Addr == "" && strings.Contains(bares[i], "@"):
			setForwarded(f, labelFrom, f.From.Name+" "+bares[i])
		case (last == labelTo || last == labelCc) && strings.Contains(bares[i], "@"):
			setForwarded(f, last, bares[i])
		case last == labelSubject && seen&(labelFrom|labelTo) == labelFrom && nextIsLabel(bares, i+1):
			f.Subject += " " + bares[i] // folded
		case last == labelOther && nextIsLabel(bares, i+1):
		default:
			return i
		}
	}
	return i
}

func nextIsLabel(bares []string, i int) bool {
	if i >= len(bares) {
		return false
	}
	label, _ := headerLabel(bares[i])
	return label != 0
}

func setForwarded(f *ticket.Forwarded, label labelKind, value string) {
	switch label {
	case labelFrom:
		if list := parseAddresses(plainAddress(value)); len(list) > 0 {
			f.From = list[0]
		}
	case labelTo:
		f.To = append(f.To, withAddress(parseAddresses(plainAddress(value)))...)
	case labelCc:
		f.Cc = append(f.Cc, withAddress(parseAddresses(plainAddress(value)))...)
	case labelDate:
		if f.Date = readDate(value); f.Date.IsZero() {
			f.Date = readSpokenDate(value)
		}
	case labelSubject:
		f.Subject = cleanLine(value, maxSubject)
	}
}

// plainAddress undoes how mail programs show addresses in text: [mailto:a@b],
// <a@b<mailto:a@b>>, <mailto:a@b>.
func plainAddress(s string) string {
	for _, behalf := range []string{" on behalf of ", " en nombre de ", " im auftrag von ", " em nome de ", " de la part de "} {
		if i := strings.Index(strings.ToLower(s), behalf); i > 0 && i < len(s) {
			s = s[:i]
		}
	}
	for strings.Count(s, "@") > 1 { // the address is there twice: without its link
		i := strings.Index(s, "<mailto:")
		if i < 0 {
			break
		}
		end := strings.IndexByte(s[i:], '>')
		if end < 0 {
			break
		}
		s = s[:i] + s[i+end+1:]
	}
	return strings.NewReplacer("[mailto:", "<", "<mailto:", "<", "[", "<", "]", ">", "*", "").Replace(s)
}

// readForwardAttribution takes the sender from "On …, X <x@y> wrote:" above a
// forwarded text, and returns where that text begins.
func readForwardAttribution(f *ticket.Forwarded, bares []string, i int) int {
	joined := ""
	for k := i; k < len(bares) && k < i+4 && bares[k] != ""; k++ {
		joined = strings.TrimSpace(joined + " " + bares[k])
		if tail := strings.TrimRight(bares[k], " *_-—"); !strings.HasSuffix(tail, ":") {
			continue
		}
		at := strings.LastIndexByte(joined, '<')
		if at < 0 {
			return k + 1
		}
		addr, _, _ := strings.Cut(joined[at+1:], ">")
		name := joined[:at]
		if q := strings.LastIndexByte(strings.TrimRight(name, " \""), '"'); q >= 0 {
			name = name[q:]
		} else if comma := strings.LastIndexByte(name, ','); comma >= 0 {
			name = name[comma+1:]
		}
		f.From = ticket.Address{Name: cleanName(strings.Trim(name, " \"")), Addr: cleanAddr(addr)}
		return k + 1
	}
	return i
}

// readFlatHeader reads a header that stands on one line with the words above it,
// without anything between its fields, as one webmail writes it.
func readFlatHeader(f *ticket.Forwarded, s string) {
	s = strings.TrimLeft(s, "-—_=*> \t")
	_, s, ok := strings.Cut(s, "---")
	if !ok {
		return
	}
	s = strings.TrimLeft(s, "- ")
	if s == "" || len(s) > 10*maxMarker {
		return
	}
	type found struct {
		at, end int
		kind    labelKind
	}
	var labels []found
	for i := 0; i < len(s); {
		_, size := utf8.DecodeRuneInString(s[i:])
		if label, end := labelAt(s, i); label != 0 {
			labels = append(labels, found{i, end, label})
			i = end
			continue
		}
		i += size
	}
	sort.SliceStable(labels, func(i, j int) bool { return labels[i].at < labels[j].at })
	var seen labelKind
	for k, l := range labels {
		end := len(s)
		if k+1 < len(labels) {
			end = labels[k+1].at
		}
		if l.kind&seen == 0 {
			seen |= l.kind
			setForwarded(f, l.kind, strings.TrimSpace(s[l.end:end]))
		}
	}
}

// labelAt tells whether a label with its colon begins at s[i], and where its
// value begins. A short one must stand behind a space or a bracket.
func labelAt(s string, i int) (labelKind, int) {
	window := s[i:min(len(s), i+45)]
	colon := strings.IndexByte(window, ':')
	if colon <= 0 {
		return 0, 0
	}
	name := strings.TrimRight(window[:colon], " \u00a0")
	label := headerLabels[strings.ToLower(name)]
	if label == 0 {
		return 0, 0
	}
	if utf8.RuneCountInString(name) < 4 && i > 0 && !strings.ContainsRune("> ;\t", rune(s[i-1])) {
		return 0, 0
	}
	return label, i + colon + 1
}

// dropQuoteSign takes one quote sign away.
func dropQuoteSign(s string) string {
	trimmed := strings.TrimLeft(s, " \t")
	if !strings.HasPrefix(trimmed, ">") {
		return s
	}
	return strings.TrimPrefix(trimmed[1:], " ")
}

// beginsQuoted tells whether the first line is quoted.
func beginsQuoted(texts []string) bool {
	for _, t := range texts {
		if t = strings.TrimSpace(t); t != "" {
			return t[0] == '>'
		}
	}
	return false
}

// Prefixes of subjects, in lower case and without the colon.
var (
	forwardPrefixes = phraseSet("fw", "fwd", "rv", "enc", "tr", "wg", "i", "vs", "vb", "vl", "doorst", "pd", "továbbítás",
		"ynt", "ilt", "fs", "wtr", "転送", "转发", "轉寄", "reenv", "reenviado", "tov", "vid", "edasi", "fyi", "res-fwd", "przesłane", "пересл")
	replyPrefixes = phraseSet("re", "r", "rif", "res", "resp", "aw", "antw", "sv", "odp", "vá", "va", "回复", "回覆", "答复",
		"vast", "rép", "rsp", "atb", "ha", "отв", "re-", "respuesta")
)

// isForwardSubject tells whether the first prefix of a subject is one of a
// forward: Fwd:, RV:, …
func isForwardSubject(subject string) bool { return forwardPrefixes[subjectPrefix(subject)] }

// isReplySubject tells whether the first prefix of a subject is one of a reply.
func isReplySubject(subject string) bool { return replyPrefixes[subjectPrefix(subject)] }

// subjectPrefix is what stands before the first colon, without a tag or counter
// ([#000123] Re[2]: …).
func subjectPrefix(subject string) string {
	subject = strings.TrimSpace(subject)
	if strings.HasPrefix(subject, "[") {
		if _, after, ok := strings.Cut(subject, "]"); ok {
			subject = strings.TrimSpace(after)
		}
	}
	colon := strings.IndexByte(subject, ':')
	if wide := strings.Index(subject, "："); wide >= 0 && (colon < 0 || wide < colon) {
		colon = wide
	}
	if colon < 0 || colon > 24 {
		return ""
	}
	prefix := strings.ToLower(strings.TrimSpace(subject[:colon]))
	prefix, _, _ = strings.Cut(prefix, "[")
	prefix, _, _ = strings.Cut(prefix, "(")
	return strings.TrimSpace(prefix)
}
