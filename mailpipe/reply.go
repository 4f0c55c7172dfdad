package mailpipe

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"buzon/ticket"
)

// maxMarker is how much of a line is looked at for a marker, in octets; longer
// lines are prose.
const maxMarker = 400

// replyHints are what the header says about the text.
type replyHints struct {
	reply   bool                     // it answers something
	forward bool                     // its subject says that it forwards something
	footers []string                 // beginnings of lines that are the institution's, in lower case
	learned func(digest string) bool // whether a paragraph is a learned footer; nil: none is
}

// cut is a text divided: every line is in exactly one of the fields.
type cut struct {
	reply, quoted, signature string
	forwarded                *ticket.Forwarded
	ending                   ticket.Ending
}

// class is where a line goes.
type class byte

const (
	isReply class = iota
	isQuoted
	isSignature
	isForwarded
)

// line is a line of the body, read once.
type line struct {
	text   string // as it stands, without marks
	bare   string // trimmed, without quote signs and bold marks, at most maxMarker octets
	quoted bool   // begins with >
	mark   rune   // quoteMark, restMark or 0
	class  class
	// for attributions: whether it was weighed, and holds a verb or an address
	weighed, telling bool
	// what headerLabel says of it, once asked
	labelled bool
	label    labelKind
	low      string // bare in lower case, once asked
}

func (l *line) lower() string {
	if l.low == "" {
		l.low = lower(l.bare)
	}
	return l.low
}

// headerLabel is what the line says as one of a quoted header; 0: nothing.
func (l *line) headerLabel() labelKind {
	if !l.labelled {
		l.label, _ = headerLabel(l.bare)
		l.labelled = true
	}
	return l.label
}

// isSpace tells whether nothing can be seen of the line.
func (l *line) isSpace() bool {
	if l.text != "" && l.text[0] > ' ' && l.text[0] < utf8.RuneSelf {
		return false
	}
	return strings.TrimFunc(l.text, unicode.IsSpace) == ""
}

func (l *line) blank() bool { return l.bare == "" && !l.quoted }

// cutReply divides a text into what the person newly wrote, what they quoted,
// their signature, and a forwarded message. It works line by line, in time
// linear in the text; what it is not sure of stays in the reply.
func cutReply(text string, hints replyHints) cut {
	lines := readLines(text)
	c := cutter{lines: lines, hints: hints}
	end := c.findQuotes()
	quotes := c.found
	if end < len(lines) {
		quotes = true
	}
	var result cut
	if c.forward {
		stop := end + forwardEnd(lines[end:])
		f, body := readForward(lines[end:stop])
		result.forwarded = f
		for k := end; k < end+body; k++ {
			lines[k].class = isQuoted // what f says in its fields
		}
		for k := stop; k < len(lines); k++ {
			lines[k].class = isReply
		}
	}
	if !quotes && !hints.reply && !beginsWithOrder(text) {
		result.ending = c.ending(c.lastParagraphs())
		result.reply = strings.Trim(withoutMarks(text), "\n")
		return result
	}
	c.findSignatures()
	last := c.lastParagraphs()
	result.ending = c.ending(last)
	c.findFooters(last)
	result.reply = c.gather(isReply)
	result.quoted = c.gather(isQuoted)
	result.signature = c.gather(isSignature)
	return result
}

// beginsWithOrder tells whether the first line is a known command. Whoever writes
// one asks a program for something: their signature is none of it.
func beginsWithOrder(text string) bool {
	commands, _ := ticket.SplitCommands(text)
	return len(commands) > 0 && commands[0].Name != ""
}

func readLines(text string) []line {
	lines := make([]line, 0, strings.Count(text, "\n")+1)
	for more := true; more; {
		var l line
		l.text, text, more = strings.Cut(text, "\n")
		if strings.HasPrefix(l.text, string(quoteMark)) {
			l.mark = quoteMark
		} else if strings.HasPrefix(l.text, string(restMark)) {
			l.mark = restMark
		}
		l.text = strings.TrimPrefix(l.text, string(l.mark))
		if len(l.text) <= 1 { // nothing, or a quote sign alone: most lines of hostile texts
			if l.quoted = l.text == ">"; l.quoted || l.text == "" || l.text == " " {
				lines = append(lines, l)
				continue
			}
		}
		head := cutBytes(l.text, maxMarker)
		bare := strings.TrimLeft(head, " \t")
		// ">:" is what a wrapped "<address>:" above a quote leaves
		if strings.HasPrefix(bare, ">") && strings.TrimSpace(bare) != ">:" && !isDecoration(bare) {
			l.quoted = true
			bare = strings.TrimLeft(bare, "> \t")
		}
		l.bare = strings.Trim(bare, " \t*\r")
		if at := sharedAt(&l); at > 0 {
			above := l
			above.text, above.bare = l.text[:at], strings.TrimSpace(l.text[:at])
			l.text, l.bare = l.text[at:], strings.TrimSpace(l.text[at:])
			lines = append(lines, above)
		}
		lines = append(lines, l)
	}
	return lines
}

