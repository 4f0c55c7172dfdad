package mailpipe

import (
	"sort"
	"strconv"
	"strings"
)

const maxParams = 100 // parameters read of one field

// media is a Content-Type: its two words in lower case, and its parameters.
type media struct {
	kind, sub string
	params    []param
}

// param is a parameter in raw form; its value may hold 8-bit bytes.
type param struct{ name, value string }

func (m *media) isType(kind, sub string) bool { return m.kind == kind && m.sub == sub }

func (m *media) setType(kind, sub string) { m.kind, m.sub = kind, sub }

// name is the whole media type.
func (m *media) name() string {
	if m.kind == "" {
		return "application/octet-stream"
	}
	return m.kind + "/" + m.sub
}

// param returns a raw parameter; the name is lower case.
func (m *media) param(name string) string {
	for _, p := range m.params {
		if p.name == name {
			return p.value
		}
	}
	return ""
}

// parseMedia reads a Content-Type or Content-Disposition field (RFC 2045, section
// 5.1; RFC 2183). It takes missing semicolons at the end, unquoted spaces,
// unclosed quotes and Windows paths. For a disposition, sub is empty.
func parseMedia(value string) media {
	var m media
	if value == "" {
		return m
	}
	first, rest, _ := strings.Cut(value, ";")
	if strings.Contains(first, "=") && !strings.Contains(first, "/") {
		rest, first = value, "" // the type itself is missing
	}
	if head, tail, ok := strings.Cut(strings.TrimSpace(first), " "); ok {
		first = head // text/plain charset=utf-8
		if strings.Contains(tail, "=") {
			rest = tail + ";" + rest
		}
	}
	kind, sub, _ := strings.Cut(token(first), "/")
	sub, _, _ = strings.Cut(sub, "/")
	m.kind, m.sub = kind, sub
	m.params = parseParams(rest)
	return m
}

// token is the first word of a structured field in lower case, cleaned of what
// no token holds (RFC 2045, section 5.1).
func token(value string) string {
	value = strings.ToLower(strings.TrimSpace(value))
	if i := strings.IndexAny(value, " \t;,("); i >= 0 {
		value = value[:i]
	}
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f || strings.ContainsRune("<>@:\\\"[]?=", r) {
			return -1
		}
		return r
	}, cutBytes(value, 127))
}

// parseParams reads "; name=value" pairs in one pass.
func parseParams(s string) []param {
	var params []param
	for s != "" && len(params) < maxParams {
		s = strings.TrimLeft(s, "; \t\r\n")
		eq := strings.IndexAny(s, "=;")
		if eq < 0 {
			break
		}
		name := strings.ToLower(strings.Trim(s[:eq], " \t\""))
		if s[eq] == ';' { // a word without a value
			s = s[eq:]
			continue
		}
		value, rest := paramValue(strings.TrimLeft(s[eq+1:], " \t"))
		if name != "" {
			params = append(params, param{name, value})
		}
		s = rest
	}
	return params
}

func paramValue(s string) (value, rest string) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexByte(s, ';')
		if end < 0 {
			end = len(s)
		}
		return strings.Trim(s[:end], " \t\""), s[end:]
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
			b.WriteByte(s[i])
		case c == '"':
			// a quote inside the value, as in name=""a".rtf", is not its end
			after := strings.TrimLeft(s[i+1:min(len(s), i+40)], " \t")
			if after == "" || after[0] == ';' {
				return b.String(), s[i+1:]
			}
			if !strings.Contains(s[i+1:], `"`) || b.Len() > 0 && looksLikeParam(after) {
				return b.String(), s[i+1:]
			}
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}

// looksLikeParam tells whether text begins with "name=": the semicolon between
// two parameters is missing.
func looksLikeParam(s string) bool {
	eq := strings.IndexByte(s, '=')
	return eq > 0 && strings.IndexFunc(s[:eq], func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' || r == '*' || r >= '0' && r <= '9')
	}) < 0
}

// decoded returns a parameter with RFC 2231 continuations and charsets and RFC
// 2047 words decoded, and raw 8-bit bytes guessed with the help of hint, a
// charset. It is valid UTF-8.
func (m *media) decoded(name, hint string) string {
	type piece struct {
		at      int
		value   string
		percent bool
	}
	var pieces []piece
	plain, found := "", false
	for _, p := range m.params {
		if p.name == name {
			if !found {
				plain, found = p.value, true
			}
			continue
		}
		tail, ok := strings.CutPrefix(p.name, name+"*")
		if !ok {
			continue
		}
		number, percent := strings.CutSuffix(tail, "*")
		if tail == "" {
			number, percent = "0", true
		}
		if at, err := strconv.Atoi(number); err == nil && at >= 0 {
			pieces = append(pieces, piece{at, p.value, percent})
		}
	}
	if cs, rest, ok := strings.Cut(plain, "'"); ok && len(pieces) == 0 && strings.Contains(rest, "%") && lookupCharset(charsetLabel(cs)) != nil {
		if _, ok := strings.CutPrefix(rest, "'"); ok { // the form of name* under name
			pieces = append(pieces, piece{0, plain, true})
		}
	}
	if len(pieces) == 0 {
		return decodeWords(rawToUTF8(plain, hint))
	}
	sort.SliceStable(pieces, func(i, j int) bool { return pieces[i].at < pieces[j].at })
	charset := ""
	var raw []byte
	for i, p := range pieces {
		value := p.value
		if i == 0 && p.percent {
			if cs, rest, ok := strings.Cut(value, "'"); ok {
				if _, text, ok := strings.Cut(rest, "'"); ok {
					charset, value = cs, text
				}
			}
		}
		if p.percent {
			raw = appendPercent(raw, value)
		} else {
			raw = append(raw, value...)
		}
	}
	if charset == "" {
		charset = hint
	}
	text, _ := decodeCharset(raw, charset)
	if strings.Contains(text, "=?") {
		text = decodeWords(text)
	}
	return text
}

func appendPercent(out []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			out = append(out, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
			continue
		}
		out = append(out, s[i])
	}
	return out
}
