package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"buzon/ticket"
)

func noise(n int) []byte {
	b := make([]byte, n)
	if _, err := io.ReadFull(rand.NewChaCha8([32]byte{byte(n)}), b); err != nil {
		panic(err)
	}
	return b
}

func put(t testing.TB, s *Store, raw []byte) ticket.ArchiveRef {
	t.Helper()
	ref, err := s.Put(context.Background(), raw)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func wantRaw(t *testing.T, s *Store, ref ticket.ArchiveRef, want []byte) {
	t.Helper()
	if got, err := s.Raw(ref); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s has %d octets (%v), want %d", ref, len(got), err, len(want))
	}
}

func TestArchiveSizes(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, Options{})
	sizes := []int{0, 1, 2500, pieceSize - 1, pieceSize, pieceSize + 1, 2 * pieceSize, 5*pieceSize + 7, 35 << 20}
	refs := make([]ticket.ArchiveRef, len(sizes))
	for i, n := range sizes {
		refs[i] = put(t, s, noise(n))
	}
	check := func() {
		for i, n := range sizes {
			raw := noise(n)
			wantRaw(t, s, refs[i], raw)
			size := int64(n)
			for _, span := range [][2]int64{{0, 0}, {0, size}, {size, 0}, {size / 3, size / 2}, {pieceSize - 1, 2}, {pieceSize, pieceSize}, {size - 1, 1}} {
				got, err := s.ReadAt(refs[i], span[0], span[1])
				if span[0] < 0 || span[0]+span[1] > size {
					if err == nil {
						t.Errorf("octets %v of %d were read", span, n)
					}
				} else if err != nil || !bytes.Equal(got, raw[span[0]:span[0]+span[1]]) {
					t.Errorf("octets %v of %d: %d octets, %v", span, n, len(got), err)
				}
			}
			for _, span := range [][2]int64{{-1, 1}, {0, -1}, {0, size + 1}, {size + 1, 0}, {1, 1<<63 - 1}} {
				if got, err := s.ReadAt(refs[i], span[0], span[1]); err == nil {
					t.Errorf("octets %v of %d gave %d octets and no error", span, n, len(got))
				}
			}
		}
	}
	check()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, dir, Options{})
	check()
}

func TestArchiveNotFound(t *testing.T) {
	s := newStore(t)
	ref := put(t, s, []byte("x"))
	for _, ref := range []ticket.ArchiveRef{
		{}, {Segment: ref.Segment, Seq: 2}, {Segment: ref.Segment}, {Segment: "2020-01", Seq: 1},
		{Segment: "../state", Seq: 1}, {Segment: "2026-1", Seq: 1},
	} {
		if _, err := s.Raw(ref); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v", ref, err)
		}
	}
}

func TestNewMonth(t *testing.T) {
	clk := &clock{now: time.Date(2026, 11, 30, 23, 59, 59, 0, time.UTC)}
	s := openAt(t, t.TempDir(), Options{Now: clk.Now})
	first := put(t, s, []byte("November"))
	// The month is that of UTC, wherever the desk is.
	clk.set(time.Date(2026, 11, 30, 19, 0, 0, 0, time.FixedZone("Bogota", -5*3600)))
	second := put(t, s, []byte("December"))
	if first != (ticket.ArchiveRef{Segment: "2026-11", Seq: 1}) || second != (ticket.ArchiveRef{Segment: "2026-12", Seq: 1}) {
		t.Errorf("the references are %s and %s", first, second)
	}
	// Back again, as after a clock was set right.
	clk.set(noon)
	third := put(t, s, []byte("November again"))
	if third != (ticket.ArchiveRef{Segment: "2026-11", Seq: 2}) {
		t.Errorf("the reference is %s", third)
	}
	wantRaw(t, s, first, []byte("November"))
	wantRaw(t, s, second, []byte("December"))
	wantRaw(t, s, third, []byte("November again"))
}

