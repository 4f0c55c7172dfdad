package store

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"buzon/ticket"
)

// Errors that Open and the transaction methods return, for errors.Is.
var (
	// ErrNotFound: there is no such thing in the store.
	ErrNotFound = errors.New("not found")
	// ErrStale: a ticket was changed since it was read.
	ErrStale = errors.New("the ticket was changed meanwhile")
	// ErrLocked: another process has the data folder open.
	ErrLocked = errors.New("the data folder is in use")
	// ErrCorrupt: a file is damaged or missing. It is left as it was found.
	ErrCorrupt = errors.New("the data folder is damaged")
	// ErrNewer: the data was written by a newer version of the program.
	ErrNewer = errors.New("the data folder belongs to a newer version of buzon")
)

const (
	stateFile     = "state.db"
	archiveFolder = "archive"
)

// Options of a store. The zero value is usable.
type Options struct {
	Now       func() time.Time // nil: time.Now
	Random    io.Reader        // keys and salt; nil: crypto/rand.Reader
	Log       *slog.Logger     // nil: nothing is logged
	DiskFloor int64            // free octets below which nothing is archived; 0: none
	// Filling is for filling a store that can be filled again: nothing is synced
	// before Close, and what a crash leaves then is to be thrown away.
	Filling bool
}

// Store is an open data folder. It is safe for concurrent use.
type Store struct {
	dir     string
	now     func() time.Time
	log     *slog.Logger
	lock    *os.File
	db      *bbolt.DB
	state   *committer
	notes   notebook
	archive *archive
	disk    disk

	failure   failure
	orphans   orphans       // what Sweep looks at
	closing   chan struct{} // closed when Close begins
	giveWay   time.Duration // how long a snapshot may hold up a commit
	closeOnce sync.Once
	closeErr  error
	filling   bool
	erasing   sync.Mutex // held by Erase
}

// Open opens the data folder, and makes it (mode 0700, files 0600) when it is
// absent. It waits up to a second for another process to let go of the folder.
// It returns an error for which errors.Is tells ErrLocked, ErrCorrupt or
// ErrNewer, and whose text says what to type; what was found damaged or newer is
// left untouched, and is never made anew.
func Open(dir string, o Options) (*Store, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{dir: dir, now: o.Now, log: o.Log, closing: make(chan struct{}), giveWay: snapshotYield, filling: o.Filling}
	s.failure = failure{closed: make(chan struct{}), log: o.Log}
	s.disk = disk{dir: dir, floor: o.DiskFloor, now: o.Now, log: o.Log}
	if err := s.open(o.Random); err != nil {
		s.release()
		return nil, fmt.Errorf("opening the data folder %s: %w", dir, err)
	}
	s.state = newCommitter("state", maxJobs, 0, &s.failure, &s.disk, func() (*bbolt.DB, error) { return s.db, nil })
	s.state.begin, s.state.finish = s.notes.begin, s.notes.finish
	s.archive.start(&s.failure, &s.disk)
	return s, nil
}

func (s *Store) open(random io.Reader) (err error) {
	archiveDir := filepath.Join(s.dir, archiveFolder)
	if err := makeFolder(filepath.Clean(s.dir)); err != nil {
		return err
	}
	if s.lock, err = lockFolder(s.dir); err != nil {
		return err
	}
	if err := makeFolder(archiveDir); err != nil {
		return err
	}
	for _, folder := range []string{s.dir, archiveDir} {
		if err := removeLeftovers(folder); err != nil {
			return err
		}
	}
	path := filepath.Join(s.dir, stateFile)
	if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) {
		segments, err := filepath.Glob(filepath.Join(archiveDir, "*"+segmentSuffix))
		if err != nil {
			return err
		}
		if len(segments) > 0 {
			return corrupt(path, errors.New("it is missing, although there is an archive"))
		}
		if err := syncAbove(s.dir); err != nil {
			return err
		}
		if err := createFile(path, func(tx *bbolt.Tx) error { return initState(tx, random, s.now()) }); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	// A process that was killed before a sync left what is seen here, and a power
	// cut would take away. It is made to last before anything is built upon it.
	for _, name := range []string{path, s.dir, archiveDir} {
		if err := syncFile(name); err != nil {
			return err
		}
	}
	if s.db, err = openFile(path, openState); err != nil {
		return err
	}
	if err := migrate(s.db, path, migrations); err != nil {
		return err
	}
	err = s.db.View(func(b *bbolt.Tx) error {
		n, err := readNotes(b)
		s.notes.publish(b.ID(), n)
		return err
	})
	if err != nil {
		return corrupt(path, err)
	}
	s.db.NoSync = s.filling
	if _, err := s.Keyring(); err != nil {
		return corrupt(path, err)
	}
	s.archive = newArchive(archiveDir, s.now)
	s.archive.filling = s.filling
	s.orphans = s.archive.orphans()
	return nil
}

