package ticket

import (
	"strings"
	"testing"
)

// The quick look never lets a token pass.
func FuzzStripTokens(f *testing.F) {
	f.Add(strings.Repeat("a2", 20), "x")
	f.Add("K\u212aſ", "é")
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, text := range []string{a, b, a + b, strings.Repeat(a, 12), b + strings.Repeat(a, 30) + " " + b} {
			if tokenShape.MatchString(text) && !longRun(text) {
				t.Errorf("%q has a token's shape and is not looked at", text)
			}
		}
	})
}
