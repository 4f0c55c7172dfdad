package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
)

// DefaultSkip is how many ticket numbers a restored desk leaves out, for those
// that it may have given after the backup was made.
const DefaultSkip = 1000

// Restore makes a data folder of a backup. Every file is checked against the
// manifest. The target must be absent or empty, and a restore that fails leaves
// it so. The restored desk leaves out skip ticket numbers, and holds all outgoing
// mail: some of it may have been sent after the backup was made.
func Restore(ctx context.Context, from, to string, skip uint64, now time.Time) (m Manifest, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("restoring %s to %s: %w", from, to, err)
		}
	}()
	source, err := lockFolder(from)
	if err != nil {
		return m, err
	}
	defer source.Close()
	if m, err = ReadManifest(from); err != nil {
		return m, err
	}
	if err := makeFolder(filepath.Clean(to)); err != nil {
		return m, err
	}
	// A folder that is there may have been made by a restore that was killed
	// before its name was synced; nothing would do so later.
	if err := syncAbove(to); err != nil {
		return m, err
	}
	lock, err := lockFolder(to)
	if err != nil {
		return m, err
	}
	defer lock.Close()
	if list, err := os.ReadDir(to); err != nil {
		return m, err
	} else if len(list) > 0 {
		return m, errors.New("the folder is not empty; name another one")
	}
	defer func() {
		if err != nil {
			os.RemoveAll(filepath.Join(to, archiveFolder))
			os.Remove(filepath.Join(to, stateFile+leftoverSuffix))
		}
	}()
	if err := makeFolder(filepath.Join(to, archiveFolder)); err != nil {
		return m, err
	}
	// gofail: var restoreBegun struct{}
	for _, f := range m.Files[1:] {
		if err := f.restore(ctx, from, filepath.Join(to, archiveFolder, f.Name+segmentSuffix)); err != nil {
			return m, err
		}
	}
	if err := syncFolder(filepath.Join(to, archiveFolder)); err != nil {
		return m, err
	}
	// The state comes last: without it the folder is none that can be used.
	temp := filepath.Join(to, stateFile+leftoverSuffix)
	// gofail: var restoreMidway struct{}
	if err := m.Files[0].restore(ctx, from, temp); err != nil {
		return m, err
	}
	if err := m.prepare(temp, skip, now); err != nil {
		return m, err
	}
	// gofail: var restoreUnnamed struct{}
	if err := os.Rename(temp, filepath.Join(to, stateFile)); err != nil {
		return m, err
	}
	return m, syncFolder(to)
}

// restore copies a file of a backup and checks it.
func (b BackupFile) restore(ctx context.Context, from, path string) error {
	f, err := os.Open(filepath.Join(from, b.File))
	if err != nil {
		return err
	}
	defer f.Close()
	size, sum, err := copyFile(ctx, f, path)
	if err != nil {
		return err
	}
	if size != b.Size || sum != b.SHA256 {
		return fmt.Errorf("%w: %s of the backup is not as it was made: %d octets of %d, SHA-256 %s of %s", ErrCorrupt, b.File, size, b.Size, sum, b.SHA256)
	}
	return nil
}

// prepare makes a copied state one that may be run again.
func (m Manifest) prepare(path string, skip uint64, now time.Time) error {
	if err := CheckFile(path); err != nil {
		return err
	}
	db, err := openFile(path, openSegment)
	if err != nil {
		return err
	}
	err = undamaged(func() error {
		return db.Update(func(b *bbolt.Tx) error {
			tx := &Tx{tx: b, now: func() time.Time { return now }}
			if end := tx.journalEnd(); end != m.Journal {
				return fmt.Errorf("%w: the journal has %d events of %d, or another end", ErrCorrupt, end.Length, m.Journal.Length)
			}
			if err := tx.skip(skip); err != nil {
				return err
			}
			return tx.HoldOutgoing(Hold{Since: now.UTC(), Backup: m.Made})
		})
	})
	return errors.Join(err, db.Close())
}
