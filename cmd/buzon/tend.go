package main

import (
	"context"
	"slices"
	"time"

	"buzon/desk"
	"buzon/routing"
	"buzon/ticket"
)

// sweepAfter is how long after the start the archive is swept.
const sweepAfter = time.Hour

// startNotifier tells alarms by other ways than mail.
func (d *deskDaemon) startNotifier() error {
	n := newNotifier(func() routing.Config { return *d.desk.Table().Config }, d.well, d.log)
	d.desk.OnAlarm(n.Notify)
	d.spawn(n.Run)
	d.spawn(n.Beat)
	return nil
}

// well tells whether the desk works: nothing is wrong that lasts until it is
// mended. A message in quarantine is no reason to take the desk for dead.
func (d *deskDaemon) well() bool {
	if _, err := d.desk.Figures(); err != nil {
		return false
	}
	held, err := d.desk.Held()
	return err == nil && held == nil && !slices.ContainsFunc(d.desk.Alarms(), desk.Alarm.Lasts)
}

// inherit gives the tickets of agents who left the configuration to others.
func (d *deskDaemon) inherit() error {
	n, err := d.desk.Inherit(d.ctx)
	if n > 0 {
		d.log.Info("tickets of agents who left were given to others", "count", n)
	}
	return err
}

// startTending raises the alarm of a restored desk, and has the archive swept
// when the desk has run for a while.
func (d *deskDaemon) startTending() error {
	held, err := d.desk.Held()
	if err != nil {
		return err
	}
	if held != nil {
		d.desk.Raise(*held)
	}
	d.spawn(func(ctx context.Context) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(sweepAfter):
		}
		start := time.Now()
		n, err := d.store.Sweep(ctx)
		if err != nil && ctx.Err() == nil {
			d.log.Error("sweeping the archive", ticket.LogError, err)
		}
		if n > 0 {
			d.log.Info("archive swept", "count", n, ticket.LogTook, time.Since(start))
		}
	})
	return nil
}
