package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"buzon/ticket"
)

// waitFor polls until something is so.
func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !is() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		runtime.Gosched()
	}
}

// hold keeps the state's writer busy, so that jobs gather, until let is called,
// which returns when the writer has gone on.
func hold(t *testing.T, s *Store) (let func()) {
	t.Helper()
	gate, begun, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- s.Update(context.Background(), func(*Tx) error { close(begun); <-gate; return nil })
	}()
	<-begun
	return func() {
		close(gate)
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func waiting(c *committer) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue)
}

func txid(t *testing.T, path string) uint64 {
	t.Helper()
	meta, err := readMeta(path)
	if err != nil {
		t.Fatal(err)
	}
	return meta.Txid
}

// together runs n updates that gather into one batch, and returns their errors.
func together(t *testing.T, s *Store, n int, fn func(i int, tx *Tx) error) []error {
	t.Helper()
	errs := make([]error, n)
	var wg sync.WaitGroup
	let := hold(t, s)
	for i := range n {
		wg.Go(func() {
			errs[i] = s.Update(context.Background(), func(tx *Tx) error { return fn(i, tx) })
		})
	}
	waitFor(t, "the updates to gather", func() bool { return waiting(s.state) == n })
	let()
	wg.Wait()
	return errs
}

func TestSharedCommit(t *testing.T) {
	s := newStore(t)
	before := txid(t, filepath.Join(s.dir, stateFile))
	for i, err := range together(t, s, 100, func(i int, tx *Tx) error { return tx.PutTicket(sampleTicket(i + 1)) }) {
		if err != nil {
			t.Errorf("update %d: %v", i, err)
		}
	}
	if commits := txid(t, filepath.Join(s.dir, stateFile)) - before; commits != 2 {
		t.Errorf("100 updates that waited took %d commits, want 1 and the one they waited for", commits)
	}
	view(t, s, func(tx *Tx) error {
		c, err := tx.Counts()
		if c.Tickets[ticket.StatusOpen] != 100 {
			t.Errorf("there are %d tickets", c.Tickets[ticket.StatusOpen])
		}
		return err
	})
}

func TestBatchesAreBounded(t *testing.T) {
	s := newStore(t)
	before := txid(t, filepath.Join(s.dir, stateFile))
	together(t, s, maxJobs+1, func(i int, tx *Tx) error { return tx.Append(&ticket.Event{Kind: ticket.EventQueued}) })
	if commits := txid(t, filepath.Join(s.dir, stateFile)) - before; commits != 3 {
		t.Errorf("%d updates that waited took %d commits, want 2 and the one they waited for", maxJobs+1, commits)
	}
	c := &committer{maxJobs: 10, maxBytes: 100, queue: []*job{{size: 500}, {size: 60}, {size: 40}, {size: 1}}}
	for _, want := range []int{1, 2, 1} {
		if got := len(c.take()); got != want {
			t.Errorf("a batch has %d jobs, want %d", got, want)
		}
	}
}

func TestOneCulpritAmongMany(t *testing.T) {
	const n, culprit = 100, 57
	errBad := errors.New("a poisonous message")
	for name, fail := range map[string]func() error{
		"error":  func() error { return errBad },
		"panic":  func() error { panic(errBad.Error()) },
		"goexit": func() error { runtime.Goexit(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			var runs atomic.Int32
			errs := together(t, s, n, func(i int, tx *Tx) error {
				runs.Add(1)
				// Each run starts afresh, with what the transaction says.
				number, err := tx.NextNumber(1)
				if err != nil {
					return err
				}
				tk := sampleTicket(i + 1)
				tk.Number = number
				if err := errors.Join(tx.PutTicket(tk), tx.Append(&ticket.Event{Kind: ticket.EventTicketed, Ticket: tk.ID})); err != nil {
					return err
				}
				if i == culprit {
					return fail()
				}
				return nil
			})
			for i, err := range errs {
				if (err != nil) != (i == culprit) {
					t.Errorf("update %d: %v", i, err)
				}
			}
			if name == "error" && !errors.Is(errs[culprit], errBad) {
				t.Errorf("the culprit got %v", errs[culprit])
			}
			if name == "panic" && !strings.Contains(errs[culprit].Error(), errBad.Error()) {
				t.Errorf("the culprit got %v", errs[culprit])
			}
			if got := runs.Load(); got <= n {
				t.Errorf("%d updates ran %d times: none was run again", n, got)
			}
			view(t, s, func(tx *Tx) error {
				found, err := tx.Tickets(TicketFilter{}, 0)
				if err != nil {
					return err
				}
				for i, tk := range found {
					if want := ticket.Number(len(found) - i); tk.Number != want || tk.Revision != 1 {
						t.Errorf("ticket %d has number %s and revision %d: a run that was rolled back left a trace", i, tk.Number, tk.Revision)
					}
				}
				if len(found) != n-1 {
					t.Errorf("%d tickets were kept", len(found))
				}
				if _, err := tx.Ticket(idOf(culprit + 1)); !errors.Is(err, ErrNotFound) {
					t.Errorf("the culprit's ticket is there: %v", err)
				}
				return VerifyJournal(tx)
			})
			update(t, s, func(tx *Tx) error { return tx.Append(&ticket.Event{Kind: ticket.EventNoted}) })
		})
	}
}

