package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	bbolterrors "go.etcd.io/bbolt/errors"

	"buzon/ticket"
)

func restored(t testing.TB, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "restored")
	if _, err := Restore(t.Context(), from, to, DefaultSkip, noon); err != nil {
		t.Fatal(err)
	}
	return to
}

func backedUp(t testing.TB, dir, to string) *BackupResult {
	t.Helper()
	r, err := BackupFolder(t.Context(), dir, to, "test", noon)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// While eight goroutines write, backups are made; each, restored, is clean and
// has all that was acknowledged before it began.
func TestBackupWhileWriting(t *testing.T) {
	c := &clock{now: noon}
	s := openAt(t, filepath.Join(t.TempDir(), "data"), Options{Now: c.Now})
	ctx, stop := context.WithCancel(t.Context())
	var next, acknowledged atomic.Int64
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for ctx.Err() == nil {
				err := take(ctx, s, int(next.Add(1)))
				if err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
					return
				}
				if err == nil {
					acknowledged.Add(1)
				}
			}
		})
	}
	defer writers.Wait()
	defer stop()
	to := filepath.Join(t.TempDir(), "backup")
	for i := range 3 {
		for acknowledged.Load() < int64(20*(i+1)) {
			time.Sleep(time.Millisecond)
			if t.Failed() {
				return
			}
		}
		least := acknowledged.Load()
		f, err := s.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c.set(noon.AddDate(0, i+1, 0)) // the next month's segment is begun
		r, err := Backup(t.Context(), f, to, "test", noon)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.DropSnapshot(f); err != nil {
			t.Fatal(err)
		}
		report := verified(t, restored(t, to))
		if !report.Clean() {
			t.Errorf("backup %d:\n%s", i, strings.Join(report.Differences, "\n"))
		}
		if int64(report.Tickets) < least || uint64(report.Journal) != r.Journal.Length {
			t.Errorf("backup %d has %d tickets of %d, %d events of %d", i, report.Tickets, least, report.Journal, r.Journal.Length)
		}
	}
	left, _ := filepath.Glob(filepath.Join(s.dir, "snapshot-*"))
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestBackupIsIncremental(t *testing.T) {
	dir, to := filledFolder(t), filepath.Join(t.TempDir(), "a", "backup")
	month := func(n int) time.Time { return noon.AddDate(0, n, 0) }
	addTo := func(at time.Time, n int) {
		s, err := Open(dir, Options{Now: (&clock{now: at}).Now})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(take(t.Context(), s, n), s.Close()); err != nil {
			t.Fatal(err)
		}
	}
	first := backedUp(t, dir, to)
	if first.Copied != 2 || first.Unchanged != 0 || first.Journal.Length != 12 {
		t.Errorf("the first: %+v", first)
	}
	addTo(month(1), 10)
	second := backedUp(t, dir, to)
	if second.Copied != 2 || second.Unchanged != 1 {
		t.Errorf("the second: %+v", second)
	}
	addTo(month(1), 11)
	third := backedUp(t, dir, to)
	if third.Copied != 2 || third.Unchanged != 1 {
		t.Errorf("the third: %+v", third)
	}
	var files []string
	err := filepath.WalkDir(to, func(path string, d fs.DirEntry, err error) error {
		info, _ := d.Info()
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		} else {
			files = append(files, path)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o", path, info.Mode().Perm())
		}
		return err
	})
	if err != nil || len(files) != 4 {
		t.Errorf("the backup has %v (%v)", files, err)
	}
	if r := verified(t, restored(t, to)); !r.Clean() || r.Tickets != 7 {
		t.Errorf("%+v", r)
	}

	// A file that is gone from the backup is copied again.
	if err := os.Remove(filepath.Join(to, third.file("2026-11").File)); err != nil {
		t.Fatal(err)
	}
	if r := backedUp(t, dir, to); r.Copied != 2 || r.Unchanged != 1 {
		t.Errorf("after a loss: %+v", r)
	}
}

