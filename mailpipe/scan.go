package mailpipe

import (
	"bytes"
	"fmt"
)

// Budgets of the scan. A message that exceeds one is quarantined: no mail that
// a person wrote comes near them.
const (
	maxParts       = 1000     // MIME parts, containers included
	maxDepth       = 20       // multiparts inside one another
	maxHeaderLines = 1000     // lines in the header of one part
	maxHeaderBytes = 1 << 20  // octets in the header of one part
	maxPreamble    = 64 << 10 // octets in which an unknown boundary is looked for
)

// Reasons of quarantine that begin the word in ticket.Message.Quarantine.
const (
	quarantineParts   = "too-many-parts"
	quarantineDepth   = "too-deep"
	quarantineHeaders = "too-many-headers"
	quarantineTwoFrom = "two-from"
	quarantineBroken  = "unreadable"
)

// span is a range of offsets in the raw message.
type span struct{ start, end int }

func (s span) of(raw []byte) []byte { return raw[s.start:s.end] }
func (s span) len() int             { return s.end - s.start }

// part is one MIME part, in the order of the message. Containers stand before
// their children.
type part struct {
	parent int // index in skeleton.parts; -1 for the message itself
	depth  int
	header header
	body   span // without the line end that belongs to the boundary after it
	// children counts the direct parts of a container; a multipart without any
	// is read as a text leaf.
	children int

	media    // Content-Type
	encoding string
}

// endBody sets where the body ends. A header that a boundary follows at once has
// an empty body, before the line end that is the boundary's.
func (p *part) endBody(at int) {
	p.body.end = min(p.body.end, at)
	p.body.start = min(p.body.start, p.body.end)
}

// isContainer tells whether the part has parts instead of content of its own.
func (p *part) isContainer() bool { return p.children > 0 }

// skeleton is the structure of a message: where each part lies.
type skeleton struct {
	parts []part
	// over names the budget that was exceeded; the parts up to there are good.
	over string
}

// open is a multipart whose closing boundary was not met yet.
type open struct {
	boundary []byte
	part     int
}

// scan finds the parts of a message in one pass over its bytes, linear in their
// number whatever the nesting. Line ends are CRLF or a bare LF, as Postfix reads
// them. Missing end boundaries, a missing last line end, preambles and
// epilogues are all taken in stride (RFC 2046, section 5.1).
func scan(raw []byte) skeleton {
	s := scanner{raw: raw}
	pos := skipEnvelopeLine(raw)
	pos = s.begin(pos, -1)
	for s.over == "" && len(s.stack) > 0 && pos < len(raw) {
		pos = s.nextBoundary(pos)
	}
	s.closeTo(0, len(raw))
	for i := range s.parts {
		p := &s.parts[i]
		if p.kind == "multipart" && p.children == 0 {
			p.setType("text", "plain")
		}
	}
	return s.skeleton
}

type scanner struct {
	raw   []byte
	stack []open
	leaf  int // the part whose body is being read; -1 between parts
	skeleton
}

// begin reads the header of a part at pos and returns where its body begins.
func (s *scanner) begin(pos, parent int) int {
	if len(s.parts) >= maxParts {
		s.exceed(quarantineParts, "more than %d", maxParts)
		return pos
	}
	p := part{parent: parent}
	p.header, pos = s.readHeader(pos)
	p.body = span{pos, len(s.raw)}
	if parent >= 0 {
		p.depth = s.parts[parent].depth + 1
		s.parts[parent].children++
	}
	p.media = parseMedia(p.header.get("content-type"))
	p.encoding = transferEncoding(p.header.get("content-transfer-encoding"))
	if p.kind == "" {
		p.setType("text", "plain")
		if parent >= 0 && s.parts[parent].isType("multipart", "digest") {
			p.setType("message", "rfc822")
		}
	}
	s.parts = append(s.parts, p)
	s.leaf = len(s.parts) - 1
	if p.kind != "multipart" || s.over != "" {
		return pos
	}
	boundary := []byte(p.param("boundary"))
	if len(boundary) == 0 || parent < 0 && !bytes.Contains(s.raw[pos:], boundary) {
		boundary = guessBoundary(s.raw[pos:])
	}
	if len(boundary) == 0 {
		return pos
	}
	if len(s.stack) >= maxDepth {
		s.exceed(quarantineDepth, "more than %d levels", maxDepth)
		return pos
	}
	s.stack = append(s.stack, open{boundary, s.leaf})
	s.leaf = -1 // ends with the multiparts around it, not with its first boundary
	return pos
}