func TestCancelBeforeStart(t *testing.T) {
	s := newStore(t)
	let := hold(t, s)
	ctx, cancel := context.WithCancel(context.Background())
	ran := false
	result := make(chan error, 1)
	go func() { result <- s.Update(ctx, func(*Tx) error { ran = true; return nil }) }()
	waitFor(t, "the update to queue", func() bool { return waiting(s.state) == 1 })
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelling gives %v", err)
	}
	let()
	update(t, s, func(*Tx) error { return nil })
	if ran {
		t.Error("it ran although it was cancelled")
	}
	if err := s.Update(ctx, func(*Tx) error { ran = true; return nil }); !errors.Is(err, context.Canceled) || ran {
		t.Errorf("with a context that has ended: %v, ran %v", err, ran)
	}
}

func TestCancelAfterStart(t *testing.T) {
	s := newStore(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	err := s.Update(ctx, func(tx *Tx) error {
		cancel()
		return tx.PutTicket(sampleTicket(1))
	})
	if err != nil {
		t.Fatalf("an update that was begun gives %v", err)
	}
	view(t, s, func(tx *Tx) error { _, err := tx.Ticket(idOf(1)); return err })
}

func TestCloseFinishesWhatWaits(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, Options{})
	let := hold(t, s)
	result, closed := make(chan error, 1), make(chan error, 1)
	go func() {
		result <- s.Update(context.Background(), func(tx *Tx) error { return tx.PutTicket(sampleTicket(1)) })
	}()
	waitFor(t, "the update to queue", func() bool { return waiting(s.state) == 1 })
	go func() { closed <- s.Close() }()
	let()
	if err := errors.Join(<-result, <-closed); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, dir, Options{})
	view(t, s, func(tx *Tx) error { _, err := tx.Ticket(idOf(1)); return err })
}

