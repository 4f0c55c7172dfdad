package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"time"

	"go.etcd.io/bbolt"
)

// bulkBytes is how much is written in one transaction of a bulk.
const bulkBytes = 16 << 20

// bulk fills a new file that nobody else has open. Nothing of it is durable
// before finish.
type bulk struct {
	db    *bbolt.DB
	tx    *bbolt.Tx
	bytes int
}

// newBulk makes a file, in place of one that is there.
func newBulk(path string) (_ *bulk, err error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	b := new(bulk)
	b.db, err = bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockTimeout, NoSync: true, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return nil, fmt.Errorf("making %s: %w", path, err)
	}
	if b.tx, err = b.db.Begin(true); err != nil {
		return nil, errors.Join(err, b.db.Close())
	}
	return b, nil
}

// bucket makes a bucket whose keys go on from a number.
func (b *bulk) bucket(name string, sequence uint64) error {
	bucket, err := b.tx.CreateBucketIfNotExists([]byte(name))
	if err != nil {
		return fmt.Errorf("making the bucket %s: %w", name, err)
	}
	return bucket.SetSequence(sequence)
}

func (b *bulk) get(bucket string, key []byte) []byte { return b.tx.Bucket([]byte(bucket)).Get(key) }

func (b *bulk) put(bucket string, key, value []byte) (err error) {
	if b.bytes > bulkBytes {
		if err := b.tx.Commit(); err != nil {
			return err
		}
		if b.tx, err = b.db.Begin(true); err != nil {
			return err
		}
		b.bytes = 0
	}
	b.bytes += len(key) + len(value)
	in := b.tx.Bucket([]byte(bucket))
	in.FillPercent = 0.9 // keys come mostly in order
	// The engine keeps the value until the commit; it may be another file's page.
	if err := in.Put(key, bytes.Clone(value)); err != nil {
		return fmt.Errorf("writing to %s: %w", bucket, err)
	}
	return nil
}

// view reads what was put so far.
func (b *bulk) view() *Tx { return &Tx{tx: b.tx, now: time.Now} }

// finish makes the file durable and closes it.
func (b *bulk) finish() error {
	err := b.tx.Commit()
	if err == nil {
		err = b.db.Sync()
	}
	b.tx = nil
	return errors.Join(err, b.db.Close())
}

// close closes the file as it is. After finish it does nothing.
func (b *bulk) close() {
	if b.tx != nil {
		b.tx.Rollback()
		b.db.Close()
		b.tx = nil
	}
}
