package store

import (
	"bytes"
	"iter"
)

// noted returns the notes about a bucket's rows; nil: there are none, and the bucket
// is all there is.
func (tx *Tx) noted(bucket string) *noteTree {
	if tx.notes == nil {
		return nil
	}
	i, ok := notedAs[bucket]
	if !ok || tx.notes.trees[i].Len() == 0 {
		return nil
	}
	return tx.notes.trees[i]
}

// rowsUp yields a bucket's rows, noted ones included, from a key upwards.
func (tx *Tx) rowsUp(bucket string, from []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(k, v []byte) bool) {
		c := tx.bucket(bucket).Cursor()
		k, v := c.Seek(from)
		noted := tx.noted(bucket)
		if noted == nil {
			for ; k != nil && yield(k, v); k, v = c.Next() {
			}
			return
		}
		it := noted.Iter()
		more := it.Seek(note{key: from})
		merge(bytes.Compare, k, v, c.Next, more, it.Item, it.Next, yield)
	}
}

// rowsDown yields a bucket's rows, noted ones included, from a key downwards.
func (tx *Tx) rowsDown(bucket string, from []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(k, v []byte) bool) {
		c := tx.bucket(bucket).Cursor()
		k, v := lastUpTo(c, from)
		noted := tx.noted(bucket)
		if noted == nil {
			for ; k != nil && yield(k, v); k, v = c.Prev() {
			}
			return
		}
		it := noted.Iter()
		more := it.Seek(note{key: from})
		switch {
		case !more:
			more = it.Last()
		case !bytes.Equal(it.Item().key, from):
			more = it.Prev()
		}
		merge(func(a, b []byte) int { return bytes.Compare(b, a) }, k, v, c.Prev, more, it.Item, it.Prev, yield)
	}
}

// merge yields rows of two sources, each sorted by order: rows that are in their places,
// and notes, which say what has become of rows under the same key.
func merge(order func(a, b []byte) int, k, v []byte, next func() (k, v []byte), more bool, item func() note, advance func() bool, yield func(k, v []byte) bool) {
	for k != nil || more {
		which := -1 // the row in its place comes first
		if k == nil {
			which = 1
		} else if more {
			which = order(k, item().key)
		}
		if which < 0 {
			if !yield(k, v) {
				return
			}
			k, v = next()
			continue
		}
		if row := item(); !row.gone && !yield(row.key, row.value) {
			return
		}
		more = advance()
		if which == 0 {
			k, v = next()
		}
	}
}
