package mailpipe

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxAttributionLines = 4   // it may be wrapped
	maxAttribution      = 800 // octets of all its lines
)

// evidence is what speaks for a line being the one above a quote.
type evidence struct {
	begins   bool // with a first word, a day or a digit
	verb     bool
	verbLast bool
	timed    bool // a time of day
	dated    bool // a date with its year
	address  bool
	bracket  bool // the address is in brackets
	named    bool // what stands before the verb looks like a name
	closed   bool // ends with an address in brackets
	yearly   bool // begins with a date in numbers, its year first
	quoting  bool // "Quoting X", "Mensaje citado por X"
	subject  bool // a name of a few words begins the line, then the verb
}

func weigh(joined string) evidence {
	low := lower(joined)
	e := evidence{begins: beginsDated(low), address: strings.Contains(low, "@"), timed: hasTime(low), dated: hasYear(low) || hasNumericDate(low)}
	e.verb, e.verbLast = findVerb(joined)
	if e.address {
		e.bracket = bracketed(low)
		tail := strings.TrimRight(low, " *_:：-"+directionMarks)
		e.closed = strings.HasSuffix(tail, ">") || strings.HasSuffix(tail, ")") || strings.HasSuffix(tail, "]")
	}
	e.yearly = len(low) > 10 && isDigit(low[0]) && isDigit(low[3]) && hasYear(low[:10])
	e.quoting = e.address && isQuoting(low)
	e.subject = e.verb && beginsNamed(joined) || e.bracket && beginsWithSender(joined)
	e.named = e.verb && isNamed(joined)
	return e
}

// isAttribution weighs the evidence. A strong line is one whatever follows it;
// a weak one only above lines with quote signs.
func (e *evidence) isAttribution() (is, strong bool) {
	switch {
	case e.verb && e.bracket && (e.timed || e.dated):
		return true, true
	case e.verb && e.bracket && e.verbLast:
		return true, true
	case e.verb && e.begins && e.timed && e.dated:
		return true, e.named || e.address
	case e.verb && e.verbLast && e.timed && e.dated:
		return true, e.address || e.named
	case e.verb && e.begins && e.dated && e.verbLast:
		return true, e.named
	case e.verb && e.address && e.timed:
		return true, e.begins
	case e.bracket && e.quoting:
		return true, true // "Quoting X <x@y>:"
	case e.bracket && e.timed && e.dated && (e.closed || e.begins):
		return true, e.closed // languages that need no verb
	case e.bracket && e.begins && e.timed:
		return true, true
	case e.yearly && e.address:
		return true, true
	case e.verb && e.timed && e.dated:
		return true, e.subject // "X wrote on …:"
	case e.verb && e.verbLast && e.address && e.subject:
		return true, true
	case e.verb && (e.verbLast || e.begins && (e.timed || e.dated)):
		return true, false
	case e.bracket && e.closed:
		return true, false
	case e.begins && e.timed && e.dated && e.address: // "3 mar 2025 10:12 de x@y:"
		return true, false
	}
	return false, false
}