type cutter struct {
	lines   []line
	hints   replyHints
	found   bool // a quote was found
	forward bool // the lines from the end on are a forwarded message
}

// findQuotes classes the quoted lines and returns where the rest of the text, all
// of it quoted or forwarded, begins.
func (c *cutter) findQuotes() int {
	c.useMarks()
	for i := 0; i < len(c.lines); i++ {
		l := &c.lines[i]
		if l.bare == "" {
			if l.quoted {
				c.quote(i)
			}
			continue
		}
		if kind := c.hardCut(i); kind != 0 {
			return c.cutFrom(i, kind == 'f')
		}
		if l.quoted {
			if c.opensForward(i) {
				return c.cutFrom(i, true)
			}
			c.quote(i)
			continue
		}
		if i > 0 && c.lines[i-1].quoted && opensLink(c.lines[i-1].bare) && strings.ContainsAny(l.bare, ">)") {
			c.quote(i) // the end of a link that was wrapped
			continue
		}
		if c.isStrayLink(i) {
			c.quote(i)
			continue
		}
		if start, strong := c.attribution(i); start >= 0 {
			next := c.nextText(i + 1)
			c.quoteBarred(next)
			follows := next < len(c.lines) && (c.lines[next].quoted || c.lines[next].class == isQuoted)
			if c.hints.forward && (follows || strong) && c.allBlank(0, start) {
				return c.cutFrom(start, true)
			}
			if follows {
				for k := start; k <= i; k++ {
					c.quote(k)
				}
			} else if strong && next < len(c.lines) {
				return c.cutFrom(start, false)
			} else if strong && l.mark == 0 {
				for k := start; k <= i; k++ { // nothing is below: the client cut the quote
					c.quote(k)
				}
			}
		}
	}
	return len(c.lines)
}

// isStrayLink tells a line between quoted ones that is only a link with a quote
// sign behind it: the sign stood before the next line, and a program wrapped both.
func (c *cutter) isStrayLink(i int) bool {
	l := &c.lines[i]
	link, ok := strings.CutSuffix(l.bare, ">")
	link = strings.TrimSpace(link)
	return ok && i > 0 && i+1 < len(c.lines) && c.lines[i-1].quoted && c.lines[i+1].quoted && !strings.Contains(link, " ") &&
		(strings.HasPrefix(link, "(http") && strings.HasSuffix(link, ")") || strings.HasPrefix(link, "<http") && strings.HasSuffix(link, ">"))
}

// quoteBarred classes a block of lines that begin with "|" from line i on, which
// is directly below an attribution: some programs quote with that sign. Elsewhere
// it draws tables.
func (c *cutter) quoteBarred(i int) {
	barred := func(k int) bool {
		return k < len(c.lines) && strings.HasPrefix(c.lines[k].bare, "|") && (len(c.lines[k].bare) == 1 || !strings.HasSuffix(c.lines[k].bare, "|"))
	}
	if !barred(i) || !barred(i+1) {
		return
	}
	for ; barred(i); i++ {
		c.lines[i].class = isQuoted
	}
}

// opensLink tells whether a line ends inside "<http…" or "(http…".
func opensLink(s string) bool {
	at := max(strings.LastIndex(s, "<http"), strings.LastIndex(s, "(http"))
	return at >= 0 && !strings.ContainsAny(s[at+1:], ">)")
}

func (c *cutter) quote(i int) {
	c.lines[i].class = isQuoted
	c.found = true
}

// useMarks classes the lines of quote containers of HTML mail. In a container
// that holds quoted lines, only what stands before them is the client's: below
// and between people answer.
func (c *cutter) useMarks() {
	for i := 0; i < len(c.lines); {
		if c.lines[i].mark != quoteMark {
			i++
			continue
		}
		end, firstQuoted := i, -1
		for ; end < len(c.lines) && (c.lines[end].mark == quoteMark || c.lines[end].blank()); end++ {
			if c.lines[end].quoted && firstQuoted < 0 {
				firstQuoted = end
			}
		}
		stop := end
		if firstQuoted >= 0 {
			stop = firstQuoted
		}
		for k := i; k < stop; k++ {
			if c.lines[k].mark == quoteMark && forwardHead(c.lines[k].bare) == "" {
				c.quote(k)
			}
		}
		i = end
	}
}