func TestManyMonths(t *testing.T) {
	clk := &clock{now: noon}
	s := openAt(t, t.TempDir(), Options{Now: clk.Now})
	const months = 3 * maxOpenSegments
	refs := make([]ticket.ArchiveRef, months)
	for i := range refs {
		clk.set(noon.AddDate(0, i, 0))
		refs[i] = put(t, s, fmt.Append(nil, i))
	}
	open := func() int {
		s.archive.mu.Lock()
		defer s.archive.mu.Unlock()
		return len(s.archive.open)
	}
	if n := open(); n > maxOpenSegments+1 {
		t.Errorf("%d segments are open", n)
	}
	var wg sync.WaitGroup
	for i := range 8 * months {
		wg.Go(func() { wantRaw(t, s, refs[i%months], fmt.Append(nil, i%months)) })
	}
	wg.Wait()
	if n := open(); n > maxOpenSegments+1 {
		t.Errorf("%d segments are open after reading", n)
	}
	// A segment that is open for reading becomes the one to write to.
	wantRaw(t, s, refs[1], fmt.Append(nil, 1))
	clk.set(noon.AddDate(0, 1, 0))
	wantRaw(t, s, put(t, s, []byte("late")), []byte("late"))
	wantRaw(t, s, refs[1], fmt.Append(nil, 1))
}

func TestDamagedSegment(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, Options{})
	ref := put(t, s, noise(10*pieceSize))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, archiveFolder, "2026-11.db")
	if err := os.Truncate(path, 3*pieceSize); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s = openAt(t, dir, Options{})
	if _, err := s.Raw(ref); !errors.Is(err, ErrCorrupt) {
		t.Errorf("reading gives %v", err)
	}
	if _, err := s.Put(context.Background(), []byte("x")); !errors.Is(err, ErrCorrupt) {
		t.Errorf("writing gives %v", err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the damaged segment was changed (%v)", err)
	}
	update(t, s, func(tx *Tx) error { return tx.Append(&ticket.Event{Kind: ticket.EventNoted}) })
}

func TestPutsShareACommit(t *testing.T) {
	s := newStore(t)
	put(t, s, []byte("first"))
	path := filepath.Join(s.dir, archiveFolder, "2026-11.db")
	before := txid(t, path)

	gate, begun := make(chan struct{}), make(chan struct{})
	held := make(chan error, 1)
	go func() {
		held <- s.archive.commits.do(context.Background(), 0, func(*bbolt.Tx) error { close(begun); <-gate; return nil })
	}()
	<-begun
	const n = 50
	var wg sync.WaitGroup
	refs := make([]ticket.ArchiveRef, n)
	for i := range n {
		wg.Go(func() { refs[i] = put(t, s, noise(i)) })
	}
	waitFor(t, "the messages to gather", func() bool { return waiting(s.archive.commits) == n })
	close(gate)
	wg.Wait()
	if err := <-held; err != nil {
		t.Fatal(err)
	}
	if commits := txid(t, path) - before; commits != 2 {
		t.Errorf("%d messages that waited took %d commits, want 1 and the one they waited for", n, commits)
	}
	seen := map[ticket.ArchiveRef]bool{}
	for i, ref := range refs {
		if seen[ref] {
			t.Errorf("%s was given twice", ref)
		}
		seen[ref] = true
		wantRaw(t, s, ref, noise(i))
	}
}

func TestPutCancelled(t *testing.T) {
	s := newStore(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Put(ctx, []byte("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("Put gives %v", err)
	}
}

func TestBelowTheFloor(t *testing.T) {
	clk := &clock{now: noon}
	s := openAt(t, t.TempDir(), Options{Now: clk.Now, DiskFloor: 1 << 62})
	free, err := s.FreeSpace()
	if err != nil || free <= 0 {
		t.Fatalf("free space is %d, %v", free, err)
	}
	if !s.Full() {
		t.Error("the disk is not full")
	}
	if _, err := s.Put(context.Background(), []byte("x")); !errors.Is(err, ticket.ErrFull) {
		t.Errorf("Put gives %v", err)
	}
	// The desk goes on working.
	update(t, s, func(tx *Tx) error { return tx.PutTicket(sampleTicket(1)) })

	s.disk.floor = 1
	if !s.Full() {
		t.Error("the answer was not kept for a second")
	}
	clk.set(noon.Add(diskAge))
	if s.Full() {
		t.Error("the disk is full for ever")
	}
	put(t, s, []byte("x"))
}

func TestFreeSpaceIsTheFileSystems(t *testing.T) {
	s := newStore(t)
	var st unix.Statfs_t
	if err := unix.Statfs(s.dir, &st); err != nil {
		t.Fatal(err)
	}
	free, err := s.FreeSpace()
	if total := int64(st.Blocks) * int64(st.Bsize); err != nil || free > total {
		t.Errorf("%d octets of %d are free, %v", free, total, err)
	}
}
