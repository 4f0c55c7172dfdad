package mailpipe

import (
	"bytes"
	"cmp"
	"path"
	"slices"
	"strings"

	"buzon/ticket"
)

// maxText bounds the text that is read of a message, in octets. What is beyond
// stays in the archive.
const maxText = 2 << 20

// reading is a message while its parts are being sorted into text and
// attachments.
type reading struct {
	raw   []byte
	parts []part
	// first child and next sibling of each part; -1: none
	child, next []int

	names       namer
	images      map[string]string // name of the attachment with a Content-ID
	attachments []ticket.Attachment
	warnings    []string
	oddCharset  bool

	charset string // that the message's own text declares; a hint for raw names
	depth   int    // containers around this message
	packed  int    // files found in containers
	// packedText is what a winmail.dat holds as text.
	packedText string
}

// piece is a part of the body in the order of reading: a text leaf, an image
// that stands between texts, or text out of a container.
type piece struct {
	leaf  int
	html  bool
	image string
	ready string
	files []span // uuencoded files in the body of the leaf, which are no text
}

func newReading(raw []byte, parts []part) *reading {
	r := &reading{raw: raw, parts: parts, child: make([]int, len(parts)), next: make([]int, len(parts))}
	last := make([]int, len(parts))
	for i := range parts {
		r.child[i], r.next[i], last[i] = -1, -1, -1
		if up := parts[i].parent; up >= 0 {
			if last[up] < 0 {
				r.child[up] = i
			} else {
				r.next[last[up]] = i
			}
			last[up] = i
		}
	}
	return r
}

// body returns the text of the message; its attachments are in r.attachments
// afterwards.
func (r *reading) body() string {
	r.charset = declaredCharset(r.parts)
	pieces := r.walk(0)
	text := r.join(pieces)
	if text == "" {
		text = r.packedText
	}
	if len(pieces) == 0 && text == "" {
		text = r.namedText()
	}
	if len(text) > maxText {
		text = cutBytes(text, maxText)
		r.warnings = append(r.warnings, "text is long: only its beginning was read")
	}
	if r.oddCharset {
		r.warnings = append(r.warnings, "unknown character set: guessed")
	}
	return text
}

const (
	// warnEncrypted begins the warning about content that only its reader can read.
	warnEncrypted = "encrypted: "
	// warnCalendar begins the one that names an invitation's method (RFC 5546).
	warnCalendar = "calendar: "
)

// warn notes a warning once.
func (r *reading) warn(text string) {
	if !slices.Contains(r.warnings, text) {
		r.warnings = append(r.warnings, text)
	}
}

// namedText reads a text that has a file name but is meant to be shown, in a
// message without any other; it stays an attachment as well.
func (r *reading) namedText() string {
	for _, a := range r.attachments {
		if !a.Inline || a.Type != "text/plain" {
			continue
		}
		for i := range r.parts {
			if p := &r.parts[i]; int64(p.body.start) == a.Offset && p.isType("text", "plain") {
				return r.join([]piece{{leaf: i}})
			}
		}
	}
	return ""
}

// walk sorts the leaves below a part. Recursion is as deep as the scan allows.
func (r *reading) walk(i int) []piece {
	p := &r.parts[i]
	if !p.isContainer() {
		return r.leaf(i)
	}
	switch p.sub {
	case "alternative":
		return r.alternative(i)
	case "encrypted":
		r.warn(warnEncrypted + "PGP")
	}
	var pieces []piece
	for c := r.child[i]; c >= 0; c = r.next[c] {
		pieces = append(pieces, r.walk(c)...)
	}
	return pieces
}

// alternative takes one of the renderings of the same text (RFC 2046, section
// 5.1.4): the plain one, unless it is only there to say that there is another.
// Attachments are taken from all of them.
func (r *reading) alternative(i int) []piece {
	var plain, rich []piece
	for c := r.child[i]; c >= 0; c = r.next[c] {
		pieces := r.walk(c)
		switch hasText, hasHTML := contents(pieces); {
		case hasHTML:
			rich = pieces // the last is the best
		case hasText && (plain == nil || r.join(plain) == ""):
			plain = pieces // an empty one is a boundary too many
		}
	}
	if plain == nil {
		return rich
	}
	if rich == nil {
		return plain
	}
	if text := r.join(plain); mayBeStub(text) {
		if full := r.join(rich); isStub(text, full) {
			return rich
		}
	}
	return plain
}

