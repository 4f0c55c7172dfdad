package mailpipe

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"buzon/ticket"
)

const (
	maxColumns     = 76  // of a folded line and of a line with an encoded word (RFC 2047, section 2)
	maxLiteralWord = 900 // octets of a word that isn't encoded: a line has at most 998 (RFC 5322, section 2.1.1)
	maxName        = 200 // characters of a display name

	encodedPrefix, encodedSuffix = "=?utf-8?q?", "?="
	// maxEncoded is what fits into an encoded word of 75 characters.
	maxEncoded = 75 - len(encodedPrefix) - len(encodedSuffix)
)

// fieldWriter writes one header field, folded between tokens. Every value goes through
// it, and no token holds a line end, so a value can't begin another field.
type fieldWriter struct {
	w     *bytes.Buffer
	col   int
	first bool
}

func newFieldWriter(w *bytes.Buffer, name string) fieldWriter {
	w.WriteString(name)
	w.WriteByte(':')
	return fieldWriter{w: w, col: len(name) + 1, first: true}
}

// token adds a piece that is not to be broken, after a space or a fold. The first
// one stays on the line of the name, because some readers take a first line
// without content for an empty field.
func (f *fieldWriter) token(s string) {
	if !f.first && f.col > 0 && f.col+1+len(s) > maxColumns {
		f.fold()
	}
	f.w.WriteByte(' ')
	f.w.WriteString(withoutLineEnds(s))
	f.col += 1 + len(s)
	f.first = false
}

func (f *fieldWriter) fold() {
	f.w.WriteString("\r\n")
	f.col = 0
}

func (f *fieldWriter) end() { f.w.WriteString("\r\n") }

// encoded adds text as encoded words (RFC 2047, Q encoding), each filling what is
// left of its line. A word is cut between characters, and not inside a run of
// letters and digits unless the run is longer than a word can be.
func (f *fieldWriter) encoded(text string) {
	room := min(maxColumns-f.col-1-len(encodedPrefix)-len(encodedSuffix), maxEncoded)
	longest := maxEncoded
	if f.first {
		longest = room
	} else if room < maxEncoded/3 {
		room = maxEncoded // too little left: the word will be folded to the next line
	}
	var word strings.Builder
	flush := func() {
		if word.Len() > 0 {
			f.token(encodedPrefix + word.String() + encodedSuffix)
			word.Reset()
			room = maxEncoded
		}
	}
	for unit := range wordUnits(text, longest, qEncode) {
		if word.Len()+len(unit) > room {
			flush()
			room = maxEncoded
		}
		word.WriteString(unit)
	}
	flush()
}

// qEncode writes a character as it may stand in any encoded word, also in a
// display name (RFC 2047, section 5, rule 3).
func qEncode(r rune) string {
	switch {
	case r == ' ':
		return "_"
	case isASCIIAlnum(r), strings.ContainsRune("!*+-/", r):
		return string(r)
	}
	return quoteOctets(r)
}

// textField writes human text. Words that are ASCII stand as they are; runs of
// others are encoded, together with the spaces between them.
func textField(w *bytes.Buffer, name, value string) {
	f := newFieldWriter(w, name)
	var run []string
	flush := func() {
		if len(run) > 0 {
			f.encoded(strings.Join(run, " "))
			run = run[:0]
		}
	}
	for word := range strings.FieldsSeq(printableLine(value)) {
		if needsEncoding(word) {
			run = append(run, word)
			continue
		}
		flush()
		f.token(word)
	}
	flush()
	f.end()
}

// needsEncoding tells whether a word can't stand in a header as it is. What looks
// like an encoded word would be decoded.
func needsEncoding(word string) bool {
	return !isASCII([]byte(word)) || strings.Contains(word, "=?") || len(word) > maxLiteralWord
}

// addressField writes one mailbox (RFC 5322, section 3.4): its name as atoms, as
// a quoted string or as encoded words, whatever it needs. The address itself is
// never encoded; one that isn't ASCII is written in UTF-8 (RFC 6532).
func addressField(w *bytes.Buffer, name string, a ticket.Address) error {
	if err := checkAddress(a.Addr); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	f := newFieldWriter(w, name)
	words := strings.Fields(printableLine(cutRunes(a.Name, maxName)))
	shown := strings.Join(words, " ")
	switch {
	case shown == "":
	case needsEncoding(shown):
		f.encoded(shown)
	case isPhrase(words):
		for _, word := range words {
			f.token(word)
		}
	default:
		quoted := `"` + quotedPair.Replace(shown) + `"`
		for _, word := range strings.Split(quoted, " ") {
			f.token(word)
		}
	}
	f.token("<" + a.Addr + ">")
	f.end()
	return nil
}