// attribution tells whether line end closes the line above a quote ("El … X
// escribió:"), which may be wrapped over four lines, and where it starts; -1: it
// does not. A strong one is believed without quote signs below it.
func (c *cutter) attribution(end int) (start int, strong bool) {
	l := &c.lines[end]
	if len(l.bare) < 5 && l.bare != ">:" || len(l.text) >= maxMarker {
		return -1, false
	}
	if isZonedLine(l.bare) {
		return end, true
	}
	tail := strings.TrimRight(l.bare, " *_-—>"+directionMarks)
	dashed := strings.HasPrefix(l.bare, "--") && strings.HasSuffix(l.bare, "--")
	if !strings.HasSuffix(tail, ":") && !strings.HasSuffix(tail, "：") && !dashed {
		if !hasDigit(l.bare) {
			return -1, false
		}
		if beginsDated(l.lower()) {
			if e := weigh(l.bare); e.verb && e.verbLast && (e.timed || e.dated) {
				return end, e.bracket // some programs leave the colon out
			}
		}
		return c.datedLine(end), false
	}
	if dashed { // ---- El … X escribió ----
		if e := weigh(strings.Trim(l.bare, "- ")); e.verb {
			return end, true
		}
		if !strings.HasSuffix(tail, ":") {
			return -1, false
		}
	}
	start = -1
	if !c.tellsOfWriting(end) {
		return -1, false
	}
	joined, addressed := "", false
	for k := end; k >= 0 && k > end-maxAttributionLines; k-- {
		p := &c.lines[k]
		if p.bare == "" || p.quoted != l.quoted || p.class != l.class && p.class != isReply || len(joined)+len(p.bare) > maxAttribution {
			break
		}
		if k < end && endsSentence(p.bare) {
			break
		}
		joined = strings.TrimSpace(p.bare + " " + joined)
		if k < end && !mayBegin(p.bare) {
			continue
		}
		e := weigh(joined)
		is, sure := e.isAttribution()
		if !is || k < end && !e.begins && !e.subject {
			continue
		}
		if k < end && start >= 0 && strong && !(e.begins && e.dated && hasDigit(p.bare)) && !(e.begins && weighsDay(p.bare)) && !(e.subject && (!addressed || k == end-1 && l.bare[0] == '<')) {
			continue // complete below: the person's own words
		}
		addressed = e.address
		if start, strong = k, sure; e.begins && e.dated && !isDigit(firstSign(p.bare)) && monthOf(strings.ToLower(firstWord(p.bare))) == 0 {
			break
		}
	}
	return start, strong
}

// tellsOfWriting tells whether a verb or an address is on line end or the ones
// right above: without either it closes no attribution. Each line is looked at
// once.
func (c *cutter) tellsOfWriting(end int) bool {
	for k := end; k >= 0 && k > end-maxAttributionLines && c.lines[k].bare != ""; k-- {
		l := &c.lines[k]
		if !l.weighed {
			l.weighed = true
			l.telling = strings.Contains(l.bare, "@")
			if !l.telling {
				l.telling, _ = findVerb(l.bare)
			}
		}
		if l.telling {
			return true
		}
	}
	return false
}

// mayBegin tells whether a wrapped attribution can begin with a line: with a
// capital, a digit, or one of the first words.
func mayBegin(s string) bool {
	s = strings.TrimLeft(s, "-—_*[( \t\"'"+directionMarks)
	r, _ := utf8.DecodeRuneInString(s)
	return unicode.IsUpper(r) || unicode.IsDigit(r) || r >= 0x0590 || unicode.IsLetter(r) && (beginsDated(strings.ToLower(cutBytes(s, 40))) || strings.Contains(cutBytes(s, 40), "@"))
}

// weighsDay tells whether a line holds no more than "On Mon,".
func weighsDay(s string) bool { return len(s) < 24 && strings.HasSuffix(s, ",") }

// firstSign is the first octet behind dashes and spaces; 0: none.
func firstSign(s string) byte {
	s = strings.TrimLeft(s, "-—_*[( ")
	if s == "" {
		return 0
	}
	return s[0]
}

func firstWord(s string) string {
	start, end := nextWord(s, 0)
	return s[start:end]
}

// endsSentence tells whether a line can't go on in the next: its last word is no
// abbreviation.
func endsSentence(s string) bool {
	if strings.HasSuffix(s, "?") || strings.HasSuffix(s, "!") {
		return true
	}
	word, ok := strings.CutSuffix(s, ".")
	return ok && word != "" && !isDigit(word[len(word)-1]) && len(word)-strings.LastIndexAny(word, " .") > 5
}

