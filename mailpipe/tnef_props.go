package mailpipe

import (
	"bytes"
	"strings"

	"golang.org/x/text/encoding/unicode"
)

// Properties of MAPI that are read ([MS-OXPROPS]).
const (
	propClass       = 0x001a
	propSubject     = 0x0037
	propSenderMail  = 0x0c1f
	propSentByMail  = 0x0065
	propSenderSMTP  = 0x5d01
	propSentBySMTP  = 0x5d02
	propBody        = 0x1000
	propRTF         = 0x1009
	propHTML        = 0x1013
	propDisplayName = 0x3001
	propFileData    = 0x3701
	propFileName    = 0x3704
	propLongName    = 0x3707
	propMIMEType    = 0x370e
	propContentID   = 0x3712
	propInternetCP  = 0x3fde
)

// Types of property values ([MS-OXCDATA], section 2.11.1).
const (
	typeInt16    = 0x0002
	typeObject   = 0x000d
	typeString8  = 0x001e
	typeUnicode  = 0x001f
	typeBinary   = 0x0102
	typeMultiple = 0x1000 // set beside another: several values
	typeInt32    = 0x0003
)

// mapiProperty is a property with its first value, a range of the stream.
type mapiProperty struct {
	id, kind uint16
	value    []byte
}

// props reads a property list ([MS-OXTNEF], section 2.1.3.4) and calls each for
// every property of a size that is known.
func (t *tnefReader) props(m *tnefMessage, list []byte, each func(mapiProperty)) {
	in := bytesReader{b: list}
	for count := in.uint32(); count > 0; count-- {
		p := mapiProperty{kind: in.uint16(), id: in.uint16()}
		if t.items--; in.short || t.items < 0 || !p.read(&in) {
			m.damaged = true
			return
		}
		each(p)
	}
}

// read reads what follows type and id. It returns false when the list ends early
// or can't be followed further.
func (p *mapiProperty) read(in *bytesReader) bool {
	if p.id >= 0x8000 { // named: its id has no meaning of its own
		in.take(16)
		if in.uint32() == 0 {
			in.take(4)
		} else {
			in.padded(in.uint32())
		}
		p.id = 0
	}
	kind := p.kind &^ typeMultiple
	size, variable := 0, false
	switch kind {
	case 0x0000, 0x0001: // unspecified, null
	case typeInt16, typeInt32, 0x0004, 0x000a, 0x000b:
		size = 4 // padded
	case 0x0005, 0x0006, 0x0007, 0x0014, 0x0040:
		size = 8
	case 0x0048:
		size = 16
	case typeObject, typeString8, typeUnicode, typeBinary:
		variable = true
	default:
		return false
	}
	values := uint32(1)
	if variable || p.kind&typeMultiple != 0 {
		values = in.uint32()
	}
	if !variable && size == 0 {
		values = 0
	}
	for i := uint32(0); i < values && !in.short; i++ {
		var value []byte
		if variable {
			value = in.padded(in.uint32())
		} else {
			value = in.take(size)
		}
		if i == 0 {
			p.value = value
		}
	}
	return !in.short
}

// padded takes n octets and what fills them up to a multiple of four. The last
// value of a list may lack its padding.
func (r *bytesReader) padded(n uint32) []byte {
	value := r.take(int(n))
	r.pos += min(int(-n&3), r.left())
	return value
}

// text decodes the string of a property.
func (p *mapiProperty) text(m *tnefMessage) string {
	switch p.kind &^ typeMultiple {
	case typeUnicode:
		value := p.value[:min(len(p.value), 2*maxText)]
		out, err := unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM).NewDecoder().Bytes(value)
		if err != nil {
			return ""
		}
		text, _, _ := strings.Cut(string(out), "\x00")
		return text
	case typeString8:
		return m.string8(p.value)
	}
	return ""
}

// set takes a property of the message itself.
func (m *tnefMessage) set(p mapiProperty) {
	switch p.id {
	case propInternetCP:
		if p.kind == typeInt32 {
			in := bytesReader{b: p.value}
			if id := in.uint32(); id != 0 {
				m.htmlCharset = codePage(id)
			}
		}
	case propClass:
		if s := p.text(m); s != "" {
			m.class = s
		}
	case propSubject:
		if s := p.text(m); s != "" {
			m.subject = s
		}
	case propSenderMail, propSentByMail, propSenderSMTP, propSentBySMTP:
		if s := p.text(m); strings.Contains(s, "@") {
			m.sender = s
		}
	case propBody:
		if s := p.text(m); s != "" {
			m.text = s
		}
	case propHTML:
		switch p.kind {
		case typeBinary, typeString8:
			m.html = bytes.TrimRight(p.value, "\x00")
		case typeUnicode:
			m.html = append([]byte("<meta charset=utf-8>"), p.text(m)...)
		}
	case propRTF:
		if p.kind == typeBinary {
			m.rtf = p.value
		}
	}
}

// set takes a property of an attachment.
func (f *tnefFile) set(m *tnefMessage, p mapiProperty) {
	switch p.id {
	case propLongName:
		f.longName = p.text(m)
	case propFileName:
		if f.name == "" {
			f.name = p.text(m)
		}
	case propDisplayName:
		f.display = p.text(m)
	case propMIMEType:
		f.mediaType = p.text(m)
	case propContentID:
		f.contentID = p.text(m)
	case propFileData:
		value := p.value
		if p.kind == typeObject && len(value) >= 16 {
			value = value[16:] // the interface by which it is opened
		}
		if (p.kind == typeObject || p.kind == typeBinary) && len(f.data) == 0 {
			f.data = value
		}
	}
}
