package powercut

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"buzon/internal/realservers"
	"buzon/store"
)

// The tools write whole files and put them in the place of others. They are not
// replayed, but each of their calls is looked at: a file that is given its name,
// or kept, has been synced since it was last written to, and a folder since a name
// in it was last given.
func TestToolsSync(t *testing.T) {
	t.Parallel()
	strace := realservers.Program(t, "strace", "strace")
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	program, root := filepath.Join(dir, "buzon"), filepath.Join(dir, "disk")
	if out, err := exec.Command("go", "build", "-o", program, "buzon/cmd/buzon").CombinedOutput(); err != nil {
		t.Fatalf("building the program: %v\n%s", err, out)
	}
	data, backup, restored := filepath.Join(root, "data"), filepath.Join(root, "backups", "buzon"), filepath.Join(root, "restored", "data")
	s, err := store.Open(data, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := s.Put(context.Background(), []byte(strings.Repeat("Una.\r\n", 50_000))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// As a restore leaves it that was killed at once: there, and not synced.
	if err := os.MkdirAll(restored, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, tool := range []struct {
		args  []string
		syncs []string // folders that have to be synced besides
		files int      // that are renamed at least
	}{
		{[]string{"backup", backup, "--data", data}, []string{root, filepath.Dir(backup)}, 3},
		{[]string{"backup", backup, "--data", data}, []string{backup}, 2},
		{[]string{"restore", backup, "--data", restored}, []string{filepath.Dir(restored), root}, 1},
		{[]string{"compact", "--data", data}, nil, 2},
		{[]string{"rebuild", "--data", data}, nil, 1},
	} {
		trace := filepath.Join(dir, "trace")
		args := append([]string{"-f", "-qq", "-y", "-s", "4096", "-e", "signal=none", "-o", trace, "-e",
			"trace=" + Calls + ",write,writev,copy_file_range,sendfile", program}, tool.args...)
		if out, err := exec.Command(strace, args...).CombinedOutput(); err != nil {
			t.Fatalf("buzon %v: %v\n%s", tool.args, err, out)
		}
		lines := whole(t, trace)
		seen := watchSyncs(root, lines, true)
		for _, wrong := range seen.wrong {
			t.Errorf("buzon %s: %s", tool.args[0], wrong)
		}
		for _, folder := range tool.syncs {
			if !seen.synced[folder] {
				t.Errorf("buzon %s: the folder %s was not synced", tool.args[0], folder)
			}
		}
		if seen.renamed < tool.files {
			t.Errorf("buzon %s: %d files were renamed, want %d: this test sees nothing", tool.args[0], seen.renamed, tool.files)
		}
		control := watchSyncs(root, lines, false)
		if len(control.wrong) == 0 {
			t.Errorf("buzon %s: without a sync nothing would be wrong: this test proves nothing", tool.args[0])
		}
		t.Logf("buzon %s: %d writes, %d files renamed, %d syncs; had they done nothing, %d files and folders would be unsafe",
			tool.args[0], seen.writes, seen.renamed, seen.syncs, len(control.wrong))
	}
}

// whole reads a trace, with calls in one piece that were interrupted by others,
// at the place of their end.
func whole(t *testing.T, trace string) (lines []string) {
	t.Helper()
	f, err := os.Open(trace)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	begun := map[string]string{}
	scan := bufio.NewScanner(f)
	scan.Buffer(nil, 1<<24)
	for scan.Scan() {
		thread, text, _ := strings.Cut(scan.Text(), " ")
		text = strings.TrimLeft(text, " ")
		if first, ok := strings.CutSuffix(text, " <unfinished ...>"); ok {
			begun[thread] = first
			continue
		}
		if rest, ok := strings.CutPrefix(text, "<... "); ok {
			_, tail, _ := strings.Cut(rest, " resumed>")
			text = begun[thread] + tail
		}
		lines = append(lines, text)
	}
	if err := scan.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}

// syncWatch is what was seen of a tool's calls.
type syncWatch struct {
	writes, renamed, syncs int
	synced                 map[string]bool
	wrong                  []string
}

var (
	onHandle = regexp.MustCompile(`^(\w+)\(\d+<([^>]*)>`)
	onNames  = regexp.MustCompile(`"([^"]*)"`)
)

// watchSyncs goes through calls that changed something below root. heeded says
// whether a sync counts.
func watchSyncs(root string, lines []string, heeded bool) syncWatch {
	w := syncWatch{synced: map[string]bool{}}
	unsafe := map[string]string{} // file or folder → what is not synced
	say := func(format string, args ...any) { w.wrong = append(w.wrong, fmt.Sprintf(format, args...)) }
	for _, line := range lines {
		if strings.Contains(line, ") = -1 ") || strings.Contains(line, ") = ?") || !strings.Contains(line, root) {
			continue
		}
		name, _, _ := strings.Cut(line, "(")
		if at := onHandle.FindStringSubmatch(line); at != nil && !strings.HasPrefix(name, "open") {
			path := at[2]
			if !strings.HasPrefix(path+"/", root+"/") {
				continue
			}
			switch name {
			case "fsync", "fdatasync":
				w.syncs++
				w.synced[path] = true
				if heeded {
					delete(unsafe, path)
				}
			case "write", "writev", "pwrite64", "ftruncate", "copy_file_range", "sendfile":
				w.writes++
				unsafe[path] = "its content"
			}
			continue
		}
		var paths []string
		for _, m := range onNames.FindAllStringSubmatch(line, -1) {
			if strings.HasPrefix(m[1], root+"/") {
				paths = append(paths, m[1])
			}
		}
		if len(paths) == 0 {
			continue
		}
		folder := filepath.Dir(paths[0])
		switch name {
		case "mkdir", "mkdirat":
			unsafe[folder] = "the name of " + paths[0]
		case "link", "linkat":
			unsafe[filepath.Dir(paths[1])] = "the name of " + paths[1]
		case "rename", "renameat", "renameat2":
			w.renamed++
			if what := unsafe[paths[0]]; what != "" {
				say("%s is renamed to %s, and %s is not synced", paths[0], paths[1], what)
			}
			delete(unsafe, paths[0])
			unsafe[filepath.Dir(paths[1])] = "the name of " + paths[1]
		case "unlink", "unlinkat", "rmdir":
			delete(unsafe, paths[0])
			if unsafe[folder] == "the name of "+paths[0] {
				delete(unsafe, folder) // there is nothing left to be kept
			}
		}
	}
	for _, path := range slices.Sorted(maps.Keys(unsafe)) {
		if _, err := os.Lstat(path); err == nil {
			say("%s of %s is not synced at the end", unsafe[path], path)
		}
	}
	return w
}