// swap puts another file under the descriptor by which path is open, so that
// writes fail as they do on a broken or full disk, until restore is called.
func swap(t *testing.T, path, other string, flags int) (restore func()) {
	t.Helper()
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		t.Fatal(err)
	}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range fds {
		if target, _ := os.Readlink("/proc/self/fd/" + e.Name()); target != path {
			continue
		}
		var fd int
		if _, err := fmt.Sscan(e.Name(), &fd); err != nil {
			t.Fatal(err)
		}
		saved, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		bad, err := unix.Open(other, flags|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Dup3(bad, fd, unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		unix.Close(bad)
		return sync.OnceFunc(func() {
			if err := unix.Dup3(saved, fd, unix.O_CLOEXEC); err != nil {
				t.Error(err)
			}
			unix.Close(saved)
		})
	}
	t.Fatalf("%s is not open", path)
	return nil
}

// settle makes free pages, so that the next commit need not grow the file.
func settle(t *testing.T, s *Store) {
	t.Helper()
	for range 10 {
		update(t, s, func(tx *Tx) error { return tx.put(bucketMeta, []byte("x"), []byte("x")) })
		if _, err := s.Put(context.Background(), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCommitErrorStopsTheStore(t *testing.T) {
	for _, file := range []string{stateFile, archiveFolder + "/2026-11.db"} {
		t.Run(file, func(t *testing.T) {
			s := newStore(t)
			settle(t, s)
			path := filepath.Join(s.dir, file)
			// A descriptor for reading only: every write fails with EBADF.
			restore := swap(t, path, path, unix.O_RDONLY)
			defer restore()
			var err error
			if file == stateFile {
				err = s.Update(context.Background(), func(tx *Tx) error { return tx.put(bucketMeta, []byte("x"), []byte("y")) })
			} else {
				_, err = s.Put(context.Background(), []byte("y"))
			}
			if !errors.Is(err, ticket.ErrStopping) || !errors.Is(err, unix.EBADF) {
				t.Errorf("a failed commit gives %v", err)
			}
			select {
			case <-s.Failed():
			default:
				t.Error("Failed is not closed")
			}
			restore()
			_, putErr := s.Put(context.Background(), []byte("z"))
			for name, err := range map[string]error{
				"Update": s.Update(context.Background(), func(*Tx) error { t.Error("an update ran after a failed commit"); return nil }),
				"View":   s.View(func(*Tx) error { t.Error("a view ran after a failed commit"); return nil }),
				"Put":    putErr,
			} {
				if !errors.Is(err, ticket.ErrStopping) {
					t.Errorf("%s after a failed commit gives %v", name, err)
				}
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			again := openAt(t, s.dir, Options{})
			update(t, again, func(tx *Tx) error { return tx.Append(&ticket.Event{Kind: ticket.EventNoted}) })
		})
	}
}

// TestCommitErrorReachesAll has a whole batch wait for the commit that fails.
func TestCommitErrorReachesAll(t *testing.T) {
	s := newStore(t)
	settle(t, s)
	path := filepath.Join(s.dir, stateFile)
	let := hold(t, s)
	errs := make(chan error, 20)
	for i := range 20 {
		go func() {
			errs <- s.Update(context.Background(), func(tx *Tx) error { return tx.PutTicket(sampleTicket(i + 1)) })
		}()
	}
	waitFor(t, "the updates to gather", func() bool { return waiting(s.state) == 20 })
	gone := make(chan struct{})
	s.state.mu.Lock() // the writer can't take the next batch before the swap
	go func() { let(); close(gone) }()
	<-gone
	restore := swap(t, path, path, unix.O_RDONLY)
	s.state.mu.Unlock()
	for range 20 {
		if err := <-errs; !errors.Is(err, ticket.ErrStopping) {
			t.Errorf("one of the batch got %v", err)
		}
	}
	restore()
}

func TestFullDisk(t *testing.T) {
	clk := &clock{now: noon}
	s := openAt(t, t.TempDir(), Options{Now: clk.Now})
	settle(t, s)
	write := map[string]func() error{
		stateFile: func() error {
			return s.Update(context.Background(), func(tx *Tx) error { return tx.put(bucketMeta, []byte("x"), []byte("y")) })
		},
		archiveFolder + "/2026-11.db": func() error {
			_, err := s.Put(context.Background(), []byte("y"))
			return err
		},
	}
	for file, write := range write {
		restore := swap(t, filepath.Join(s.dir, file), "/dev/full", unix.O_RDWR)
		err := write()
		restore()
		if !errors.Is(err, ticket.ErrFull) || !errors.Is(err, unix.ENOSPC) {
			t.Errorf("%s on a full disk: %v", file, err)
		}
		if !s.Full() || !errors.Is(s.Refused(), unix.ENOSPC) {
			t.Errorf("%s: the disk is not said to be full (%v)", file, s.Refused())
		}
		if _, err := s.Put(context.Background(), []byte("z")); !errors.Is(err, ticket.ErrFull) {
			t.Errorf("%s: taking mail on a full disk gives %v", file, err)
		}
		clk.set(clk.Now().Add(2 * diskAge))
		if s.Full() {
			t.Errorf("%s: the disk is full for ever", file)
		}
		if err := write(); err != nil || s.Refused() != nil {
			t.Errorf("%s after there was space again: %v, refused: %v", file, err, s.Refused())
		}
	}
	select {
	case <-s.Failed():
		t.Error("a full disk stopped the store")
	default:
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	openAt(t, s.dir, Options{})
}

func TestUndone(t *testing.T) {
	s := newStore(t)
	update(t, s, func(tx *Tx) error { return tx.put(bucketMeta, []byte("x"), nil) })
	path := filepath.Join(s.dir, stateFile)
	now := int(txid(t, path))
	full := &os.PathError{Op: "write", Path: path, Err: unix.ENOSPC}
	for _, tt := range []struct {
		name string
		err  error
		txid int
		want bool
	}{
		{"pages not written", full, now + 1, true},
		{"pages not written on a read-only disk", &os.PathError{Op: "write", Path: path, Err: unix.EROFS}, now + 1, true},
		{"file not grown on a read-only disk", fmt.Errorf("file resize error: %s", &os.PathError{Op: "truncate", Path: path, Err: unix.EROFS}), now + 1, true},
		{"pages not synced on a read-only disk", unix.EROFS, now + 1, false},
		{"meta page written", full, now, false},
		{"file not grown", fmt.Errorf("file resize error: %s", &os.PathError{Op: "truncate", Path: path, Err: unix.ENOSPC}), now + 1, true},
		{"grown file not synced", fmt.Errorf("file sync error: %s", &os.PathError{Op: "sync", Path: path, Err: unix.ENOSPC}), now + 1, false},
		{"pages not synced", unix.ENOSPC, now + 1, false},
		{"broken disk", &os.PathError{Op: "write", Path: path, Err: unix.EIO}, now + 1, false},
	} {
		if got := undone(tt.err, path, tt.txid); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
