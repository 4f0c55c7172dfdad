package mailpipe

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// findSignatures classes signatures at the end of each stretch of new text: the
// last one, and the ones that stand before a quote.
func (c *cutter) findSignatures() {
	for start := 0; start < len(c.lines); {
		if c.lines[start].class != isReply {
			start++
			continue
		}
		end := start
		for end < len(c.lines) && c.lines[end].class == isReply {
			end++
		}
		for k := signatureStart(c.lines[start:end], c.hints.footers); k < end-start; k++ {
			c.lines[start+k].class = isSignature
		}
		start = end
	}
}

// signatureStart finds where the signature of a stretch of lines begins;
// len(lines): it has none.
func signatureStart(lines []line, footers []string) int {
	at := len(lines)
	below := 0   // lines with text from i on
	between := 0 // those of them above the signature found so far
	for i := len(lines) - 1; i >= 0; i-- {
		l := &lines[i]
		if l.bare == "" && !isDelimiter(l.text) {
			continue
		}
		switch {
		case isDelimiter(l.text):
			if below <= 30 && (below <= 12 || l.text == "-- ") {
				at = i
			}
		case len(l.bare) >= 5 && strings.Trim(l.bare, "_") == "" && i > 0:
			if below <= 10 {
				at = i
			}
		case isShortRuler(l.text) && i > 0 && below > 0 && below <= 6 && shortLines(lines[i+1:]) && !hasRuler(lines[:i]):
			at = i
		case isFooter(l.lower()) || isLawNotice(l.lower()) || beginsWith(l.lower(), footers):
			at = i
		case between == 0 && (isMobileSignature(l.bare) || l.bare == trackerSign):
			at = i
			continue
		case between == 0 && i > 0 && isExcuse(l.bare) && isMobileSignature(lines[i-1].bare):
			at = i
			continue
		case below == 0 && i > 0 && isDashedName(l.bare) && !isItem(&lines[i-1]):
			at = i
		}
		if between++; at == i {
			between = 0
		}
		below++
	}
	return at
}

// isDelimiter tells the line above a signature (RFC 3676, section 4.3), with the
// space that many programs drop.
func isDelimiter(s string) bool {
	s = strings.TrimRight(s, " \t*")
	return s == "--" || s == "—" || s == "*--"
}

// isShortRuler tells "---" or "__", which some put above a signature and others
// between the parts of a text.
func isShortRuler(s string) bool {
	s = strings.TrimSpace(s)
	return s == "---" || s == "__" || s == "___" || s == "––" || s == "——"
}

// shortLines tells whether all lines are as short as those of a signature, and
// none is a sentence.
func shortLines(lines []line) bool {
	for i := range lines {
		if len(lines[i].text) > 70 || endsSentence(lines[i].bare) {
			return false
		}
	}
	return true
}

// hasRuler tells whether a drawn line is among some: then another is no
// signature's.
func hasRuler(lines []line) bool {
	for i := range lines {
		if isDrawn(lines[i].bare) {
			return true
		}
	}
	return false
}

// trackerSign stands alone below mail that a tool for salespeople sent: it is all
// that is left of an invisible image.
const trackerSign = "\u1427"

func isMobileSignature(s string) bool {
	if len(s) > 160 {
		return false
	}
	s = strings.TrimLeft(s, "([<_-—* \u2063")
	low := lower(s)
	return mobileSignaturesIndex.begins(low) || mobileLines[strings.TrimRight(low, ".)]> ")] || len(s) < 60 && isSentFrom(s)
}

// isExcuse tells "Disculpe la brevedad." and the like.
func isExcuse(s string) bool { return len(s) < 100 && containsAny(strings.ToLower(s), excuses) }

// isSentFrom tells "Sent from Mailbox", "Enviado desde Nine": a few words, of
// which the first behind the opening is a name.
func isSentFrom(s string) bool {
	low := strings.ToLower(s)
	for _, opening := range sentFrom {
		if len(opening) < 10 || len(low) != len(s) || !strings.HasPrefix(low, opening) {
			continue
		}
		name := s[len(opening):]
		r, _ := utf8.DecodeRuneInString(name)
		return unicode.IsUpper(r) && strings.Count(name, " ") < 5 && !strings.ContainsAny(strings.TrimRight(name, "."), ".,;:?¿")
	}
	return false
}

// isFooter tells whether a line, in lower case, begins a legal text.
func isFooter(low string) bool {
	return footersIndex.begins(strings.TrimLeft(low[:min(len(low), 100)], "([<_-—*¡\"'“ "))
}

// beginsWith tells whether a line, in lower case, is or begins with one of the texts.
func beginsWith(low string, texts []string) bool {
	return len(texts) > 0 && hasPrefix(low, texts)
}

func hasPrefix(s string, prefixes []string) bool {
	for _, prefix := range prefixes {
		if strings.HasPrefix(s, prefix) {
			return true
		}
	}
	return false
}

// isLawNotice tells the notice on personal data that institutions put below
// every mail, by a line in lower case. People cite the same law when they ask for
// something.
func isLawNotice(low string) bool {
	if !lawOpeningsIndex.begins(low) {
		return false
	}
	law := false
	for _, number := range dataLaws {
		law = law || strings.Contains(low, number)
	}
	if !law {
		return false
	}
	for _, word := range strings.FieldsFunc(low, func(r rune) bool { return !unicode.IsLetter(r) }) {
		if petitionWords[word] {
			return false
		}
	}
	return true
}

// isDashedName tells a name behind a dash, "-Ana Gómez", as the last line.
func isDashedName(s string) bool {
	name, ok := strings.CutPrefix(s, "-")
	if !ok || len(name) > 40 {
		return false
	}
	words := strings.Split(name, " ")
	for _, word := range words {
		first, size := utf8.DecodeRuneInString(word)
		if !unicode.IsUpper(first) || strings.ContainsFunc(word[size:], func(r rune) bool { return !unicode.IsLetter(r) && r != '.' && r != '-' }) {
			return false
		}
	}
	return len(words) <= 4
}

// isItem tells a line of a list.
func isItem(l *line) bool { return strings.HasPrefix(l.bare, "-") && !isDelimiter(l.text) }

// footerLines folds the configured beginnings of footers.
func footerLines(footers []string) []string {
	lines := make([]string, 0, len(footers))
	for _, f := range footers {
		first, _, _ := strings.Cut(strings.TrimSpace(f), "\n")
		if first = strings.ToLower(strings.Trim(first, " *\r")); first != "" {
			lines = append(lines, first)
		}
	}
	return lines
}
