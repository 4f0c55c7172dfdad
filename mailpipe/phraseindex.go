package mailpipe

import (
	"strings"
	"unicode/utf8"
)

// Indexes of the longest lists.
var (
	replyAboveIndex       = indexed(replyAbove)
	footersIndex          = indexed(footers)
	mobileSignaturesIndex = indexed(mobileSignatures)
	lawOpeningsIndex      = indexed(lawOpenings)
	bounceSubjectsIndex   = indexed(bounceSubjects)
	bounceTextsIndex      = indexed(bounceTexts)
	returnedMarksIndex    = indexed(returnedMarks)
)

// indexedOctets are how many octets of a phrase it is found by.
const indexedOctets = 4

// phraseIndex finds phrases of a list: in time that hardly depends on how many
// there are, because few texts go on as any of them does after four octets.
type phraseIndex struct {
	starts [1 << 10]uint64 // bits of the hashes of the first octets
	by     map[uint32][]string
	short  []string // phrases of fewer octets
}

func indexed(lists ...[]string) *phraseIndex {
	x := &phraseIndex{by: map[uint32][]string{}}
	for _, list := range lists {
		for _, p := range list {
			if len(p) < indexedOctets {
				x.short = append(x.short, p)
				continue
			}
			start := startOf(p)
			h := hashStart(start)
			x.starts[h>>6] |= 1 << (h & 63)
			x.by[start] = append(x.by[start], p)
		}
	}
	return x
}

func startOf(s string) uint32 {
	_ = s[3]
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

func hashStart(start uint32) uint32 { return start * 0x9E3779B1 >> 16 }

// begins tells whether s begins with one of the phrases.
func (x *phraseIndex) begins(s string) bool {
	if len(s) >= indexedOctets && x.at(s) {
		return true
	}
	return hasPrefix(s, x.short)
}

func (x *phraseIndex) at(s string) bool {
	start := startOf(s)
	h := hashStart(start)
	return x.starts[h>>6]&(1<<(h&63)) != 0 && hasPrefix(s, x.by[start])
}

// in tells whether s contains one of the phrases.
func (x *phraseIndex) in(s string) bool {
	for i := 0; i+indexedOctets <= len(s); i++ {
		if x.at(s[i:]) {
			return true
		}
	}
	return len(x.short) > 0 && containsAny(s, x.short)
}

// lower is strings.ToLower, and faster on the languages of Western Europe.
func lower(s string) string {
	i := 0
	for i < len(s) && s[i] < utf8.RuneSelf && (s[i] < 'A' || s[i] > 'Z') {
		i++
	}
	if i == len(s) {
		return s
	}
	var room [maxMarker]byte
	if len(s) > len(room) {
		return strings.ToLower(s)
	}
	b := room[:len(s)]
	copy(b, s[:i])
	for ; i < len(s); i++ {
		c := s[i]
		switch {
		case 'A' <= c && c <= 'Z':
			b[i] = c + 'a' - 'A'
		case c < utf8.RuneSelf:
			b[i] = c
		case (c == 0xC2 || c == 0xC3) && i+1 < len(s) && s[i+1]&0xC0 == 0x80: // U+0080 to U+00FF
			b[i] = c
			i++
			if b[i] = s[i]; c == 0xC3 && s[i] <= 0x9E && s[i] != 0x97 {
				b[i] += 0x20
			}
		case c == 0xE2 && i+2 < len(s) && s[i+1] == 0x80 && s[i+2]&0xC0 == 0x80: // dashes and quotation marks
			b[i], b[i+1], b[i+2] = c, s[i+1], s[i+2]
			i += 2
		default:
			return strings.ToLower(s)
		}
	}
	return string(b)
}
