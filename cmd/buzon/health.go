package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"buzon/desk"
	"buzon/mailpipe"
	"buzon/ticket"
	"buzon/web"
)

// healthBoard holds what the connections last said of themselves.
type healthBoard struct {
	mu       sync.Mutex
	accounts map[string]desk.AccountHealth  // by account and mailbox
	outgoing map[string]desk.OutgoingHealth // by smarthost
}

func newHealthBoard() *healthBoard {
	return &healthBoard{accounts: map[string]desk.AccountHealth{}, outgoing: map[string]desk.OutgoingHealth{}}
}

func (b *healthBoard) forget(account string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, a := range b.accounts {
		if a.Account == account {
			delete(b.accounts, key)
		}
	}
}

// Health tells how the connections to the world are.
func (d *deskDaemon) Health() desk.Health {
	b := d.health
	canaries, err := d.desk.Canaries()
	if err != nil {
		d.log.Error("reading canaries", ticket.LogError, err)
	}
	restart := d.restart.Load()
	b.mu.Lock()
	defer b.mu.Unlock()
	h := desk.Health{Outgoing: b.outgoing[""], Accounts: []desk.AccountHealth{}, Canaries: canaries}
	if restart != nil {
		h.Restart = *restart
	}
	for _, name := range slices.Sorted(maps.Keys(b.outgoing)) {
		if name != "" {
			h.Smarthosts = append(h.Smarthosts, b.outgoing[name])
		}
	}
	for _, a := range b.accounts {
		h.Accounts = append(h.Accounts, a)
	}
	slices.SortFunc(h.Accounts, func(a, b desk.AccountHealth) int {
		return strings.Compare(a.Account+"\x00"+a.Mailbox, b.Account+"\x00"+b.Mailbox)
	})
	return h
}

// mailboxChanged records what a worker says of itself, and raises or ends the
// account's alarm.
func (d *deskDaemon) mailboxChanged(account, mailbox string, st mailpipe.WorkerStatus) {
	a := desk.AccountHealth{
		Account: account, Mailbox: mailbox, Connected: st.Connected, Paused: st.Paused,
		Since: st.Since, LastHeard: st.LastHeard, Try: st.Hint,
	}
	if st.Err != nil {
		a.Error = st.Err.Error()
	}
	d.health.mu.Lock()
	old := d.health.accounts[account+"\x00"+mailbox]
	d.health.accounts[account+"\x00"+mailbox] = a
	d.health.mu.Unlock()

	key := "account " + account + ", folder " + mailbox
	switch {
	case st.Alarm && st.Err != nil:
		if old.Error != a.Error {
			d.later(func() { d.desk.Raise(desk.Alarm{Key: key, What: a.Error, Try: st.Hint}) })
		}
	case st.Err == nil && old.Error != "":
		d.later(func() { d.desk.Clear(key) })
	}
}

// outgoingChanged records what the sender of a smarthost says of itself.
func (d *deskDaemon) outgoingChanged(name string, st mailpipe.SenderStatus) {
	o := desk.OutgoingHealth{Name: name, Paused: st.Paused, DownSince: st.DownSince, LastSent: st.LastSent, Try: st.Hint}
	if st.Err != nil {
		o.Error = st.Err.Error()
	}
	d.health.mu.Lock()
	old := d.health.outgoing[name]
	d.health.outgoing[name] = o
	d.health.mu.Unlock()
	key := strings.TrimSpace("smarthost " + name)
	switch {
	case st.Alarm && st.Err != nil:
		if old.Error != o.Error {
			d.later(func() { d.desk.Raise(desk.Alarm{Key: key, What: o.Error, Try: st.Hint}) })
		}
	case st.Err == nil && old.Error != "":
		d.later(func() { d.desk.Clear(key) })
	}
}

// outbox counts attempts on their way to the desk.
type outbox struct {
	desk.Outbox
	metrics *web.Metrics
}

// Report records an attempt and counts it.
func (o outbox) Report(ctx context.Context, id uint64, r ticket.Result, next time.Time) error {
	o.metrics.Attempted(r)
	return o.Outbox.Report(ctx, id, r, next)
}

// since says how long something has lasted, for people.
func since(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	d := time.Since(t).Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}
