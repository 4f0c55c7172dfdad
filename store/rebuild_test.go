package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

// A state without any derived row is made again as it was, but for counters that
// went down to zero.
func TestRebuild(t *testing.T) {
	dir := filledFolder(t)
	path := filepath.Join(dir, stateFile)
	original := filepath.Join(t.TempDir(), "original.db")
	tamper(t, path, placeAll)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(original, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	tamper(t, path, func(tx *bbolt.Tx) error {
		for _, bucket := range derived {
			if err := tx.DeleteBucket([]byte(bucket)); err != nil {
				return err
			}
		}
		return tx.Bucket([]byte(bucketMeta)).Put([]byte(keyLastNumber), be64(1))
	})
	if verified(t, dir).Clean() {
		t.Fatal("nothing is missing")
	}
	kept, r, err := Rebuild(t.Context(), dir, noon)
	if err != nil || !r.Clean() || r.Tickets != 5 {
		t.Fatal(r, err)
	}
	if filepath.Base(kept) != "state.db.before-rebuild-20261124-120000" {
		t.Errorf("the old one is kept as %s", kept)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Error(err)
	}
	// What words were noted is in its place now; verifying sees that it is the same.
	if err := sameRows(original, path, func(name string) bool { return name != bucketWords && name != bucketWordsNoted }, nil); err != nil {
		t.Error(err)
	}
	if r := verified(t, dir); !r.Clean() {
		t.Error(r.Differences)
	}
	s := openAt(t, dir, Options{})
	if err := take(t.Context(), s, 20); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if r := verified(t, dir); !r.Clean() || r.Tickets != 6 {
		t.Error(r)
	}
}

// What rebuilding can't mend is said; what can't be read stops it.
func TestRebuildLimits(t *testing.T) {
	dir := filledFolder(t)
	path := filepath.Join(dir, stateFile)
	id := idOf(2)
	tamper(t, path, deleteRow(bucketEntries, entryKey(id, 1)))
	_, r, err := Rebuild(t.Context(), dir, noon)
	if err != nil || !strings.Contains(strings.Join(r.Differences, "\n"), "has 0 of 1") {
		t.Errorf("a missing entry: %v, %v", r, err)
	}
	tamper(t, path, putRaw(bucketTickets, id[:], []byte("{")))
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Rebuild(t.Context(), dir, noon); !errors.Is(err, ErrCorrupt) {
		t.Errorf("an unreadable row: %v", err)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("the state was changed (%v)", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*"+leftoverSuffix)); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestCompact(t *testing.T) {
	dir := filledFolder(t)
	const secret = "a text that is deleted later"
	tamper(t, filepath.Join(dir, archiveFolder, "2026-11.db"), putRaw(bucketRaw, pieceKey(100, 0), []byte(strings.Repeat(secret, 2000))))
	tamper(t, filepath.Join(dir, archiveFolder, "2026-11.db"), deleteRow(bucketRaw, pieceKey(100, 0)))
	tamper(t, filepath.Join(dir, stateFile), putRaw(bucketMeta, []byte("x"), []byte(strings.Repeat(secret, 2000))))
	tamper(t, filepath.Join(dir, stateFile), deleteRow(bucketMeta, []byte("x")))
	held := func() (n int) {
		for _, file := range []string{"state.db", "archive/2026-11.db"} {
			raw, err := os.ReadFile(filepath.Join(dir, file))
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(raw), secret) {
				n++
			}
		}
		return n
	}
	if held() != 2 {
		t.Fatal("deleting removes the bytes: there is nothing to see")
	}
	before, after, err := Compact(t.Context(), dir)
	if err != nil || after >= before {
		t.Errorf("%d to %d octets, %v", before, after, err)
	}
	if n := held(); n != 0 {
		t.Errorf("%d files still hold what was deleted", n)
	}
	if r := verified(t, dir); !r.Clean() || r.Archived != 8 {
		t.Error(r)
	}
	s := openAt(t, dir, Options{})
	if err := take(t.Context(), s, 20); err != nil {
		t.Error(err)
	}
}