func contents(pieces []piece) (text, html bool) {
	for _, p := range pieces {
		if p.image == "" {
			text = text || !p.html
			html = html || p.html
		}
	}
	return text, html
}

// leaf sorts one leaf: a text of the body, or an attachment.
func (r *reading) leaf(i int) []piece {
	p := &r.parts[i]
	disposition := parseMedia(p.header.get("content-disposition"))
	name := p.fileName(&disposition, r.charset)
	if name == "" && p.parent >= 0 && r.parts[p.parent].isType("multipart", "report") &&
		(p.kind == "message" && p.sub != "rfc822" || p.isType("text", "rfc822-headers")) {
		return nil // for machines; Bounce holds what it says
	}
	if r.isBody(i, &disposition, name) {
		body := piece{leaf: i, html: p.sub == "html" || p.sub == "x-amp-html"}
		if !body.html {
			body.files = r.uuencoded(i)
		}
		return []piece{body}
	}
	if c, ok := r.open(i, name); c != nil {
		var pieces []piece
		if !c.whole {
			r.packedText = cmp.Or(r.packedText, c.text)
		} else if c.text != "" {
			pieces = []piece{{leaf: i, ready: c.text}}
		}
		if ok {
			return pieces
		}
		r.attach(i, &disposition, name)
		return pieces
	}
	a := r.attach(i, &disposition, name)
	if a.Inline && p.kind == "image" && p.parent >= 0 && r.parts[p.parent].sub == "mixed" {
		return []piece{{leaf: i, image: a.Name}}
	}
	return nil
}

// isBody tells whether a leaf is text to be read, not a file.
func (r *reading) isBody(i int, disposition *media, name string) bool {
	p := &r.parts[i]
	if p.kind != "text" {
		return false
	}
	switch p.sub {
	case "plain", "html", "enriched", "richtext", "x-amp-html", "":
	default:
		return false
	}
	if disposition.kind == "attachment" {
		return p.parent < 0 && name == ""
	}
	return name == "" || p.parent < 0
}

// attach adds a leaf to the attachments.
func (r *reading) attach(i int, disposition *media, name string) ticket.Attachment {
	p := &r.parts[i]
	a := ticket.Attachment{
		Name: name, Type: p.media.name(), Encoding: p.encoding,
		Charset:   strings.Trim(cutBytes(p.param("charset"), 40), " \t'"),
		ContentID: readMessageID(p.header.get("content-id")),
		Offset:    int64(p.body.start), Length: int64(p.body.len()),
		Private: p.kind == "message" || p.isType("text", "rfc822-headers") || isMessageName(name),
	}
	if p.kind != "text" {
		a.Charset = ""
	}
	if method := token(p.param("method")); method != "" && p.isType("text", "calendar") {
		r.warn(warnCalendar + method)
	}
	related := p.parent >= 0 && r.parts[p.parent].sub == "related"
	a.Inline = disposition.kind == "inline" || disposition.kind == "" && a.ContentID != "" && related
	a.Size = decodedSize(p.body.of(r.raw), p.encoding)
	if a.Name == "" {
		a.Name = r.inventName(i)
	}
	return r.add(a)
}

// add lists an attachment under a name that no other of the message has.
func (r *reading) add(a ticket.Attachment) ticket.Attachment {
	a.Name = r.names.unique(a.Name)
	if a.ContentID != "" {
		if r.images == nil {
			r.images = make(map[string]string)
		}
		r.images[a.ContentID] = a.Name
	}
	r.attachments = append(r.attachments, a)
	return a
}

// inventName names an attachment that has no name.
func (r *reading) inventName(i int) string {
	p := &r.parts[i]
	ext := extensionOf(p.media.name())
	// what stands in for a name in mail of phones and in saved pages
	id, _, _ := strings.Cut(readMessageID(p.header.get("content-id")), "@")
	for _, candidate := range []string{p.header.get("content-description"), path.Base(p.header.get("content-location")), id} {
		name := cleanFileName(decodeWords(rawToUTF8(cutBytes(candidate, 200), r.charset)))
		if typeOfName(name) != "application/octet-stream" {
			return name
		}
	}
	switch {
	case p.isType("text", "calendar") || p.isType("application", "ics"):
		return "invitacion" + ext
	case p.kind == "message" && (p.sub == "rfc822" || p.sub == "global"):
		inner := scanner{raw: p.body.of(r.raw), leaf: -1}
		h, _ := inner.readHeader(skipEnvelopeLine(inner.raw))
		if subject := cleanFileName(cutBytes(cleanLine(decodeWords(h.get("subject")), maxSubject), 100)); subject != "" {
			return subject + ext
		}
		return "mensaje" + ext
	case p.kind == "message" && p.sub == "delivery-status":
		return "delivery-status" + ext
	case p.kind == "image":
		return "imagen" + ext
	}
	return "adjunto" + ext
}

