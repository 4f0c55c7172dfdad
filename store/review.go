package store

import (
	"fmt"
	"slices"
	"time"

	"buzon/ticket"
)

// QuarantineRow is a message that could not be understood, kept for a person to
// look at.
type QuarantineRow struct {
	ID       uint64            `json:"id"`
	Archive  ticket.ArchiveRef `json:"archive"`
	Envelope ticket.Envelope   `json:"envelope"`
	Reason   string            `json:"reason"`
	From     string            `json:"from,omitempty"`
	Subject  string            `json:"subject,omitempty"`
	Message  uint64            `json:"message"` // MessageRow
	At       time.Time         `json:"at"`
	State    string            `json:"state"` // QuarantineKept, -Retried or -Dropped
}

// States of a QuarantineRow.
const (
	QuarantineKept    = "kept"
	QuarantineRetried = "retried"
	QuarantineDropped = "dropped"
)

// HeldRow is a message that was understood and waits for a person's word.
type HeldRow struct {
	ID       uint64            `json:"id"`
	Archive  ticket.ArchiveRef `json:"archive"`
	Envelope ticket.Envelope   `json:"envelope"`
	Reason   string            `json:"reason"`
	From     string            `json:"from,omitempty"`
	Subject  string            `json:"subject,omitempty"`
	Agent    string            `json:"agent,omitempty"`  // in whose name it would act
	Person   ticket.PersonID   `json:"person,omitempty"` // the same
	Ticket   ticket.ID         `json:"ticket,omitzero"`
	Message  uint64            `json:"message"` // MessageRow
	At       time.Time         `json:"at"`
	State    string            `json:"state"` // HeldKept, -Released or -Dropped
}

// States of a HeldRow.
const (
	HeldKept     = "held"
	HeldReleased = "released"
	HeldDropped  = "dropped"
)

// shelf is a bucket of messages that wait for a person, with a state each.
type shelf[T any] struct {
	bucket string // also names the counters
	what   string
	states []string // the first is a new row's
	fields func(*T) (id *uint64, state *string, at *time.Time)
}

var quarantineShelf = shelf[QuarantineRow]{
	bucketQuarantine, "quarantine", []string{QuarantineKept, QuarantineRetried, QuarantineDropped},
	func(r *QuarantineRow) (*uint64, *string, *time.Time) { return &r.ID, &r.State, &r.At },
}

var heldShelf = shelf[HeldRow]{
	bucketHeld, "held messages", []string{HeldKept, HeldReleased, HeldDropped},
	func(r *HeldRow) (*uint64, *string, *time.Time) { return &r.ID, &r.State, &r.At },
}

func (s shelf[T]) counter(state string) string { return s.bucket + "/" + state }

func (s shelf[T]) add(tx *Tx, row *T) (err error) {
	id, state, at := s.fields(row)
	if *id, err = tx.next(s.bucket); err != nil {
		return err
	}
	*state = s.states[0]
	if at.IsZero() {
		*at = tx.now().UTC()
	}
	if err := tx.save(s.bucket, be64(*id), row); err != nil {
		return err
	}
	return tx.count(s.counter(*state), 1)
}

func (s shelf[T]) get(tx *Tx, id uint64) (*T, error) {
	row := new(T)
	if err := tx.load(s.bucket, be64(id), row); err != nil {
		return nil, fmt.Errorf("reading row %d of %s: %w", id, s.what, err)
	}
	return row, nil
}

func (s shelf[T]) put(tx *Tx, row *T) error {
	id, state, _ := s.fields(row)
	old, err := s.get(tx, *id)
	if err != nil {
		return err
	}
	if !slices.Contains(s.states, *state) {
		return fmt.Errorf("storing row %d of %s: there is no such state as %q", *id, s.what, *state)
	}
	if err := tx.save(s.bucket, be64(*id), row); err != nil {
		return err
	}
	_, before, _ := s.fields(old)
	return tx.recount(s.counter(*before), s.counter(*state))
}

func (s shelf[T]) list(tx *Tx, limit int) ([]*T, error) {
	var found []*T
	for _, raw := range tx.descend(s.bucket, nil) {
		if full(len(found), limit) {
			break
		}
		row := new(T)
		if err := decode(s.bucket, raw, row); err != nil {
			return nil, fmt.Errorf("listing %s: %w", s.what, err)
		}
		found = append(found, row)
	}
	return found, nil
}

// AddQuarantine stores a new row: it sets r.ID and r.State, and r.At when that
// is zero.
func (tx *Tx) AddQuarantine(r *QuarantineRow) error { return quarantineShelf.add(tx, r) }

// Quarantine returns a row of the quarantine, or ErrNotFound.
func (tx *Tx) Quarantine(id uint64) (*QuarantineRow, error) { return quarantineShelf.get(tx, id) }

// PutQuarantine stores a changed row. It returns ErrNotFound when there is none.
func (tx *Tx) PutQuarantine(r *QuarantineRow) error { return quarantineShelf.put(tx, r) }

// QuarantineList lists the quarantine, in whatever state, the newest first.
func (tx *Tx) QuarantineList(limit int) ([]*QuarantineRow, error) {
	return quarantineShelf.list(tx, limit)
}

// AddHeld stores a new row: it sets r.ID and r.State, and r.At when that is zero.
func (tx *Tx) AddHeld(r *HeldRow) error { return heldShelf.add(tx, r) }

// Held returns a held message, or ErrNotFound.
func (tx *Tx) Held(id uint64) (*HeldRow, error) { return heldShelf.get(tx, id) }

// PutHeld stores a changed row. It returns ErrNotFound when there is none.
func (tx *Tx) PutHeld(r *HeldRow) error { return heldShelf.put(tx, r) }

// HeldList lists held messages, in whatever state, the newest first.
func (tx *Tx) HeldList(limit int) ([]*HeldRow, error) { return heldShelf.list(tx, limit) }

// QuarantineCounts tells how many rows of the quarantine are in each state.
func (tx *Tx) QuarantineCounts() map[string]int { return quarantineShelf.counts(tx) }

// HeldCounts tells how many held messages are in each state.
func (tx *Tx) HeldCounts() map[string]int { return heldShelf.counts(tx) }

func (s shelf[T]) counts(tx *Tx) map[string]int {
	counts := make(map[string]int, len(s.states))
	for _, state := range s.states {
		counts[state] = tx.counted(s.counter(state))
	}
	return counts
}