func isPhrase(words []string) bool {
	for _, word := range words {
		if strings.ContainsFunc(word, func(r rune) bool { return !isAtext(r) }) {
			return false
		}
	}
	return true
}

// isAtext tells whether an ASCII character may stand in an atom (RFC 5322,
// section 3.2.3).
func isAtext(r rune) bool { return isASCIIAlnum(r) || strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r) }

// idField writes Message-IDs, one a line; those that can't stand in a header are
// left out, and the field too if none remains.
func idField(w *bytes.Buffer, name string, ids ...string) {
	var f fieldWriter
	begun := false
	for _, id := range ids {
		if !usableID(id) {
			continue
		}
		if !begun {
			f, begun = newFieldWriter(w, name), true
		} else {
			f.fold()
		}
		f.token("<" + id + ">")
	}
	if begun {
		f.end()
	}
}

// usableID tells whether an id, written without brackets, may stand in a header.
// Ours are short; others' are kept as long as a line can hold them.
func usableID(id string) bool {
	return id != "" && len(id) <= maxLiteralWord && !strings.ContainsFunc(id, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || r == '<' || r == '>'
	})
}

// plainField writes a value that we made ourselves.
func plainField(w *bytes.Buffer, name, value string) {
	f := newFieldWriter(w, name)
	f.token(value)
	f.end()
}

// mimeParam is a parameter of a structured field, with its value as it is written.
type mimeParam struct{ name, value string }

// paramField writes a value with its parameters (RFC 2045, section 5.1).
func paramField(w *bytes.Buffer, name, value string, params ...mimeParam) {
	f := newFieldWriter(w, name)
	for _, p := range params {
		f.token(value + ";")
		value = p.name + "=" + p.value
	}
	f.token(value)
	f.end()
}

// checkAddress returns an error for an address that would break the syntax of a
// header or of an SMTP command: not local@domain, or with spaces, brackets or
// control characters outside a quoted local part (RFC 5321, section 4.1.2).
func checkAddress(addr string) error {
	at := strings.LastIndexByte(addr, '@')
	bad := func() error { return fmt.Errorf("%q is not a usable address", addr) }
	if at < 1 || at == len(addr)-1 || len(addr) > 320 || !utf8.ValidString(addr) {
		return bad()
	}
	local, domain := addr[:at], addr[at+1:]
	special := func(r rune) bool {
		return unicode.IsSpace(r) || isLineControl(r) || strings.ContainsRune(`<>()[]\,;:"@`, r)
	}
	if strings.HasPrefix(domain, "[") && strings.HasSuffix(domain, "]") {
		domain = strings.ReplaceAll(domain[1:len(domain)-1], ":", "")
	}
	if domain == "" || strings.ContainsFunc(domain, special) {
		return bad()
	}
	if len(local) > 2 && local[0] == '"' && local[len(local)-1] == '"' {
		inner := strings.NewReplacer(`\\`, "", `\"`, "").Replace(local[1 : len(local)-1])
		if strings.ContainsFunc(inner, func(r rune) bool { return isLineControl(r) || r == '"' || r == '\\' }) {
			return bad()
		}
		return nil
	}
	if strings.ContainsFunc(local, special) {
		return bad()
	}
	return nil
}

// printableLine makes text fit for one line: valid UTF-8 without control characters.
func printableLine(s string) string {
	return strings.Map(func(r rune) rune {
		if isLineControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// withoutLineEnds is the last guard: whatever was overlooked, no line end and no NUL
// leaves the header writer.
func withoutLineEnds(s string) string {
	for i := range len(s) {
		if c := s[i]; c == '\r' || c == '\n' || c == 0 {
			return oneLine.Replace(s)
		}
	}
	return s
}

// isLineControl includes the line and paragraph separators of Unicode.
func isLineControl(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }

func isASCIIAlnum(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

// isLanguageTag tells whether a language tag is well formed enough (RFC 5646).
func isLanguageTag(tag string) bool {
	return tag != "" && len(tag) <= 35 && !strings.ContainsFunc(tag, func(r rune) bool { return !isASCIIAlnum(r) && r != '-' })
}

// cutRunes returns the first n characters of s.
func cutRunes(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

var (
	quotedPair = strings.NewReplacer(`\`, `\\`, `"`, `\"`) // RFC 5322, section 3.2.4
	oneLine    = strings.NewReplacer("\r", " ", "\n", " ", "\x00", " ")
)
