package store

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Files says where the files of a desk are that can be read at leisure: the
// data folder's own while nothing runs on it, or else copies of those that are
// being written to.
type Files struct {
	State   string            `json:"state"`
	Archive string            `json:"archive"` // folder of the other segments
	Copies  map[string]string `json:"copies"`  // by segment: instead of the folder's
}

func filesOf(dir string) Files {
	return Files{State: filepath.Join(dir, stateFile), Archive: filepath.Join(dir, archiveFolder)}
}

// segments returns the path of each segment by its name.
func (f Files) segments() (map[string]string, error) {
	found := map[string]string{}
	list, err := os.ReadDir(f.Archive)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("listing the archive: %w", err)
	}
	for _, file := range list {
		name, ok := strings.CutSuffix(file.Name(), segmentSuffix)
		if ok && segmentName.MatchString(name) {
			found[name] = filepath.Join(f.Archive, file.Name())
		}
	}
	maps.Copy(found, f.Copies)
	return found, nil
}

func sortedNames(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// offline takes a data folder on which nothing runs, for as long as fn lasts.
func offline(dir string, fn func() error) error {
	if _, err := os.Stat(filepath.Join(dir, stateFile)); err != nil {
		return fmt.Errorf("looking for the state: %w", err)
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	return fn()
}

// shared opens a file for reading, and keeps the engine from opening it for
// writing until it is closed.
func shared(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, locked(path)
		}
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return f, nil
}
