package mailpipe

import (
	"bytes"
	"strings"

	"buzon/ticket"
)

// uuFile is a uuencoded file in a text, as programs from before MIME wrote it:
// "begin", a mode, a name, lines of code, "end".
type uuFile struct {
	name string
	at   span  // from "begin" to the end, in the text
	size int64 // decoded, in octets
}

// maxUUFiles are the uuencoded files that are looked for in one text.
const maxUUFiles = 100

// findUU finds the uuencoded files of a text in one pass. Prose that happens to
// begin with "begin" has no code below it.
func findUU(text []byte) []uuFile {
	var files []uuFile
	for pos := 0; pos < len(text) && len(files) < maxUUFiles; {
		if !bytes.HasPrefix(text[pos:], []byte("begin ")) {
			i := bytes.Index(text[pos:], []byte("\nbegin "))
			if i < 0 {
				break
			}
			pos += i + 1
		}
		line, next := lineAt(text, pos)
		f := uuFile{name: uuName(line), at: span{pos, next}}
		if f.name == "" {
			pos = next
			continue
		}
		lines, whole, ended := 0, false, false
		for next < len(text) && !ended {
			line, after := lineAt(text, next)
			line = bytes.TrimRight(line, "\r")
			n, full, ok := uuLine(line)
			switch {
			case string(bytes.TrimSpace(line)) == "end":
				ended = true
			case !ok:
			case n > 0:
				lines++
				whole = whole || full
				f.size += int64(n)
			}
			if !ended && !ok {
				break
			}
			next = after
			f.at.end = next
		}
		if whole && (ended || lines > 2) { // its end may have been cut off
			files = append(files, f)
		}
		pos = next
	}
	return files
}

// uuName is the name in a "begin 644 name" line; empty: the line is none.
func uuName(line []byte) string {
	mode, name, ok := strings.Cut(string(bytes.TrimSpace(line[len("begin "):])), " ")
	if !ok || len(mode) < 3 || len(mode) > 4 || strings.Trim(mode, "01234567") != "" || len(name) > 400 {
		return ""
	}
	return strings.TrimSpace(name)
}

// uuLine tells whether a line is code, or the empty one before the end, and how
// many octets it stands for. Spaces at its end may be lost: then it is not full.
// Some encoders add a character that checks the others.
func uuLine(line []byte) (octets int, full, ok bool) {
	if len(line) == 0 {
		return 0, false, true
	}
	n := int(line[0]-' ') & 63
	code := 1 + (n+2)/3*4
	if len(line) > code+1 || n > 45 {
		return 0, false, false
	}
	for _, c := range line {
		if c < ' ' || c > '`' {
			return 0, false, false
		}
	}
	return n, n > 0 && len(line) >= code, true
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
		case string(bytes.TrimSpace(line)) == "end":
			return out
		}
		n := int(line[0]-' ') & 63
		for i := 1; n > 0; i += 4 {
			var v uint32
			for j := i; j < i+4; j++ {
				v <<= 6
				if j < len(line) {
					v |= uint32(line[j]-' ') & 63
				}
			}
			chunk := [3]byte{byte(v >> 16), byte(v >> 8), byte(v)}
			out = append(out, chunk[:min(n, 3)]...)
			n -= 3
		}
	}
	return out
}

// uuencoded lists the uuencoded files in the text leaf i and returns where they
// lie in its body. Text under another encoding than its own octets is left alone:
// its files have no place of their own in the message.
func (r *reading) uuencoded(i int) []span {
	p := &r.parts[i]
	switch p.encoding {
	case "", "7bit", "8bit", "binary":
	default:
		return nil
	}
	var places []span
	for _, f := range findUU(p.body.of(r.raw)) {
		name := firstName(rawToUTF8(f.name, r.charset), "adjunto.bin")
		r.add(ticket.Attachment{
			Name: name, Type: typeOfName(name), Encoding: "x-uuencode", Private: isMessageName(name),
			Offset: int64(p.body.start + f.at.start), Length: int64(f.at.len()), Size: f.size,
		})
		places = append(places, f.at)
	}
	return places
}

// without returns b without some ranges of it, which are in its order.
func without(b []byte, places []span) []byte {
	if len(places) == 0 {
		return b
	}
	var rest []byte
	from := 0
	for _, at := range places {
		rest = append(rest, b[from:min(at.start, len(b))]...)
		from = min(at.end, len(b))
	}
	return append(rest, b[from:]...)
}
