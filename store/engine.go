package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"
)

const (
	lockTimeout    = time.Second
	lockPoll       = 20 * time.Millisecond
	leftoverSuffix = ".new"
	// initialMap is how much of the address space a file gets at first, in octets. Of
	// memory it takes none.
	initialMap = min(4<<30, math.MaxInt/2)
	// A file grows by a sixteenth of its size, but no less and no more than this.
	leastGrowth, mostGrowth = 1 << 20, 16 << 20
)

// corrupt makes the error for a damaged file.
func corrupt(path string, cause error) error {
	return fmt.Errorf("%w: %s: %w; nothing was changed; put the folder aside and type: buzon restore BACKUP", ErrCorrupt, path, cause)
}

// lockFolder takes the folder for this process. The lock ends when the returned
// file is closed. It guards what the lock of a bbolt file can't: making files,
// removing leftovers, and the archive as a whole.
func lockFolder(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for start := time.Now(); ; time.Sleep(lockPoll) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if errors.Is(err, unix.EWOULDBLOCK) && time.Since(start) < lockTimeout {
			continue
		}
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, locked(dir)
		}
		return nil, fmt.Errorf("locking %s: %w", dir, err)
	}
}

func locked(path string) error {
	return fmt.Errorf("%w: %s is held by another process; ask it with: buzon status, or stop it first", ErrLocked, path)
}

// makeFolder makes a folder, and those above it, so that they outlast a power
// cut. Folders that are there are left as they are: those above need not even be
// readable.
func makeFolder(dir string) error {
	err := os.Mkdir(dir, 0o700)
	switch {
	case errors.Is(err, os.ErrNotExist):
		if err := makeFolder(filepath.Dir(dir)); err != nil {
			return err
		}
		return makeFolder(dir)
	case errors.Is(err, os.ErrExist):
		info, err := os.Stat(dir)
		if err == nil && !info.IsDir() {
			err = fmt.Errorf("%s is not a folder", dir)
		}
		return err
	case err != nil:
		return err
	}
	return syncFolder(filepath.Dir(dir))
}

func syncFolder(dir string) error { return syncFile(dir) }

// syncFile makes a file's content, or a folder's names, outlast a power cut.
func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("syncing %s: %w", path, err)
	}
	return nil
}

// syncAbove syncs the folders above dir, which makeFolder may have made in a
// process that was killed before it could. It ends at one that can't be opened
// or synced: that and those above are not ours.
func syncAbove(dir string) error {
	up, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	for up != filepath.Dir(up) {
		up = filepath.Dir(up)
		err := syncFile(up)
		switch {
		case errors.Is(err, os.ErrPermission), errors.Is(err, unix.EINVAL), errors.Is(err, unix.EROFS):
			return nil
		case err != nil:
			return err
		}
	}
	return nil
}

// removeLeftovers removes files and folders whose making a crash cut short.
func removeLeftovers(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, "*"+leftoverSuffix))
	if err != nil {
		return err
	}
	for _, path := range left {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("removing a leftover: %w", err)
		}
	}
	return nil
}

// createFile makes a bbolt file so that a crash at any moment leaves either all
// of it or nothing: under a temporary name, synced, renamed, the folder synced.
// The caller has the folder to itself.
func createFile(path string, fill func(*bbolt.Tx) error) (err error) {
	temp := path + leftoverSuffix
	defer func() {
		if err != nil {
			os.Remove(temp)
			err = fmt.Errorf("making %s: %w", path, err)
		}
	}()
	if err := os.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	db, err := bbolt.Open(temp, 0o600, &bbolt.Options{Timeout: lockTimeout})
	if err != nil {
		return err
	}
	if err := errors.Join(db.Update(fill), db.Close()); err != nil {
		return err
	}
	// gofail: var fileUnnamed struct{}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// openMode says how a file is used.
type openMode int

const (
	// openState writes no list of free pages at each commit. The list is
	// written once by closeState; without it, opening reads the whole file.
	openState openMode = iota
	// openSegment writes the list, which is short in a file that only grows, so
	// that a segment of many gigabytes opens at once after a crash.
	openSegment
	openReadOnly
)

// openFile opens an existing bbolt file. The engine maps the file and trusts it,
// so that a short or damaged one would kill the process; what can be told
// beforehand is therefore looked at here, and its panics are caught.
func openFile(path string, mode openMode) (db *bbolt.DB, err error) {
	meta, err := readMeta(path)
	if err != nil {
		return nil, err
	}
	if mode == openState && meta.Freelist == noFreelist {
		// The engine will read all pages in a goroutine of its own, whose
		// panics nobody can catch. Be the first to stumble.
		if err := checkPages(path, meta); err != nil {
			return nil, err
		}
	}
	return open(path, &bbolt.Options{
		Timeout:        lockTimeout,
		ReadOnly:       mode == openReadOnly,
		NoFreelistSync: mode == openState,
		FreelistType:   bbolt.FreelistMapType,
		// To map a file anew waits for all reads, and copies what is being changed.
		InitialMmapSize: initialMap,
	})
}

func open(path string, o *bbolt.Options) (db *bbolt.DB, err error) {
	var file atomic.Pointer[os.File]
	o.OpenFile = func(name string, flag int, perm os.FileMode) (*os.File, error) {
		// Without O_CREATE: a file that is missing must not be made anew.
		f, err := os.OpenFile(name, flag&^os.O_CREATE, perm)
		file.CompareAndSwap(nil, f) // later ones are the engine's for copying
		return f, err
	}
	defer func() {
		if p := recover(); p != nil {
			file.Load().Close() // the engine left it open, with its lock
			db, err = nil, corrupt(path, fmt.Errorf("%v", p))
		}
	}()
	db, err = bbolt.Open(path, 0o600, o)
	switch {
	case errors.Is(err, bbolterrors.ErrTimeout):
		return nil, locked(path)
	case errors.Is(err, bbolterrors.ErrInvalid), errors.Is(err, bbolterrors.ErrVersionMismatch), errors.Is(err, bbolterrors.ErrChecksum):
		return nil, corrupt(path, err)
	case err != nil:
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	if info, err := file.Load().Stat(); err == nil {
		db.AllocSize = int(min(max(info.Size()/16, leastGrowth), mostGrowth))
	}
	return db, nil
}

// CheckFile walks through every page that is in use of a file of the data folder that
// nobody writes to, without trusting any of them: a page that leads back to itself, for
// one, would have the engine go round until memory is used up. It returns an error that
// wraps ErrCorrupt for what is wrong.
func CheckFile(path string) (err error) {
	meta, err := readMeta(path)
	if err != nil {
		return err
	}
	if err := checkPages(path, meta); err != nil {
		return err
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	db, err := open(path, &bbolt.Options{Timeout: lockTimeout, ReadOnly: true})
	if err != nil {
		return err
	}
	defer db.Close()
	defer func() {
		if p := recover(); p != nil {
			err = corrupt(path, fmt.Errorf("%v", p))
		}
	}()
	err = db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
			var last []byte
			return b.ForEach(func(k, _ []byte) error {
				if last != nil && bytes.Compare(last, k) >= 0 {
					return fmt.Errorf("the keys of %q are out of order", name)
				}
				last = k
				return nil
			})
		})
	})
	if err != nil {
		return corrupt(path, err)
	}
	return nil
}

