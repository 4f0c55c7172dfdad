package mailpipe

import (
	"bytes"
	"strings"

	"buzon/ticket"
)

const (
	maxAddresses = 1000 // read of one field
	maxAddrBytes = 320  // octets of an address (RFC 5321, section 4.5.3.1)
	maxNameBytes = 256  // octets of a display name
)

// parseAddresses reads an address list (RFC 5322, section 3.4) from an unfolded
// raw value, and takes what mail really holds: raw 8-bit names, missing brackets
// and quotes, comments, groups, routes. It never fails; a mailbox in which no
// address can be found is returned with its name only.
func parseAddresses(value string) []ticket.Address {
	list := splitAddresses(value)
	if !anyAddress(list) && strings.Contains(value, "=?") {
		// a program that encoded the address together with the name
		if decoded := splitAddresses(cleanLine(decodeWords(value), maxFieldBytes)); anyAddress(decoded) {
			return decoded
		}
	}
	return list
}

func anyAddress(list []ticket.Address) bool {
	for _, a := range list {
		if strings.Contains(a.Addr, "@") {
			return true
		}
	}
	return false
}

// mailbox gathers the pieces of one mailbox while a list is being read.
type mailbox struct {
	words    []byte // display name, or an address without brackets
	comment  []byte
	angle    string // what stood in the last angle brackets
	hasAngle bool
	quoted   bool // words holds a quoted string
}

// splitAddresses walks once over the value.
func splitAddresses(s string) []ticket.Address {
	var list []ticket.Address
	var room [128]byte
	m := mailbox{words: room[:0]}
	restart := func() { m = mailbox{words: m.words[:0], comment: m.comment[:0]} }
	flush := func() {
		if a, ok := m.address(); ok && len(list) < maxAddresses {
			list = append(list, a)
		}
		restart()
	}
	groupEnd, lastAt := strings.LastIndexByte(s, ';'), strings.LastIndexByte(s, '@')
	stray := false // a quote was not closed: neither are later ones, or time were quadratic
	for i := 0; i < len(s); {
		switch c := s[i]; c {
		case '"':
			if stray {
				i++
				continue
			}
			text, next, ok := quotedString(s, i)
			if !ok {
				stray = true
				i++
				continue
			}
			if next < len(s) && s[next] == '@' { // "a b"@host
				m.words = append(m.words, s[i:next]...)
			} else {
				m.words = append(m.words, text...)
				m.quoted = true
			}
			i = next
		case '(':
			text, next := comment(s, i)
			if len(m.comment) > 0 {
				m.comment = append(m.comment, ' ')
			}
			m.comment = append(m.comment, text...)
			i = next
		case '=': // an encoded word is one word, whatever stands in it
			if word := encodedWord(s[i:]); word != "" {
				m.words = append(m.words, word...)
				i += len(word)
				continue
			}
			m.words = append(m.words, c)
			i++
		case '>':
			i++
		case '<':
			inside, next := angleAddress(s, i)
			m.angle, m.hasAngle = inside, true
			i = next
		case ',', ';':
			flush()
			i++
		case ':':
			// the name of a group, unless it stands in an address (mailto:, IPv6)
			if words := bytes.TrimSpace(m.words); bytes.EqualFold(words, []byte("mailto")) {
				m.words = m.words[:0]
			} else if m.hasAngle || bytes.IndexByte(words, '@') >= 0 || bytes.EqualFold(words[max(len(words)-5, 0):], []byte("[ipv6")) {
				m.words = append(m.words, c)
			} else if i < groupEnd || i > lastAt {
				restart()
			} else { // Ventas: Ana <a@x.example>
				m.words = append(m.words, c)
			}
			i++
		default:
			if c < ' ' || c == 0x7f {
				c = ' '
			}
			m.words = append(m.words, c)
			i++
		}
	}
	flush()
	return list
}

// address makes an address of what was gathered.
func (m *mailbox) address() (ticket.Address, bool) {
	words := strings.TrimSpace(string(m.words))
	note := strings.TrimSpace(string(m.comment))
	if m.hasAngle {
		a := ticket.Address{Addr: cleanAddr(m.angle), Name: cleanName(words)}
		if a.Name == "" {
			a.Name = cleanName(note)
		}
		if !strings.Contains(a.Addr, "@") { // Juan j@x <>, j@x <Juan>
			if name, addr := bareAddress(words); addr != "" {
				a = ticket.Address{Name: cleanName(strings.TrimSpace(name + " " + m.angle)), Addr: addr}
			}
		}
		return a, a.Addr != "" || a.Name != ""
	}
	if words == "" {
		return ticket.Address{}, false
	}
	if m.quoted && !strings.Contains(words, "@") {
		return ticket.Address{Name: cleanName(words)}, true
	}
	name, addr := bareAddress(words)
	if name == "" {
		name = note
	}
	if !strings.Contains(addr, "@") && strings.Contains(note, "@") { // Ana (a@x.example)
		if _, inside := bareAddress(note); strings.Contains(inside, "@") {
			name, addr = words, inside
		}
	}
	return ticket.Address{Name: cleanName(name), Addr: addr}, true
}

