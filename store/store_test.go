package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"go.uber.org/goleak"

	"buzon/ticket"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a clock that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func openAt(t testing.TB, dir string, o Options) *Store {
	t.Helper()
	if o.Now == nil {
		o.Now = (&clock{now: noon}).Now
	}
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func newStore(t testing.TB) *Store {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "data"), Options{})
}

func update(t testing.TB, s *Store, fn func(*Tx) error) {
	t.Helper()
	if err := s.Update(context.Background(), fn); err != nil {
		t.Fatal(err)
	}
}

func view(t testing.TB, s *Store, fn func(*Tx) error) {
	t.Helper()
	if err := s.View(fn); err != nil {
		t.Fatal(err)
	}
}

func idOf(n int) ticket.ID {
	var id ticket.ID
	copy(id[:], be64(uint64(n)*0x9E3779B97F4A7C15)) // in no order
	return id
}

func sampleTicket(n int) *ticket.Ticket {
	return &ticket.Ticket{ID: idOf(n), Number: ticket.Number(n), Topic: "sistemas", Status: ticket.StatusOpen, Requester: 1, Created: noon}
}

func TestOpenMakesTheFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "data")
	s := openAt(t, dir, Options{})
	if _, err := s.Put(context.Background(), []byte("x")); err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]fs.FileMode{"": 0o700, "state.db": 0o600, "archive": 0o700, "archive/2026-11.db": 0o600} {
		info, err := os.Stat(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != mode {
			t.Errorf("%s has mode %o, want %o", path, info.Mode().Perm(), mode)
		}
	}
}

func TestKeyringSurvives(t *testing.T) {
	dir := t.TempDir()
	token := ticket.Token{Ticket: idOf(1), Person: 7, Purpose: ticket.PurposeReply, Expires: noon.AddDate(1, 0, 0)}
	s := openAt(t, dir, Options{})
	ring, err := s.Keyring()
	if err != nil {
		t.Fatal(err)
	}
	minted := ring.Mint(token)
	var digest string
	view(t, s, func(tx *Tx) error { digest = tx.Digest([]byte("secret")); return nil })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = openAt(t, dir, Options{})
	if ring, err = s.Keyring(); err != nil {
		t.Fatal(err)
	}
	if got, err := ring.Check(minted, ticket.PurposeReply, noon); err != nil || got.Person != 7 {
		t.Errorf("a token of before is %v, %v", got, err)
	}
	view(t, s, func(tx *Tx) error {
		if got := tx.Digest([]byte("secret")); got != digest || len(got) != 64 {
			t.Errorf("the digest changed from %s to %s", digest, got)
		}
		return nil
	})
	other := newStore(t)
	view(t, other, func(tx *Tx) error {
		if tx.Digest([]byte("secret")) == digest {
			t.Error("two stores digest alike: there is no salt")
		}
		return nil
	})
	if ring, err = other.Keyring(); err != nil {
		t.Fatal(err)
	}
	if _, err := ring.Check(minted, ticket.PurposeReply, noon); !errors.Is(err, ticket.ErrForgedToken) {
		t.Errorf("another store's token gives %v", err)
	}
}

func TestLocked(t *testing.T) {
	s := newStore(t)
	if _, err := Open(s.dir, Options{}); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "buzon status") {
		t.Errorf("a second opening gives %v", err)
	}
}

// TestLockedByOther holds only the lock of the file, as another tool would.
func TestLockedByOther(t *testing.T) {
	dir := t.TempDir()
	if err := openAt(t, dir, Options{}).Close(); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(filepath.Join(dir, stateFile), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrLocked) {
		t.Errorf("opening gives %v", err)
	}
}

func TestStateMissingBesideArchive(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, Options{})
	if _, err := s.Put(context.Background(), []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, stateFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "buzon restore") {
		t.Errorf("opening gives %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, stateFile)); !errors.Is(err, os.ErrNotExist) {
		t.Error("the state was made anew")
	}
}

