package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

// beforeRebuild stands in the name of a state that was rebuilt, before the time.
const beforeRebuild = ".before-rebuild-"

// Rebuild writes all derived rows of a data folder anew, from the others, into a
// new state, which takes the place of the old one when it has been checked; the
// old one is kept under the returned path. It needs nothing of the derived rows,
// so that it helps when their pages are damaged. Nothing may run on the folder.
// The report is what Verify finds in the new state, without the archive.
//
// It returns an error that wraps ErrCorrupt, and changes nothing, when a row of
// the others can't be read.
func Rebuild(ctx context.Context, dir string, now time.Time) (kept string, r *Report, err error) {
	err = offline(dir, func() error {
		path := filepath.Join(dir, stateFile)
		temp := path + leftoverSuffix
		defer os.Remove(temp)
		if err := rebuildInto(path, temp); err != nil {
			return err
		}
		if r, err = verifyRebuilt(ctx, path, temp); err != nil {
			return err
		}
		kept = path + beforeRebuild + now.UTC().Format("20060102-150405")
		if err := os.Link(path, kept); err != nil {
			return err
		}
		// gofail: var rebuildUnswapped struct{}
		if err := os.Rename(temp, path); err != nil {
			return err
		}
		// gofail: var rebuildSwapped struct{}
		return syncFolder(dir)
	})
	if err != nil {
		return "", nil, fmt.Errorf("rebuilding %s: %w", dir, err)
	}
	return kept, r, nil
}

// primary tells whether a bucket's rows can't be derived from others.
func primary(name string) bool { return !slices.Contains(derived, name) }

func rebuildInto(path, temp string) error {
	out, err := newBulk(temp)
	if err != nil {
		return err
	}
	defer out.close()
	// gofail: var rebuildBegun struct{}
	err = readState(path, func(tx *Tx) error {
		if err := copyBuckets(tx.tx, out, primary, nil); err != nil {
			return err
		}
		for _, name := range buckets {
			if out.tx.Bucket([]byte(name)) == nil && primary(name) {
				return fmt.Errorf("%w: the bucket %s is missing", ErrCorrupt, name)
			}
		}
		err := derive(tx, out, func(bucket string, key []byte, err error) error {
			return fmt.Errorf("row %x of %s: %w", key, bucket, err)
		})
		if err != nil {
			return err
		}
		return out.raiseLastNumber()
	})
	if err != nil {
		return err
	}
	return out.finish()
}

// raiseLastNumber makes sure that no ticket number is given twice.
func (b *bulk) raiseLastNumber() error {
	k, _ := b.tx.Bucket([]byte(bucketTicketNumber)).Cursor().Last()
	if k == nil || fromBE64(k) <= fromBE64(b.get(bucketMeta, []byte(keyLastNumber))) {
		return nil
	}
	return b.put(bucketMeta, []byte(keyLastNumber), slices.Clone(k))
}

// verifyRebuilt checks that the new state has all rows of the old one, and says
// what is wrong with them.
func verifyRebuilt(ctx context.Context, path, temp string) (*Report, error) {
	if err := sameRows(path, temp, func(name string) bool { return primary(name) && name != bucketMeta }, nil); err != nil {
		return nil, err
	}
	v := &verifier{Report: &Report{Differences: []string{}}, ctx: ctx}
	if !v.pages("state", temp) {
		return nil, fmt.Errorf("the new state is not as it should be: %s", v.Differences[0])
	}
	var err error
	scratch := temp + ".derived" + leftoverSuffix
	if v.derived, err = newBulk(scratch); err != nil {
		return nil, err
	}
	defer os.Remove(scratch)
	defer v.derived.close()
	if err := v.derived.bucket(bucketArchived, 0); err != nil {
		return nil, err
	}
	return v.Report, readState(temp, v.state)
}

