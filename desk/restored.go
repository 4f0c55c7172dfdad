package desk

import (
	"context"
	"fmt"
	"time"

	"buzon/store"
	"buzon/ticket"
)

// Held returns an alarm when the desk was restored and its outgoing mail has not
// been released yet, or nil.
func (d *Desk) Held() (*Alarm, error) {
	var hold *store.Hold
	var waiting int
	err := d.Store.View(func(tx *store.Tx) (err error) {
		if hold, err = tx.OutgoingHold(); err != nil || hold == nil {
			return err
		}
		counts, _, err := tx.OutgoingCounts()
		waiting = counts[ticket.OutgoingWaiting]
		return err
	})
	if err != nil || hold == nil {
		return nil, err
	}
	return &Alarm{
		Key: "outgoing held",
		What: fmt.Sprintf("the desk was restored from the backup of %s; %d mails wait, and some of them may have been sent before",
			hold.Backup.In(d.Table().Zone).Format(time.RFC1123), waiting),
		Try:   "buzon outbox list --state waiting, buzon outbox drop what was sent, then: buzon outbox release",
		Since: hold.Since,
		Count: 1,
	}, nil
}

// ReleaseOutgoing lets a restored desk send its mail. It returns an error that
// wraps store.ErrNotFound when nothing is held.
func (d *Desk) ReleaseOutgoing(ctx context.Context) error {
	err := d.Store.Update(ctx, func(tx *store.Tx) error {
		if err := tx.ReleaseOutgoing(); err != nil {
			return err
		}
		return tx.Append(&ticket.Event{At: d.Now().UTC(), Kind: ticket.EventReleased, Detail: "outgoing"})
	})
	if err != nil {
		return err
	}
	d.Clear("outgoing held")
	d.queued()
	return nil
}