func TestLeftoversOfACrash(t *testing.T) {
	dir := t.TempDir()
	left := []string{filepath.Join(dir, stateFile+leftoverSuffix), filepath.Join(dir, archiveFolder, "2026-11.db"+leftoverSuffix)}
	if err := os.Mkdir(filepath.Join(dir, archiveFolder), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range left {
		if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := openAt(t, dir, Options{})
	if _, err := s.Put(context.Background(), []byte("x")); err != nil {
		t.Error(err)
	}
	for _, path := range left {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there", path)
		}
	}
}

func TestMigrate(t *testing.T) {
	dir := t.TempDir()
	if err := openAt(t, dir, Options{}).Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, stateFile)
	db, err := openFile(path, openState)
	if err != nil {
		t.Fatal(err)
	}
	step := func(name string) migration {
		return func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte(bucketMeta))
			return b.Put([]byte("steps"), append(bytes.Clone(b.Get([]byte("steps"))), name...))
		}
	}
	steps := append(slices.Clone(migrations), step("a"), step("b"))
	next := int(schemaVersion(migrations))
	broken := append(slices.Clone(steps), func(*bbolt.Tx) error { return errors.New("no") })
	if err := migrate(db, path, broken); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("from schema %d to %d", next+2, next+3)) {
		t.Errorf("a step that fails gives %v", err)
	}
	for range 2 {
		if err := migrate(db, path, steps); err != nil {
			t.Fatal(err)
		}
	}
	err = db.View(func(tx *bbolt.Tx) error {
		if got := string(tx.Bucket([]byte(bucketMeta)).Get([]byte("steps"))); got != "ab" {
			t.Errorf("the steps that ran are %q, want each once, and none of a failed run", got)
		}
		return nil
	})
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrNewer) {
		t.Errorf("a newer schema gives %v", err)
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("a newer state was changed (%v)", err)
	}
}

// A state of the first schema, which had no questions, is brought to the present one.
func TestMigrateFromTheFirst(t *testing.T) {
	dir := t.TempDir()
	if err := openAt(t, dir, Options{}).Close(); err != nil {
		t.Fatal(err)
	}
	tamper(t, filepath.Join(dir, stateFile), func(tx *bbolt.Tx) error {
		return errors.Join(tx.DeleteBucket([]byte(bucketPersonAlso)), tx.DeleteBucket([]byte(bucketQuestions)),
			tx.Bucket([]byte(bucketMeta)).Put([]byte(keyVersion), be64(1)))
	})
	if err := openAt(t, dir, Options{}).Close(); err != nil {
		t.Fatal(err)
	}
	if r := verified(t, dir); !r.Clean() {
		t.Errorf("differences: %v", r.Differences)
	}
}

func TestClosed(t *testing.T) {
	s := newStore(t)
	ref, err := s.Put(context.Background(), []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_, putErr := s.Put(context.Background(), nil)
	_, rawErr := s.Raw(ref)
	_, keyErr := s.Keyring()
	for name, err := range map[string]error{
		"View":    s.View(func(*Tx) error { return nil }),
		"Update":  s.Update(context.Background(), func(*Tx) error { return nil }),
		"Put":     putErr,
		"Raw":     rawErr,
		"Keyring": keyErr,
	} {
		if !errors.Is(err, ticket.ErrStopping) {
			t.Errorf("%s after Close gives %v", name, err)
		}
	}
	select {
	case <-s.Failed():
		t.Error("closing counts as a failure")
	default:
	}
}

func TestFolderIsAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Open(path, Options{}); err == nil {
		s.Close()
		t.Error("a file was opened as a folder")
	}
}

func TestTxEnds(t *testing.T) {
	s := newStore(t)
	var kept *Tx
	view(t, s, func(tx *Tx) error { kept = tx; return nil })
	defer func() {
		if p := recover(); p != errEnded {
			t.Errorf("using a transaction that has ended gives %v", p)
		}
	}()
	kept.Ticket(idOf(1))
}

func TestViewCannotWrite(t *testing.T) {
	s := newStore(t)
	for name, write := range map[string]func(*Tx) error{
		"PutTicket":     func(tx *Tx) error { return tx.PutTicket(sampleTicket(1)) },
		"NextNumber":    func(tx *Tx) error { _, err := tx.NextNumber(1); return err },
		"AddEntry":      func(tx *Tx) error { return tx.AddEntry(sampleTicket(1), &ticket.Entry{}) },
		"PutPerson":     func(tx *Tx) error { return tx.PutPerson(&ticket.Person{Address: ticket.Address{Addr: "a@b"}}) },
		"AddMessage":    func(tx *Tx) error { return tx.AddMessage(&MessageRow{}) },
		"Append":        func(tx *Tx) error { return tx.Append(&ticket.Event{}) },
		"Enqueue":       func(tx *Tx) error { return tx.Enqueue(sampleOutgoing(ticket.ClassAnswer)) },
		"AddHeld":       func(tx *Tx) error { return tx.AddHeld(&HeldRow{}) },
		"LedgerTake":    func(tx *Tx) error { return tx.LedgerTake("a", "INBOX", 1, 1, 1) },
		"NoteAutomatic": func(tx *Tx) error { return tx.NoteAutomatic("a@b", noon) },
	} {
		if err := s.View(write); err == nil {
			t.Errorf("%s writes in a View", name)
		}
	}
}
