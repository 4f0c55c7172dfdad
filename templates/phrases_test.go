package templates

import (
	"strings"
	"testing"
)

func TestPhrasesAreInEveryLanguage(t *testing.T) {
	for key, texts := range phrases {
		for lang := range languages {
			if texts[lang] == "" {
				t.Errorf("%s is not there in %s", key, lang)
			}
			for _, slot := range []string{"{1}", "{2}", "{3}"} {
				if strings.Contains(texts[lang], slot) != strings.Contains(texts["es"], slot) {
					t.Errorf("%s: %s is not in every language", key, slot)
				}
			}
		}
	}
	if got := Phrase("en-GB", "did.assigned", "{2} {{.}}"); got != "The request is now assigned to {2} {{.}}." {
		t.Errorf("%q", got)
	}
}
