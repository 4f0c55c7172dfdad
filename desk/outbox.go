package desk

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"

	"buzon/store"
	"buzon/ticket"
)

// unknownRecipient is an enhanced status code of the class "addressing" (RFC 3463,
// section 3.2): the address or its domain does not exist.
var unknownRecipient = regexp.MustCompile(`\b5\.1\.\d`)

// Outbox is the outgoing mail of one smarthost; see mailpipe.Outbox.
type Outbox struct {
	*Desk
	smarthost string
}

// Outbox returns the mail that goes to the smarthost with a name; the empty name is
// that of [outgoing], which also takes what names one that nobody has asked for:
// after a change of the configuration nothing is left behind. All are asked for
// before any mail is sent.
func (d *Desk) Outbox(smarthost string) Outbox {
	d.outboxes.add(smarthost)
	return Outbox{d, smarthost}
}

// outboxes are the smarthosts that have a sender.
type outboxes struct {
	mu    sync.RWMutex
	names map[string]bool
}

func (o *outboxes) add(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.names == nil {
		o.names = map[string]bool{}
	}
	o.names[name] = true
}

// of returns the smarthost that mail for the one named is handed to.
func (o *outboxes) of(name string) string {
	o.mu.RLock()
	defer o.mu.RUnlock()
	if !o.names[name] {
		return ""
	}
	return name
}

// Due returns waiting outgoing mail; see mailpipe.Outbox.
func (o Outbox) Due(_ context.Context, now time.Time, limit int, skip func(uint64) bool) (rows []*ticket.Outgoing, next time.Time, err error) {
	d := o.Desk
	room, err := d.room(o.smarthost, now)
	if err != nil {
		return nil, next, err
	}
	rows, err = d.claims.handOut(o.smarthost, skip, func(skip func(uint64) bool, taken int) (found []*ticket.Outgoing, err error) {
		leave := func(row store.DueRow) bool {
			return d.outboxes.of(row.Smarthost) != o.smarthost || skip(row.ID) || !room.has(row.Class, taken)
		}
		err = d.Store.View(func(tx *store.Tx) error {
			next = tx.NextOutgoing(now, leave)
			found, err = tx.DueOutgoing(now, limit, func(row store.DueRow) bool {
				if leave(row) {
					return true
				}
				taken++ // this one counts for the next
				return false
			})
			return err
		})
		return found, err
	})
	return rows, next, err
}

// ReadAt reads part of an archived message.
func (d *Desk) ReadAt(ref ticket.ArchiveRef, offset, length int64) ([]byte, error) {
	return d.Store.ReadAt(ref, offset, length)
}

// Report records an attempt to send a row. A permanent failure is shown in its
// ticket and told to those who have it.
func (d *Desk) Report(ctx context.Context, id uint64, r ticket.Result, next time.Time) error {
	err := d.report(ctx, id, r, next)
	if err != nil {
		return err
	}
	if smarthost := d.claims.reported(id); r.Sent {
		d.budget.sent(smarthost, d.Now())
	}
	return nil
}

func (d *Desk) report(ctx context.Context, id uint64, r ticket.Result, next time.Time) error {
	if !r.Sent && r.Permanent {
		return d.undelivered(ctx, id, r)
	}
	return d.Store.UpdatePatiently(ctx, func(tx *store.Tx) error {
		row, err := tx.Outgoing(id)
		if err != nil {
			return err
		}
		if row.State != ticket.OutgoingWaiting {
			return nil // dropped meanwhile, or reported twice
		}
		record(row, r, next, d.Now().UTC())
		if err := tx.PutOutgoing(row); err != nil || !r.Sent {
			return err
		}
		return tx.Append(&ticket.Event{
			At: row.Finished, Kind: ticket.EventSent, Ticket: row.Ticket, Entry: row.Entry,
			Person: row.Person, Object: row.ID, Detail: string(row.Class),
		})
	})
}

func record(row *ticket.Outgoing, r ticket.Result, next, now time.Time) {
	row.Attempts++
	row.LastError = r.Detail
	switch {
	case r.Sent:
		row.State, row.Finished, row.NextTry, row.LastError = ticket.OutgoingSent, now, time.Time{}, ""
	case r.Permanent:
		row.State, row.Finished, row.NextTry = ticket.OutgoingFailed, now, time.Time{}
	default:
		row.NextTry = next.UTC()
	}
}

