package ticket

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func wordsOf(text string) []string {
	var found []string
	Words(text, func(w []byte) bool { found = append(found, string(w)); return true })
	return found
}

func TestWords(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "a b c": "", "¿Cómo recupero MI actividad?": "como recupero mi actividad",
		"Pin\u0303a, piña; PIÑA":                  "pina pina pina",
		"Ibáñez-Núñez (20251234)":                 "ibanez nunez 20251234",
		"laura.rojas@uni.example":                 "laura rojas uni example",
		"Žižek, Łódź, Őrs, œuvre, Straße, ſůš":    "zizek lodz ors œuvre straße sus",
		"Ёлка ΑΘΗΝΑ":                              "ёлка αθηνα",
		"ab" + strings.Repeat("x", 40) + " fin":   "ab" + strings.Repeat("x", 22) + " fin",
		"una\u00a0dos\u2028tres\x00cua\xffcinco":  "una dos tres cua cinco",
		"École À l'être où ça façon Çédille ÿ ýe": "ecole etre ou ca facon cedille ye",
	} {
		if got := strings.Join(wordsOf(text), " "); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	n := 0
	Words("uno dos tres", func([]byte) bool { n++; return n < 2 })
	if n != 2 {
		t.Errorf("it went on after %d words", n)
	}
}

// Folding twice is folding once: what is stored is found by its own words.
func FuzzWords(f *testing.F) {
	f.Add("¿Cómo estás, Íñigo? İstanbul ǅ ﬃ")
	f.Fuzz(func(t *testing.T, text string) {
		found := wordsOf(text)
		for _, w := range found {
			if !utf8.ValidString(w) || strings.ContainsAny(w, "\x00 ") {
				t.Errorf("word %q", w)
			}
		}
		if again := wordsOf(strings.Join(found, " ")); !slices.Equal(found, again) {
			t.Errorf("%q gives %q and those %q", text, found, again)
		}
	})
}