// An octet that changes in a finished segment is found, and the good copy stays.
func TestBackupFindsRot(t *testing.T) {
	dir, to := filledFolder(t), filepath.Join(t.TempDir(), "backup")
	backedUp(t, dir, to)
	path := filepath.Join(dir, archiveFolder, "2026-11.db")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)/2] ^= 1
	if err := errors.Join(os.WriteFile(path, raw, 0o600), os.Chtimes(path, info.ModTime(), info.ModTime())); err != nil {
		t.Fatal(err)
	}
	if _, err := BackupFolder(t.Context(), dir, to, "test", noon); !errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v", err)
	}
	if r := verified(t, restored(t, to)); !r.Clean() {
		t.Errorf("the backup is damaged too: %v", r.Differences)
	}
}

func TestBackupRefuses(t *testing.T) {
	dir, to := filledFolder(t), filepath.Join(t.TempDir(), "backup")
	backedUp(t, dir, to)
	before, err := ReadManifest(to)
	if err != nil {
		t.Fatal(err)
	}
	other := t.TempDir()
	s := openAt(t, other, Options{})
	if err := errors.Join(take(t.Context(), s, 1), s.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := BackupFolder(t.Context(), other, to, "test", noon); err == nil || !strings.Contains(err.Error(), "another desk's") {
		t.Errorf("another desk: %v", err)
	}
	tamper(t, filepath.Join(dir, stateFile), deleteRow(bucketJournal, be64(12)))
	if _, err := BackupFolder(t.Context(), dir, to, "test", noon); err == nil {
		t.Error("a journal that was cut short was taken")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := BackupFolder(ctx, dir, to, "test", noon); err == nil {
		t.Error("it went on after its context had ended")
	}
	after, err := ReadManifest(to)
	if err != nil || after.Journal != before.Journal {
		t.Errorf("the backup that was there: %+v, %v", after, err)
	}
	if r := verified(t, restored(t, to)); !r.Clean() || r.Journal != 12 {
		t.Errorf("%+v", r)
	}
}

func TestRestoredDesk(t *testing.T) {
	dir, to := filledFolder(t), filepath.Join(t.TempDir(), "backup")
	backedUp(t, dir, to)
	data := restored(t, to)
	s := openAt(t, data, Options{})
	due := func() (n int) {
		view(t, s, func(tx *Tx) error {
			list, err := tx.DueOutgoing(noon.AddDate(1, 0, 0), 0, nil)
			n = len(list)
			return err
		})
		return n
	}
	if n := due(); n != 0 {
		t.Errorf("%d mails would be sent", n)
	}
	view(t, s, func(tx *Tx) error {
		h, err := tx.OutgoingHold()
		if err == nil && (h == nil || !h.Since.Equal(noon) || !h.Backup.Equal(noon)) {
			t.Errorf("held: %+v", h)
		}
		return err
	})
	update(t, s, func(tx *Tx) error {
		n, err := tx.NextNumber(1)
		if n != 5+DefaultSkip+1 {
			t.Errorf("the next ticket is %d", n)
		}
		p := &ticket.Person{Address: ticket.Address{Addr: "new@example.org"}}
		if err := tx.PutPerson(p); err != nil {
			return err
		}
		if p.ID <= DefaultSkip {
			t.Errorf("the next person is %d: tokens of another may name it", p.ID)
		}
		return err
	})
	update(t, s, (*Tx).ReleaseOutgoing)
	if n := due(); n != 4 {
		t.Errorf("after the release %d mails are due", n)
	}
	if err := s.Update(t.Context(), (*Tx).ReleaseOutgoing); !errors.Is(err, ErrNotFound) {
		t.Errorf("a second release: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// The restored desk is backed up to where the old one was.
	if r := backedUp(t, data, to); r.Journal.Length != 12 {
		t.Errorf("%+v", r)
	}
}

func TestRestoreRefuses(t *testing.T) {
	dir := filledFolder(t)
	fresh := func() (from, to string) {
		from = filepath.Join(t.TempDir(), "backup")
		backedUp(t, dir, from)
		return from, filepath.Join(t.TempDir(), "new")
	}
	change := func(path string, offset int64) {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte{0xa5}, offset); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	for name, tt := range map[string]struct {
		harm func(from, to string)
		want error
	}{
		"a state that changed": {func(from, _ string) {
			m, _ := ReadManifest(from)
			change(filepath.Join(from, m.Files[0].File), 9000)
		}, ErrCorrupt},
		"a segment that changed": {func(from, _ string) {
			m, _ := ReadManifest(from)
			change(filepath.Join(from, m.Files[1].File), 9000)
		}, ErrCorrupt},
		"a segment that is gone": {func(from, _ string) {
			m, _ := ReadManifest(from)
			os.Remove(filepath.Join(from, m.Files[1].File))
		}, os.ErrNotExist},
		"a manifest that changed": {func(from, _ string) { change(filepath.Join(from, manifestFile), 0) }, ErrCorrupt},
		"no manifest":             {func(from, _ string) { os.Remove(filepath.Join(from, manifestFile)) }, os.ErrNotExist},
		"a newer manifest": {func(from, _ string) {
			os.WriteFile(filepath.Join(from, manifestFile), []byte(`{"format":2}`), 0o600)
		}, ErrNewer},
		"a path outside": {func(from, _ string) {
			os.WriteFile(filepath.Join(from, manifestFile), []byte(`{"format":1,"files":[{"name":"state","file":"../state.0123456789abcdef.db"}]}`), 0o600)
		}, ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			from, to := fresh()
			tt.harm(from, to)
			if _, err := Restore(t.Context(), from, to, 1, noon); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if list, err := os.ReadDir(to); err == nil && len(list) > 0 {
				t.Errorf("left behind: %v", list)
			}
		})
	}
	from, to := fresh()
	os.MkdirAll(to, 0o700)
	os.WriteFile(filepath.Join(to, "something"), nil, 0o600)
	if _, err := Restore(t.Context(), from, to, 1, noon); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("a folder that is not empty: %v", err)
	}
}

func TestSnapshotsAreRemoved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := openAt(t, dir, Options{})
	old, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	past := time.Now().Add(-2 * snapshotAge)
	if err := os.Chtimes(filepath.Dir(old.State), past, past); err != nil {
		t.Fatal(err)
	}
	f, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old.State); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a forgotten snapshot is kept: %v", err)
	}
	if err := s.DropSnapshot(Files{State: filepath.Join(dir, archiveFolder, stateFile)}); !errors.Is(err, ErrNotFound) {
		t.Errorf("another folder was dropped: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	openAt(t, dir, Options{})
	if _, err := os.Stat(f.State); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a snapshot outlasts the start: %v", err)
	}
	if _, err := s.Snapshot(t.Context()); !errors.Is(err, ticket.ErrStopping) && !errors.Is(err, bbolterrors.ErrDatabaseNotOpen) {
		t.Errorf("a closed store: %v", err)
	}
	full := openAt(t, filepath.Join(t.TempDir(), "full"), Options{DiskFloor: 1 << 60})
	if _, err := full.Snapshot(t.Context()); !errors.Is(err, ticket.ErrFull) {
		t.Errorf("without room: %v", err)
	}
}

// A copy that holds up a commit gives way to it.
func TestSnapshotGivesWay(t *testing.T) {
	s := newStore(t)
	s.giveWay = time.Microsecond
	begun, finish, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- s.Update(context.Background(), func(*Tx) error { close(begun); <-finish; return nil })
	}()
	<-begun
	for !s.state.heldUp(s.giveWay) {
		time.Sleep(time.Millisecond)
	}
	if _, err := s.Snapshot(t.Context()); !errors.Is(err, errGivesWay) {
		t.Errorf("while a commit waits: %v", err)
	}
	close(finish)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := s.Snapshot(t.Context()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(s.dir, snapshotPrefix+"*")); len(left) != 1 {
		t.Errorf("there are %v", left)
	}
}
