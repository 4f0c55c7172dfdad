package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"buzon/ticket"
)

const (
	segmentSuffix = ".db"
	segmentLayout = "2006-01" // of time.Format
	bucketRaw     = "raw"     // seq, piece → octets

	// pieceSize is how raw messages are cut. bbolt keeps up to four values in
	// one leaf however large they are, and writes the leaf anew for each that is
	// added, so that whole messages would be written several times over.
	pieceSize = 64 << 10

	maxPutBytes     = 32 << 20 // of raw messages in one commit
	maxOpenSegments = 4        // beside the one that is written to
)

var errNoMessages = fmt.Errorf("%w: the segment has no messages' bucket", ErrCorrupt)

var segmentName = regexp.MustCompile(`^\d{4}-\d{2}$`)

// archive is a folder of segments, each a bbolt file of the raw messages that
// came in one month. The present month's is open for writing, a few others for
// reading.
type archive struct {
	dir     string
	now     func() time.Time
	commits *committer
	filling bool // nothing is synced before close

	mu        sync.Mutex
	closed    bool
	writer    *segment            // set and read by the committer's goroutine; guarded for readers
	open      map[string]*segment // by name, the writer included
	clock     uint64              // counts uses, for finding the one that is idle longest
	rewriting string              // segment that is written anew without some messages; empty: none is
}

type segment struct {
	name     string
	db       *bbolt.DB
	readOnly bool
	users    int
	used     uint64
	gone     bool // no longer in open: the last user closes it
}

func newArchive(dir string, now func() time.Time) *archive {
	return &archive{dir: dir, now: now, open: map[string]*segment{}}
}

func (a *archive) start(f *failure, d *disk) {
	a.commits = newCommitter("archive", maxJobs, maxPutBytes, f, d, a.present)
}

func (a *archive) path(name string) string { return filepath.Join(a.dir, name+segmentSuffix) }

// present returns the present month's segment, made if need be. Only the
// committer calls it.
func (a *archive) present() (*bbolt.DB, error) {
	name := a.now().UTC().Format(segmentLayout)
	if a.writer != nil && a.writer.name == name {
		return a.writer.db, nil
	}
	s, err := a.openWriter(name)
	if err != nil {
		return nil, fmt.Errorf("opening the archive's segment %s: %w", name, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.writer, a.open[name] = s, s
	a.evict()
	return s.db, nil
}

func (a *archive) openWriter(name string) (*segment, error) {
	a.mu.Lock()
	if a.rewriting == name { // the clock went back by a month
		a.mu.Unlock()
		return nil, fmt.Errorf("%w: it is being written anew", ErrLocked)
	}
	if s := a.open[name]; s != nil {
		if !s.readOnly { // it was written to before the clock moved
			a.mu.Unlock()
			return s, nil
		}
		a.drop(s)
	}
	a.mu.Unlock()
	path := a.path(name)
	if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) {
		err := createFile(path, func(tx *bbolt.Tx) error {
			_, err := tx.CreateBucket([]byte(bucketRaw))
			return err
		})
		if err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	// gofail: var segmentMade struct{}

	// As with the state: otherwise pages would be written over that are free in
	// what is seen here, and in use in what a power cut would leave.
	if err := syncFile(path); err != nil {
		return nil, err
	}
	db, err := openFile(path, openSegment)
	if err != nil {
		return nil, err
	}
	db.NoSync = a.filling
	return &segment{name: name, db: db}, nil
}

// drop forgets a segment, and closes it unless it is in use. Callers hold mu.
func (a *archive) drop(s *segment) error {
	delete(a.open, s.name)
	s.gone = true
	if s.users == 0 {
		return s.db.Close()
	}
	return nil
}

// evict closes segments that are idle longest, beyond maxOpenSegments. Callers
// hold mu.
func (a *archive) evict() {
	for {
		var oldest *segment
		idle := 0
		for _, s := range a.open {
			if s == a.writer || s.users > 0 {
				continue
			}
			idle++
			if oldest == nil || s.used < oldest.used {
				oldest = s
			}
		}
		if idle <= maxOpenSegments {
			return
		}
		a.drop(oldest) // nothing is lost by a failure to close what was only read
	}
}

// acquire opens a segment for reading. The caller must release it.
func (a *archive) acquire(name string) (*segment, error) {
	if !segmentName.MatchString(name) {
		return nil, fmt.Errorf("archive segment %q: %w", name, ErrNotFound)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil, fmt.Errorf("%w: the archive is closed", ticket.ErrStopping)
	}
	s := a.open[name]
	if s == nil {
		db, err := openFile(a.path(name), openReadOnly)
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("archive segment %s: %w", name, ErrNotFound)
		} else if err != nil {
			return nil, err
		}
		s = &segment{name: name, db: db, readOnly: true}
		a.open[name] = s
	}
	a.clock++
	s.used = a.clock
	s.users++
	return s, nil
}

// writable returns the segments that are open for writing. The caller must
// release them.
func (a *archive) writable() ([]*segment, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil, fmt.Errorf("%w: the archive is closed", ticket.ErrStopping)
	}
	var found []*segment
	for _, s := range a.open {
		if !s.readOnly {
			s.users++
			found = append(found, s)
		}
	}
	return found, nil
}

