package mailpipe

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// Budgets of a TNEF stream (winmail.dat). What is beyond is not read.
const (
	maxTNEFItems = 1000 // attributes and properties, those of embedded messages included
	maxTNEFDepth = 4    // embedded messages inside one another
)

// tnefSignature begins a TNEF stream ([MS-OXTNEF], section 2.1.3.1).
var tnefSignature = []byte{0x78, 0x9f, 0x3e, 0x22}

// Attributes of a TNEF stream ([MS-OXTNEF], section 2.1.3.3), without level.
const (
	attSubject      = 0x00018004
	attClass        = 0x00078008 // what the message is
	attBody         = 0x0002800c
	attTitle        = 0x00018010 // file name
	attData         = 0x0006800f // content of the file
	attTransport    = 0x00069001 // file name
	attRenderingOf  = 0x00069002 // begins an attachment
	attMessageProps = 0x00069003
	attFileProps    = 0x00069005
	attCodePage     = 0x00069007
)

// tnefMessage is what a TNEF stream holds. Contents are ranges of the stream.
type tnefMessage struct {
	subject, sender string
	class           string // "IPM.Note", "IPM.Schedule.Meeting.Request"
	text            string // plain; empty: none
	html            []byte
	rtf             []byte // compressed ([MS-OXRTFCP])
	charset         string // of 8-bit strings
	htmlCharset     string // empty: the same
	files           []*tnefFile
	damaged         bool // it ended early or a budget was exceeded
}

// tnefFile is one attachment of a TNEF stream.
type tnefFile struct {
	longName, name, display string
	mediaType, contentID    string
	data                    []byte
	message                 *tnefMessage // an embedded message; data is its stream
}

// readTNEF reads a TNEF stream in one pass over it, each embedded one once more.
// It fails only when it is none; what is broken is read as far as it goes.
func readTNEF(stream []byte) (*tnefMessage, error) {
	t := tnefReader{items: maxTNEFItems}
	return t.message(stream, 1)
}

type tnefReader struct{ items int } // still allowed

func (t *tnefReader) message(stream []byte, depth int) (*tnefMessage, error) {
	if len(stream) < 6 || !bytes.HasPrefix(stream, tnefSignature) {
		return nil, fmt.Errorf("not a TNEF stream")
	}
	m := &tnefMessage{charset: "windows-1252"}
	var file *tnefFile
	in := bytesReader{b: stream, pos: 6} // signature and key
	for in.left() > 0 {
		level := in.take(1)
		id, size := in.uint32(), in.uint32()
		value := in.take(int(size))
		if t.items--; in.short || t.items < 0 || level[0] != 1 && level[0] != 2 {
			m.damaged = true
			break
		}
		in.take(min(2, in.left())) // checksum: nothing follows from a wrong one
		switch id {
		case attCodePage:
			if len(value) >= 4 {
				m.charset = codePage(binary.LittleEndian.Uint32(value))
			}
		case attSubject:
			m.subject = m.string8(value)
		case attClass:
			m.class = m.string8(value)
		case attBody:
			m.text = m.string8(value)
		case attMessageProps:
			t.props(m, value, func(p mapiProperty) { m.set(p) })
		case attRenderingOf:
			file = &tnefFile{}
			m.files = append(m.files, file)
		}
		if file == nil || level[0] != 2 {
			continue
		}
		switch id {
		case attTitle, attTransport:
			if name := m.string8(value); name != "" && (file.name == "" || id == attTransport) {
				file.name = name
			}
		case attData:
			file.data = value
		case attFileProps:
			t.props(m, value, func(p mapiProperty) { file.set(m, p) })
			if file.message == nil && depth < maxTNEFDepth && bytes.HasPrefix(file.data, tnefSignature) {
				file.message, _ = t.message(file.data, depth+1)
				m.damaged = m.damaged || file.message != nil && file.message.damaged
			}
		}
	}
	return m, nil
}

// string8 decodes a string in the stream's code page.
func (m *tnefMessage) string8(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	text, _ := decodeCharset(b[:min(len(b), maxText)], m.charset)
	return text
}