// join renders pieces as one text.
func (r *reading) join(pieces []piece) string {
	for len(pieces) > 0 && pieces[len(pieces)-1].image != "" {
		pieces = pieces[:len(pieces)-1] // behind all text: a file, not part of it
	}
	var texts []string
	for _, p := range pieces {
		text := ""
		if p.image != "" {
			text = imageLine(p.image)
		} else {
			text = r.text(p)
		}
		if strings.Trim(text, "\n \t") != "" {
			texts = append(texts, strings.Trim(text, "\n"))
		}
	}
	return strings.Join(texts, "\n\n")
}

// text decodes a text leaf.
func (r *reading) text(piece piece) string {
	if piece.ready != "" {
		return piece.ready
	}
	p := &r.parts[piece.leaf]
	b := without(p.body.of(r.raw), piece.files)
	if p.encoding == "base64" {
		b = b[:min(len(b), 2*maxText)]
	}
	b = decodeTransfer(b[:min(len(b), 4*maxText)], p.encoding)
	charset := p.param("charset")
	if charset == "" && piece.html {
		charset = metaCharset(b)
	}
	if isUTF7(charsetLabel(charset)) {
		r.warn("UTF-7: not decoded, shown as it is written")
	}
	text, odd := decodeCharset(b, charset)
	r.oddCharset = r.oddCharset || odd
	if piece.html || isHTML(text) || p.sub == "enriched" || p.sub == "richtext" {
		return htmlToText(cutBytes(text, 2*maxText), func(cid string) string { return r.images[cid] })
	}
	text = cleanText(text)
	if strings.EqualFold(p.param("format"), "flowed") {
		text = unfoldFlowed(text, strings.EqualFold(p.param("delsp"), "yes"))
	}
	text, encrypted := withoutArmor(text)
	if encrypted {
		r.warn(warnEncrypted + "PGP")
	}
	return text
}

// isHTML tells HTML that is labelled as plain text.
func isHTML(text string) bool {
	head := strings.ToLower(strings.TrimSpace(text[:min(len(text), 100)]))
	return strings.HasPrefix(head, "<html") || strings.HasPrefix(head, "<!doctype html")
}

// metaCharset finds the charset that an HTML document declares for itself.
func metaCharset(b []byte) string {
	head := bytes.ToLower(b[:min(len(b), 2048)])
	i := bytes.Index(head, []byte("charset="))
	if i < 0 {
		return ""
	}
	value := bytes.TrimLeft(head[i+8:], "\"' ")
	if end := bytes.IndexAny(value, "\"'> ;/"); end >= 0 {
		value = value[:end]
	}
	return string(value)
}

// unfoldFlowed joins the lines of a format=flowed paragraph (RFC 3676, section
// 4). Quoted lines keep their signs and are joined with lines of the same depth.
func unfoldFlowed(text string, delSp bool) string {
	var out strings.Builder
	out.Grow(len(text))
	flowing, depthBefore := false, 0
	for first := true; text != ""; first = false {
		line, rest, more := strings.Cut(text, "\n")
		text = rest
		depth := 0
		for depth < len(line) && line[depth] == '>' {
			depth++
		}
		content := strings.TrimPrefix(line[depth:], " ") // unstuffed
		fixed := content == "-- "
		if flowing && depth == depthBefore && !fixed {
			// goes on
		} else {
			if !first {
				out.WriteByte('\n')
			}
			if depth > 0 {
				out.WriteString(line[:depth])
				out.WriteByte(' ')
			}
		}
		flowing = strings.HasSuffix(content, " ") && !fixed
		depthBefore = depth
		if flowing && delSp {
			content = content[:len(content)-1]
		}
		out.WriteString(content)
		if !more {
			break
		}
	}
	return out.String()
}