// view reads a segment. One that is damaged gives ErrCorrupt and does not stop
// the desk: other messages can still be read.
func (s *segment) view(fn func(*bbolt.Tx) error) error {
	return undamaged(func() error { return s.db.View(fn) })
}

func (a *archive) release(s *segment) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s.users--
	if s.gone && s.users == 0 {
		s.db.Close()
	}
	a.evict()
}

// close closes all segments, and waits for reads to end.
func (a *archive) close() error {
	a.mu.Lock()
	a.closed = true
	open := a.open
	a.open = map[string]*segment{}
	a.mu.Unlock()
	var errs []error
	for _, s := range open {
		if a.filling && !s.readOnly {
			errs = append(errs, s.db.Sync())
		}
		errs = append(errs, s.db.Close())
	}
	return errors.Join(errs...)
}

// Put keeps a raw message in the archive and returns when it is durable. Bytes
// that nothing refers to later are harmless. raw is not kept. ctx is heeded
// until writing starts. It returns ticket.ErrFull below the disk's floor and
// when the disk is full: then nothing was kept. Errors that wrap
// ticket.ErrStopping mean the same as with Update.
func (s *Store) Put(ctx context.Context, raw []byte) (ticket.ArchiveRef, error) {
	var ref ticket.ArchiveRef
	if s.Full() {
		return ref, fmt.Errorf("archiving %d octets: %w", len(raw), ticket.ErrFull)
	}
	a := s.archive
	err := a.commits.do(ctx, len(raw), func(tx *bbolt.Tx) error {
		seq, err := appendRaw(tx, raw)
		ref = ticket.ArchiveRef{Segment: a.writer.name, Seq: seq}
		// gofail: var archiveWritten struct{}
		return err
	})
	if err != nil {
		return ticket.ArchiveRef{}, fmt.Errorf("archiving %d octets: %w", len(raw), err)
	}
	return ref, nil
}

func appendRaw(tx *bbolt.Tx, raw []byte) (uint64, error) {
	b := tx.Bucket([]byte(bucketRaw))
	if b == nil {
		return 0, errNoMessages
	}
	b.FillPercent = 1 // keys only grow
	seq, err := b.NextSequence()
	if err != nil {
		return 0, err
	}
	for i := 0; i == 0 || i*pieceSize < len(raw); i++ {
		piece := raw[i*pieceSize : min((i+1)*pieceSize, len(raw))]
		if err := b.Put(pieceKey(seq, i), piece); err != nil {
			return 0, err
		}
	}
	return seq, nil
}

func pieceKey(seq uint64, piece int) []byte {
	return binary.BigEndian.AppendUint32(be64(seq), uint32(piece))
}

// Raw returns a whole message from the archive, or ErrNotFound.
func (s *Store) Raw(ref ticket.ArchiveRef) ([]byte, error) {
	return s.read(ref, func(size int64) (int64, int64) { return 0, size })
}

// ReadAt returns length octets of an archived message from offset on, of which
// it reads no more than those. It returns ErrNotFound when there is no such
// message, and an error when it is shorter.
func (s *Store) ReadAt(ref ticket.ArchiveRef, offset, length int64) ([]byte, error) {
	return s.read(ref, func(int64) (int64, int64) { return offset, length })
}

func (s *Store) read(ref ticket.ArchiveRef, span func(size int64) (offset, length int64)) (out []byte, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("reading %s from the archive: %w", ref, err)
		}
	}()
	seg, err := s.archive.acquire(ref.Segment)
	if err != nil {
		return nil, err
	}
	defer s.archive.release(seg)
	err = seg.view(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(bucketRaw))
		if b == nil {
			return errNoMessages
		}
		c := b.Cursor()
		size, ok := rawSize(c, ref.Seq)
		if !ok {
			return ErrNotFound
		}
		offset, length := span(size)
		if offset < 0 || length < 0 || length > size || offset > size-length {
			return fmt.Errorf("octets %d to %d of a message of %d", offset, offset+length, size)
		}
		out = make([]byte, 0, length)
		for at := offset; at < offset+length; {
			piece := b.Get(pieceKey(ref.Seq, int(at/pieceSize)))
			from := at % pieceSize
			if from >= int64(len(piece)) {
				return fmt.Errorf("%w: piece %d of message %s is short", ErrCorrupt, at/pieceSize, ref)
			}
			piece = piece[from:min(int64(len(piece)), from+offset+length-at)]
			out = append(out, piece...)
			at += int64(len(piece))
		}
		return nil
	})
	return out, err
}

// rawSize is a message's length in octets, which its last piece tells.
func rawSize(c *bbolt.Cursor, seq uint64) (int64, bool) {
	k, v := lastUpTo(c, be64(seq+1)) // which no key is: keys are longer
	if len(k) != 12 || !bytes.HasPrefix(k, be64(seq)) {
		return 0, false
	}
	return int64(binary.BigEndian.Uint32(k[8:]))*pieceSize + int64(len(v)), true
}