// release closes what is open, without regard to writers. A state that was
// refused, or whose last commit failed, is not written to, nor one on a disk that
// takes no writes.
func (s *Store) release() error {
	var errs []error
	if s.archive != nil {
		errs = append(errs, s.archive.close())
	}
	if s.db != nil {
		s.db.NoSync = false
		if s.filling {
			errs = append(errs, s.db.Sync())
		}
		clean := s.state != nil && s.failure.err() == nil && s.disk.refused() == nil
		errs = append(errs, closeState(s.db, clean))
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}

// Close finishes the writes that are waiting, refuses later ones, and closes the
// files. It waits for reads to end.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		close(s.closing)
		s.archive.commits.stop()
		s.state.stop()
		if err := s.release(); err != nil {
			s.closeErr = fmt.Errorf("closing the data folder %s: %w", s.dir, err)
		}
	})
	return s.closeErr
}

// View runs fn in a read transaction, which sees one moment of the state. It
// must be short, because the file grows while it lasts, and must not call View
// or Update. It returns fn's error, or one that wraps ticket.ErrStopping after
// Close or a failed commit: then nobody knows whether what could be read is
// durable. A damaged page gives an error that wraps ErrCorrupt, and then the
// store stops as after a failed commit.
func (s *Store) View(fn func(*Tx) error) error {
	if err := s.failure.err(); err != nil {
		return err
	}
	err := errTooOld
	for try := 0; try < 100 && errors.Is(err, errTooOld); try++ {
		err = undamaged(func() error {
			return s.db.View(func(b *bbolt.Tx) error {
				tx := &Tx{tx: b, now: s.now, notes: s.notes.of(b.ID())}
				if tx.notes == nil {
					return errTooOld
				}
				defer tx.end()
				return fn(tx)
			})
		})
	}
	if isDamage(err) {
		s.failure.damaged("state", err)
	}
	if errors.Is(err, bbolterrors.ErrDatabaseNotOpen) {
		return fmt.Errorf("%w: the state is closed", ticket.ErrStopping)
	}
	return err
}

// Update runs fn in a write transaction, which is shared with other callers that
// wait at the same time, and returns when it is durable. If fn returns an error
// or panics, nothing of it is kept, and that error is returned, to its caller
// alone. fn may run more than once, so it must change nothing but through the
// Tx or afresh at each run; it must not call View or Update.
//
// ctx is heeded until fn starts. ticket.ErrFull means that the disk is full and
// nothing was written. An error that wraps ticket.ErrStopping means that the
// store was closed, in which case nothing was written, or that a commit failed,
// after which nobody knows (see Failed).
func (s *Store) Update(ctx context.Context, fn func(*Tx) error) error {
	return s.state.do(ctx, 0, s.job(fn))
}

// UpdatePatiently is Update for what nobody waits for: it lets up to 10 milliseconds
// pass for a commit that it can share.
func (s *Store) UpdatePatiently(ctx context.Context, fn func(*Tx) error) error {
	return s.state.doPatiently(ctx, s.job(fn))
}

func (s *Store) job(fn func(*Tx) error) func(*bbolt.Tx) error {
	return func(b *bbolt.Tx) error {
		tx := &Tx{tx: b, now: s.now, notes: s.notes.writing}
		defer tx.end()
		if err := fn(tx); err != nil {
			return err
		}
		return tx.writeLog()
	}
}

// Failed is closed after a commit error, or when a damaged page was met. What was being written may or may not
// survive; the process must exit with a status other than zero and be started
// again, and until then every read and write is refused.
func (s *Store) Failed() <-chan struct{} { return s.failure.closed }

// FreeSpace tells how many octets of the file system the store may still fill.
func (s *Store) FreeSpace() (int64, error) { return s.disk.free() }

// Full tells whether free space is below the floor, or whether the disk was
// found full. The answer is up to a second old. Ask it before taking mail in:
// Put refuses by itself, Update doesn't, because the floor is there so that the
// desk can go on working.
func (s *Store) Full() bool { return s.disk.full() }

// Refused tells why the disk takes no writes: it is full, or read-only. nil means
// that it took the last one. When it did not, Refused tries again, at most once a
// second, with a file of a megabyte.
func (s *Store) Refused() error { return s.disk.refused() }

// initState fills a new state with its buckets, the salt of digests and the
// first signing key.
func initState(b *bbolt.Tx, random io.Reader, now time.Time) error {
	for _, name := range buckets {
		if _, err := b.CreateBucket([]byte(name)); err != nil {
			return err
		}
	}
	tx := &Tx{tx: b}
	if err := tx.put(bucketMeta, []byte(keyVersion), be64(schemaVersion(migrations))); err != nil {
		return err
	}
	salt := make([]byte, 32)
	if _, err := io.ReadFull(random, salt); err != nil {
		return fmt.Errorf("making a salt: %w", err)
	}
	if err := tx.put(bucketMeta, []byte(keySalt), salt); err != nil {
		return err
	}
	key, err := ticket.NewKey(random, 0, now)
	if err != nil {
		return fmt.Errorf("making a signing key: %w", err)
	}
	raw, err := json.Marshal([]ticket.Key{key})
	if err != nil {
		return err
	}
	return tx.put(bucketMeta, []byte(keyKeys), raw)
}
