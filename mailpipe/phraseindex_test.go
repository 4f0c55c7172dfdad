package mailpipe

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// lower is strings.ToLower for every character, and for all that is broken.
func TestLower(t *testing.T) {
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if s := string(r); lower(s) != strings.ToLower(s) {
			t.Fatalf("%U: %q", r, lower(s))
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(
			rapid.StringOf(rapid.RuneFrom([]rune("aZáÁñÑüÜ×ßÿ – “”\u2028İıẞΣx"))),
			rapid.Custom(func(t *rapid.T) string { return string(rapid.SliceOf(rapid.Byte()).Draw(t, "octets")) }),
			rapid.Custom(func(t *rapid.T) string {
				return string(rapid.SliceOf(rapid.SampledFrom([]byte("aA\xc3\xc2\x80\x9e\x97\xe2\xbf"))).Draw(t, "octets"))
			}),
		).Draw(t, "s")
		if got := lower(s); got != strings.ToLower(s) {
			t.Fatalf("%q gives %q", s, got)
		}
	})
	long := strings.Repeat("Ñandú ", maxMarker)
	if lower(long) != strings.ToLower(long) {
		t.Error("a long text")
	}
}

// The index finds what going through the list finds.
func TestPhraseIndex(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		few := rapid.StringOfN(rapid.RuneFrom([]rune("abcñ")), 1, 7, -1)
		list := rapid.SliceOfN(few, 0, 30).Draw(t, "list")
		s := rapid.StringOf(rapid.RuneFrom([]rune("abcdñ"))).Draw(t, "s")
		x := indexed(list)
		if x.in(s) != containsAny(s, list) || x.begins(s) != hasPrefix(s, list) {
			t.Fatalf("%q of %q: in %v, begins %v", s, list, x.in(s), x.begins(s))
		}
	})
	for name, x := range map[string]struct {
		index *phraseIndex
		list  []string
	}{"replyAbove": {replyAboveIndex, replyAbove}, "footers": {footersIndex, footers}, "bounceTexts": {bounceTextsIndex, bounceTexts}} {
		for _, p := range x.list {
			if !x.index.in(fmt.Sprintf("ab%sz", p)) || !x.index.begins(p+"z") {
				t.Errorf("%s: %q is not found", name, p)
			}
		}
		if n := slices.Concat(x.index.short); x.index.in("zz") && len(n) == 0 {
			t.Errorf("%s: finds anything", name)
		}
	}
}