// undelivered handles a mail that no later try will deliver.
func (d *Desk) undelivered(ctx context.Context, id uint64, r ticket.Result) error {
	var failed *ticket.Outgoing
	_, err := d.apply(ctx, nil, func(tx *store.Tx, s *Setting) (*change, error) {
		row, err := tx.Outgoing(id)
		if err != nil {
			return nil, err
		}
		failed = row
		if row.State != ticket.OutgoingWaiting {
			return nil, nil
		}
		c := &change{now: d.Now().UTC()}
		c.also = func(tx *store.Tx) error {
			row, err := tx.Outgoing(id)
			if err != nil {
				return err
			}
			if row.State != ticket.OutgoingWaiting {
				return errStale
			}
			record(row, r, time.Time{}, c.now)
			return tx.PutOutgoing(row)
		}
		c.event(ticket.Event{Kind: ticket.EventFailed, Entry: row.Entry, Person: row.Person, Object: id, Detail: string(row.Class)})
		c.fact("given up", ticket.LogOutbox, id, ticket.LogTo, ticket.Domain(row.To), ticket.LogReason, r.Detail)
		if row.Ticket.IsZero() {
			return c, nil
		}
		t, err := tx.Ticket(row.Ticket)
		if errors.Is(err, store.ErrNotFound) {
			return c, nil
		} else if err != nil {
			return nil, err
		}
		c.ticket, c.revision = t, t.Revision
		c.entry(&ticket.Entry{
			Kind: ticket.EntryEvent, Role: ticket.RoleSystem,
			Text: fmt.Sprintf("mail to %s could not be delivered: %s", row.To, firstLine(r.Detail)),
		})
		person, err := tx.Person(row.Person)
		if err != nil {
			return nil, err
		}
		if unknownRecipient.MatchString(r.Detail) {
			person.Bounced = c.now
			c.touch(person)
		}
		p := &planner{desk: d, tx: tx, setting: s, m: &ticket.Message{}, change: c}
		return c, p.tellUndelivered(person, firstLine(r.Detail))
	})
	if err != nil || failed == nil {
		return err
	}
	if failed.Class == ticket.ClassNotice || d.Table().AgentByAddress(failed.To) != nil {
		d.Raise(Alarm{
			Key:  "undelivered " + failed.To,
			What: fmt.Sprintf("mail to %s could not be delivered: %s", failed.To, firstLine(r.Detail)),
			Try:  fmt.Sprintf("buzon outbox show %d", id),
		})
	}
	return nil
}

// RetryOutgoing makes a waiting or failed row due at once.
func (d *Desk) RetryOutgoing(ctx context.Context, id uint64) error {
	err := d.Store.Update(ctx, func(tx *store.Tx) error {
		row, err := tx.Outgoing(id)
		if err != nil {
			return err
		}
		if row.State == ticket.OutgoingSent || row.State == ticket.OutgoingDropped {
			return fmt.Errorf("outgoing mail %d: %w (%s)", id, ErrSettled, row.State)
		}
		row.State, row.NextTry, row.Finished = ticket.OutgoingWaiting, d.Now().UTC(), time.Time{}
		return tx.PutOutgoing(row)
	})
	if err == nil {
		d.queued()
	}
	return err
}

// DropOutgoing takes a waiting row out of the queue; it is never sent.
func (d *Desk) DropOutgoing(ctx context.Context, id uint64) error {
	return d.Store.Update(ctx, func(tx *store.Tx) error {
		row, err := tx.Outgoing(id)
		if err != nil {
			return err
		}
		if row.State != ticket.OutgoingWaiting && row.State != ticket.OutgoingFailed {
			return fmt.Errorf("outgoing mail %d: %w (%s)", id, ErrSettled, row.State)
		}
		row.State, row.Finished, row.NextTry = ticket.OutgoingDropped, d.Now().UTC(), time.Time{}
		if err := tx.PutOutgoing(row); err != nil {
			return err
		}
		return tx.Append(&ticket.Event{At: row.Finished, Kind: ticket.EventDropped, Ticket: row.Ticket, Person: row.Person, Object: id, Detail: "outgoing"})
	})
}

// Prune forgets the bytes of mail that was sent longer ago than the setting
// keeps them, and footers that nobody has used for long. It returns how many
// rows of the outbox it went through.
func (d *Desk) Prune(ctx context.Context) (n int, err error) {
	before := d.Now().Add(-asDuration(d.Table().Config.Desk.KeepSent))
	forgotten := 0
	err = d.Store.Update(ctx, func(tx *store.Tx) error {
		if n, err = tx.PruneSent(before, 500); err != nil {
			return err
		}
		forgotten, err = d.pruneFooters(tx)
		return err
	})
	if err == nil && forgotten > 0 {
		err = d.footers.read(d.Store)
	}
	return n, err
}
