package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"buzon/ticket"
)

// chainStart is what the first event of the journal has as Prev.
var chainStart = strings.Repeat("0", 2*sha256.Size)

// verifyStep is how many events Store.VerifyJournal reads in one transaction.
const verifyStep = 1000

func chain(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// Append adds an event to the end of the journal: it sets e.Seq, counting from
// 1, e.Prev, the SHA-256 of the event before as it is stored, and e.At when that
// is zero.
func (tx *Tx) Append(e *ticket.Event) error {
	if err := tx.append(e); err != nil {
		return fmt.Errorf("adding %q to the journal: %w", e.Kind, err)
	}
	return nil
}

func (tx *Tx) append(e *ticket.Event) error {
	e.Seq, e.Prev = 1, chainStart
	if k, raw := tx.bucket(bucketJournal).Cursor().Last(); k != nil {
		e.Seq, e.Prev = fromBE64(k)+1, chain(raw)
	}
	if e.At.IsZero() {
		e.At = tx.now()
	}
	e.At = e.At.UTC()
	if err := tx.save(bucketJournal, be64(e.Seq), e); err != nil {
		return err
	}
	if !e.Ticket.IsZero() {
		if err := tx.put(bucketJournalTicket, append(e.Ticket[:len(e.Ticket):len(e.Ticket)], be64(e.Seq)...), nil); err != nil {
			return err
		}
	}
	return tx.count(countJournal, 1)
}

// Journal lists events in order, from a sequence number on.
func (tx *Tx) Journal(from uint64, limit int) ([]ticket.Event, error) {
	var events []ticket.Event
	for _, raw := range tx.ascend(bucketJournal, nil, be64(from)) {
		if full(len(events), limit) {
			break
		}
		var e ticket.Event
		if err := decode(bucketJournal, raw, &e); err != nil {
			return nil, fmt.Errorf("reading the journal: %w", err)
		}
		events = append(events, e)
	}
	return events, nil
}

// JournalOf lists the events of one ticket in order.
func (tx *Tx) JournalOf(id ticket.ID) ([]ticket.Event, error) {
	var events []ticket.Event
	for k := range tx.ascend(bucketJournalTicket, id[:], nil) {
		var e ticket.Event
		if err := tx.load(bucketJournal, k[len(id):], &e); err != nil {
			return nil, fmt.Errorf("reading event %d of the journal: %w", fromBE64(k[len(id):]), err)
		}
		events = append(events, e)
	}
	return events, nil
}

// journalCheck is how far a check of the journal has come.
type journalCheck struct {
	last uint64 // the last event that was right
	prev string // what the next must have as Prev
}

// step checks up to limit further events. done tells that none is left.
func (c *journalCheck) step(tx *Tx, limit int) (done bool, err error) {
	n := 0
	for k, raw := range tx.ascend(bucketJournal, nil, be64(c.last+1)) {
		if full(n, limit) {
			return false, nil
		}
		n++
		var e ticket.Event
		if err := decode(bucketJournal, raw, &e); err != nil {
			return false, fmt.Errorf("event %d of the journal: %w", fromBE64(k), err)
		}
		switch {
		case !bytes.Equal(k, be64(c.last+1)):
			return false, fmt.Errorf("%w: event %d of the journal is missing", ErrCorrupt, c.last+1)
		case e.Seq != c.last+1:
			return false, fmt.Errorf("%w: event %d of the journal calls itself %d", ErrCorrupt, c.last+1, e.Seq)
		case e.Prev != c.prev:
			return false, fmt.Errorf("%w: event %d of the journal does not follow from the one before", ErrCorrupt, e.Seq)
		}
		c.last, c.prev = e.Seq, chain(raw)
	}
	if n := uint64(tx.counted(countJournal)); n != c.last {
		return false, fmt.Errorf("%w: the journal ends with event %d of %d", ErrCorrupt, c.last, n)
	}
	return true, nil
}

// VerifyJournal checks that the journal has no gap, that each event follows from
// the one before, and that the last one is there. The error wraps ErrCorrupt and
// names the first event that is wrong. It reads all of the journal in one
// transaction; on a running desk use Store.VerifyJournal.
func VerifyJournal(tx *Tx) error {
	c := journalCheck{prev: chainStart}
	_, err := c.step(tx, 0)
	return err
}

// VerifyJournal does what the function of this name does, in many short
// transactions. It returns ctx's error when that ends first.
func (s *Store) VerifyJournal(ctx context.Context) error {
	c := journalCheck{prev: chainStart}
	for done := false; !done; {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := s.View(func(tx *Tx) (err error) {
			done, err = c.step(tx, verifyStep)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
