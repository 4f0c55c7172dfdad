package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var storyRow = regexp.MustCompile(`(?m)^# row: (.+)\n((?:# row: .*\n)*)(.*(?:\n.+)*)`)

// Every row of the table in docs/notifications.md has its story, in Spanish and in
// English, and every story's row is in the table.
func TestEveryNotificationHasItsStory(t *testing.T) {
	page, err := os.ReadFile("../../docs/notifications.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	_, table, _ := strings.Cut(string(page), "| event |")
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if event := strings.TrimSpace(cells[0]); len(cells) == 3 && event != "who is told, with which template" && !strings.HasPrefix(event, "---") {
			rows[event] = true
		}
	}
	if len(rows) < 50 {
		t.Fatalf("the table has %d rows", len(rows))
	}
	for _, lang := range []string{"es", "en"} {
		files, err := filepath.Glob("testdata/script/notifications-*-" + lang + ".txtar")
		if err != nil {
			t.Fatal(err)
		}
		told := map[string]bool{}
		for _, file := range files {
			script, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			text, _, _ := strings.Cut(string(script), "\n-- ")
			for _, m := range storyRow.FindAllStringSubmatch(text, -1) {
				events := append([]string{m[1]}, strings.Split(strings.ReplaceAll(strings.TrimSpace(m[2]), "# row: ", ""), "\n")...)
				for _, event := range events {
					switch {
					case event == "":
					case told[event]:
						t.Errorf("%s: row %q has two stories", file, event)
					case !rows[event]:
						t.Errorf("%s: docs/notifications.md has no row %q", file, event)
					case !strings.Contains("\n"+m[3], "\ntold "):
						t.Errorf("%s: the story of %q looks at nothing", file, event)
					}
					told[event] = true
				}
			}
		}
		for event := range rows {
			if !told[event] {
				t.Errorf("row %q has no story in %s", event, lang)
			}
		}
	}
}
