package routing

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// found is where the value of a field stands in a text.
type found struct {
	field      *FormField
	start, end int // of the value, in octets
}

// maxFormText is how much of a text is looked through, in octets.
const maxFormText = 256 << 10

// maxLabel is the longest label that is looked for, in octets.
const maxLabel = 80

// find looks for lines that give fields a value: `Label: value` and `Label =
// value`, several on one line after ; , or |, quoted or in a list or in bold; the
// value may stand in the next line. Without a colon, as tables come, at least two
// lines in a row must begin with a label. The result is in the order of the text.
func (f *Form) find(text string) []found {
	var all, bare []found
	var open *FormField // its value is to come in the next line
	loose := false      // open's label has no colon
	flush := func() {
		if len(bare) > 1 {
			all = append(all, bare...)
		}
		bare = nil
	}
	start := 0
	text = text[:min(len(text), maxFormText)]
	for line := range strings.Lines(text) {
		at := start
		start += len(line)
		from, to := trimLine(text, at, start)
		if from == to {
			if !loose {
				open = nil
			}
			continue
		}
		here := f.labelled(text, from, to)
		switch {
		case here != nil:
			flush()
			all = append(all, here...)
			open, loose = nil, false
			if last := here[len(here)-1]; last.start == last.end && at == from {
				open = last.field // not in a quoted form, whose next line is the desk's
			}
		case open != nil && loose && f.atStart(text, from, to) == nil:
			bare = append(bare, found{open, from, to})
			open, loose = nil, false
		case open != nil && !loose && f.atStart(text, from, to) == nil:
			all = append(all, found{open, from, to})
			open = nil
		default:
			cell := f.atStart(text, from, to)
			open, loose = nil, false
			switch {
			case cell == nil:
				flush()
			case cell.start == cell.end:
				open, loose = cell.field, true
			default:
				bare = append(bare, *cell)
			}
		}
	}
	flush()
	slices.SortStableFunc(all, func(a, b found) int { return a.start - b.start })
	return all
}

// trimLine narrows a line to what it says: without marks of quoting, of lists and
// of bold type, and without white space.
func trimLine(text string, from, to int) (int, int) {
	for from < to {
		r, n := utf8.DecodeRuneInString(text[from:to])
		if !unicode.IsSpace(r) && !strings.ContainsRune(">|*•·●▪◦–—-#_\ufeff\u200b", r) {
			break
		}
		from += n
	}
	// A list's number: 1. or 2)
	digits := from
	for digits < to && text[digits] >= '0' && text[digits] <= '9' {
		digits++
	}
	if digits > from && digits-from <= 2 && digits+1 < to && strings.IndexByte(".)", text[digits]) >= 0 && text[digits+1] == ' ' {
		from = digits + 2
	}
	for from < to {
		r, n := utf8.DecodeLastRuneInString(text[from:to])
		if !unicode.IsSpace(r) && r != '|' {
			break
		}
		to -= n
	}
	return from, to
}

// separators stand between a label and its value.
const separators = ":=：\t|"

// labelled returns the fields of a line that begins with a label and a separator.
func (f *Form) labelled(text string, from, to int) []found {
	field, value := f.label(text, from, to)
	if field == nil {
		return nil
	}
	here := []found{{field, value, to}}
	for i := value; i < to; i++ {
		if strings.IndexByte(";,|\t", text[i]) < 0 {
			continue
		}
		if next, at := f.label(text, i+1, to); next != nil {
			here[len(here)-1].end = i
			here = append(here, found{next, at, to})
			i = at - 1
		}
	}
	for i := range here {
		for here[i].start < here[i].end && text[here[i].start] == ' ' {
			here[i].start++
		}
	}
	return here
}

// label reads a label and its separator, and returns where the value begins.
func (f *Form) label(text string, from, to int) (*FormField, int) {
	i := strings.IndexAny(text[from:min(to, from+maxLabel)], separators)
	if i <= 0 {
		return nil, 0
	}
	field := f.Field(text[from : from+i])
	if field == nil {
		return nil, 0
	}
	_, n := utf8.DecodeRuneInString(text[from+i:])
	value := from + i + n
	for value < to && strings.IndexByte(" *_", text[value]) >= 0 { // **Label:** value
		value++
	}
	return field, value
}

// atStart returns the field whose label a line without a separator begins with,
// the longest one, and the rest of the line.
func (f *Form) atStart(text string, from, to int) *found {
	first, _, _ := strings.Cut(text[from:min(to, from+maxLabel)], " ")
	if first, _, _ = strings.Cut(labelKey(first), " "); !f.starts[first] {
		return nil // as nearly all lines
	}
	var best *found
	for i := from; i <= to && i <= from+maxLabel; i++ {
		if i < to && !unicode.IsSpace(rune(text[i])) {
			continue
		}
		if field := f.Field(text[from:i]); field != nil {
			value := i
			for value < to && text[value] == ' ' {
				value++
			}
			best = &found{field, value, to}
		}
	}
	return best
}