func (s *scanner) exceed(reason, format string, args ...any) {
	if s.over == "" {
		s.over = reason + ": " + fmt.Sprintf(format, args...)
	}
}

// nextBoundary looks for the next boundary line at or after pos, which is a line
// start, and returns where to go on.
func (s *scanner) nextBoundary(pos int) int {
	for {
		if !bytes.HasPrefix(s.raw[pos:], []byte("--")) {
			i := bytes.Index(s.raw[pos:], []byte("\n--"))
			if i < 0 {
				return len(s.raw)
			}
			pos += i + 1
		}
		line, next := lineAt(s.raw, pos)
		if level, closing, ok := s.match(line); ok {
			return s.cross(pos, next, level, closing)
		}
		if next >= len(s.raw) {
			return next
		}
		pos = next
	}
}

// cross handles a boundary line of the open multipart at level.
func (s *scanner) cross(pos, next, level int, closing bool) int {
	s.endLeaf(pos)
	if closing {
		s.closeTo(level, pos)
		return next
	}
	s.closeTo(level+1, pos)
	return s.begin(next, s.stack[level].part)
}

// match tells whether a line is a boundary of an open multipart, the innermost
// first. At most maxDepth short comparisons.
func (s *scanner) match(line []byte) (level int, closing, ok bool) {
	line = bytes.TrimRight(line[2:], " \t\r")
	for level = len(s.stack) - 1; level >= 0; level-- {
		b := s.stack[level].boundary
		if !bytes.HasPrefix(line, b) {
			continue
		}
		switch rest := line[len(b):]; {
		case len(rest) == 0:
			return level, false, true
		case string(rest) == "--":
			return level, true, true
		}
	}
	return 0, false, false
}

// endLeaf ends the body of the part being read before the boundary at pos.
func (s *scanner) endLeaf(pos int) {
	if s.leaf < 0 {
		return
	}
	s.parts[s.leaf].endBody(beforeLineEnd(s.raw, pos))
	s.leaf = -1
}

// closeTo ends every open multipart from level upwards at pos.
func (s *scanner) closeTo(level, pos int) {
	for i := level; i < len(s.stack); i++ {
		s.parts[s.stack[i].part].endBody(beforeLineEnd(s.raw, pos))
	}
	s.stack = s.stack[:min(level, len(s.stack))]
}

// readHeader reads header fields from pos on and returns where the body begins.
// A header ends at an empty line, at a boundary line, or at what can't be a
// header line; a few such lines between header lines belong to the field above.
func (s *scanner) readHeader(pos int) (header, int) {
	fields := 4 // what parts have; messages have many more
	if len(s.parts) == 0 {
		fields = 24
	}
	h := make(header, 0, fields)
	lines, start := 0, pos
	for pos < len(s.raw) {
		line, next := lineAt(s.raw, pos)
		trimmed := bytes.TrimRight(line, "\r")
		if len(trimmed) == 0 {
			return h, next
		}
		if len(s.stack) > 0 && bytes.HasPrefix(trimmed, []byte("--")) {
			if _, _, ok := s.match(line); ok {
				return h, pos
			}
		}
		lines++
		if lines > maxHeaderLines || next-start > maxHeaderBytes {
			s.exceed(quarantineHeaders, "more than %d lines or %d octets in one header", maxHeaderLines, maxHeaderBytes)
			return h, pos
		}
		switch colon := fieldColon(trimmed); {
		case (trimmed[0] == ' ' || trimmed[0] == '\t') && len(h) > 0:
			h[len(h)-1].value.end = pos + len(trimmed)
		case colon > 0:
			h = append(h, field{
				name:  lowerName(bytes.TrimRight(trimmed[:colon], " \t")),
				raw:   s.raw,
				value: span{pos + colon + 1, pos + len(trimmed)},
			})
		case len(h) == 0 && len(bytes.TrimSpace(trimmed)) == 0:
			// white space in front of the header
		case !s.headerGoesOn(next):
			return h, pos
		case len(h) > 0: // a continuation that lost its indent
			h[len(h)-1].value.end = pos + len(trimmed)
		}
		pos = next
	}
	return h, pos
}