// isZonedLine tells the line "2016-03-03 17:21 GMT+01:00 Bob Díaz", with a colon
// or without, which one webmail puts above quotes where it has no words for it.
func isZonedLine(s string) bool {
	const form = "0000-00-00 00:00 gmt+00:00 "
	if len(s) <= len(form) || len(s) > len(form)+80 {
		return false
	}
	for i := range len(form) {
		c := s[i] | 0x20 // lower case; digits and signs have that bit
		switch {
		case form[i] == '0' && !isDigit(s[i]), form[i] == '+' && c != '+' && c != '-', form[i] != '0' && form[i] != '+' && c != form[i]:
			return false
		}
	}
	name := strings.TrimSuffix(s[len(form):], ":")
	return name != "" && strings.Count(name, " ") < 6 && !strings.ContainsAny(name, ".,;:?!") || strings.Contains(name, "@")
}

// datedLine tells the line "2013/12/15 Bob <bob@example.com>" above a quote.
func (c *cutter) datedLine(i int) int {
	s := c.lines[i].bare
	if len(s) > 10 && isDigit(s[0]) && isDigit(s[3]) && hasYear(s[:10]) && strings.Contains(s, "@") && strings.HasSuffix(s, ">") {
		return i
	}
	return -1
}

// bracketed tells whether an address stands in brackets: <x@y>, (x@y), [x@y].
func bracketed(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] != '@' {
			continue
		}
		open, end := -1, -1
		for k := i - 1; k >= 0 && s[k] > ' '; k-- {
			if s[k] == '<' || s[k] == '(' || s[k] == '[' {
				open = k
				break
			}
		}
		if open < 0 && i > 0 { // wrapped behind the bracket: "< x@y>"
			if at := strings.LastIndexAny(s[:i], "<("); at >= 0 && strings.Count(s[at:i], " ") == 1 && s[at+1] == ' ' {
				open = at
			}
		}
		if open < 0 {
			continue
		}
		for end = i; end < len(s) && s[end] > ' '; end++ {
			if s[end] == '>' || s[end] == ')' || s[end] == ']' {
				return true
			}
		}
	}
	return false
}

// beginsNamed tells whether up to six words that can be a name, or an address,
// stand before the verb.
func beginsNamed(s string) bool {
	if word, _, _ := strings.Cut(s, " "); strings.Contains(word, "@") {
		return true
	}
	words := 0
	for i := 0; i < len(s) && words <= 6; words++ {
		start, end := nextWord(s, i)
		if start == end {
			return false
		}
		word := strings.ToLower(s[start:end])
		if verbWords[word] || loneVerbs[word] {
			return words > 0
		}
		r, _ := utf8.DecodeRuneInString(s[start:])
		if words == 0 && (!unicode.IsUpper(r) || articles[word]) {
			return false
		}
		i = end
	}
	return false
}

// beginsWithSender tells "X <x@y>" at the beginning.
func beginsWithSender(s string) bool {
	at := strings.IndexAny(s, "<(")
	if at <= 0 || at > 80 || strings.Count(s[:at], " ") > 6 {
		return false
	}
	end := strings.IndexAny(s[at:], ">)")
	r, _ := utf8.DecodeRuneInString(s)
	return end > 0 && strings.Contains(s[at:at+end], "@") && !unicode.IsLower(r) && !articles[strings.ToLower(firstWord(s))]
}

// articles begin what is no name: "el decano escribió".
var articles = phraseSet("el", "la", "los", "las", "un", "una", "mi", "su", "the", "my", "our", "a", "an", "der", "die", "das", "le", "les", "il", "lo", "o",
	"os", "as", "esta", "este", "alguien", "someone", "que", "donde", "cuando", "where", "he", "she", "i", "we", "they", "usted", "ella", "él", "and", "y")

