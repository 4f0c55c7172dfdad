package mailpipe

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"iter"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"buzon/ticket"
)

// mimePart is a node of the message's MIME tree: a multipart, a file, or text.
type mimePart struct {
	mediaType string
	parts     []mimePart // a multipart's
	root      string     // type of the first part of multipart/related (RFC 2387)
	file      *ticket.File
	inline    bool
	text      string
}

// eightBit tells whether some file in the part is sent in 8-bit form, which the
// headers around it must say (RFC 2045, section 6.4).
func (p mimePart) eightBit() bool {
	for _, child := range p.parts {
		if child.eightBit() {
			return true
		}
	}
	return p.file != nil && p.file.Content == nil && strings.EqualFold(p.file.Encoding, "8bit")
}

// part writes a part: the rest of its header, an empty line, its body.
func (a *assembly) part(p mimePart) error {
	switch {
	case len(p.parts) > 0:
		return a.multipart(p)
	case p.file != nil:
		a.file(p)
	default:
		paramField(&a.buf, "Content-Type", p.mediaType, mimeParam{"charset", "utf-8"})
		plainField(&a.buf, "Content-Transfer-Encoding", "quoted-printable")
		a.buf.WriteString("\r\n")
		quotedPrintable(&a.buf, p.text)
	}
	return nil
}

func (a *assembly) multipart(p mimePart) error {
	nonce, err := a.nonce()
	if err != nil {
		return err
	}
	// "=_" can occur neither in quoted-printable nor in base64; against other
	// content there are the 120 random bits.
	boundary := "=_" + nonce
	params := []mimeParam{{"boundary", `"` + boundary + `"`}}
	if p.root != "" {
		params = append(params, mimeParam{"type", `"` + p.root + `"`})
	}
	paramField(&a.buf, "Content-Type", p.mediaType, params...)
	if p.eightBit() {
		plainField(&a.buf, "Content-Transfer-Encoding", "8bit")
	}
	for _, child := range p.parts {
		a.buf.WriteString("\r\n--" + boundary + "\r\n")
		if err := a.part(child); err != nil {
			return err
		}
	}
	a.buf.WriteString("\r\n--" + boundary + "--\r\n")
	return nil
}

// file writes a file under a header of our own.
func (a *assembly) file(p mimePart) {
	f := p.file
	name := cmp.Or(cleanFileName(f.Name), "attachment")
	fallback := asciiName(name)
	mediaType := strings.ToLower(f.Type)
	if !isMediaType(mediaType) || f.Content != nil && strings.HasPrefix(mediaType, "message/") {
		// base64 is not allowed inside a message type (RFC 2046, section 5.2)
		mediaType = "application/octet-stream"
	}
	var typeParams []mimeParam
	if strings.HasPrefix(mediaType, "text/") && isMIMEToken(f.Charset) {
		typeParams = append(typeParams, mimeParam{"charset", f.Charset})
	}
	typeParams = append(typeParams, mimeParam{"name", `"` + fallback + `"`})
	paramField(&a.buf, "Content-Type", mediaType, typeParams...)

	disposition := "attachment"
	if p.inline {
		disposition = "inline"
	}
	nameParams := []mimeParam{{"filename", `"` + fallback + `"`}}
	if name != fallback {
		nameParams = append(nameParams, mimeParam{"filename*", "utf-8''" + percentEncode(name)})
	}
	paramField(&a.buf, "Content-Disposition", disposition, nameParams...)
	if p.inline {
		idField(&a.buf, "Content-ID", f.ContentID)
	}
	if f.Content != nil {
		plainField(&a.buf, "Content-Transfer-Encoding", "base64")
		a.buf.WriteString("\r\n")
		base64Lines(&a.buf, f.Content)
		return
	}
	encoding := strings.ToLower(f.Encoding)
	if encoding == "" {
		encoding = "7bit"
	}
	plainField(&a.buf, "Content-Transfer-Encoding", encoding)
	a.buf.WriteString("\r\n")
	a.copyFile(f)
}

// base64Lines writes content in lines of 76 letters (RFC 2045, section 6.8), the
// last without its line end.
func base64Lines(w *bytes.Buffer, content []byte) {
	const line = maxColumns / 4 * 3
	var coded [maxColumns]byte
	w.Grow(len(content)/line*(maxColumns+2) + maxColumns)
	for ; len(content) > line; content = content[line:] {
		base64.StdEncoding.Encode(coded[:], content[:line])
		w.Write(coded[:])
		w.WriteString("\r\n")
	}
	w.WriteString(base64.StdEncoding.EncodeToString(content))
}

// asciiName is the name for readers that don't know RFC 2231: accents are
// dropped, other characters become underscores. It can stand between quotes.
func asciiName(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Mn, r), r == '\u200d':
			return -1
		case r < ' ' || r > '~' || r == '"' || r == '\\':
			return '_'
		}
		return r
	}, norm.NFD.String(name))
}

// percentEncode writes a parameter's value by RFC 2231, section 4.
func percentEncode(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if isASCIIAlnum(rune(c)) || c == '.' || c == '-' || c == '_' {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(upperHex[c>>4])
		b.WriteByte(upperHex[c&15])
	}
	return b.String()
}

func isMediaType(s string) bool {
	kind, sub, ok := strings.Cut(s, "/")
	return ok && isMIMEToken(kind) && isMIMEToken(sub)
}