// headerGoesOn tells whether a header line follows at pos, at most after a few
// others and before an empty line.
func (s *scanner) headerGoesOn(pos int) bool {
	for tries := 0; tries < 5 && pos < len(s.raw); tries++ {
		line, next := lineAt(s.raw, pos)
		if len(bytes.TrimSpace(line)) == 0 || bytes.HasPrefix(line, []byte("--")) {
			return false
		}
		if colon := fieldColon(line); colon > 1 && colon < 40 && colon+1 < len(line) && line[colon+1] == ' ' {
			return true
		}
		pos = next
	}
	return false
}

// fieldColon returns where the name of a header field ends, or -1 for a line
// that is none. Names are printable ASCII without colon (RFC 5322, section 2.2);
// white space before the colon is tolerated (section 4.5).
func fieldColon(line []byte) int {
	space := false
	for i, c := range line {
		switch {
		case c == ':':
			return i
		case c == ' ' || c == '\t':
			space = i > 0
			if i == 0 {
				return -1
			}
		case c < 33 || c > 126 || space || i > 200:
			return -1
		}
	}
	return -1
}

// lineAt returns the line at pos without its LF, and where the next one begins.
func lineAt(raw []byte, pos int) (line []byte, next int) {
	if i := bytes.IndexByte(raw[pos:], '\n'); i >= 0 {
		return raw[pos : pos+i], pos + i + 1
	}
	return raw[pos:], len(raw)
}

// beforeLineEnd steps back over the line end before pos, which belongs to the
// boundary that follows (RFC 2046, section 5.1.1).
func beforeLineEnd(raw []byte, pos int) int {
	if pos > 0 && pos < len(raw) && raw[pos-1] == '\n' {
		pos--
		if pos > 0 && raw[pos-1] == '\r' {
			pos--
		}
	}
	return pos
}

// skipEnvelopeLine passes over a byte order mark, empty lines and an mbox "From "
// line in front of the header.
func skipEnvelopeLine(raw []byte) int {
	pos := 0
	if bytes.HasPrefix(raw, []byte("\xef\xbb\xbf")) {
		pos = 3
	}
	for pos < len(raw) && (raw[pos] == '\n' || raw[pos] == '\r') {
		pos++
	}
	if bytes.HasPrefix(raw[pos:], []byte("From ")) || bytes.HasPrefix(raw[pos:], []byte(">From ")) {
		_, pos = lineAt(raw, pos)
	}
	return pos
}

// guessBoundary finds the boundary of a multipart that names none, or one that
// does not occur: the first line that is not empty, or the first above header
// lines, if it looks like one.
func guessBoundary(body []byte) []byte {
	body = body[:min(len(body), maxPreamble)]
	for pos, first := 0, true; pos < len(body); {
		line, next := lineAt(body, pos)
		line = bytes.TrimRight(line, " \t\r")
		pos = next
		if len(line) == 0 {
			continue
		}
		if len(line) > 6 && len(line) < 200 && bytes.HasPrefix(line, []byte("--")) {
			below, _ := lineAt(body, pos)
			if first || len(below) > 8 && bytes.EqualFold(below[:8], []byte("content-")) {
				return line[2:]
			}
		}
		first = false
	}
	return nil
}
