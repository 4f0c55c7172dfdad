package mailpipe

import "strings"

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
		for k := signatureStart(c.lines[start:end]); k < end-start; k++ {
			c.lines[start+k].class = isSignature
		}
		start = end
	}
}

// signatureStart finds where the signature of a stretch of lines begins;
// len(lines): it has none.
func signatureStart(lines []line) int {
	at := len(lines)
	below := 0 // lines with text from i on
	mobile := true
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
		case isFooter(l.bare):
			at = i
		case mobile && isMobileSignature(l.bare):
			at = i
			continue
		}
		mobile = mobile && i >= at
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

func isMobileSignature(s string) bool {
	if len(s) > 160 {
		return false
	}
	low := strings.TrimLeft(strings.ToLower(s), "([<_-—* ")
	for _, phrase := range mobileSignatures {
		if strings.HasPrefix(low, phrase) {
			return true
		}
	}
	return false
}

func isFooter(s string) bool {
	low := strings.TrimLeft(strings.ToLower(s[:min(len(s), 100)]), "([<_-—*¡\"'“ ")
	for _, phrase := range footers {
		if strings.HasPrefix(low, phrase) {
			return true
		}
	}
	return false
}
