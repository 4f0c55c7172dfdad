// Package torture ends the desk in every bad way that there is an example of:
// killed at named points, killed at random, with a full disk, with a disk that
// fails, with damaged files, under slow clients, with a clock that jumps, with
// servers that do what broke other desks; and looks afterwards, with one oracle,
// whether anything was lost or done twice.
//
// The program is built from a copy of the source in which go.etcd.io/gofail has
// made code of the "gofail:" comments. Other builds have comments there, and
// nothing else. What follows such a comment without a blank line in between is
// code to gofail, so no other comment may.
package torture

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// engineModule is the library whose own failpoints are used too.
const engineModule = "go.etcd.io/bbolt"

// edit changes a place in the source.
type edit struct {
	file     string // from the module's root
	old, new string // old stands in it once
}

// mutation undoes something in the source that keeps mail safe.
type mutation []edit

// workshop is the copy of the source, with failpoints, and what was built of it.
var workshop struct {
	sync.Mutex
	dir   string
	built map[string]string // by the name of the mutation; empty: as it is
}

func TestMain(m *testing.M) {
	code := m.Run()
	if workshop.dir != "" {
		os.RemoveAll(workshop.dir)
	}
	os.Exit(code)
}

// program builds the program with failpoints, once, and returns its path.
func program(tb testing.TB) string { return built(tb, "buzon", nil) }

// built is the program with a mutation of this name.
func built(tb testing.TB, name string, m mutation) string {
	tb.Helper()
	workshop.Lock()
	defer workshop.Unlock()
	if path, ok := workshop.built[name]; ok {
		return path
	}
	if workshop.dir == "" {
		dir, err := os.MkdirTemp("", "buzon-torture-")
		if err != nil {
			tb.Fatal(err)
		}
		workshop.dir, workshop.built = dir, map[string]string{}
		if err := prepare(dir); err != nil {
			tb.Fatalf("making a copy of the source with failpoints: %v", err)
		}
	}
	path := filepath.Join(workshop.dir, name)
	if err := m.build(workshop.dir, path); err != nil {
		tb.Fatalf("building %s: %v", name, err)
	}
	workshop.built[name] = path
	return path
}

// prepare makes the copy. gofail's package is replaced by one that kills.
func prepare(dir string) error {
	source, err := run("", "go", "list", "-m", "-f", "{{.Dir}}", engineModule)
	if err != nil {
		return err
	}
	tree, engine, runtime := filepath.Join(dir, "source"), filepath.Join(dir, "bbolt"), filepath.Join(dir, "gofail")
	for from, to := range map[string]string{"..": tree, source: engine, "testdata/gofail": runtime} {
		if err := copyTree(from, to); err != nil {
			return err
		}
	}
	points := []string{"tool", "gofail", "enable", engine}
	for _, room := range []string{"store", "desk", "mailpipe", "cmd/buzon"} {
		points = append(points, filepath.Join(tree, room))
	}
	if _, err := run("", "go", points...); err != nil {
		return err
	}
	if err := nameMain(filepath.Join(tree, "cmd/buzon")); err != nil {
		return err
	}
	for room, name := range map[string]string{"cmd/buzon": "main", "mailpipe": "mailpipe"} {
		if err := setClock(filepath.Join(tree, room), name); err != nil {
			return err
		}
	}
	_, err = run(tree, "go", "mod", "edit", "-replace", engineModule+"="+engine, "-replace", "go.etcd.io/gofail="+runtime)
	return err
}

// hasty has index rows brought to their places all the time, few at once, so that a
// kill comes in the midst of that, too.
var hasty = mutation{
	{"store/notes.go", "notesGathered = 32768", "notesGathered = 100"},
	{"store/notes.go", "placedAtLeast = 64", "placedAtLeast = 4"},
}

// build builds the copy, with the mutation for as long as that takes.
func (m mutation) build(dir, path string) error {
	tree := filepath.Join(dir, "source")
	for _, e := range append(slices.Clone(hasty), m...) {
		file := filepath.Join(tree, e.file)
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if n := strings.Count(string(text), e.old); n != 1 {
			return fmt.Errorf("the mutation of %s no longer fits the source: %q stands there %d times", e.file, e.old, n)
		}
		if err := os.WriteFile(file, []byte(strings.Replace(string(text), e.old, e.new, 1)), 0o644); err != nil {
			return err
		}
		defer os.WriteFile(file, text, 0o644)
	}
	// Without the folder's name in it, what has not changed is taken from the cache.
	_, err := run(tree, "go", "build", "-mod=mod", "-trimpath", "-ldflags=-s -w", "-o", path, "./cmd/buzon")
	return err
}

func run(dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// copyTree copies what is needed to build, writable.
func copyTree(from, to string) error {
	skip := []string{".git", ".ci", "torture", "e2e", "docs", "testdata", "tests"}
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		switch {
		case entry.IsDir() && relative != "." && slices.Contains(skip, entry.Name()):
			return fs.SkipDir
		case entry.IsDir():
			return os.MkdirAll(filepath.Join(to, relative), 0o755)
		case !entry.Type().IsRegular() || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, relative), text, 0o644)
	})
}

var packageClause = regexp.MustCompile(`(?m)^package \w+$`)

// nameMain sets right that gofail takes a package's name from its folder.
func nameMain(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.fail.go"))
	if err != nil {
		return err
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.WriteFile(path, packageClause.ReplaceAll(text, []byte("package main")), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// clockField is where the clock is given to those who go by it.
var clockField = regexp.MustCompile(`(?m)(\bNow(:\s*| = )|, )time\.Now([,)]|$)`)

// setClock gives a package's fields the clock that can be set wrong.
func setClock(dir, name string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return err
	}
	set := false
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if clockField.Match(text) {
			set = true
			text = append(clockField.ReplaceAll(text, []byte("${1}tortureClock$3")), "\nvar _ time.Time // or the import may be unused\n"...)
			if err := os.WriteFile(path, text, 0o644); err != nil {
				return err
			}
		}
	}
	if !set {
		return fmt.Errorf("no clock is set in %s", dir)
	}
	return os.WriteFile(filepath.Join(dir, "torture.clock.go"),
		[]byte("package "+name+"\n\nimport torture \"go.etcd.io/gofail/runtime\"\n\nvar tortureClock = torture.Now\n"), 0o644)
}