// isMIMEToken follows RFC 2045, section 5.1, with a bound on the length.
func isMIMEToken(s string) bool {
	return s != "" && len(s) <= 100 && !strings.ContainsFunc(s, func(r rune) bool {
		return !isASCIIAlnum(r) && !strings.ContainsRune("!#$&-^_.+", r)
	})
}

const upperHex = "0123456789ABCDEF"

// quoteOctets writes the octets of a character as =XX.
func quoteOctets(r rune) string {
	var octets [utf8.UTFMax]byte
	n := utf8.EncodeRune(octets[:], r)
	out := make([]byte, 0, 3*utf8.UTFMax)
	for _, c := range octets[:n] {
		out = append(out, '=', upperHex[c>>4], upperHex[c&15])
	}
	return string(out)
}

// wordUnits divides text into what must stay together on one line: runs of ASCII
// letters and digits, up to longest octets, and single characters as encode
// writes them.
func wordUnits(text string, longest int, encode func(rune) string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := 0; i < len(text); {
			n := 0
			for n < longest && i+n < len(text) && isASCIIAlnum(rune(text[i+n])) {
				n++
			}
			unit := text[i : i+n]
			if n == 0 {
				var r rune
				r, n = utf8.DecodeRuneInString(text[i:])
				unit = encode(r)
			}
			if !yield(unit) {
				return
			}
			i += n
		}
	}
}

var bareLines = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\x00", "\uFFFD")

// quotedPrintable writes text (RFC 2045, section 6.7). Lines of text, whatever
// their ends, become lines ending in CRLF. Where a line is too long it is broken
// after a space, or if there is none between two units, so that words, tokens
// and characters stay whole for readers that look at the raw message.
func quotedPrintable(w *bytes.Buffer, text string) {
	if !utf8.ValidString(text) {
		text = strings.ToValidUTF8(text, "\uFFFD")
	}
	if strings.IndexByte(text, '\r') >= 0 || strings.IndexByte(text, 0) >= 0 {
		text = bareLines.Replace(text)
	}
	w.Grow(len(text) + len(text)/8)
	q := quoting{out: w.AvailableBuffer()}
	for line, rest, more := strings.Cut(text, "\n"); ; line, rest, more = strings.Cut(rest, "\n") {
		q.writeLine(line)
		if !more {
			break
		}
		q.out = append(q.out, "\r\n"...)
	}
	w.Write(q.out)
}

// quotedRoom is what a line may hold: its last column is for the =.
const quotedRoom = maxColumns - 1

// quoting is quoted-printable text that is being written.
type quoting struct {
	out   []byte
	line  int // where the line begins
	space int // where it may be broken: after its last space; not after line: it has none
}

func (q *quoting) writeLine(line string) {
	q.line = len(q.out)
	last := "" // white space at the end of a line would be lost
	if n := len(line); n > 0 && (line[n-1] == ' ' || line[n-1] == '\t') {
		line, last = line[:n-1], line[n-1:]
	}
	// A relay may change these at the beginning of a line: mbox writers quote
	// "From ", broken ones mistake a dot.
	if strings.HasPrefix(line, "From ") || strings.HasPrefix(line, ".") {
		q.octets(line[:1])
		line = line[1:]
	}
	for len(line) > 0 {
		c, n := line[0], q.whatFits(line)
		if n > 0 {
			line = line[n:]
			continue
		}
		switch n = 1; {
		case isASCIIAlnum(rune(c)):
			for n < len(line) && n < quotedRoom && isASCIIAlnum(rune(line[n])) {
				n++
			}
			q.add(line[:n])
		case c == ' ' || c == '\t':
			q.add(line[:1])
			q.space = len(q.out)
		case unencoded[c]:
			q.add(line[:1])
		default:
			_, n = utf8.DecodeRuneInString(line)
			q.octets(line[:n])
		}
		line = line[n:]
	}
	if last != "" {
		q.octets(last)
	}
}

// whatFits writes what can stand in the line as it is and where it is, whole units, and
// returns its length. It does by the line what add does by the unit.
func (q *quoting) whatFits(line string) int {
	room := min(len(line), quotedRoom-(len(q.out)-q.line))
	n := 0
	for n < room && unencoded[line[n]] {
		n++
	}
	if n == room && n < len(line) && isASCIIAlnum(rune(line[n])) {
		for n > 0 && isASCIIAlnum(rune(line[n-1])) {
			n--
		}
	}
	for i := n; i > 0; i-- {
		if line[i-1] == ' ' || line[i-1] == '\t' {
			q.space = len(q.out) + i
			break
		}
	}
	q.out = append(q.out, line[:n]...)
	return n
}

// unencoded are the octets that need no encoding inside a line.
var unencoded = func() (is [256]bool) {
	for c := range is {
		is[c] = c >= ' ' && c <= '~' && c != '=' || c == '\t'
	}
	return is
}()

// add puts what must stay together into the line, which is broken before it when it is
// too long: after the last space, and again when what followed that is long too.
func (q *quoting) add(unit string) {
	for len(q.out)-q.line+len(unit) > quotedRoom {
		cut := len(q.out)
		if q.space > q.line {
			cut = q.space
		}
		q.out = slices.Insert(q.out, cut, []byte("=\r\n")...)
		q.line = cut + len("=\r\n")
	}
	q.out = append(q.out, unit...)
}

// octets adds a character as =XX.
func (q *quoting) octets(char string) {
	var coded [3 * utf8.UTFMax]byte
	n := 0
	for i := range len(char) {
		coded[n], coded[n+1], coded[n+2] = '=', upperHex[char[i]>>4], upperHex[char[i]&15]
		n += 3
	}
	q.add(string(coded[:n]))
}
