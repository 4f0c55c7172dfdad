package routing

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// latin are the letters from U+00C0 to U+00FF without case and accents; a dot: not a
// letter with an accent.
const latin = "aaaaaa.ceeeeiiii.nooooo..uuuuy..aaaaaa.ceeeeiiii.nooooo..uuuuy.y"

// fold brings text into the form in which texts are compared: small letters
// without accents, whether those stand in the letter or behind it.
func fold(s string) string {
	simple := true
	for i := 0; i < len(s) && simple; i++ {
		simple = s[i] < utf8.RuneSelf && (s[i] < 'A' || s[i] > 'Z')
	}
	if simple {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			end := i + 1
			for end < len(s) && s[end] < utf8.RuneSelf {
				end++
			}
			start := len(out)
			out = append(out, s[i:end]...)
			for j, c := range out[start:] {
				if c >= 'A' && c <= 'Z' {
					out[start+j] = c + 'a' - 'A'
				}
			}
			i = end
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		if r >= 0xC0 && r <= 0xFF && latin[r-0xC0] != '.' {
			out = append(out, latin[r-0xC0])
		} else if r <= 0xFF || !unicode.Is(unicode.Mn, r) {
			out = utf8.AppendRune(out, unicode.ToLower(r))
		}
	}
	return string(out)
}

// foldLabel is the form in which labels and names of fields are kept: folded words,
// joined.
func foldLabel(s string) string {
	words := strings.Fields(fold(s))
	for i := range words {
		words[i] = strings.Trim(words[i], ".,:;!¡?¿\"'«»()[]")
	}
	return strings.Trim(strings.Join(words, "-"), "-")
}

// grams is a set of the runs of three octets in a text, in which a few may seem to be
// that are not: a long text is searched only for what may be in it.
type grams [64]uint64

// gramsFrom is the length of a text, in octets, from which a set is worth its while.
const gramsFrom = 256

func gramOf(s string, i int) uint32 {
	return (uint32(s[i])*0x9E5 + uint32(s[i+1])*0x3F1 + uint32(s[i+2])*0x1F) & (64*64 - 1)
}

func newGrams(s string) *grams {
	g := new(grams)
	for i := range len(s) - 2 {
		h := gramOf(s, i)
		g[h/64] |= 1 << (h % 64)
	}
	return g
}

// mayHold tells that a text may be in the one that the set is of.
func (g *grams) mayHold(s string) bool {
	for i := 0; i < len(s)-2; i++ {
		if h := gramOf(s, i); g[h/64]&(1<<(h%64)) == 0 {
			return false
		}
	}
	return true
}