var looseAt = strings.NewReplacer(" @ ", "@", " @", "@", "@ ", "@")

// bareAddress finds the address among words without brackets. A single word
// without an @ is taken for a local address.
func bareAddress(words string) (name, addr string) {
	if strings.HasPrefix(words, `"`) { // "a b"@host
		if end := strings.Index(words, `"@`); end > 0 {
			host, rest, _ := strings.Cut(words[end+2:], " ")
			return rest, cleanAddr(words[:end+2] + host)
		}
	}
	words = strings.Join(strings.Fields(words), " ")
	words = looseAt.Replace(words)
	fields := strings.Fields(words)
	for i, w := range fields {
		if at := strings.LastIndexByte(w, '@'); at > 0 && at < len(w)-1 {
			rest := append(append([]string(nil), fields[:i]...), fields[i+1:]...)
			return strings.Join(rest, " "), cleanAddr(w)
		}
	}
	if len(fields) == 1 && !strings.Contains(words, "=?") {
		return "", cleanAddr(fields[0])
	}
	return words, ""
}

// cleanAddr takes away what does not belong to an address: space, brackets,
// quotes around it, a source route (RFC 5321, appendix C), a final dot.
func cleanAddr(s string) string {
	quoted := strings.HasPrefix(s, `"`)
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == ' ' && !quoted || r == 0x7f || r == '<' || r == '>' || isBidiControl(r) || isZeroWidth(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(western(s), ""))
	if len(s) >= 7 && strings.EqualFold(s[:7], "mailto:") {
		s = s[7:]
	}
	if strings.HasPrefix(s, "@") {
		if _, after, ok := strings.Cut(s, ":"); ok {
			s = after
		}
	}
	s = strings.TrimRight(strings.Trim(s, "'`,;[]()"), ".>")
	if strings.HasPrefix(s, "\"") && strings.HasSuffix(s, "\"") {
		s = strings.Trim(s, "\"")
	}
	if len(s) > maxAddrBytes {
		return ""
	}
	return s
}

// cleanName decodes a display name and takes the quotes around it away.
func cleanName(s string) string {
	if s == "" {
		return ""
	}
	name := cleanLine(decodeWords(s), maxNameBytes)
	if len(name) > 1 && (name[0] == '"' || name[0] == '\'') && name[len(name)-1] == name[0] {
		name = strings.TrimSpace(name[1 : len(name)-1])
	}
	return name
}

// encodedWord is the encoded word at the start of s, as it stands; empty: there
// is none. One that holds an address is none: its end is missing.
func encodedWord(s string) string {
	if !strings.HasPrefix(s, "=?") {
		return ""
	}
	_, _, rest, ok := cutWord(s)
	if !ok {
		return ""
	}
	word := s[:len(s)-len(rest)]
	if strings.ContainsAny(word, "<>@") {
		return ""
	}
	return word
}

// quotedString reads a quoted string at s[i] and returns what it means and where
// it ends. ok is false when it isn't closed.
func quotedString(s string, i int) (text string, next int, ok bool) {
	end := strings.IndexByte(s[i+1:], '"')
	if end >= 0 && strings.IndexByte(s[i+1:i+1+end], '\\') < 0 {
		return s[i+1 : i+1+end], i + end + 2, true
	}
	if end < 0 {
		return "", i, false
	}
	var b strings.Builder
	for j := i + 1; j < len(s); j++ {
		switch s[j] {
		case '\\':
			if j+1 < len(s) {
				j++
				b.WriteByte(s[j])
			}
		case '"':
			return b.String(), j + 1, true
		default:
			b.WriteByte(s[j])
		}
	}
	return "", i, false
}

// comment reads a comment, which may hold others, at s[i].
func comment(s string, i int) (text string, next int) {
	var b strings.Builder
	depth := 0
	for j := i; j < len(s); j++ {
		switch c := s[j]; c {
		case '\\':
			if j+1 < len(s) {
				j++
				b.WriteByte(s[j])
			}
		case '(':
			if depth++; depth > 1 {
				b.WriteByte(c)
			}
		case ')':
			if depth--; depth == 0 {
				return b.String(), j + 1
			}
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), len(s)
}

// angleAddress reads what stands in angle brackets at s[i]. Without a closing
// bracket nearby it ends at a comma or with the value.
func angleAddress(s string, i int) (inside string, next int) {
	s = s[:min(len(s), i+4*maxAddrBytes)]
	j := i + 1
	for j < len(s) {
		switch s[j] {
		case '>':
			return s[i+1 : j], j + 1
		case '"':
			if _, end, ok := quotedString(s, j); ok && end < len(s) && s[end] == '@' {
				j = end
				continue
			}
		case '<': // <<a@b>>, <name <a@b>
			i = j
		}
		j++
	}
	inside, _, _ = strings.Cut(s[i+1:], ",")
	return inside, i + 1 + len(inside)
}
