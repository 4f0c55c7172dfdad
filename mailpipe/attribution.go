package mailpipe

import "strings"

// attribution tells whether line end closes the line above a quote ("El … X
// escribió:"), which may be wrapped over four lines, and where it starts; -1: it
// does not. A strong one names a time or an address.
func (c *cutter) attribution(end int) (start int, strong bool) {
	l := &c.lines[end]
	tail := strings.TrimRight(l.bare, " *_-—>")
	if len(l.bare) < 6 && l.bare != ">:" {
		return -1, false
	}
	if strings.HasPrefix(l.bare, "--") && strings.HasSuffix(l.bare, "--") && hasVerb(strings.ToLower(l.bare)) {
		return end, true // ---- X wrote ----
	}
	if !strings.HasSuffix(tail, ":") && !strings.HasSuffix(tail, "：") && !strings.HasSuffix(l.bare, "--") {
		return c.datedLine(end), false
	}
	joined := ""
	for k := end; k >= 0 && k > end-4; k-- {
		p := &c.lines[k]
		if p.bare == "" || p.quoted != l.quoted || p.class != l.class && p.class != isReply {
			break
		}
		if joined == "" {
			joined = strings.ToLower(p.bare)
		} else {
			joined = strings.ToLower(p.bare) + " " + joined
		}
		if len(joined) > 2*maxMarker {
			break
		}
		wrote := hasVerb(joined)
		address := strings.Contains(joined, "@")
		timed := hasTime(joined)
		begins := startsAttribution(strings.TrimLeft(joined, "-—_* "))
		switch {
		case begins && wrote && hasDigit(joined):
			return k, address || timed || hasYear(joined)
		case begins && address && timed:
			return k, true
		case wrote && address && k == end:
			if k > 0 && isStartOnly(strings.ToLower(c.lines[k-1].bare)) {
				continue
			}
			return k, true
		case timed && address && k == end && strings.HasSuffix(tail, ">:"):
			return k, true // languages that need no verb
		case wrote && timed && hasYear(joined):
			return k, true
		case wrote && k == end && hasDigit(joined) && hasVerb(lastWord(joined)):
			return k, false
		}
	}
	return -1, false
}

func lastWord(s string) string { return s[strings.LastIndexByte(s, ' ')+1:] }

// datedLine tells the line "2013/12/15 Bob <bob@example.com>" above a quote.
func (c *cutter) datedLine(i int) int {
	s := c.lines[i].bare
	if len(s) > 10 && isDigit(s[0]) && isDigit(s[3]) && hasYear(s[:10]) && strings.Contains(s, "@") && strings.HasSuffix(s, ">") {
		return i
	}
	return -1
}

// isStartOnly tells the first line of a wrapped attribution.
func isStartOnly(s string) bool {
	return startsAttribution(strings.TrimLeft(s, "-—_* ")) && hasDigit(s) && len(s) < 200
}

func startsAttribution(s string) bool {
	for _, start := range attributionStarts {
		if strings.HasPrefix(s, start) {
			return true
		}
	}
	return s != "" && s[0] >= '0' && s[0] <= '9'
}

func hasVerb(s string) bool {
	for _, verb := range wroteVerbs {
		if strings.Contains(s, verb) {
			return true
		}
	}
	return false
}

func hasDigit(s string) bool { return strings.ContainsAny(s, "0123456789") }

// hasTime tells whether s holds a time: 10:12, 10.12 or 10h12.
func hasTime(s string) bool {
	for i := 1; i+2 < len(s); i++ {
		if (s[i] == ':' || s[i] == '.' || s[i] == 'h') && isDigit(s[i-1]) && isDigit(s[i+1]) && isDigit(s[i+2]) &&
			(i+3 == len(s) || !isDigit(s[i+3])) {
			return true
		}
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

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// sharedAt finds where "On …, X <x@y> wrote:" begins on a line on which the
// person's own words stand before it; 0: nowhere.
func sharedAt(l *line) int {
	if l.quoted || len(l.text) >= maxMarker || !strings.HasSuffix(l.bare, ":") || !strings.Contains(l.bare, "@") {
		return 0
	}
	low := strings.ToLower(l.bare)
	if startsAttribution(low) || !hasVerb(low) || !hasTime(low) {
		return 0
	}
	for _, start := range []string{" On ", " El ", " Em ", " Le ", " Am ", " Il "} {
		if at := strings.Index(l.text, start); at > 0 && strings.TrimSpace(l.text[:at]) != "" && hasTime(l.text[at:]) {
			return at
		}
	}
	return 0
}
