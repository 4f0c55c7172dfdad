package store

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"buzon/ticket"
)

// filled returns the bytes of a state with data in it, closed cleanly or copied
// while it was open, as a crash leaves it.
func filled(t *testing.T, clean bool) []byte {
	t.Helper()
	s := newStore(t)
	for i := range 20 {
		update(t, s, func(tx *Tx) error {
			for j := range 20 {
				n := 1 + 20*i + j
				if err := errors.Join(tx.PutTicket(sampleTicket(n)), tx.Append(&ticket.Event{Kind: ticket.EventTicketed, Ticket: idOf(n)})); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if clean {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(filepath.Join(s.dir, stateFile))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// openBytes opens a folder whose state has the given bytes, and checks that they
// are left alone when it is refused.
func openBytes(t *testing.T, raw []byte) error {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, stateFile)
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, Options{})
	if err == nil {
		return s.Close()
	}
	after, readErr := os.ReadFile(path)
	if readErr != nil || !bytes.Equal(raw, after) {
		t.Errorf("a file that was refused was changed (%v)", readErr)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) != 2 {
		t.Errorf("a refusal leaves %q", files)
	}
	return err
}

func TestTruncated(t *testing.T) {
	for _, clean := range []bool{true, false} {
		whole := filled(t, clean)
		if err := openBytes(t, whole); err != nil {
			t.Fatalf("the whole file can't be opened: %v", err)
		}
		var least int64
		{
			path := filepath.Join(t.TempDir(), "x")
			if err := os.WriteFile(path, whole, 0o600); err != nil {
				t.Fatal(err)
			}
			meta, err := readMeta(path)
			if err != nil {
				t.Fatal(err)
			}
			if least = int64(meta.Pages) * int64(meta.PageSize); (meta.Freelist != noFreelist) != clean {
				t.Fatalf("clean %v: the list of free pages is at %d", clean, meta.Freelist)
			}
		}
		for _, n := range []int64{0, 1, 15, 79, 80, 512, 4095, 4096, 4175, 4176, 8191, 8192, 12288, 16384, least / 2, least - 4096, least - 1} {
			if err := openBytes(t, whole[:n]); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "buzon restore") {
				t.Errorf("clean %v, cut to %d of %d octets: %v", clean, n, least, err)
			}
		}
	}
}

func TestBitFlipsInMetaPages(t *testing.T) {
	whole := filled(t, false)
	for _, page := range []int{0, 4096} {
		for at := page + metaOffset; at < page+metaOffset+64; at++ {
			raw := bytes.Clone(whole)
			raw[at] ^= 1 << (at % 8)
			if err := openBytes(t, raw); !errors.Is(err, ErrCorrupt) {
				t.Errorf("octet %d flipped: %v", at, err)
			}
		}
	}
}

// TestDamagedPages overwrites pages of a state that was not closed: opening it
// tells, or it was a page that nothing uses. It never brings the process down.
func TestDamagedPages(t *testing.T) {
	whole := filled(t, false)
	random := rand.New(rand.NewPCG(1, 2))
	refused := 0
	for page := 2; page < len(whole)/4096; page++ {
		raw := bytes.Clone(whole)
		for i := range 64 {
			raw[page*4096+i] = byte(random.Uint32())
		}
		err := openBytes(t, raw)
		if errors.Is(err, ErrCorrupt) {
			refused++
		} else if err != nil {
			t.Errorf("page %d: %v", page, err)
		}
	}
	if refused < 10 {
		t.Errorf("only %d damaged pages were noticed", refused)
	}
}

func TestOtherFiles(t *testing.T) {
	t.Run("no bbolt file", func(t *testing.T) {
		if err := openBytes(t, bytes.Repeat([]byte("From: ana@example.org\r\n"), 4000)); !errors.Is(err, ErrCorrupt) {
			t.Error(err)
		}
	})
	t.Run("another program's", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "other.db")
		if err := createFile(path, func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("other")); return err }); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := openBytes(t, raw); !errors.Is(err, ErrCorrupt) {
			t.Error(err)
		}
	})
	t.Run("no keys", func(t *testing.T) {
		dir := t.TempDir()
		s := openAt(t, dir, Options{})
		update(t, s, func(tx *Tx) error { return tx.put(bucketMeta, []byte(keyKeys), []byte("[]")) })
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, Options{}); !errors.Is(err, ErrCorrupt) {
			t.Error(err)
		}
	})
}

// Looking at a state that was closed cleanly leaves its file as it was.
func TestLookingChangesNothing(t *testing.T) {
	raw := filled(t, true)
	dir := t.TempDir()
	path := filepath.Join(dir, stateFile)
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	view(t, s, func(tx *Tx) error { _, err := tx.Counts(); return err })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(raw, after) {
		t.Errorf("the file has changed (%v)", err)
	}
}