// method names a calendar message as iCalendar does (RFC 5546, section 1.4), by
// its class ([MS-OXOCAL], section 2.2.5; [MS-OXTNEF], section 2.1.3.3.1 for the old
// names); empty: it is none.
func (m *tnefMessage) method() string {
	class := strings.ToLower(m.class)
	switch {
	case strings.HasPrefix(class, "ipm.schedule.meeting.request"), strings.HasSuffix(class, "schedule.mtgreq"):
		return "request"
	case strings.HasPrefix(class, "ipm.schedule.meeting.canceled"), strings.HasSuffix(class, "schedule.mtgcncl"):
		return "cancel"
	case strings.HasPrefix(class, "ipm.schedule.meeting.resp."), strings.Contains(class, "schedule.mtgresp"):
		return "reply"
	case strings.HasPrefix(class, "ipm.appointment"):
		return "publish"
	}
	return ""
}

// body is the message as text: the plain one if it has any, else HTML or RTF.
func (m *tnefMessage) body() string {
	if strings.TrimSpace(m.text) != "" {
		return cleanText(m.text)
	}
	if len(m.html) > 0 {
		charset := metaCharset(m.html)
		if charset == "" {
			charset = cmp.Or(m.htmlCharset, m.charset)
		}
		text, _ := decodeCharset(m.html[:min(len(m.html), 2*maxText)], charset)
		return htmlToText(text, nil)
	}
	text, html := readRTF(expandRTF(m.rtf, 4*maxText), m.charset)
	if html {
		return htmlToText(text, nil)
	}
	return cleanText(text)
}

// asMail writes an embedded message as mail, so that any program opens it.
func (m *tnefMessage) asMail() []byte {
	var w bytes.Buffer
	if from := parseAddresses(m.sender); len(from) > 0 {
		if err := addressField(&w, "From", from[0]); err != nil {
			w.Reset() // it can be left out
		}
	}
	textField(&w, "Subject", cleanLine(m.subject, maxSubject))
	plainField(&w, "MIME-Version", "1.0")
	plainField(&w, "Content-Type", "text/plain; charset=utf-8")
	plainField(&w, "Content-Transfer-Encoding", "quoted-printable")
	w.WriteString("\r\n")
	quotedPrintable(&w, withoutMarks(m.body()))
	w.WriteString("\r\n")
	return w.Bytes()
}

// codePage is the charset of a Windows code page identifier.
func codePage(id uint32) string {
	switch id {
	case 932:
		return "shift_jis"
	case 936:
		return "gbk"
	case 949:
		return "euc-kr"
	case 950:
		return "big5"
	case 10000:
		return "macintosh"
	case 20127:
		return "us-ascii"
	case 20866:
		return "koi8-r"
	case 21866:
		return "koi8-u"
	case 50220, 50221, 50222:
		return "iso-2022-jp"
	case 51932:
		return "euc-jp"
	case 54936:
		return "gb18030"
	case 65001:
		return "utf-8"
	}
	switch {
	case id >= 1250 && id <= 1258 || id == 874:
		return "windows-" + strconv.Itoa(int(id))
	case id >= 28591 && id <= 28606:
		return "iso-8859-" + strconv.Itoa(int(id-28590))
	case id == 437 || id >= 850 && id <= 866:
		return "ibm" + strconv.Itoa(int(id))
	}
	return "windows-1252"
}

// bytesReader takes pieces off a stream and never goes beyond its end: short is
// set then, and what it returns is empty.
type bytesReader struct {
	b     []byte
	pos   int
	short bool
}

func (r *bytesReader) left() int { return len(r.b) - r.pos }

func (r *bytesReader) take(n int) []byte {
	if n < 0 || n > r.left() {
		r.short = true
		r.pos = len(r.b)
		return nil
	}
	r.pos += n
	return r.b[r.pos-n : r.pos : r.pos]
}

func (r *bytesReader) uint16() uint16 {
	if b := r.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (r *bytesReader) uint32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}
