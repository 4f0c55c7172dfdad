package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"iter"
	"time"

	"go.etcd.io/bbolt"

	"buzon/ticket"
)

// archive checks each segment, and each archived message against its row.
func (v *verifier) archive() error {
	paths, err := v.files.segments()
	if err != nil {
		return err
	}
	referred := map[string]bool{}
	for k := range v.derived.view().ascend(bucketArchived, nil, nil) {
		name, _, _ := bytes.Cut(k, []byte{0})
		referred[string(name)] = true
	}
	for name := range referred {
		if paths[name] == "" {
			v.differf("archive: segment %s is missing, and there are messages in it", name)
		}
	}
	db, err := openFile(v.files.State, openReadOnly)
	if err != nil {
		return err
	}
	defer db.Close()
	for _, name := range sortedNames(paths) {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		err := db.View(func(tx *bbolt.Tx) error {
			return v.segment(&Tx{tx: tx, now: time.Now}, name, paths[name])
		})
		if errors.Is(err, ErrLocked) && !referred[name] {
			continue // begun since the copies were made
		} else if err != nil {
			return err
		}
		v.Segments++
	}
	return nil
}

func (v *verifier) segment(state *Tx, name, path string) error {
	what := "archive: " + name
	db, err := openFile(path, openReadOnly)
	switch {
	case errors.Is(err, ErrLocked):
		return err
	case err != nil:
		v.differf("%s: %v", what, err)
		return nil
	}
	defer db.Close()
	if !v.pages(what, path) {
		return nil
	}
	return undamaged(func() error {
		return db.View(func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte(bucketRaw))
			if b == nil {
				v.differf("%s: %v", what, errNoMessages)
				return nil
			}
			return v.archived(state, name, b)
		})
	})
}

// archived goes through a segment's messages and its rows side by side.
func (v *verifier) archived(state *Tx, name string, b *bbolt.Bucket) error {
	prefix := []byte(textKey(name))
	next, stop := iter.Pull2(v.derived.view().ascend(bucketArchived, prefix, nil))
	defer stop()
	k, id, ok := next()
	row := func() uint64 { return fromBE64(k[len(prefix):]) }
	gone := func(until uint64) {
		for ; ok && row() < until; k, id, ok = next() {
			if m, err := state.Message(fromBE64(id)); err == nil && m.Erased != nil {
				continue
			}
			v.differf("archive: %s/%d, the bytes of message %d, is missing", name, row(), fromBE64(id))
		}
	}
	for m := range archivedMessages(b) {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		v.Archived++
		v.Octets += m.size
		if m.broken != "" {
			v.differf("archive: %s/%d: %s", name, m.seq, m.broken)
		}
		gone(m.seq)
		if !ok || row() != m.seq {
			v.Unreferenced++
			continue
		}
		v.matches(state, fmt.Sprintf("archive: %s/%d", name, m.seq), fromBE64(id), m)
		k, id, ok = next()
	}
	gone(1<<64 - 1)
	return nil
}

// matches checks an archived message against its row.
func (v *verifier) matches(state *Tx, where string, id uint64, m archivedMessage) {
	row, err := state.Message(id)
	if err != nil {
		return // said already
	}
	if row.Erased != nil {
		var order ticket.Event
		if state.load(bucketJournal, be64(row.Erased.Event), &order) == nil {
			if e, err := state.Erasure(order.Object); err == nil && !e.Purged.IsZero() {
				v.differf("%s: message %d was erased, and its bytes are there", where, id)
			}
		}
		return
	}
	if row.Size != m.size {
		v.differf("%s: it has %d octets, and message %d has %d", where, m.size, id, row.Size)
		return
	}
	if row.Digest != "" && row.Digest != hex.EncodeToString(m.sum[:]) {
		v.differf("%s: it has changed since it was taken as message %d: its SHA-256 is another", where, id)
	}
}

type archivedMessage struct {
	seq    uint64
	size   int64
	sum    [sha256.Size]byte
	broken string
}

// archivedMessages yields a segment's messages in order, one piece in memory at
// a time.
func archivedMessages(b *bbolt.Bucket) iter.Seq[archivedMessage] {
	return func(yield func(archivedMessage) bool) {
		var m archivedMessage
		var sum hash.Hash
		pieces, last := 0, 0
		finish := func() bool {
			if sum == nil {
				return true
			}
			sum.Sum(m.sum[:0])
			return yield(m)
		}
		c := b.Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			seq := fromBE64(k)
			if sum == nil || seq != m.seq || len(k) != 12 {
				if !finish() {
					return
				}
				m, sum, pieces, last = archivedMessage{seq: seq}, sha256.New(), 0, pieceSize
			}
			if m.broken == "" && (!bytes.Equal(k, pieceKey(seq, pieces)) || last != pieceSize) {
				m.broken = fmt.Sprintf("piece %d is missing or cut short", pieces)
			}
			sum.Write(v)
			m.size += int64(len(v))
			pieces, last = pieces+1, len(v)
		}
		finish()
	}
}
