package store

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"go.etcd.io/bbolt"
)

// Tx is a transaction on the state. It is good until the function that it was
// given to returns, and for one goroutine. Methods that write return an error in
// a read transaction. What they return may be kept and changed.
//
// Lists take a limit; zero or less means no limit.
type Tx struct {
	tx    *bbolt.Tx
	now   func() time.Time
	notes *notes // nil: what is in the buckets is all
	log   []byte // what was noted, for the log
}

var errEnded = errors.New("the transaction has ended")

func (tx *Tx) end() { tx.tx = nil }

func (tx *Tx) bucket(name string) *bbolt.Bucket {
	if tx.tx == nil {
		panic(errEnded)
	}
	return tx.tx.Bucket([]byte(name))
}

// get returns a value, which is good as long as the transaction, or nil.
func (tx *Tx) get(bucket string, key []byte) []byte {
	if noted := tx.noted(bucket); noted != nil {
		if row, ok := noted.Get(note{key: key}); ok {
			if row.gone {
				return nil
			}
			return row.value
		}
	}
	return tx.bucket(bucket).Get(key)
}

func (tx *Tx) put(bucket string, key, value []byte) error {
	if i, ok := notedAs[bucket]; ok && tx.notes != nil {
		return tx.note(i, key, value, false)
	}
	b := tx.bucket(bucket)
	if growing[bucket] {
		b.FillPercent = growingFill
	}
	if err := b.Put(key, value); err != nil {
		return fmt.Errorf("writing to %s: %w", bucket, err)
	}
	return nil
}

func (tx *Tx) del(bucket string, key []byte) error {
	if i, ok := notedAs[bucket]; ok && tx.notes != nil {
		return tx.note(i, key, nil, true)
	}
	if err := tx.bucket(bucket).Delete(key); err != nil {
		return fmt.Errorf("deleting from %s: %w", bucket, err)
	}
	return nil
}

// load decodes a value. It returns ErrNotFound when there is none.
func (tx *Tx) load(bucket string, key []byte, v any) error {
	raw := tx.get(bucket, key)
	if raw == nil {
		return ErrNotFound
	}
	return decode(bucket, raw, v)
}

func decode(bucket string, raw []byte, v any) error {
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("%w: a row of %s can't be read: %w", ErrCorrupt, bucket, err)
	}
	return nil
}

func (tx *Tx) save(bucket string, key []byte, v any) error {
	raw, err := encode(v)
	if err != nil {
		return fmt.Errorf("encoding a row of %s: %w", bucket, err)
	}
	return tx.put(bucket, key, raw)
}

var encoding = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// encode is json.Marshal without its escapes for HTML, which make six octets of each
// ">" that begins a quoted line.
func encode(v any) ([]byte, error) {
	b := encoding.Get().(*bytes.Buffer)
	defer encoding.Put(b)
	b.Reset()
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.Clone(bytes.TrimSuffix(b.Bytes(), []byte{'\n'})), err
}

// next counts up the ids of a bucket, from 1.
func (tx *Tx) next(bucket string) (uint64, error) {
	id, err := tx.bucket(bucket).NextSequence()
	if err != nil {
		return 0, fmt.Errorf("numbering a row of %s: %w", bucket, err)
	}
	return id, nil
}

// ascend yields the rows whose keys have the prefix and are not below from. The
// bucket must not be written to meanwhile.
func (tx *Tx) ascend(bucket string, prefix, from []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(k, v []byte) bool) {
		if bytes.Compare(from, prefix) < 0 {
			from = prefix
		}
		for k, v := range tx.rowsUp(bucket, from) {
			if !bytes.HasPrefix(k, prefix) || !yield(k, v) {
				return
			}
		}
	}
}

// descend yields the rows whose keys have the prefix, from the last to the
// first. The bucket must not be written to meanwhile.
func (tx *Tx) descend(bucket string, prefix []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(k, v []byte) bool) {
		for k, v := range tx.rowsDown(bucket, append(bytes.Clone(prefix), idCeiling...)) {
			if !bytes.HasPrefix(k, prefix) || !yield(k, v) {
				return
			}
		}
	}
}

// idCeiling is above what follows a prefix in any key that is descended.
var idCeiling = bytes.Repeat([]byte{0xff}, 24)

// lastUpTo moves the cursor to the last key that is not above the given one.
func lastUpTo(c *bbolt.Cursor, key []byte) (k, v []byte) {
	k, v = c.Seek(key)
	switch {
	case k == nil:
		return c.Last()
	case !bytes.Equal(k, key):
		return c.Prev()
	}
	return k, v
}

// indexKey is one row of an index.
type indexKey struct {
	bucket string
	key    string
	value  string
}

// reindex brings the indexes from what they said of the old row to what they
// shall say of the new one.
func (tx *Tx) reindex(before, after []indexKey) error {
	keep := make(map[indexKey]bool, len(after))
	for _, k := range after {
		keep[k] = true
	}
	for _, k := range before {
		if keep[k] {
			delete(keep, k)
		} else if err := tx.del(k.bucket, []byte(k.key)); err != nil {
			return err
		}
	}
	for _, k := range after {
		if keep[k] {
			if err := tx.put(k.bucket, []byte(k.key), []byte(k.value)); err != nil {
				return err
			}
		}
	}
	return nil
}

// count changes a counter.
func (tx *Tx) count(name string, by int) error {
	if by == 0 {
		return nil
	}
	n := tx.counted(name) + by
	if n < 0 {
		return fmt.Errorf("%w: the counter %s would fall below zero", ErrCorrupt, name)
	}
	return tx.put(bucketCounts, []byte(name), be64(uint64(n)))
}

func (tx *Tx) counted(name string) int { return int(fromBE64(tx.get(bucketCounts, []byte(name)))) }

// recount moves one row from one counter to another; an empty name is none.
func (tx *Tx) recount(from, to string) error {
	if from == to {
		return nil
	}
	if from != "" {
		if err := tx.count(from, -1); err != nil {
			return err
		}
	}
	if to != "" {
		return tx.count(to, 1)
	}
	return nil
}

// Digest is the salted digest of content, in hexadecimal, for Event.Digest: it
// shows whether content is what it was, and can't be found by guessing without
// the salt, which is kept in the state.
func (tx *Tx) Digest(content []byte) string {
	return hex.EncodeToString(tx.salted(content))
}

func (tx *Tx) salted(content []byte) []byte {
	mac := hmac.New(sha256.New, tx.get(bucketMeta, []byte(keySalt)))
	mac.Write(content)
	return mac.Sum(nil)
}

func be64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func fromBE64(b []byte) uint64 {
	if len(b) < 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

// timeKey sorts as time does. Times before 1970, the zero time among them, and
// after 2262 come first and last.
func timeKey(t time.Time) []byte {
	switch year := t.UTC().Year(); {
	case year < 1970:
		return be64(0)
	case year > 2261:
		return be64(1<<63 - 1)
	}
	return be64(uint64(t.UnixNano()))
}

// keyTime is the time that timeKey made a key of.
func keyTime(k []byte) time.Time { return time.Unix(0, int64(fromBE64(k))).UTC() }

// hashKey is the key of strings that others choose the length of.
func hashKey(s string) []byte {
	sum := sha256.Sum256([]byte(s))
	return sum[:]
}

// textKey is what begins an index key about a name.
func textKey(s string) string { return s + "\x00" }

// full tells whether a list has reached its limit.
func full(n, limit int) bool { return limit > 0 && n >= limit }