// hardCut tells whether everything from line i on is quoted ('q') or forwarded
// ('f'); 0: neither.
func (c *cutter) hardCut(i int) byte {
	l := &c.lines[i]
	if l.quoted {
		if isFramedSender(l.text) && (i == 0 || !c.lines[i-1].quoted) {
			return 'q'
		}
		return 0
	}
	original := byte('q')
	if c.hints.forward || !c.hints.reply {
		original = 'f' // what is no answer and shows a whole message passes it on
	}
	if l.mark == restMark {
		if c.hints.forward {
			return 'f'
		}
		return 'q'
	}
	if strings.Contains(l.bare, ticket.SeparatorMark) && len(ticket.SeparatorTokens(l.bare)) > 0 {
		return 'q'
	}
	low := l.lower()
	if len(low) < 200 && replyAboveIndex.in(low) {
		return 'q'
	}
	if forwardHead(l.bare) != "" {
		return 'f'
	}
	if isOriginalLine(l.bare) {
		return original
	}
	if isNotesLine(l.bare) {
		return 'q'
	}
	if i > 0 && isDrawn(c.lines[i-1].bare) && previousReplies[strings.TrimRight(low, ": *_")] {
		return 'q'
	}
	if c.hints.reply && (c.loneSender(i) || c.datedSender(i) || l.flatHeader()) {
		return original
	}
	if l.headerLabel() != 0 && c.headerBlock(i) && (c.hints.reply || c.hints.forward || c.textBelow(i)) {
		return original
	}
	return 0
}

// textBelow tells whether text stands below the header that begins at line i.
func (c *cutter) textBelow(i int) bool {
	_, body := readForward(c.lines[i:min(len(c.lines), i+maxForwardHeader)])
	return c.nextText(i+body) < len(c.lines)
}

// cutFrom classes everything from line i on, and with it an attribution or a
// ruler directly above.
func (c *cutter) cutFrom(i int, forward bool) int {
	above := i - 1
	for above >= 0 && c.lines[above].blank() {
		above--
	}
	if above >= 0 && c.lines[above].class == isReply {
		if start, _ := c.attribution(above); start >= 0 {
			i = start
		} else if isRuler(c.lines[above].bare) || isDrawn(c.lines[above].bare) && above == i-1 && previousReplies[strings.ToLower(strings.Trim(c.lines[i].bare, ": *_"))] {
			i = above
		}
	}
	class := isQuoted
	if forward {
		class = isForwarded
	}
	for k := i; k < len(c.lines); k++ {
		c.lines[k].class = class
	}
	c.forward = forward
	return i
}

// opensForward tells whether the quoted line i begins a forwarded message: Apple
// Mail quotes what it forwards.
func (c *cutter) opensForward(i int) bool {
	for k := i - 1; k >= 0; k-- { // no further than to the quoted line before
		if c.lines[k].class == isQuoted && c.lines[k].bare != "" {
			return false
		}
	}
	if forwardHead(c.lines[i].bare) != "" || (c.hints.forward || !c.hints.reply) && (isOriginalLine(c.lines[i].bare) || c.headerBlock(i)) {
		return true
	}
	if !c.hints.forward {
		return false
	}
	start, strong := c.attribution(i)
	return strong && start >= 0
}

func (c *cutter) nextText(i int) int {
	for i < len(c.lines) && c.lines[i].bare == "" {
		i++
	}
	return i
}

func (c *cutter) allBlank(from, to int) bool {
	for k := from; k < to; k++ {
		if c.lines[k].bare != "" {
			return false
		}
	}
	return true
}

// gather joins the lines of a class; between them what is not theirs leaves an
// empty line.
func (c *cutter) gather(class class) string {
	var b strings.Builder
	size := 0
	for i := range c.lines {
		if c.lines[i].class == class {
			size += len(c.lines[i].text) + 1
		}
	}
	b.Grow(size)
	gap := false
	blanks := 0
	for i := range c.lines {
		l := &c.lines[i]
		if l.class != class {
			gap = b.Len() > 0
			continue
		}
		if l.isSpace() {
			blanks++
			continue
		}
		if b.Len() > 0 {
			if gap {
				blanks = 1
			}
			b.WriteString("\n\n\n\n"[:min(blanks, 3)+1])
		}
		gap, blanks = false, 0
		b.WriteString(strings.TrimRight(l.text, " \t"))
	}
	return b.String()
}
