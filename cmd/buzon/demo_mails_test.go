package main

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the explanations of the demo's messages into docs/routing.md")

// What docs/routing.md shows of buzon demo --explain is what it prints.
func TestRoutingPageShowsTheDemo(t *testing.T) {
	var out bytes.Buffer
	if err := explainDemo(&out, time.Date(2026, 12, 4, 15, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	const file, head, tail = "../../docs/routing.md", "<!-- buzon demo --explain -->\n```\n", "```\n"
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(page), head)
	shown, after, ended := strings.Cut(rest, tail)
	if !found || !ended {
		t.Fatal("the page has no place for it")
	}
	if *update {
		if err := os.WriteFile(file, []byte(before+head+out.String()+tail+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(shown, out.String()); diff != "" {
		t.Errorf("(-docs/routing.md +printed):\n%s", diff)
	}
	if n := strings.Count(out.String(), "\n\n"); n != 4 {
		t.Errorf("%d messages", n+1)
	}
}
