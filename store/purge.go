package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"buzon/ticket"
)

// errReading: a snapshot refers to bytes that are to be taken away.
var errReading = errors.New("a copy is being made")

// purge takes the bytes of the erasure's messages out of the archive. Segments that
// are written to lose rows, whose bytes stay in free pages; the others are written
// anew without them. While there is a snapshot, which may refer to the bytes,
// nothing is done.
func (w *eraser) purge() error {
	bySegment := map[string]map[uint64]bool{}
	err := scan(w.ctx, w.Store, bucketMessages, func(m *MessageRow) error {
		if m.Erased != nil && m.Erased.Event == w.row.Event {
			if bySegment[m.Archive.Segment] == nil {
				bySegment[m.Archive.Segment] = map[uint64]bool{}
			}
			bySegment[m.Archive.Segment][m.Archive.Seq] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := w.placeAll(); err != nil {
		return err
	}
	for name, gone := range bySegment {
		err := w.purgeSegment(name, gone)
		if errors.Is(err, errReading) || errors.Is(err, ErrLocked) {
			return nil // the next call
		} else if err != nil {
			return fmt.Errorf("segment %s: %w", name, err)
		}
	}
	return w.update(func(tx *Tx, e *Erasure) error {
		e.Purged = tx.now().UTC()
		return nil
	})
}

// placeAll brings index rows to their places, so that the log of them holds no key of
// what was erased.
func (w *eraser) placeAll() error {
	for begun, done := false, false; !done; {
		err := w.Store.Update(w.ctx, func(tx *Tx) error {
			force := !tx.notes.placing // and not one that began before the erasure
			if err := tx.notes.place(tx.tx, placedTogether, force); err != nil {
				return err
			}
			begun, done = begun || force, (begun || force) && !tx.notes.placing
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *eraser) purgeSegment(name string, gone map[uint64]bool) error {
	w.dropForgotten()
	if found, err := filepath.Glob(filepath.Join(w.dir, snapshotPrefix+"*"+leftoverSuffix)); err != nil {
		return err
	} else if len(found) > 0 {
		return errReading
	}
	there, err := w.archive.has(name, gone)
	if errors.Is(err, ErrNotFound) || err == nil && len(there) == 0 {
		return nil
	} else if err != nil {
		return err
	}
	if w.archive.isWritten(name) {
		err := w.deleteAll(name, there)
		if !errors.Is(err, errNextMonth) {
			return err
		}
	}
	return w.archive.rewrite(w.ctx, name, gone)
}

// deleteAll deletes messages of the segment that is written to. It returns
// errNextMonth when that is another one by now.
func (w *eraser) deleteAll(name string, seqs []uint64) error {
	for part := range slices.Chunk(seqs, sweepPut) {
		if err := w.deleteRaw(w.ctx, name, part); err != nil {
			return err
		}
	}
	return nil
}

// has lists which of some messages are in a segment, in order.
func (a *archive) has(name string, wanted map[uint64]bool) (there []uint64, err error) {
	s, err := a.acquire(name)
	if err != nil {
		return nil, err
	}
	defer a.release(s)
	err = s.view(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(bucketRaw))
		if b == nil {
			return errNoMessages
		}
		c := b.Cursor()
		for seq := range wanted {
			if _, ok := rawSize(c, seq); ok {
				there = append(there, seq)
			}
		}
		return nil
	})
	slices.Sort(there)
	return there, err
}

// isWritten tells whether a segment is the present month's, or the one that was
// written to last.
func (a *archive) isWritten(name string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.written(name)
}

// written is isWritten for callers that hold mu.
func (a *archive) written(name string) bool {
	return a.writer != nil && a.writer.name == name || name == a.now().UTC().Format(segmentLayout)
}

// rewrite writes a segment that nobody writes to any more anew, without some
// messages. Who reads the old file meanwhile reads it to the end.
func (a *archive) rewrite(ctx context.Context, name string, gone map[uint64]bool) error {
	a.mu.Lock()
	if a.rewriting != "" || a.written(name) {
		a.mu.Unlock()
		return fmt.Errorf("%w: it is being written to", ErrLocked)
	}
	if s := a.open[name]; s != nil && !s.readOnly {
		if err := a.drop(s); err != nil { // of a month before
			a.mu.Unlock()
			return err
		}
	}
	a.rewriting = name // openWriter refuses it
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		a.rewriting = ""
		a.mu.Unlock()
	}()
	if err := ctx.Err(); err != nil {
		return err
	}
	_, _, err := compactFile(a.path(name), func(k []byte) bool { return len(k) == 12 && gone[fromBE64(k)] })
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if s := a.open[name]; s != nil {
		return a.drop(s)
	}
	return nil
}

// erasures checks that each was ordered by an event, and that what they left has no
// content.
func (v *verifier) erasures(tx *Tx) error {
	return rows(tx, bucketErasures, v.bad, func(k []byte, e *Erasure) error {
		where := fmt.Sprintf("erasures: %d", e.ID)
		if fromBE64(k) != e.ID {
			v.differf("%s: it stands at %x", where, k)
		}
		v.erased(tx, where, &ticket.Erased{At: e.At, Event: e.Event})
		for _, id := range slices.Concat(e.Tickets, e.Parts) {
			v.place(tx, where, id, 0)
		}
		for _, id := range e.People {
			v.person(tx, where, id)
		}
		return nil
	})
}

// erased checks that a tombstone names the event that ordered it.
func (v *verifier) erased(tx *Tx, where string, by *ticket.Erased) *Erasure {
	var event ticket.Event
	if err := tx.load(bucketJournal, be64(by.Event), &event); err != nil || event.Kind != ticket.EventErasing || !event.At.Equal(by.At) {
		v.differf("%s: no event %d of the journal has ordered it to be erased at %s", where, by.Event, by.At.Format(time.RFC3339))
		return nil
	}
	e, err := tx.Erasure(event.Object)
	if err != nil {
		v.differf("%s: %v", where, err)
		return nil
	}
	return e
}

// tombstone checks that nothing is left in the row of an erased message.
func (v *verifier) tombstone(tx *Tx, where string, m *MessageRow) {
	v.Erased++
	v.erased(tx, where, m.Erased)
	bare := *m
	tx.entomb(&bare, *m.Erased)
	if bare.From != m.From || bare.MessageID != m.MessageID || bare.Digest != m.Digest || bare.Envelope.MailFrom != m.Envelope.MailFrom ||
		len(m.Envelope.Recipients) > 0 || bare.Transport != m.Transport || bare.Identity != m.Identity || bare.Variant != m.Variant {
		v.differf("%s: it was erased, and has content", where)
	}
}
