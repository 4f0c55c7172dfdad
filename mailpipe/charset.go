package mailpipe

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
)

// decodeCharset brings text of a declared charset into valid UTF-8. odd tells
// that the declaration could not be followed.
//
// Mail programs declare a Western charset for what is really UTF-8 (and the
// other way round) so often that the bytes decide: valid UTF-8 with multi-byte
// characters is nothing else by chance.
func decodeCharset(b []byte, charset string) (text string, odd bool) {
	label := charsetLabel(charset)
	switch {
	case label == "", label == "utf-8", label == "us-ascii", label == "windows-1252", isUTF7(label):
		return decodeWestern(b, label), false
	case label == "iso-2022-jp":
		if !isASCII(b) { // a 7-bit charset: programs of Japan take the name for any of theirs
			label = "shift_jis"
		}
	}
	if isASCII(b) && !strings.HasPrefix(label, "utf") && !strings.HasPrefix(label, "iso-2022") && label != "hz-gb-2312" {
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

// declaredCharset is the charset that the text parts of a message declare, if it
// is one that raw bytes in its header may be in: neither ASCII nor UTF-8, which
// is recognised anyway. Empty: none.
func declaredCharset(parts []part) string {
	for i := range parts {
		p := &parts[i]
		if p.kind != "text" {
			continue
		}
		switch label := charsetLabel(cutBytes(p.param("charset"), 60)); label {
		case "", "us-ascii", "utf-8", "windows-1252":
		default:
			if lookupCharset(label) != nil {
				return label
			}
		}
	}
	return ""
}

// rawToUTF8 makes UTF-8 of a raw header value: as it stands if it is UTF-8, else
// in the charset of hint if it can be that, else as Western text. Bytes of a
// multi-byte charset may look like commas and quotes, so this comes before all
// other reading.
func rawToUTF8(value, hint string) string {
	if utf8.ValidString(value) {
		return value
	}
	if hint != "" {
		if text, odd := decodeCharset([]byte(value), hint); !odd && !strings.ContainsRune(text, utf8.RuneError) {
			return text
		}
	}
	return decodeWestern([]byte(value), "")
}

// western is decodeWestern of a text of no declared charset.
func western(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return decodeWestern([]byte(s), "")
}

// isUTF7 tells the names of UTF-7 (RFC 2152). No program of today writes it; what
// is declared so may hide markup or a header in what filters take for words. It is
// refused: its octets are shown as they stand, in ASCII.
func isUTF7(label string) bool {
	return strings.Contains(label, "utf-7") || strings.Contains(label, "utf7") || strings.HasSuffix(label, "65000") || label == "csunicode11utf7"
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

// pagePrefixes are prefixes under which Windows code pages go.
var pagePrefixes = []string{"windows-", "windows_", "windows", "win-", "win", "x-cp", "cp-", "cp", "ms-", "ms", "ibm-", "ibm", "dos-", "x-windows-"}

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
	for _, prefix := range pagePrefixes {
		if digits, ok := strings.CutPrefix(label, prefix); ok {
			if id, err := strconv.ParseUint(digits, 10, 32); err == nil {
				if known := codePage(uint32(id)); known != label && (known != "windows-1252" || id == 1252) {
					return lookupCharset(known)
				}
			}
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
