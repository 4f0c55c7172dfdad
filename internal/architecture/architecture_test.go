// Package architecture checks that imports between the rooms of the program
// point down only. It holds tests and nothing else.
package architecture

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "buzon"

// Groups of packages from outside the module, by the prefix of their paths.
var libraries = map[string][]string{
	"mail": {
		"github.com/emersion/", "github.com/jhillyerd/enmime/", "github.com/inbucket/html2text",
		"golang.org/x/net/", "golang.org/x/oauth2", "golang.org/x/text/", "golang.org/x/sync/",
	},
	"routing": {"github.com/pelletier/go-toml/", "github.com/robfig/cron/", "golang.org/x/text/"},
	"state":   {"go.etcd.io/bbolt", "github.com/tidwall/btree", "golang.org/x/sys/", "golang.org/x/sync/"},
	"web":     {"github.com/prometheus/"},
	"command": {"github.com/alecthomas/kong", "github.com/coreos/go-systemd/", "github.com/robfig/cron/", "golang.org/x/"},
}

// room is what a folder may import, besides the standard library.
type room struct {
	rooms     []string // of this module
	libraries []string // groups
}

// rooms is the table. A folder that is not in it fails the test, and so does a
// room that is not there.
var rooms = map[string]room{
	"":          {},
	"ticket":    {},
	"routing":   {rooms: []string{"ticket"}, libraries: []string{"routing"}},
	"templates": {rooms: []string{"ticket"}},
	"store":     {rooms: []string{"ticket"}, libraries: []string{"state"}},
	"desk":      {rooms: []string{"ticket", "routing", "templates", "store"}},
	"mailpipe":  {rooms: []string{"ticket"}, libraries: []string{"mail"}},
	"control":   {rooms: []string{"ticket", "desk", "store"}},
	"web":       {rooms: []string{"ticket", "templates", "desk"}, libraries: []string{"web"}},
	"cmd": {
		rooms:     []string{"", "ticket", "routing", "templates", "store", "desk", "mailpipe", "control", "web", "internal"},
		libraries: []string{"command", "mail"},
	},
	"internal": {rooms: []string{"ticket", "internal"}, libraries: []string{"mail"}},
	"e2e":      {rooms: []string{"ticket", "control", "internal"}, libraries: []string{"mail"}},
	// It opens what a crash left, so it reads the store itself.
	"torture": {rooms: []string{"ticket", "store", "control", "internal"}, libraries: []string{"mail", "state"}},
}

// worlds are the only commands that may use the helpers of tests: the demo and the
// load generator play the world outside.
var worlds = []string{"cmd/buzon", "cmd/buzonload"}

// roomOf returns the room that a package of the module belongs to.
func roomOf(importPath string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(importPath, module), "/"), "/")
	return first
}

// forbidden says why a package in folder may not import path; empty when it may.
func forbidden(folder, path string) string {
	from := roomOf(module + "/" + folder)
	rules, ok := rooms[from]
	if !ok {
		return "the folder " + from + " has no place in the table of rooms"
	}
	if path == module || strings.HasPrefix(path, module+"/") {
		to := roomOf(path)
		if to == from && to != "internal" {
			return "" // its own sub-packages
		}
		if !slices.Contains(rules.rooms, to) {
			return "imports between rooms point down only"
		}
		if to == "internal" && from == "cmd" && !slices.Contains(worlds, folder) {
			return "only the demo and the load generator may use helpers of tests"
		}
		return ""
	}
	if first, _, _ := strings.Cut(path, "/"); !strings.Contains(first, ".") {
		return "" // the standard library
	}
	for _, group := range rules.libraries {
		for _, prefix := range libraries[group] {
			if strings.HasPrefix(path, prefix) {
				return ""
			}
		}
	}
	return "the room " + from + " does not use this library"
}

func TestImportsPointDown(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(root, "go.mod")); err != nil || !strings.HasPrefix(string(text), "module "+module+"\n") {
		t.Fatalf("%s is not the root of the module: %v", root, err)
	}
	seen := map[string]bool{}
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name := entry.Name(); path != root && (strings.HasPrefix(name, ".") || name == "testdata") {
				return fs.SkipDir
			}
			return nil
		}
		// Tests may use whatever they need.
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		relative, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		folder := filepath.ToSlash(filepath.Dir(relative))
		if folder == "." {
			folder = ""
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		seen[roomOf(module+"/"+folder)] = true
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if why := forbidden(folder, imported); why != "" {
				t.Errorf("%s imports %s: %s", relative, imported, why)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range rooms {
		// These may be tests alone.
		if !seen[name] && name != "e2e" && name != "torture" {
			t.Errorf("the room %q is in the table and not in the module", name)
		}
	}
}

// The table itself is checked with imports that must be refused.
func TestForbiddenImports(t *testing.T) {
	for _, c := range []struct {
		folder, path string
		allowed      bool
	}{
		{"ticket", "strings", true},
		{"ticket", "buzon/routing", false},
		{"ticket", "go.etcd.io/bbolt", false},
		{"store", "buzon/ticket", true},
		{"store", "buzon/desk", false},
		{"mailpipe", "buzon/store", false},
		{"mailpipe", "buzon/desk", false},
		{"mailpipe", "github.com/emersion/go-smtp", true},
		{"desk", "buzon/mailpipe", false},
		{"desk", "go.etcd.io/bbolt", false},
		{"desk", "buzon/internal/stream", false},
		{"cmd/buzon", "buzon/internal/postoffice", true},
		{"cmd/buzonload", "buzon/internal/load", true},
		{"cmd/other", "buzon/internal/postoffice", false},
		{"internal/postoffice", "buzon/desk", false},
		{"", "embed", true},
		{"", "buzon/ticket", false},
		{"newroom", "strings", false},
	} {
		if got := forbidden(c.folder, c.path) == ""; got != c.allowed {
			t.Errorf("%s importing %s: allowed %v, want %v", c.folder, c.path, got, c.allowed)
		}
	}
}
