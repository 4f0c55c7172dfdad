package mailpipe

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// transferEncoding reads a Content-Transfer-Encoding, also in spellings such as
// "7-bit", "Quoted Printable" and "base-64".
func transferEncoding(value string) string {
	squeezed := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" -_\"';\t", r) {
			return -1
		}
		return r
	}, strings.ToLower(cutBytes(value, 100)))
	switch squeezed {
	case "7bit", "8bit", "base64", "binary":
		return squeezed
	case "quotedprintable":
		return "quoted-printable"
	case "uuencode", "xuuencode", "uue", "xuue":
		return "x-uuencode"
	}
	return token(value)
}

// decodeTransfer undoes a Content-Transfer-Encoding (RFC 2045, section 6). It
// never fails: what is broken is read as far as it can be.
func decodeTransfer(body []byte, enc string) []byte {
	switch enc {
	case "base64":
		return decodeBase64(body)
	case "quoted-printable":
		return decodeQuotedPrintable(body)
	case "x-uuencode":
		return decodeUU(body)
	}
	return body
}

// base64Value holds 0 to 63 for letters of the alphabet, 64 for "=" and 255 for
// everything else.
var base64Value = func() (table [256]byte) {
	for i := range table {
		table[i] = 255
	}
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		table[c] = byte(i)
	}
	table['-'], table['_'], table['='] = 62, 63, 64
	return table
}()

// decodeBase64 passes over bytes outside the alphabet, as RFC 2045 section 6.8
// demands, and keeps what a missing end left. Behind padding it goes on only if
// the line that follows is base64 too: mailing lists add a footer in the clear.
func decodeBase64(src []byte) []byte {
	out := make([]byte, 0, len(src)/4*3+3)
	if clean := base64.StdEncoding; len(src)%4 == 0 { // one line, as in header words
		if n, err := clean.Decode(out[:cap(out)], src); err == nil {
			return out[:n]
		}
	}
	var quad uint32
	have := 0
	flush := func() {
		switch have {
		case 2:
			out = append(out, byte(quad>>4))
		case 3:
			out = append(out, byte(quad>>10), byte(quad>>2))
		}
		quad, have = 0, 0
	}
	padded := false
	for i, c := range src {
		v := base64Value[c]
		if v > 63 {
			if v == 64 {
				flush()
				padded = true
			}
			continue
		}
		if padded && !goesOn(src[i:]) {
			break
		}
		padded = false
		quad = quad<<6 | uint32(v)
		if have++; have == 4 {
			out = append(out, byte(quad>>16), byte(quad>>8), byte(quad))
			quad, have = 0, 0
		}
	}
	flush()
	return out
}

// goesOn tells whether src begins with a line of whole base64.
func goesOn(src []byte) bool {
	line, _ := lineAt(src, 0)
	line = bytes.TrimRight(line, " \t\r")
	if len(line) > 1000 {
		return true // a broken encoder's only line
	}
	for _, c := range line {
		if base64Value[c] > 64 || c == '-' || c == '_' {
			return false
		}
	}
	return len(line)%4 == 0
}

// decodeQuotedPrintable keeps what is not valid quoted-printable as it stands
// (RFC 2045, section 6.7).
func decodeQuotedPrintable(src []byte) []byte {
	if bytes.IndexByte(src, '=') < 0 {
		return src
	}
	out := make([]byte, 0, len(src))
	for pos := 0; pos < len(src); {
		line, next := lineAt(src, pos)
		end := src[pos+len(line) : next]
		pos = next
		trimmed := bytes.TrimRight(line, " \t\r")
		soft := len(trimmed) > 0 && trimmed[len(trimmed)-1] == '='
		if soft {
			line = trimmed[:len(trimmed)-1]
		}
		out = appendQuoted(out, line, false)
		if !soft {
			out = append(out, end...)
		}
	}
	return out
}

// appendQuoted decodes =XX, and "_" as a space where header is set (RFC 2047,
// section 4.2).
func appendQuoted(out, src []byte, header bool) []byte {
	for i := 0; i < len(src); i++ {
		c := src[i]
		if c == '=' && i+2 < len(src) && isHex(src[i+1]) && isHex(src[i+2]) {
			out = append(out, unhex(src[i+1])<<4|unhex(src[i+2]))
			i += 2
			continue
		}
		if c == '_' && header {
			c = ' '
		}
		out = append(out, c)
	}
	return out
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'F' || c >= 'a' && c <= 'f'
}

