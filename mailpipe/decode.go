package mailpipe

import (
	"bytes"
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
)

// decodeTransfer undoes a Content-Transfer-Encoding (RFC 2045, section 6). It
// never fails: what is broken is read as far as it can be.
func decodeTransfer(body []byte, enc string) []byte {
	switch enc {
	case "base64":
		return decodeBase64(body)
	case "quoted-printable":
		return decodeQuotedPrintable(body)
	case "x-uuencode", "uuencode", "x-uue", "uue":
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
// demands, goes on behind padding in the middle, and keeps what a missing end
// left.
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
	for _, c := range src {
		v := base64Value[c]
		if v > 63 {
			if v == 64 {
				flush()
			}
			continue
		}
		quad = quad<<6 | uint32(v)
		if have++; have == 4 {
			out = append(out, byte(quad>>16), byte(quad>>8), byte(quad))
			quad, have = 0, 0
		}
	}
	flush()
	return out
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

// decodeUU reads the first uuencoded file of a body.
func decodeUU(src []byte) []byte {
	var out []byte
	started := false
	for pos := 0; pos < len(src); {
		line, next := lineAt(src, pos)
		pos = next
		line = bytes.TrimRight(line, "\r")
		switch {
		case !started:
			started = bytes.HasPrefix(line, []byte("begin "))
			continue
		case len(line) == 0:
			continue
		case string(line) == "end":
			return out
		}
		want := int(line[0]-' ') & 63
		var chunk []byte
		for i := 1; i < len(line); i += 4 {
			var v uint32
			for j := i; j < i+4; j++ {
				v <<= 6
				if j < len(line) {
					v |= uint32(line[j]-' ') & 63
				}
			}
			chunk = append(chunk, byte(v>>16), byte(v>>8), byte(v))
		}
		out = append(out, chunk[:min(want, len(chunk))]...)
	}
	return out
}

// decodeCharset brings text of a declared charset into valid UTF-8. odd tells
// that the declaration could not be followed.
//
// Mail programs declare a Western charset for what is really UTF-8 (and the
// other way round) so often that the bytes decide: valid UTF-8 with multi-byte
// characters is nothing else by chance.
func decodeCharset(b []byte, charset string) (text string, odd bool) {
	label := charsetLabel(charset)
	switch label {
	case "", "utf-8", "us-ascii", "windows-1252":
		return decodeWestern(b, label), false
	case "utf-7", "unicode-1-1-utf-7", "utf7":
		// not decoded: it would smuggle markup past every filter before us
		return decodeWestern(b, ""), true
	}
	if isASCII(b) && !strings.HasPrefix(label, "utf-") && !strings.HasPrefix(label, "iso-2022") && label != "hz-gb-2312" {
		return string(b), false
	}
	if label[:min(len(label), 4)] != "utf-" && manyWide(b) && utf8.Valid(b) {
		return string(b), false // a few characters may be valid by chance, not these
	}
	enc := lookupCharset(label)
	if enc == nil {
		return decodeWestern(b, ""), true
	}
	out, err := enc.NewDecoder().Bytes(b)
	if err != nil {
		return decodeWestern(b, ""), true
	}
	return strings.ToValidUTF8(string(out), "\uFFFD"), false
}

// decodeWestern reads bytes as UTF-8 if they are, else as windows-1252. Bytes
// declared as UTF-8 of which only a few are broken stay UTF-8.
func decodeWestern(b []byte, label string) string {
	if utf8.Valid(b) {
		return string(b)
	}
	good, bad := 0, 0
	for rest := b; len(rest) > 0; {
		i := 0
		for i < len(rest) && rest[i] < utf8.RuneSelf {
			i++
		}
		if rest = rest[i:]; len(rest) == 0 {
			break
		}
		r, n := utf8.DecodeRune(rest)
		if r == utf8.RuneError && n == 1 {
			bad++
		} else {
			good++
		}
		rest = rest[n:]
	}
	if good > 2*bad || label == "utf-8" && good >= bad && good > 0 {
		return strings.ToValidUTF8(string(b), "\uFFFD")
	}
	out, _ := charmap.Windows1252.NewDecoder().Bytes(b)
	return string(out)
}

// charsetLabel folds the names under which the common charsets go.
func charsetLabel(charset string) string {
	label := strings.ToLower(strings.Trim(charset, " \t\"'"))
	label = strings.TrimPrefix(label, "charset=")
	label, _, _ = strings.Cut(label, "*") // language (RFC 2231, section 5)
	switch label {
	case "utf8", "utf-8", "unicode-1-1-utf-8", "utf_8", "utf-8-bom", "cp65001", "utf8mb4":
		return "utf-8"
	case "ascii", "us-ascii", "ansi_x3.4-1968", "iso646-us", "7bit", "8bit", "unknown-8bit", "x-unknown", "default",
		"default_charset", "unknown", "binary", "_iso-2022-jp$esc":
		return "us-ascii"
	case "iso-8859-1", "iso8859-1", "iso_8859-1", "iso88591", "latin1", "latin-1", "l1", "windows-1252", "cp1252",
		"cp-1252", "win-1252", "windows1252", "x-cp1252", "ansi", "iso-8859-1-windows-3.1-latin-1", "iso-8859":
		return "windows-1252"
	}
	return label
}

// oddCharsets are names that neither the WHATWG nor the IANA table has.
var oddCharsets = map[string]string{
	"cp932": "shift_jis", "ms932": "shift_jis", "sjis": "shift_jis", "cp936": "gbk", "ms936": "gbk",
	"cp949": "euc-kr", "ks_c_5601": "euc-kr", "cp950": "big5", "cp-850": "ibm850", "cp850": "ibm850",
	"cp437": "ibm437", "cp-437": "ibm437", "x-mac-roman": "macintosh", "mac": "macintosh",
	"x-gbk": "gbk", "gb_2312-80": "gbk", "utf-16-le": "utf-16le", "utf-16-be": "utf-16be", "iso-8859-15-windows": "iso-8859-15",
	"iso8859_15": "iso-8859-15", "iso-2022-jp-2": "iso-2022-jp", "win-1251": "windows-1251",
}

// lookupCharset finds the decoder of a charset; nil: unknown.
func lookupCharset(label string) encoding.Encoding {
	if known := oddCharsets[label]; known != "" {
		label = known
	}
	switch label {
	case "hz-gb-2312":
		return simplifiedchinese.HZGB2312
	case "utf-16", "utf16", "unicode":
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM)
	}
	if enc, err := htmlindex.Get(label); err == nil {
		if name, _ := htmlindex.Name(enc); name != "replacement" {
			return enc
		}
	}
	for _, index := range []*ianaindex.Index{ianaindex.MIME, ianaindex.IANA} {
		if enc, err := index.Encoding(label); err == nil && enc != nil {
			return enc
		}
	}
	return nil
}

// manyWide tells whether b holds at least four lead bytes of three-byte
// characters of UTF-8.
func manyWide(b []byte) bool {
	n := 0
	for i := 0; i+2 < len(b); i++ {
		if b[i]&0xf0 == 0xe0 && b[i+1]&0xc0 == 0x80 && b[i+2]&0xc0 == 0x80 {
			if n++; n == 4 {
				return true
			}
			i += 2
		}
	}
	return false
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// decodeWords decodes the encoded words of a header value (RFC 2047) and guesses
// the charset of raw 8-bit bytes. Neighbouring words of one charset are joined
// before they are decoded, because many programs split characters over them.
// The result is valid UTF-8 and may hold control characters.
func decodeWords(s string) string {
	if !strings.Contains(s, "=?") {
		return decodeWestern([]byte(s), "")
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
			out.WriteString(decodeWestern([]byte(s[:i+2]), ""))
			s, after = s[i+2:], false
			continue
		}
		if between := s[:i]; between != "" && !(after && strings.Trim(between, " \t") == "") {
			flush()
			out.WriteString(decodeWestern([]byte(between), ""))
		}
		if !strings.EqualFold(cs, charset) {
			flush()
		}
		charset, pending = cs, append(pending, text...)
		s, after = rest, true
	}
	flush()
	out.WriteString(decodeWestern([]byte(s), ""))
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
		return "", nil, "", false
	}
	rest = near
	if beyond != "" {
		rest = whole[len(whole)-len(near)-len(beyond):]
	}
	switch kind[0] {
	case 'b', 'B':
		return charset, decodeBase64([]byte(coded)), rest, true
	case 'q', 'Q':
		return charset, appendQuoted(nil, []byte(coded), true), rest, true
	}
	return "", nil, "", false
}