// closeState closes the state. clean says that all commits went well: then the
// list of free pages is written, so that the next start need not read the file;
// unless it is there still, because nothing was written since the last time.
func closeState(db *bbolt.DB, clean bool) error {
	var err error
	if clean {
		if meta, unread := readMeta(db.Path()); unread != nil || meta.Freelist == noFreelist {
			db.NoFreelistSync = false
			err = shielded(func() error { return db.Update(func(*bbolt.Tx) error { return nil }) })
		}
	}
	return errors.Join(err, db.Close())
}

// metaPage is the beginning of a file, as bbolt writes it: two pages that are
// written in turn, each pointing to a whole state of the file. See
// go.etcd.io/bbolt, internal/common/meta.go.
type metaPage struct {
	Magic, Version, PageSize, Flags uint32
	Root, Sequence                  uint64
	Freelist                        uint64
	Pages                           uint64 // pages of the file in use: its least size
	Txid                            uint64
	Checksum                        uint64
}

const (
	metaOffset = 16 // after the page header
	metaMagic  = 0xED0CDAED
	noFreelist = 1<<64 - 1
)

// readMeta reads and checks the beginning of a file, and returns the newer of
// its two meta pages. Both must be whole: a page lies within one disk sector, so
// that a power cut can't leave half of it, and to fall back on the older one
// would undo what was acknowledged.
func readMeta(path string) (metaPage, error) {
	f, err := os.Open(path)
	if err != nil {
		return metaPage{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return metaPage{}, err
	}
	first, err := parseMeta(f, 0)
	if err != nil {
		return metaPage{}, corrupt(path, fmt.Errorf("meta page 0: %w", err))
	}
	second, err := parseMeta(f, int64(first.PageSize))
	if err != nil {
		return metaPage{}, corrupt(path, fmt.Errorf("meta page 1: %w", err))
	}
	newer := first
	if second.Txid > first.Txid {
		newer = second
	}
	if least := newer.Pages * uint64(newer.PageSize); newer.PageSize != first.PageSize || uint64(info.Size()) < least {
		return metaPage{}, corrupt(path, fmt.Errorf("it has %d octets of at least %d", info.Size(), least))
	}
	return newer, nil
}

func parseMeta(f io.ReaderAt, page int64) (m metaPage, err error) {
	raw := make([]byte, binary.Size(m))
	if _, err := f.ReadAt(raw, page+metaOffset); errors.Is(err, io.EOF) {
		return m, errors.New("it is cut off")
	} else if err != nil {
		return m, err
	}
	if _, err := binary.Decode(raw, binary.NativeEndian, &m); err != nil {
		return m, err
	}
	sum := fnv.New64a()
	sum.Write(raw[:len(raw)-8])
	if m.Magic != metaMagic || m.Checksum != sum.Sum64() {
		return m, errors.New("its checksum is wrong")
	}
	return m, nil
}

// undone tells whether a commit was refused by the disk and certainly left no
// trace: it was full or read-only when pages were written, and the meta page,
// which makes them count, was not. A failed sync is never undone, whatever its
// reason.
func undone(err error, path string, txid int) bool {
	var at *os.PathError
	switch {
	case errors.As(err, &at) && at.Op == "write" && isRefusal(err):
	// The engine reports a failure to grow the file as text only.
	case strings.HasPrefix(err.Error(), "file resize error: ") &&
		slices.ContainsFunc(refusals, func(e unix.Errno) bool { return strings.HasSuffix(err.Error(), e.Error()) }):
	default:
		return false
	}
	meta, err := readMeta(path)
	return err == nil && meta.Txid < uint64(txid)
}