func unhex(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	}
	return c - '0'
}

// decodedSize tells the decoded size of a body without decoding it. That of
// base64 is an estimate: its lines are taken to be of one length.
func decodedSize(body []byte, enc string) int64 {
	switch enc {
	case "base64":
	case "quoted-printable":
		return quotedSize(body)
	case "x-uuencode":
		for _, f := range findUU(body) {
			return f.size
		}
		return 0
	default:
		return int64(len(body))
	}
	body = bytes.TrimSpace(body)
	n := len(body)
	line, next := lineAt(body, 0)
	if next < n {
		n -= (n - 1) / next * (next - len(bytes.TrimRight(line, "\r"))) // lines are of one length
	}
	padding := 0
	for padding < 2 && padding < len(body) && body[len(body)-1-padding] == '=' {
		padding++
	}
	return max(int64(n/4*3+n%4*3/4-padding), 0)
}

// quotedSize counts what decodeQuotedPrintable would return.
func quotedSize(body []byte) int64 {
	size := int64(len(body))
	for pos := 0; pos < len(body); {
		i := bytes.IndexByte(body[pos:], '=')
		if i < 0 {
			break
		}
		pos += i + 1
		if pos+1 < len(body) && isHex(body[pos]) && isHex(body[pos+1]) {
			size -= 2
			pos += 2
			continue
		}
		end := pos
		for end < len(body) && (body[end] == ' ' || body[end] == '\t' || body[end] == '\r') {
			end++
		}
		if end == len(body) || body[end] == '\n' { // a soft line break
			end = min(end+1, len(body))
			size -= int64(end - pos + 1)
			pos = end
		}
	}
	return size
}

// decodeWords decodes the encoded words of a header value (RFC 2047) and guesses
// the charset of raw 8-bit bytes. Neighbouring words of one charset are joined
// before they are decoded, because many programs split characters over them.
// The result is valid UTF-8 and may hold control characters.
func decodeWords(s string) string {
	if !strings.Contains(s, "=?") {
		return western(s)
	}
	var out strings.Builder
	var pending []byte
	var charset string
	flush := func() {
		if len(pending) > 0 {
			text, _ := decodeCharset(pending, charset)
			out.WriteString(text)
			pending = pending[:0]
		}
	}
	after := false // directly behind an encoded word
	for s != "" {
		i := strings.Index(s, "=?")
		if i < 0 {
			break
		}
		cs, text, rest, ok := cutWord(s[i:])
		if !ok {
			flush()
			out.WriteString(western(s[:i+2]))
			s, after = s[i+2:], false
			continue
		}
		if between := s[:i]; between != "" && !(after && strings.Trim(between, " \t") == "") {
			flush()
			out.WriteString(western(between))
		}
		if !strings.EqualFold(cs, charset) {
			flush()
		}
		charset, pending = cs, append(pending, text...)
		s, after = rest, true
	}
	flush()
	out.WriteString(western(s))
	return out.String()
}

// maxWord is the longest encoded word that is looked for, in octets. RFC 2047
// allows 75; programs that know no limit exist.
const maxWord = 8 << 10

// cutWord takes an encoded word from the start of s, which begins with "=?".
// Spaces inside a word are wrong and common.
func cutWord(whole string) (charset string, text []byte, rest string, ok bool) {
	s := whole[:min(len(whole), maxWord)]
	beyond := whole[len(s):]
	charset, tail, ok1 := strings.Cut(s[2:], "?")
	kind, tail, ok2 := strings.Cut(tail, "?")
	if !ok1 || !ok2 || len(charset) > 60 || strings.ContainsAny(charset, " \t") || len(kind) != 1 {
		return "", nil, "", false
	}
	coded, near, ok := strings.Cut(tail, "?=")
	if !ok {
		if beyond != "" || charset == "" || lookupCharset(charsetLabel(charset)) == nil {
			return "", nil, "", false
		}
		coded, near = tail, "" // its end was cut off: up to the next space
		if i := strings.IndexAny(tail, " \t<"); i >= 0 {
			coded, near = tail[:i], tail[i:]
		}
	}
	rest = near
	if beyond != "" {
		rest = whole[len(whole)-len(near)-len(beyond):]
	}
	switch kind[0] {
	case 'b', 'B':
		return charset, decodeBase64([]byte(coded)), rest, true
	case 'q', 'Q':
		return charset, appendQuoted(make([]byte, 0, len(coded)), []byte(coded), true), rest, true
	}
	return "", nil, "", false
}
