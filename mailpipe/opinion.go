package mailpipe

import (
	"bytes"
	"encoding/base64"
	"strings"

	"github.com/jhillyerd/enmime/v2"

	"buzon/ticket"
)

// Budgets of the second reader, whose time is not linear in the parts of a
// message. What exceeds one is not shown to it.
const (
	maxOpinionBytes = 4 << 20
	maxOpinionParts = 100  // that the scan found
	maxOpinionDepth = 8    // multiparts named anywhere in the message
	maxOpinionLines = 1000 // "--" in the message, each of which may begin a part
)

// secondReader takes some boundaries for such that the scan does not: with
// something in front of them in their line, or behind an end that came too early.
var secondReader = enmime.NewParser(
	enmime.DisableCharacterDetection(true), // costs much, and the charset of short text is a guess
	enmime.DisableTextConversion(true),     // HTML is rendered as everywhere else
	enmime.SkipMalformedParts(true),
	enmime.MultipartWOBoundaryAsSinglePart(true),
	enmime.MaxStoredPartErrors(10),
)

// secondOpinion reads a message in whose body nothing was found with another
// reader, and returns the text that it sees. Attachments are added where they
// can be found again in the raw message.
func (r *reading) secondOpinion() (text string) {
	if !r.maySeekOpinion() {
		return ""
	}
	defer func() {
		if recover() != nil { // it is only asked about what is broken
			text = ""
		}
	}()
	e, err := secondReader.ReadEnvelope(bytes.NewReader(r.raw[skipEnvelopeLine(r.raw):]))
	if err != nil {
		return ""
	}
	text = trimBoundaries(cleanText(strings.ToValidUTF8(e.Text, "\uFFFD")))
	if text == "" {
		text = trimBoundaries(htmlToText(cutBytes(strings.ToValidUTF8(e.HTML, "\uFFFD"), 2*maxText), nil))
	}
	for _, parts := range [][]*enmime.Part{e.Attachments, e.Inlines, e.OtherParts} {
		for _, p := range parts {
			r.adopt(p)
		}
	}
	if text != "" || len(r.attachments) > 0 {
		r.warn("broken structure: read by a second reader")
	}
	return cutBytes(text, maxText)
}

// maySeekOpinion tells whether the message has a body, and is small and flat
// enough for the second reader.
func (r *reading) maySeekOpinion() bool {
	return len(r.raw) <= maxOpinionBytes && len(r.parts) <= maxOpinionParts &&
		len(bytes.TrimSpace(r.raw[min(r.parts[0].body.start, len(r.raw)):])) > 0 &&
		bytes.Count(r.raw, []byte("--")) <= maxOpinionLines &&
		bytes.Count(bytes.ToLower(r.raw), []byte("boundary")) <= maxOpinionDepth
}

// trimBoundaries cuts lines that look like boundaries, and empty ones, from both
// ends of a text.
func trimBoundaries(text string) string {
	for text = strings.Trim(text, "\n"); strings.HasPrefix(text, "--"); {
		_, text, _ = strings.Cut(text, "\n")
		text = strings.TrimLeft(text, "\n")
	}
	for {
		text = strings.TrimRight(text, "\n \t")
		i := strings.LastIndexByte(text, '\n') + 1
		if !strings.HasPrefix(text[i:], "--") {
			return text
		}
		text = text[:i]
	}
}

// adopt lists a file that the second reader found, if its bytes can be found.
func (r *reading) adopt(p *enmime.Part) {
	name := cleanFileName(p.FileName)
	if len(p.Content) == 0 || name == "" && p.Disposition != "attachment" {
		return
	}
	at, encoding, ok := r.locate(p.Content)
	if !ok {
		return
	}
	m := parseMedia(p.ContentType)
	a := ticket.Attachment{
		Name: name, Type: m.name(), Encoding: encoding, ContentID: readMessageID(p.ContentID),
		Offset: int64(at.start), Length: int64(at.len()), Size: int64(len(p.Content)),
		Inline: p.Disposition == "inline", Private: m.kind == "message" || isMessageName(name),
	}
	if a.Name == "" {
		a.Name = "adjunto" + extensionOf(a.Type)
	}
	r.add(a)
}

// locate finds the range of the raw message that is decoded to content: content
// itself, or lines of base64.
func (r *reading) locate(content []byte) (at span, encoding string, ok bool) {
	if i := bytes.Index(r.raw, content); i >= 0 {
		return span{i, i + len(content)}, "8bit", true
	}
	first := content[:min(len(content), 57)] // one line (RFC 2045, section 6.8)
	i := bytes.Index(r.raw, []byte(base64.StdEncoding.EncodeToString(first)))
	if i < 0 {
		return span{}, "", false
	}
	end := i
	for end < len(r.raw) {
		line, next := lineAt(r.raw, end)
		if bytes.ContainsFunc(bytes.TrimRight(line, "\r"), func(c rune) bool {
			return c > 'z' || c == '-' || c == '_' || base64Value[byte(c)] > 64
		}) {
			break
		}
		end = next
	}
	at = span{i, end}
	return at, "base64", bytes.Equal(decodeBase64(at.of(r.raw)), content)
}