// copyBuckets copies the rows of buckets, and how far they have counted. Rows that
// drop tells true of are left out; nil: none.
func copyBuckets(src *bbolt.Tx, out *bulk, wanted func(name string) bool, drop func(key []byte) bool) error {
	return src.ForEach(func(name []byte, b *bbolt.Bucket) error {
		if !wanted(string(name)) {
			return nil
		}
		if err := out.bucket(string(name), b.Sequence()); err != nil {
			return err
		}
		return b.ForEach(func(k, v []byte) error {
			if v == nil {
				return fmt.Errorf("%w: %s holds a bucket", ErrCorrupt, name)
			}
			if drop != nil && drop(k) {
				return nil
			}
			return out.put(string(name), k, v)
		})
	})
}

// sameRows checks that two files have the same rows in the buckets of the first
// one that are wanted, but for those that drop tells true of, which the second must
// not have.
func sameRows(path, copied string, wanted func(name string) bool, drop func(key []byte) bool) error {
	a, err := openFile(path, openReadOnly)
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := openFile(copied, openReadOnly)
	if err != nil {
		return err
	}
	defer b.Close()
	var differences []string
	err = undamaged(func() error {
		return a.View(func(is *bbolt.Tx) error {
			return b.View(func(should *bbolt.Tx) error {
				return is.ForEach(func(name []byte, _ *bbolt.Bucket) error {
					if wanted(string(name)) {
						compareBut(&Tx{tx: is}, &Tx{tx: should}, string(name), drop, func(d string) { differences = append(differences, d) })
					}
					return nil
				})
			})
		})
	})
	if err == nil && len(differences) > 0 {
		err = fmt.Errorf("the copy differs from the original: %s", differences[0])
	}
	return err
}

// Compact writes the files of a data folder anew without what was deleted in
// them, of which they still hold the bytes until then. Each new file takes the
// place of the old one when it has been compared with it. Nothing may run on the
// folder. It returns the size of all files before and after, in octets.
func Compact(ctx context.Context, dir string) (before, after int64, err error) {
	err = offline(dir, func() error {
		files := filesOf(dir)
		segments, err := files.segments()
		if err != nil {
			return err
		}
		paths := []string{files.State}
		for _, name := range sortedNames(segments) {
			paths = append(paths, segments[name])
		}
		for _, path := range paths {
			if err := ctx.Err(); err != nil {
				return err
			}
			was, is, err := compactFile(path, nil)
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			before, after = before+was, after+is
		}
		return nil
	})
	if err != nil {
		return 0, 0, fmt.Errorf("compacting %s: %w", dir, err)
	}
	return before, after, nil
}

// compactFile writes a file anew, without rows that drop tells true of; nil: all are
// kept. The new file takes the place of the old one when it has been compared with it.
func compactFile(path string, drop func(key []byte) bool) (before, after int64, err error) {
	all := func(string) bool { return true }
	info, err := os.Stat(path)
	if err != nil {
		return 0, 0, err
	}
	if err := CheckFile(path); err != nil {
		return 0, 0, err
	}
	temp := path + leftoverSuffix
	defer os.Remove(temp)
	out, err := newBulk(temp)
	if err != nil {
		return 0, 0, err
	}
	defer out.close()
	// gofail: var compactBegun struct{}
	db, err := openFile(path, openReadOnly)
	if err != nil {
		return 0, 0, err
	}
	err = undamaged(func() error { return db.View(func(tx *bbolt.Tx) error { return copyBuckets(tx, out, all, drop) }) })
	if err = errors.Join(err, db.Close()); err != nil {
		return 0, 0, err
	}
	if err := out.finish(); err != nil {
		return 0, 0, err
	}
	if err := sameRows(path, temp, all, drop); err != nil {
		return 0, 0, err
	}
	shrunk, err := os.Stat(temp)
	if err != nil {
		return 0, 0, err
	}
	// gofail: var compactUnswapped struct{}
	if err := os.Rename(temp, path); err != nil {
		return 0, 0, err
	}
	// gofail: var compactSwapped struct{}
	return info.Size(), shrunk.Size(), syncFolder(filepath.Dir(path))
}
