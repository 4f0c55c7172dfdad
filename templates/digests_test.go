package templates

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// variants of a template's data: all fields, none, what does harm, each field empty by
// itself, each combination of the flags, and values that end or begin oddly.
func variants(lang string) []Data {
	sample := Sample(lang)
	evil, _ := hostile()
	list := []Data{sample, {}, evil}
	for i := range reflect.TypeFor[Data]().NumField() {
		d := Sample(lang)
		reflect.ValueOf(&d).Elem().Field(i).SetZero()
		list = append(list, d)
	}
	for flags := range 64 {
		d := Sample(lang)
		d.Reopened, d.Closed, d.Unverified = flags&1 != 0, flags&2 != 0, flags&4 != 0
		d.Warning, d.Escalated, d.Final = flags&8 != 0, flags&16 != 0, flags&32 != 0
		list = append(list, d)
	}
	for _, status := range []string{"open", "waiting", "resolved", "closed", "odd+\"status"} {
		d := Sample(lang)
		d.Status = status
		list = append(list, d)
	}
	for _, text := range []string{"\n\n a\n\n\n\nb+c \x00\n", " ", "\xff\xfeñ", "\r\nx\r\n", "> a\n\n\n> b", "a\t\n\n\n", "https://a.co/?b=1&c=\"d\"+e"} {
		d := Sample(lang)
		d.Text, d.Quoted, d.Notice, d.Signature, d.Hint, d.Reason, d.Title, d.Subject = text, text, text, text, text, text, text, text
		d.Requester, d.Agent = Person{Address: text}, Person{Name: text}
		d.News = []Item{{When: d.Due, Author: text, Kind: "request", Text: text}, {Text: text, Files: d.Files}}
		d.Thread = []Item{{When: d.Due, Author: text, Kind: "note", Text: text}}
		d.Lines = []string{text, "", text}
		d.Actions = []Action{{"Uno", "/uno", "mailto:a+b@c.co?subject=Re:%20[%230]&body=" + text}, {"Dos", "/dos", "mailto:a@b.co?body=%"}}
		list = append(list, d)
	}
	return list
}

// TestDigests shows a change of any mail in any of its variants. Where a template's
// words were meant to change, -update takes them over.
func TestDigests(t *testing.T) {
	set := builtIn(t)
	var lines []string
	for _, name := range set.Names() {
		for lang := range languages {
			sum := sha256.New()
			for _, d := range variants(lang) {
				m := render(t, set, name, lang, d)
				for _, s := range []string{m.Subject, m.Text, m.HTML} {
					fmt.Fprintf(sum, "%d ", len(s))
					io.WriteString(sum, s)
				}
			}
			lines = append(lines, fmt.Sprintf("%s.%s %x\n", name, lang, sum.Sum(nil)[:12]))
		}
	}
	slices.Sort(lines)
	const file = "testdata/digests.txt"
	got := strings.Join(lines, "")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("mails have changed (-want +got; run with -update to accept):\n%s", diff)
	}
}
