package store

import (
	"fmt"
	"time"

	"buzon/ticket"
)

// Kinds of an Erasure.
const (
	ErasePerson    = "person"
	EraseRetention = "retention"
)

// Erasure is an order to erase, and how much went by it. It holds ids and numbers
// only. It is carried out in many short transactions by Store.Erase, and gone on
// with after a stop at any point.
type Erasure struct {
	ID    uint64    `json:"id"`
	Kind  string    `json:"kind"`
	At    time.Time `json:"at"`
	Event uint64    `json:"event"` // of the journal, which ordered it
	// People are those whose own rows go. With Nameless nothing is known of them
	// afterwards; without, something that is kept needs them.
	People   []ticket.PersonID `json:"people,omitempty"`
	Nameless bool              `json:"nameless,omitempty"`
	Tickets  []ticket.ID       `json:"tickets,omitempty"` // all of whose content goes
	Parts    []ticket.ID       `json:"parts,omitempty"`   // those of others, out of which the people go
	Kept     []Spared          `json:"kept,omitempty"`

	Gone     ErasedCounts `json:"gone"`
	Finished time.Time    `json:"finished,omitzero"` // nothing of it is left in rows
	Purged   time.Time    `json:"purged,omitzero"`   // nor in segments of the archive, but for free pages
}

// Spared is a ticket that something needs.
type Spared struct {
	Ticket ticket.ID `json:"ticket"`
	Why    string    `json:"why"`
}

// ErasedCounts says how much was erased.
type ErasedCounts struct {
	Tickets  int   `json:"tickets"`
	Entries  int   `json:"entries"`
	Messages int   `json:"messages"`
	Octets   int64 `json:"octets"` // of messages
	Outgoing int   `json:"outgoing"`
	Kept     int   `json:"kept"` // rows of the quarantine and held messages
	People   int   `json:"people"`
}

func (c ErasedCounts) String() string {
	return fmt.Sprintf("%d tickets, %d entries, %d messages, %d outgoing mails, %d held or quarantined, %d people",
		c.Tickets, c.Entries, c.Messages, c.Outgoing, c.Kept, c.People)
}

// Why a ticket is spared.
const (
	SparedOpen    = "it is not closed"
	SparedHold    = "a legal hold"
	SparedWaiting = "mail of it waits to be sent"
)

// AddErasure orders an erasure: it sets e.ID, e.At and e.Event, and writes the
// event. Store.Erase carries it out.
func (tx *Tx) AddErasure(e *Erasure) (err error) {
	if e.ID, err = tx.next(bucketErasures); err != nil {
		return err
	}
	e.At = tx.now().UTC()
	event := ticket.Event{At: e.At, Kind: ticket.EventErasing, Object: e.ID, Detail: e.Kind}
	if err := tx.Append(&event); err != nil {
		return err
	}
	e.Event = event.Seq
	return tx.putErasure(e)
}

func (tx *Tx) putErasure(e *Erasure) error { return tx.save(bucketErasures, be64(e.ID), e) }

// Erasure returns an erasure, or ErrNotFound.
func (tx *Tx) Erasure(id uint64) (*Erasure, error) {
	e := new(Erasure)
	if err := tx.load(bucketErasures, be64(id), e); err != nil {
		return nil, fmt.Errorf("reading erasure %d: %w", id, err)
	}
	return e, nil
}

// anyErased tells whether anything was ever ordered to be erased: without an order no
// message is known by blinded keys. Orders are numbered from 1 and never deleted.
func (tx *Tx) anyErased() bool { return tx.bucket(bucketErasures).Sequence() > 0 }

// Erasures lists erasures, the newest first.
func (tx *Tx) Erasures(limit int) ([]*Erasure, error) {
	var found []*Erasure
	for _, raw := range tx.descend(bucketErasures, nil) {
		if full(len(found), limit) {
			break
		}
		e := new(Erasure)
		if err := decode(bucketErasures, raw, e); err != nil {
			return nil, err
		}
		found = append(found, e)
	}
	return found, nil
}
