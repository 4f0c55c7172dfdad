package mailpipe

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Marks at the start of lines that an HTML mail showed inside a client's quote
// container, or below a client's mark behind which all is quoted. Mail can't
// hold them: cleaning removes them, and they never leave this package.
const (
	quoteMark = '\uE5B1'
	restMark  = '\uE5B2'
)

func isMark(r rune) bool { return r == quoteMark || r == restMark }

// withoutMarks removes the marks of htmlToText.
func withoutMarks(s string) string {
	if !strings.ContainsRune(s, quoteMark) && !strings.ContainsRune(s, restMark) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if isMark(r) {
			return -1
		}
		return r
	}, s)
}

// isBidiControl tells characters that reorder what surrounds them (Unicode
// UAX #9); in a one-line field they only serve to deceive.
func isBidiControl(r rune) bool {
	return r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069 || r == 0x200E || r == 0x200F || r == 0x061C
}

// isZeroWidth tells characters that show nothing. The zero-width joiner is not
// among them: it makes emoji.
func isZeroWidth(r rune) bool {
	return r == 0x200B || r == 0x200C || r == 0x2060 || r == 0xFEFF || r == 0x00AD || r == 0x034F || r == 0x180E
}

// cleanLine makes a one-line field of decoded text: no control, bidi or
// invisible characters, white space folded, trimmed, at most limit octets.
func cleanLine(s string, limit int) string {
	plain := true
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] >= 0x7f || s[i] == ' ' && i+1 < len(s) && s[i+1] == ' ' {
			plain = false
			break
		}
	}
	if plain {
		return cutBytes(strings.Trim(s, " "), limit)
	}
	var b strings.Builder
	space := false
	for _, r := range s {
		switch {
		case unicode.IsSpace(r) || r < ' ' && r != 0:
			space = b.Len() > 0
			continue
		case unicode.IsControl(r), isBidiControl(r), isZeroWidth(r), isMark(r):
			continue
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(r)
		if b.Len() >= limit {
			break
		}
	}
	return strings.TrimSpace(cutBytes(b.String(), limit))
}

// isAccented tells whether s begins with one of the visible signs from U+00A1 to
// U+00FF, the letters of Western Europe among them, in two octets.
func isAccented(s string) bool {
	return len(s) > 1 && s[1]&0xC0 == 0x80 && (s[0] == 0xC3 || s[0] == 0xC2 && s[1] > 0xA0 && s[1] != 0xAD)
}

// cleanText makes body text of decoded text: LF line ends, plain spaces, no
// control or invisible characters.
func cleanText(s string) string {
	plain := true
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' && c != '\n' && c != '\t' || c >= 0x7f {
			if isAccented(s[i:]) {
				i++
				continue
			}
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			i++
			switch {
			case c == '\r':
				if i < len(s) && s[i] == '\n' {
					continue
				}
				b = append(b, '\n')
			case c == '\f' || c == '\v':
				b = append(b, '\n')
			case c >= ' ' && c != 0x7f || c == '\n' || c == '\t':
				b = append(b, c)
			}
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == 0x00A0 || r == 0x202F || r == 0x2007:
			b = append(b, ' ')
		case r == 0x2028 || r == 0x2029 || r == 0x0085:
			b = append(b, '\n')
		case r < 0x00A0, isZeroWidth(r), isMark(r):
		default:
			b = utf8.AppendRune(b, r)
		}
		i += n
	}
	return string(b)
}
