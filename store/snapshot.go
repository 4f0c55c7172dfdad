package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"buzon/ticket"
)

const (
	snapshotPrefix = "snapshot-"
	// snapshotAge is when a snapshot is taken for forgotten.
	snapshotAge = 6 * time.Hour
	// A copy may take a minute, and longer the larger the file: while it is
	// made, the file can't reuse the pages that it frees.
	snapshotLeast = time.Minute
	snapshotSpeed = 10 << 20 // octets a second
	// While a file is being read it can't be mapped anew, which a commit needs
	// when the file has grown past its mapping: everything would wait for the
	// copy. So a copy gives way to a commit that takes this long, and begins anew.
	snapshotYield = 2 * time.Second
	snapshotTries = 5
)

// errGivesWay: a copy was given up so that a commit can go on.
var errGivesWay = errors.New("the desk was held up by the copy; try again when there is less to do")

// Snapshot copies what is being written to, for others to read at leisure: the
// state first, and then the segments that are open for writing, so that every
// message of the state is in the archive. Each copy shows one moment. They are in
// a folder of their own in the data folder, which needs room for them; remove it
// with DropSnapshot. Snapshots that were forgotten are removed after six hours,
// or at the next start. It returns ticket.ErrFull when there is too little room.
func (s *Store) Snapshot(ctx context.Context) (f Files, err error) {
	s.dropForgotten()
	dir, err := os.MkdirTemp(s.dir, snapshotPrefix+"*"+leftoverSuffix)
	if err != nil {
		return f, fmt.Errorf("making a snapshot: %w", err)
	}
	defer func() {
		if err != nil {
			os.RemoveAll(dir)
			err = fmt.Errorf("making a snapshot: %w", err)
		}
	}()
	f = Files{State: filepath.Join(dir, stateFile), Archive: s.archive.dir, Copies: map[string]string{}}
	if err := s.failure.err(); err != nil {
		return f, err
	}
	if err := s.copyPatiently(ctx, s.db, s.state, f.State); err != nil {
		return f, err
	}
	segments, err := s.archive.writable()
	if err != nil {
		return f, err
	}
	defer func() {
		for _, seg := range segments {
			s.archive.release(seg)
		}
	}()
	for _, seg := range segments {
		path := filepath.Join(dir, seg.name+segmentSuffix)
		if err := s.copyPatiently(ctx, seg.db, s.archive.commits, path); err != nil {
			return f, err
		}
		f.Copies[seg.name] = path
	}
	return f, nil
}

// DropSnapshot removes the folder of a snapshot.
func (s *Store) DropSnapshot(f Files) error {
	dir := filepath.Dir(f.State)
	if filepath.Dir(dir) != filepath.Clean(s.dir) || !isSnapshot(filepath.Base(dir)) {
		return fmt.Errorf("removing a snapshot: %s is none: %w", dir, ErrNotFound)
	}
	return os.RemoveAll(dir)
}

func isSnapshot(name string) bool {
	return strings.HasPrefix(name, snapshotPrefix) && strings.HasSuffix(name, leftoverSuffix)
}

func (s *Store) dropForgotten() {
	list, err := filepath.Glob(filepath.Join(s.dir, snapshotPrefix+"*"+leftoverSuffix))
	if err != nil {
		return
	}
	for _, dir := range list {
		if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > snapshotAge {
			os.RemoveAll(dir)
		}
	}
}

// copyPatiently tries hotCopy again when it gave way.
func (s *Store) copyPatiently(ctx context.Context, db *bbolt.DB, writer *committer, path string) error {
	for try := 1; ; try++ {
		err := s.hotCopy(ctx, db, writer, path)
		if !errors.Is(err, errGivesWay) || try == snapshotTries {
			return err
		}
	}
}

// hotCopy copies a file that is being written to, as it is at one moment.
func (s *Store) hotCopy(ctx context.Context, db *bbolt.DB, writer *committer, path string) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	err = undamaged(func() error {
		return db.View(func(tx *bbolt.Tx) error {
			if free, err := s.FreeSpace(); err != nil {
				return err
			} else if free-tx.Size() < s.disk.floor {
				return fmt.Errorf("%w: a copy of %s needs %d MB", ticket.ErrFull, filepath.Base(db.Path()), tx.Size()>>20)
			}
			limit := snapshotLeast + time.Duration(tx.Size()/snapshotSpeed)*time.Second
			ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("copying %s took longer than %s", filepath.Base(db.Path()), limit))
			defer cancel()
			var why error // kept aside: of some errors the engine keeps the text alone
			_, err := tx.WriteTo(stoppable{ctx: ctx, w: f, stop: func() error {
				if why = s.stopping(); why == nil && writer.heldUp(s.giveWay) {
					why = errGivesWay
				}
				return why
			}})
			if why != nil {
				return why
			}
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("copying %s: %w", filepath.Base(db.Path()), err)
	}
	return nil
}

// stopping returns an error when the store is being closed.
func (s *Store) stopping() error {
	select {
	case <-s.closing:
		return fmt.Errorf("%w: the store is being closed", ticket.ErrStopping)
	default:
		return nil
	}
}

// stoppable is a writer that stops when ctx ends, or when stop, if there is one,
// returns an error.
type stoppable struct {
	ctx  context.Context
	w    io.Writer
	stop func() error
}

func (s stoppable) Write(p []byte) (int, error) {
	if s.ctx.Err() != nil {
		return 0, context.Cause(s.ctx)
	}
	if s.stop != nil {
		if err := s.stop(); err != nil {
			return 0, err
		}
	}
	return s.w.Write(p)
}