// isNamed tells whether the words behind the last number or comma can be a name:
// they don't begin with an article in lower case.
func isNamed(s string) bool {
	last := strings.LastIndexAny(strings.TrimRight(s, ",:;- *"), ",0123456789")
	tail := s[last+1:]
	for _, suffix := range []string{" a. m.", " p. m.", " a.m.", " p.m.", " am", " pm", " hrs", " h", " hs"} {
		if len(tail) > len(suffix) && strings.EqualFold(tail[:len(suffix)], suffix) {
			tail = tail[len(suffix):]
			break
		}
	}
	start, end := nextWord(tail, 0)
	if start == end {
		return false
	}
	r, _ := utf8.DecodeRuneInString(tail[start:])
	return unicode.IsUpper(r) || !articles[tail[start:end]]
}

func hasDigit(s string) bool { return strings.ContainsAny(s, "0123456789") }

// hasTime tells whether s holds a time: 10:12, 10.12 or 10h12.
func hasTime(s string) bool {
	for i := 1; i+2 < len(s); i++ {
		c := s[i]
		if c != ':' && c != '.' && c != 'h' || !isDigit(s[i-1]) || !isDigit(s[i+1]) || !isDigit(s[i+2]) || s[i+1] > '5' {
			continue
		}
		if i+3 < len(s) && isDigit(s[i+3]) {
			continue
		}
		if c == '.' && (i+4 < len(s) && s[i+3] == '.' && isDigit(s[i+4]) || i > 2 && s[i-2] == '.' || i > 3 && s[i-3] == '.') {
			continue // a date
		}
		if i > 1 && isDigit(s[i-2]) && (s[i-2] > '2' || i > 2 && isDigit(s[i-3])) {
			continue
		}
		return true
	}
	return false
}

// hasYear tells whether s holds a year from 1990 to 2099.
func hasYear(s string) bool {
	for i := 0; i+4 <= len(s); i++ {
		if (s[i:i+2] == "20" || s[i:i+3] == "199") && isDigit(s[i+2]) && isDigit(s[i+3]) &&
			(i == 0 || !isDigit(s[i-1])) && (i+4 == len(s) || !isDigit(s[i+4])) {
			return true
		}
	}
	return false
}

// hasNumericDate tells whether s holds a date in numbers with a short year:
// 3/3/25, 03.03.25, 3-3-25.
func hasNumericDate(s string) bool {
	for i := 0; i < len(s); {
		if !isDigit(s[i]) {
			i++
			continue
		}
		groups, digits := 1, 0
		var mark byte
		for ; i < len(s); i++ {
			if isDigit(s[i]) {
				digits++
				continue
			}
			if (s[i] == '/' || s[i] == '.' || s[i] == '-') && digits > 0 && digits <= 2 && (mark == 0 || mark == s[i]) {
				mark = s[i]
				groups++
				digits = 0
				continue
			}
			break
		}
		if groups >= 3 && (digits == 2 || digits == 4 || digits == 0 && groups == 4) {
			return true
		}
	}
	return false
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// sharedAt finds where "On …, X <x@y> wrote:" begins on a line on which the
// person's own words stand before it; 0: nowhere.
func sharedAt(l *line) int {
	if l.quoted || len(l.text) >= maxMarker || !strings.HasSuffix(l.bare, ":") || !strings.Contains(l.bare, "@") {
		return 0
	}
	low := strings.ToLower(l.bare)
	if beginsDated(low) || !hasTime(low) {
		return 0
	}
	if verb, _ := findVerb(l.bare); !verb {
		return 0
	}
	for _, start := range []string{" On ", " El ", " Em ", " Le ", " Am ", " Il "} {
		at := strings.Index(l.text, start)
		if at <= 0 || !hasTime(l.text[at:]) {
			continue
		}
		own := strings.TrimRight(l.text[:at], "-—_* ")
		if own == "" {
			continue
		}
		// A ruler, as in "text --- On …" and "text.--- On …", is not the person's;
		// one or two dashes at a word's end are.
		if ruler, _, _ := strings.Cut(l.text[len(own):at+1], " "); ruler == "" || utf8.RuneCountInString(ruler) > 2 {
			return len(own)
		}
		return at
	}
	return 0
}
