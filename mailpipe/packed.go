package mailpipe

import (
	"bytes"
	"path"
	"strings"

	"buzon/ticket"
)

const (
	maxContainers = 3   // containers inside one another
	maxPacked     = 500 // files of one message that lie inside containers
)

// container is an attachment that holds what other programs send as parts of the
// message: winmail.dat, or a message inside its own signature or compressed.
type container struct {
	text  string // with the marks of htmlToText
	files []packedFile
	notes []string // what a reader should know
	// damaged tells that not all of it could be read.
	damaged bool
	// whole: its text is the message's. That of a winmail.dat is a copy of what
	// other parts say, if there are any.
	whole bool
}

// packedFile is a file inside a container.
type packedFile struct {
	ticket.Attachment
	content func() []byte
}

// mayContain tells by type and name whether a leaf may be a container.
func mayContain(m *media, name string) bool {
	switch m.name() {
	case "application/ms-tnef", "application/vnd.ms-tnef", "application/pkcs7-mime", "application/x-pkcs7-mime":
		return true
	case "application/octet-stream":
		name = strings.ToLower(name)
		return name == "winmail.dat" || name == "win.dat" || path.Ext(name) == ".tnef" || path.Ext(name) == ".p7m"
	}
	return false
}

// openContainer reads a decoded container at a depth of containers; nil: it is
// none that can be read. note says why where a reader should know.
func openContainer(content []byte, depth int) (c *container, note string) {
	if depth > maxContainers {
		return nil, "containers too deep inside one another: not opened"
	}
	if bytes.HasPrefix(content, tnefSignature) {
		m, err := readTNEF(content)
		if err != nil {
			return nil, ""
		}
		c = &container{text: m.body(), damaged: m.damaged}
		if method := m.method(); method != "" {
			c.notes = append(c.notes, warnCalendar+method)
		}
		c.addTNEF(m)
		return c, ""
	}
	switch kind, inner := readCMS(content); {
	case kind == cmsEncrypted:
		return nil, warnEncrypted + "S/MIME"
	case kind == cmsSigned && len(bytes.TrimSpace(inner)) > 0:
		return openWhole(inner, depth, "signed: S/MIME, not verified"), ""
	case kind == cmsCompressed && len(bytes.TrimSpace(inner)) > 0:
		return openWhole(inner, depth, "compressed: S/MIME"), ""
	case kind == cmsCompressed:
		return nil, "compressed: S/MIME that can't be unpacked, or is too large"
	}
	return nil, ""
}

// addTNEF lists the files of a TNEF message, those of embedded messages behind
// the message itself.
func (c *container) addTNEF(m *tnefMessage) {
	for _, f := range m.files {
		name := firstName(f.longName, f.name)
		file := packedFile{content: func() []byte { return f.data }}
		file.Size = int64(len(f.data))
		file.Type = strings.Trim(token(f.mediaType), "/")
		if kind, sub, ok := strings.Cut(file.Type, "/"); !ok || kind == "" || sub == "" {
			file.Type = typeOfName(name)
		}
		file.ContentID = readMessageID(f.contentID)
		file.Inline = file.ContentID != "" && strings.HasPrefix(file.Type, "image/")
		switch {
		case f.message != nil:
			mail := f.message.asMail()
			file.content = func() []byte { return mail }
			file.Size, file.Type, file.Private = int64(len(mail)), "message/rfc822", true
			stem, _ := splitExt(firstName(f.message.subject, f.display, name, "mensaje"))
			name = cutBytes(stem, maxAttachmentName-4) + ".eml"
		case name == "":
			name = firstName(f.display, "adjunto")
			if _, ext := splitExt(name); ext == "" {
				name += extensionOf(file.Type)
			}
		}
		file.Name = name
		c.files = append(c.files, file)
		if f.message != nil {
			c.addTNEF(f.message)
		}
	}
}

// firstName is the first name of which something is left when it is cleaned.
func firstName(names ...string) string {
	for _, name := range names {
		if name = cleanFileName(name); name != "" {
			return name
		}
	}
	return ""
}

// openWhole reads the message inside a signature or a compression, and notes that
// it was there; nil: it is over a budget.
func openWhole(inner []byte, depth int, note string) *container {
	s := scan(inner)
	if s.over != "" {
		return nil
	}
	r := newReading(inner, s.parts)
	r.depth = depth
	c := &container{text: r.body(), whole: true}
	c.notes = append([]string{note}, r.warnings...)
	for _, a := range r.attachments {
		c.files = append(c.files, packedFile{a, func() []byte {
			content, _ := decodeAttachment(inner, a, depth)
			return content
		}})
	}
	return c
}

// open reads leaf i if it is a container and lists its files in its place. ok is
// false when the leaf has to be listed itself.
func (r *reading) open(i int, name string) (c *container, ok bool) {
	p := &r.parts[i]
	if !mayContain(&p.media, name) {
		return nil, false
	}
	c, note := openContainer(decodeTransfer(p.body.of(r.raw), p.encoding), r.depth+1)
	if note != "" {
		r.warn(note)
	}
	if c == nil {
		return nil, false
	}
	for _, n := range c.notes {
		r.warn(n)
	}
	for n, f := range c.files {
		if r.packed >= maxPacked {
			c.damaged = true
			break
		}
		r.packed++
		a := f.Attachment
		a.Packed = n + 1
		a.Encoding, a.Offset, a.Length = p.encoding, int64(p.body.start), int64(p.body.len())
		a.Private = a.Private || isMessageName(a.Name)
		r.add(a)
	}
	if c.damaged {
		r.warn("damaged: " + firstName(name, "winmail.dat") + " could not be read to its end")
	}
	return c, !c.damaged
}

// isMessageName tells names of mail: it may hold tokens of other people.
func isMessageName(name string) bool {
	switch _, ext := splitExt(strings.ToLower(name)); ext {
	case ".eml", ".msg", ".mbox":
		return true
	}
	return false
}
