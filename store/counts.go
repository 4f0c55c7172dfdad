package store

import (
	"time"

	"buzon/ticket"
)

// Counters without a state.
const (
	countEntries  = "entries"
	countPeople   = "people"
	countMessages = "messages"
	countJournal  = "journal"
)

// Counts says how much there is. Each status and state has its entry, be it zero.
type Counts struct {
	Tickets       map[ticket.Status]int
	Entries       int
	People        int
	Messages      int
	Journal       uint64
	Outgoing      map[ticket.OutgoingState]int
	OldestWaiting time.Time // when the oldest waiting mail was made; zero: none waits
	Quarantined   int       // kept, neither retried nor dropped
	Held          int       // neither released nor dropped
}

// Counts reads the counters, which every write keeps in step: it costs the same
// however much there is.
func (tx *Tx) Counts() (Counts, error) {
	c := Counts{
		Tickets:     make(map[ticket.Status]int, len(ticket.Statuses)),
		Entries:     tx.counted(countEntries),
		People:      tx.counted(countPeople),
		Messages:    tx.counted(countMessages),
		Journal:     uint64(tx.counted(countJournal)),
		Quarantined: tx.QuarantineCounts()[QuarantineKept],
		Held:        tx.HeldCounts()[HeldKept],
	}
	for _, s := range ticket.Statuses {
		c.Tickets[s] = tx.counted(ticketCounter(s))
	}
	var err error
	c.Outgoing, c.OldestWaiting, err = tx.OutgoingCounts()
	return c, err
}
