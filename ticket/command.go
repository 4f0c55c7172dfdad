package ticket

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Command is an order that someone writes on the first lines of a mail.
type Command struct {
	Name string   `json:"name"` // canonical English name; empty: not known
	Args []string `json:"args"`
	Line string   `json:"-"` // as it was written
}

// Text returns what stands behind the command's word, as it was written.
func (c Command) Text() string {
	_, rest, _ := strings.Cut(c.Line, " ")
	return strings.TrimSpace(rest)
}

// Verb returns the command's row of the table, or nil when it is not known.
func (c Command) Verb() *Verb { return VerbNamed(c.Name) }

// Fault says why a command can't be carried out as it is written.
type Fault string

const (
	FaultUnknown  Fault = "unknown"  // there is no such command
	FaultArgument Fault = "argument" // it needs an argument and has none
	FaultExtra    Fault = "extra"    // it takes no argument and has one
)

// Fault looks at the command's form alone. It is empty when that is right.
func (c Command) Fault() Fault {
	v := c.Verb()
	switch {
	case v == nil:
		return FaultUnknown
	case v.Takes == TakesNothing && len(c.Args) > 0:
		return FaultExtra
	case v.Required && len(c.Args) == 0:
		return FaultArgument
	}
	return ""
}

const blanks = " \t\r\n\u00a0\u200b\ufeff"

// SplitCommands takes the command lines from the top of a text: consecutive lines
// that begin with a slash, or with a full stop, which phones have on their first
// keyboard. A line whose first word has a second slash (/mod/quiz) is text, and so
// is one that begins with two (// escapes; one is taken away). Commands that are
// not known are returned with an empty Name, so that the caller can refuse the
// mail and say which line it did not understand.
//
// Behind an empty line, and behind a full stop, only what is a known word or
// looks like a mistyped one is a command: HTML mail has empty lines between
// paragraphs, and texts may well begin with .NET.
func SplitCommands(text string) (commands []Command, rest string) {
	rest = strings.TrimLeft(text, blanks)
	sure := true
	for rest != "" {
		line, tail, _ := strings.Cut(rest, "\n")
		command, escaped, ok := parseCommand(strings.Trim(line, blanks), sure)
		if escaped {
			rest = strings.Replace(rest, "/", "", 1)
		}
		if !ok {
			break
		}
		commands = append(commands, command)
		rest = strings.TrimLeft(tail, blanks)
		next, _, _ := strings.Cut(tail, "\n")
		sure = strings.Trim(next, blanks) != ""
	}
	return commands, rest
}

// parseCommand reads one line. Unless sure, a line that is no known command and
// resembles none is text.
func parseCommand(line string, sure bool) (c Command, escaped, ok bool) {
	if strings.HasPrefix(line, "//") {
		return c, true, false
	}
	mark := strings.HasPrefix(line, "/")
	if !mark && !strings.HasPrefix(line, ".") {
		return c, false, false
	}
	fields := strings.Fields(line[1:])
	if len(fields) == 0 || line[1] == ' ' || strings.Contains(fields[0], "/") {
		return c, false, false
	}
	word := FoldWord(fields[0])
	c = Command{Args: fields[1:], Line: line}
	for n := min(len(fields), 4); n > 0 && c.Name == ""; n-- {
		// Words that make one: /espera usuario, /no me sirvió.
		joined := strings.Join(fields[:n], "-")
		if c.Name = verbWords[FoldWord(joined)]; c.Name != "" {
			c.Args, c.Line = fields[n:], line[:1]+joined+afterWords(line, n)
		}
	}
	if c.Name == "" && !(mark && sure) && (!startsWithLetter(word) || NearestWord(word) == "") {
		return Command{}, false, false
	}
	return c, false, true
}

func startsWithLetter(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return unicode.IsLetter(r)
}

// afterWords returns what follows the first n words of a line.
func afterWords(line string, n int) string {
	rest := line
	for range n {
		rest = strings.TrimLeft(rest, " \t")
		i := strings.IndexAny(rest, " \t")
		if i < 0 {
			return ""
		}
		rest = rest[i:]
	}
	return rest
}

// BareCommand returns the command that a text would be if its only line began
// with a slash: cerrar, listo. A person may as well have meant it as an answer.
func BareCommand(text string) (Command, bool) {
	line := strings.Trim(text, blanks+".!")
	word := FoldWord(line)
	if name, ok := bareWords[word]; ok {
		return Command{Name: name, Args: []string{}, Line: line}, true
	}
	return Command{}, false
}

// NearestWord returns the command word that was most likely meant by one that is
// not known; empty when none is near. Two letters may differ, in words of fewer than six letters one.
func NearestWord(word string) string {
	word = FoldWord(word)
	limit := 2 + min(1, utf8.RuneCountInString(word)/6)
	best, least, shown := "", limit, false
	for _, s := range spellings {
		d := editDistance(word, s.word, limit)
		// Of words equally near, one that help shows.
		if d < least || d == least && d < limit && !shown && s.shown {
			best, least, shown = s.word, d, s.shown
		}
	}
	return best
}

// editDistance is the number of letters to insert, drop, replace or swap with
// their neighbour to turn a into b (Damerau, 1964); limit when it is that or more.
func editDistance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return min(last[len(b)], limit)
}

var accents = strings.NewReplacer("á", "a", "é", "e", "í", "i", "ó", "o", "ú", "u", "ü", "u", "ñ", "n")

// FoldWord brings a word to the form in which commands, labels and names are
// compared: lower case, without accents and without punctuation around it.
func FoldWord(s string) string {
	return strings.Trim(accents.Replace(strings.ToLower(s)), ".,:;!¡?¿\"'«»()[]")
}
