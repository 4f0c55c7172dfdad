package mailpipe

import (
	"encoding/binary"
	"strings"
	"unicode/utf16"
)

// lzfuDictionary is what the dictionary of compressed RTF begins with
// ([MS-OXRTFCP], section 2.1.2.1).
const lzfuDictionary = `{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0` +
	"\r\n" + `\par \pard\plain\f0\fs20\b\i\u\tab\tx`

// expandRTF undoes the compression of RTF in MAPI ([MS-OXRTFCP]): at most limit
// octets, less where the input breaks off. What has another form gives nothing.
func expandRTF(in []byte, limit int) []byte {
	if len(in) < 16 {
		return nil
	}
	size := min(int(binary.LittleEndian.Uint32(in[4:])), limit)
	kind := string(in[8:12])
	in = in[16:]
	switch kind {
	case "MELA": // not compressed
		return in[:min(len(in), size)]
	case "LZFu":
	default:
		return nil
	}
	var dictionary [4096]byte
	at := copy(dictionary[:], lzfuDictionary)
	out := make([]byte, 0, min(size, 9*len(in)))
	put := func(c byte) {
		out = append(out, c)
		dictionary[at] = c
		at = (at + 1) & 4095
	}
	for len(in) > 0 && len(out) < size {
		control := in[0]
		in = in[1:]
		for bit := 0; bit < 8 && len(in) > 0 && len(out) < size; bit++ {
			if control>>bit&1 == 0 {
				put(in[0])
				in = in[1:]
				continue
			}
			if len(in) < 2 {
				return out
			}
			from, n := int(in[0])<<4|int(in[1])>>4, int(in[1]&15)+2
			in = in[2:]
			if from == at {
				return out
			}
			for ; n > 0 && len(out) < size; n-- {
				put(dictionary[from])
				from = (from + 1) & 4095
			}
		}
	}
	return out
}

// rtfGroup is the state that a brace opens and its partner restores.
type rtfGroup struct {
	skip    bool // a destination that is not text
	tag     bool // HTML in a \*\htmltag destination
	hidden  bool // RTF that stands for a tag (\htmlrtf), or hidden text
	fonts   bool // the font table
	unicode int  // characters that follow \u as a substitute
	charset string
}

// rtfReader turns RTF into text.
type rtfReader struct {
	out     strings.Builder
	group   rtfGroup
	stack   []rtfGroup
	base    string         // charset of the document
	fonts   map[int]string // charset of each font
	font    int            // in the font table: the font being described
	html    bool
	bytes   []byte // 8-bit characters not yet decoded
	utf16   []uint16
	swallow int // substitute characters still to be passed over
}

const (
	maxRTFDepth = 500  // groups inside one another; deeper ones are flat
	maxRTFFonts = 1000 // in the font table
)

// readRTF returns the text of RTF, in one pass. html tells that it is HTML, which
// the RTF was made of ([MS-OXRTFEX]). charset counts where the RTF names none.
func readRTF(rtf []byte, charset string) (text string, html bool) {
	r := rtfReader{base: charset, group: rtfGroup{unicode: 1}, fonts: map[int]string{}}
	for i := 0; i < len(rtf); {
		switch c := rtf[i]; c {
		case '{':
			r.flush()
			if len(r.stack) < maxRTFDepth {
				r.stack = append(r.stack, r.group)
			}
			i++
		case '}':
			r.flush()
			if n := len(r.stack); n > 0 {
				r.group, r.stack = r.stack[n-1], r.stack[:n-1]
			}
			i++
		case '\\':
			i = r.control(rtf, i+1)
		case '\r', '\n':
			i++
		default:
			r.character(c)
			i++
		}
	}
	r.flush()
	return r.out.String(), r.html
}

// control reads the control word or symbol at i, behind its backslash.
func (r *rtfReader) control(rtf []byte, i int) int {
	if i >= len(rtf) {
		return i
	}
	c := rtf[i]
	if c < 'a' || c > 'z' {
		return r.symbol(rtf, i)
	}
	start := i
	for i < len(rtf) && i-start < 32 && (rtf[i] >= 'a' && rtf[i] <= 'z' || rtf[i] >= 'A' && rtf[i] <= 'Z') {
		i++
	}
	word := string(rtf[start:i])
	n, negative, digits := 0, false, false
	if i+1 < len(rtf) && rtf[i] == '-' {
		negative = true
		i++
	}
	for ; i < len(rtf) && rtf[i] >= '0' && rtf[i] <= '9'; i++ {
		n, digits = min(n*10+int(rtf[i]-'0'), 1<<24), true
	}
	if negative {
		n = -n
	}
	if i < len(rtf) && rtf[i] == ' ' {
		i++
	}
	if word == "bin" && n > 0 { // n octets of anything
		return min(i+n, len(rtf))
	}
	r.word(word, n, digits)
	return i
}

