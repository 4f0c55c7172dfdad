package store

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"buzon/ticket"
)

const (
	sweepStep = 1000  // rows read in one transaction
	sweepPut  = 50    // messages deleted in one
	sweepMost = 10000 // messages deleted in all
)

// orphans says which archived messages Sweep may look at: those of the segment
// that was current at the start, up to the last that was put before it. No way
// leads from one of them to a row any more, unless it has one.
type orphans struct {
	segment string
	last    uint64
}

func (a *archive) orphans() orphans {
	o := orphans{segment: a.now().UTC().Format(segmentLayout)}
	s, err := a.acquire(o.segment)
	if err != nil {
		return orphans{} // there is none yet, or it can't be opened, which the first Put will say
	}
	defer a.release(s)
	err = s.view(func(tx *bbolt.Tx) error {
		if b := tx.Bucket([]byte(bucketRaw)); b != nil {
			o.last = b.Sequence()
		}
		return nil
	})
	if err != nil {
		return orphans{}
	}
	return o
}

// Sweep deletes archived messages that no row refers to: a crash between
// archiving and applying leaves them, and so does the same delivery made again.
// It looks only at what was put into the current segment before the store was
// opened; call it an hour later or more. It reads and writes in many short
// transactions, deletes 10,000 messages at most, and returns how many.
func (s *Store) Sweep(ctx context.Context) (int, error) {
	if s.orphans.last == 0 {
		return 0, nil
	}
	wanted, err := s.referred(ctx, s.orphans.segment)
	if err != nil {
		return 0, fmt.Errorf("sweeping the archive: %w", err)
	}
	swept := 0
	for from, done := uint64(1), false; !done && swept < sweepMost; {
		var batch []uint64
		batch, from, done, err = s.unreferred(from, wanted)
		if err == nil && len(batch) > 0 {
			err = s.deleteRaw(ctx, s.orphans.segment, batch)
		}
		if errors.Is(err, errNextMonth) {
			return swept, nil
		} else if err != nil {
			return swept, fmt.Errorf("sweeping the archive: %w", err)
		}
		swept += len(batch)
	}
	return swept, nil
}

// referred collects the messages of a segment that any row refers to.
func (s *Store) referred(ctx context.Context, segment string) (map[uint64]bool, error) {
	wanted := map[uint64]bool{}
	add := func(r ticket.ArchiveRef) {
		if r.Segment == segment {
			wanted[r.Seq] = true
		}
	}
	for _, bucket := range []string{bucketMessages, bucketEntries, bucketQuarantine, bucketHeld, bucketOutboxChunks} {
		var from []byte
		for done := false; !done; {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			err := s.View(func(tx *Tx) error {
				n := 0
				for k, raw := range tx.ascend(bucket, nil, from) {
					if n++; n > sweepStep {
						from = append([]byte(nil), k...)
						return nil
					}
					if err := archiveRefs(bucket, raw, add); err != nil {
						return err
					}
				}
				done = true
				return nil
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return wanted, nil
}

// archiveRefs calls add with each place in the archive that a row refers to.
func archiveRefs(bucket string, raw []byte, add func(ticket.ArchiveRef)) error {
	if bucket == bucketOutboxChunks {
		chunks, err := decodeChunks(raw)
		for _, c := range chunks {
			if !c.Archive.IsZero() {
				add(c.Archive)
			}
		}
		return err
	}
	var row struct {
		Archive ticket.ArchiveRef `json:"archive"`
	}
	if err := decode(bucket, raw, &row); err != nil {
		return err
	}
	if !row.Archive.IsZero() {
		add(row.Archive)
	}
	return nil
}

// unreferred lists the next messages that nobody wants, and where to go on.
func (s *Store) unreferred(from uint64, wanted map[uint64]bool) (batch []uint64, next uint64, done bool, err error) {
	seg, err := s.archive.acquire(s.orphans.segment)
	if err != nil {
		return nil, from, false, err
	}
	defer s.archive.release(seg)
	err = seg.view(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(bucketRaw))
		if b == nil {
			return errNoMessages
		}
		c := b.Cursor()
		next = from
		for n := 0; n < sweepStep && len(batch) < sweepPut; n++ {
			k, _ := c.Seek(be64(next))
			if len(k) < 8 || fromBE64(k) > s.orphans.last {
				done = true
				return nil
			}
			seq := fromBE64(k)
			if !wanted[seq] {
				batch = append(batch, seq)
			}
			next = seq + 1
		}
		return nil
	})
	return batch, next, done, err
}

// errNextMonth: the segment is not the one that is written to any more.
var errNextMonth = errors.New("another segment is written to")

// deleteRaw deletes messages of the segment that is written to.
func (s *Store) deleteRaw(ctx context.Context, segment string, batch []uint64) error {
	a := s.archive
	return a.commits.do(ctx, 0, func(tx *bbolt.Tx) error {
		if a.writer.name != segment {
			return errNextMonth
		}
		b := tx.Bucket([]byte(bucketRaw))
		if b == nil {
			return errNoMessages
		}
		for _, seq := range batch {
			var keys [][]byte
			c := b.Cursor()
			for k, _ := c.Seek(be64(seq)); len(k) == 12 && fromBE64(k) == seq; k, _ = c.Next() {
				keys = append(keys, append([]byte(nil), k...))
			}
			for _, k := range keys {
				if err := b.Delete(k); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
