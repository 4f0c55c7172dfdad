package desk

import (
	"slices"
	"sync"

	"buzon/ticket"
)

// claims keeps two hands off one row of the outbox: a row that a sender may be
// sending is not taken back, and one that a change is about to replace is not
// handed out. It is in memory only: see foldable for what was handed out by an
// earlier run.
type claims struct {
	mu     sync.Mutex
	sender map[uint64]string // handed to the sender of a smarthost, and not heard of since
	change map[uint64]int    // being replaced by so many changes under way
}

// handOut lets a sender look for rows and marks those that it gets. Rows that the
// sender has and no longer skips have come back untried. The look happens under
// the lock, so that it sees each replacement either under way or committed.
// look is told how many others the sender has.
func (c *claims) handOut(smarthost string, skip func(uint64) bool, look func(skip func(uint64) bool, others int) ([]*ticket.Outgoing, error)) ([]*ticket.Outgoing, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	others := 0
	for id, of := range c.sender {
		switch {
		case of != smarthost:
		case skip == nil || !skip(id):
			delete(c.sender, id)
		default:
			others++
		}
	}
	rows, err := look(func(id uint64) bool { return c.change[id] > 0 || skip != nil && skip(id) }, others)
	if err != nil {
		return nil, err
	}
	if c.sender == nil {
		c.sender = map[uint64]string{}
	}
	for _, row := range rows {
		c.sender[row.ID] = smarthost
	}
	return rows, nil
}

// reported notes that a sender has done with a row, and returns its smarthost.
func (c *claims) reported(id uint64) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	smarthost := c.sender[id]
	delete(c.sender, id)
	return smarthost
}

// taken tells whether a sender has the row.
func (c *claims) taken(id uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, taken := c.sender[id]
	return taken
}

// replace reserves rows for a change, all or none; false: a sender has one.
func (c *claims) replace(ids []uint64) bool {
	if len(ids) == 0 {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if slices.ContainsFunc(ids, func(id uint64) bool { _, taken := c.sender[id]; return taken }) {
		return false
	}
	if c.change == nil {
		c.change = map[uint64]int{}
	}
	for _, id := range ids {
		c.change[id]++
	}
	return true
}

// replaced ends what replace began.
func (c *claims) replaced(ids []uint64) {
	if len(ids) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range ids {
		if c.change[id]--; c.change[id] <= 0 {
			delete(c.change, id)
		}
	}
}

// foldable tells whether a notification can still be taken back: it waits, nothing
// has ever been heard of it, and no sender has it. One that was due before this
// start may have been under way when the desk stopped, and is left alone.
func (d *Desk) foldable(row *ticket.Outgoing) bool {
	return row.State == ticket.OutgoingWaiting && row.Attempts == 0 && !row.NextTry.Before(d.started) && !d.claims.taken(row.ID)
}