// symbol reads a control symbol.
func (r *rtfReader) symbol(rtf []byte, i int) int {
	switch c := rtf[i]; c {
	case '\'':
		if i+2 < len(rtf) && isHex(rtf[i+1]) && isHex(rtf[i+2]) {
			r.character(unhex(rtf[i+1])<<4 | unhex(rtf[i+2]))
			return i + 3
		}
	case '\\', '{', '}':
		r.character(c)
	case '~':
		r.write(" ")
	case '_':
		r.write("-")
	case '*':
		r.group.skip = true // unless the word that follows is known
	case '\r', '\n':
		r.write("\n")
	}
	return i + 1
}

// word acts on a control word.
func (r *rtfReader) word(word string, n int, digits bool) {
	switch word {
	case "u":
		r.decodeBytes()
		r.utf16 = append(r.utf16, uint16(n))
		r.swallow = r.group.unicode
		return
	case "fromhtml":
		r.html = n != 0 || !digits
	case "htmltag":
		r.group.skip, r.group.tag = false, true
	case "htmlrtf":
		r.flush()
		r.group.hidden = n != 0 || !digits
	case "mhtmltag", "colortbl", "stylesheet", "info", "pict", "object", "fldinst", "listtable", "generator",
		"header", "footer", "headerl", "headerr", "footerl", "footerr", "themedata", "datastore", "xmlnstbl":
		r.group.skip = true
	case "fonttbl":
		r.group.skip, r.group.fonts = true, true
	case "ansicpg":
		if n > 0 {
			r.base = codePage(uint32(n))
		}
	case "f":
		r.flush()
		if r.font = n; !r.group.fonts {
			r.group.charset = r.fonts[n]
		}
	case "fcharset":
		if r.group.fonts && len(r.fonts) < maxRTFFonts {
			r.fonts[r.font] = fontCharsets[n]
		}
	case "plain":
		r.flush()
		r.group.charset = ""
	case "uc":
		r.group.unicode = max(0, min(n, 100))
	case "v":
		if !r.html {
			r.flush()
			r.group.hidden = n != 0 || !digits
		}
	case "par", "line", "sect", "page", "row":
		r.write("\n")
	case "tab", "cell":
		r.write("\t")
	case "emdash":
		r.write("—")
	case "endash":
		r.write("–")
	case "bullet":
		r.write("•")
	case "lquote":
		r.write("‘")
	case "rquote":
		r.write("’")
	case "ldblquote":
		r.write("“")
	case "rdblquote":
		r.write("”")
	}
}

// fontCharsets are the charsets by the numbers of \fcharset; others are the
// document's.
var fontCharsets = map[int]string{
	128: "shift_jis", 129: "euc-kr", 134: "gbk", 136: "big5", 161: "windows-1253", 162: "windows-1254",
	163: "windows-1258", 177: "windows-1255", 178: "windows-1256", 186: "windows-1257", 204: "windows-1251",
	222: "windows-874", 238: "windows-1250",
}

// silent tells whether text at this place is not shown.
func (r *rtfReader) silent() bool {
	return r.group.skip || r.group.hidden && !r.group.tag
}

// character takes an 8-bit character of the text.
func (r *rtfReader) character(c byte) {
	if r.swallow > 0 {
		r.swallow--
		return
	}
	if r.silent() {
		return
	}
	r.decodeWide()
	r.bytes = append(r.bytes, c)
}

// write takes text that is decoded.
func (r *rtfReader) write(s string) {
	r.flush()
	if !r.silent() {
		r.out.WriteString(s)
	}
}

// flush decodes what is pending in the charset that held until now.
func (r *rtfReader) flush() {
	r.decodeBytes()
	r.decodeWide()
	r.swallow = 0
}

func (r *rtfReader) decodeBytes() {
	if len(r.bytes) == 0 {
		return
	}
	charset := r.group.charset
	if charset == "" {
		charset = r.base
	}
	text, _ := decodeCharset(r.bytes, charset)
	r.out.WriteString(text)
	r.bytes = r.bytes[:0]
}

func (r *rtfReader) decodeWide() {
	if len(r.utf16) == 0 {
		return
	}
	if !r.silent() {
		r.out.WriteString(string(utf16.Decode(r.utf16)))
	}
	r.utf16 = r.utf16[:0]
}
