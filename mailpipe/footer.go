package mailpipe

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf8"

	"buzon/ticket"
)

const (
	maxFooters    = 3    // paragraphs at the end of a text that may be a footer
	minFooter     = 60   // letters and digits of one: a greeting or a name is none
	maxFooter     = 4000 // octets of one, folded
	maxOpening    = 1000 // octets of how a text begins, folded
	footerDigests = 16   // octets of a digest
)

// paragraph is a stretch of lines without an empty one; digest is empty when it
// can't be a footer.
type paragraph struct {
	from, to int
	digest   string
}

// lastParagraphs lists the last paragraphs of the new text, the last one first,
// from behind the last quote that stands between parts of it. Lines that are a
// signature already are passed over.
func (c *cutter) lastParagraphs() []paragraph {
	var list []paragraph
	for i := len(c.lines) - 1; i >= 0 && len(list) < maxFooters; i-- {
		l := &c.lines[i]
		if l.class != isReply {
			if len(list) > 0 && l.class != isSignature && l.bare != "" {
				break
			}
			continue
		}
		if isGap(l) {
			continue
		}
		to := i + 1
		for i > 0 && !isCommandLine(&c.lines[i]) && c.lines[i-1].class == isReply && !isGap(&c.lines[i-1]) && !isCommandLine(&c.lines[i-1]) {
			i--
		}
		list = append(list, paragraph{from: i, to: to, digest: c.digest(i, to)})
	}
	return list
}

// isGap tells a line that parts paragraphs: an empty one or a drawn one.
func isGap(l *line) bool { return l.bare == "" || isDrawn(l.bare) }

// isCommandLine tells a line that may be a command: a paragraph of its own.
func isCommandLine(l *line) bool { return strings.HasPrefix(l.bare, "/") }

// digest of a paragraph, or empty when it is too short or too long for a footer.
func (c *cutter) digest(from, to int) string {
	folded, ok := foldLines(c.lines[from:to], maxFooter)
	if !ok || utf8.RuneCount(folded) < minFooter {
		return ""
	}
	return digestOf(folded)
}

func digestOf(folded []byte) string {
	sum := sha256.Sum256(folded)
	return hex.EncodeToString(sum[:footerDigests])
}

// foldLines returns the letters and digits of lines of new text, in lower case:
// what is left when programs have wrapped, marked or quoted it in their own ways.
// It stops behind limit octets, and tells whether that was all.
func foldLines(lines []line, limit int) ([]byte, bool) {
	room := 0
	for i := 0; i < len(lines) && room <= limit; i++ {
		room += len(lines[i].text)
	}
	to := make([]byte, 0, min(room, limit)+utf8.UTFMax)
	for i := range lines {
		if lines[i].class != isReply {
			continue
		}
		for _, r := range lines[i].text {
			if 'a' <= r && r <= 'z' && len(to) < limit {
				to = append(to, byte(r))
				continue
			}
			if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
				continue
			}
			if to = utf8.AppendRune(to, unicode.ToLower(r)); len(to) > limit {
				return to, false
			}
		}
	}
	return to, true
}

// ending digests how the new text ends, for the desk to learn from.
func (c *cutter) ending(last []paragraph) (e ticket.Ending) {
	for _, p := range last {
		if p.digest != "" {
			e.Paragraphs = append(e.Paragraphs, p.digest)
		}
	}
	if e.Paragraphs != nil {
		folded, _ := foldLines(c.lines, maxOpening)
		e.Opening = digestOf(folded)
	}
	return e
}

// findFooters classes the last paragraphs as signature as long as they are
// learned footers. Where nothing would be left they stay: a text of which many
// people send nothing else is no footer.
func (c *cutter) findFooters(last []paragraph) {
	if c.hints.learned == nil {
		return
	}
	n := 0
	for n < len(last) && last[n].digest != "" && c.hints.learned(last[n].digest) {
		n++
	}
	if n == 0 || !c.anyReply(last[n-1].from) {
		return
	}
	from := last[n-1].from
	for from > 0 && c.lines[from-1].class == isReply && isGap(&c.lines[from-1]) {
		from-- // what is drawn above it belongs to it
	}
	for i := from; i < last[0].to; i++ {
		if c.lines[i].class == isReply {
			c.lines[i].class = isSignature
		}
	}
}

// anyReply tells whether new text stands above a line.
func (c *cutter) anyReply(end int) bool {
	for i := range c.lines[:end] {
		if c.lines[i].class == isReply && c.lines[i].bare != "" {
			return true
		}
	}
	return false
}
