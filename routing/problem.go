package routing

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one mistake in a configuration file.
type Problem struct {
	File    string
	Line    int // from 1
	Column  int // from 1, in characters
	Key     string
	Message string
	Hint    string // what would work; may be empty
	// Warning marks what works, but probably not as meant.
	Warning bool
}

// Error writes the problem on one line: file:line:column: key: message (hint).
func (p Problem) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: ", p.File, p.Line, p.Column)
	if p.Warning {
		b.WriteString("warning: ")
	}
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Message)
	if p.Hint != "" {
		b.WriteString(" (" + p.Hint + ")")
	}
	return b.String()
}

// Problems are all mistakes that were found, in the order of the file.
type Problems []Problem

// Error writes one problem a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Fatal leaves the warnings out.
func (ps Problems) Fatal() Problems {
	var fatal Problems
	for _, p := range ps {
		if !p.Warning {
			fatal = append(fatal, p)
		}
	}
	return fatal
}

func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Key, b.Key))
	})
}

// suggest is the hint for a name that is not among the right ones: the nearest,
// or else all of them, if they are few. what is their plural.
func suggest(name, what string, right []string) string {
	if near := nearest(name, right); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if len(right) == 0 {
		return "there are no " + what
	}
	const few = 30
	sorted := slices.Sorted(slices.Values(right))
	if len(sorted) > few {
		sorted = append(sorted[:few:few], "…")
	}
	return what + ": " + strings.Join(sorted, ", ")
}

// nearest returns the right name that name was probably meant to be, or nothing:
// up to a third of the letters may be wrong.
func nearest(name string, right []string) string {
	const longest = 64 // the distance takes time in the product of the lengths
	if len(name) > longest {
		return ""
	}
	word := []rune(strings.ToLower(name))
	best, allowed := "", max(1, len(word)/3)
	for _, r := range right {
		if len(r) > longest {
			continue
		}
		if d := distance(word, []rune(strings.ToLower(r))); d <= allowed && len(word) > 1 {
			best, allowed = r, d-1
		}
	}
	return best
}

// distance is how many letters must be put in, left out, replaced or swapped
// with their neighbour to make b of a (optimal string alignment).
func distance(a, b []rune) int {
	before, last, this := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		this[0] = i
		for j := 1; j <= len(b); j++ {
			replace := last[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			this[j] = min(replace, last[j]+1, this[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				this[j] = min(this[j], before[j-2]+1)
			}
		}
		before, last, this = last, this, before
	}
	return last[len(b)]
}

// Absent is the warning of a topic none of whose agents is there at present.
func (t *Table) Absent(topic *Topic) Problem {
	key := elementPath("topic", slices.Index(t.Topics, topic)) + ".agent"
	if topic.Team != nil {
		key = strings.TrimSuffix(key, "agent") + "team"
	}
	p := t.source.problem(key, t.source.valueOffset(key), "operators are told of its new tickets", "everybody who staffs it is away")
	p.Warning = true
	return p
}

// Orphaned is the warning of an agent whom the file does not have, and who has
// open tickets.
func (t *Table) Orphaned(agent string, open int) Problem {
	return Problem{File: t.source.name, Line: 1, Column: 1, Key: "agent", Warning: true,
		Message: fmt.Sprintf("%q is not here any more and has open tickets: %d", agent, open),
		Hint:    "they go to their topics' teams or agents at the reload; to choose, write /asignar first"}
}
