package mailpipe

import (
	"context"
	"errors"
	"sync"
	"time"

	"buzon/ticket"
)

// sendWorker sends one mail at a time over a connection of its own.
type sendWorker struct {
	rows      chan *ticket.Outgoing
	recording chan struct{} // a place for each mail that is sent and not recorded
	idleSince time.Time
	linked    bool // it had a connection when it was last heard of
}

// sendReport is what a worker says after each mail. What concerns the mail alone
// has been recorded; the rest is the dispatcher's to decide. Of a mail that was sent
// there are two reports, in any order: that the worker can take the next one, and,
// without a worker, that the outbox knows.
type sendReport struct {
	worker    *sendWorker // nil: it has been heard of
	recording bool        // what concerns the mail comes in another report
	row       *ticket.Outgoing
	attempt
	linked   bool // it keeps a connection
	took     time.Duration
	next     time.Time // of fateTemporary, unless it was given up
	recorded bool
}

// dispatcher hands out the mails that are due. It belongs to one goroutine.
type dispatcher struct {
	*Sender
	soft, hard context.Context // ends: start nothing more; close connections
	wg         sync.WaitGroup
	reports    chan sendReport

	idle     []*sendWorker // with a connection; the last used is last
	busy     int
	unheard  int // workers' reports without, less reports with, what the outbox knows
	linked   int // busy workers that had a connection before
	inFlight map[uint64]bool
	retries  alarmClock

	limit      int       // how many connections the server allows, as far as we know
	limitUntil time.Time // when to try more again

	down      Backoff
	downUntil time.Time // zero: not down

	rate, daily Backoff
	quotaUntil  time.Time
	// strikes holds, for mails that met a quota, how many mails had been sent
	// by then; behind, until when they let others go first.
	strikes map[uint64]uint64
	behind  map[uint64]time.Time
	sent    uint64

	boxUntil time.Time // the outbox could not be read
	due      time.Time // when the outbox has something more; zero: not known
}

func newDispatcher(s *Sender, soft, hard context.Context) *dispatcher {
	return &dispatcher{
		Sender: s, soft: soft, hard: hard,
		reports:  make(chan sendReport),
		inFlight: make(map[uint64]bool),
		limit:    s.cfg.Connections,
		down:     Backoff{Min: firstDownPause, Max: longestPause, Rand: s.cfg.Rand},
		rate:     Backoff{Min: firstRatePause, Max: longestQuota, Rand: s.cfg.Rand},
		daily:    Backoff{Min: firstDailyPause, Max: longestQuota, Rand: s.cfg.Rand},
		strikes:  make(map[uint64]uint64),
		behind:   make(map[uint64]time.Time),
	}
}

// step hands out what is due and can go, and returns how long it may be until
// the next step.
func (d *dispatcher) step() time.Duration {
	now := d.now()
	d.mu.Lock()
	paused, resumed := d.st.Paused, d.resumed
	d.resumed = false
	d.mu.Unlock()
	if resumed {
		d.downUntil, d.quotaUntil, d.boxUntil = time.Time{}, time.Time{}, time.Time{}
		clear(d.behind)
	}
	d.retire(now)
	d.retries.passed(now)
	for id, until := range d.behind {
		if !now.Before(until) {
			delete(d.behind, id)
		}
	}
	alarm := d.raiseAlarm(now)
	if !d.limitUntil.IsZero() && !now.Before(d.limitUntil) {
		d.limit, d.limitUntil = d.cfg.Connections, time.Time{}
	}
	wait := latest(d.downUntil, d.quotaUntil, d.boxUntil)
	if !paused && !now.Before(wait) {
		d.handOut(now)
		wait = d.boxUntil
	}
	if !d.due.After(now) {
		d.due = time.Time{}
	}
	next := d.retries.next(now.Add(pollOutbox), alarm, d.due)
	if now.Before(wait) && wait.Before(next) {
		next = wait
	}
	return max(next.Sub(now), time.Millisecond)
}

func (d *dispatcher) handOut(now time.Time) {
	free := d.limit - d.busy
	if d.isDown() || !d.quotaUntil.IsZero() {
		free = min(free, 1-d.busy) // one to see whether it works again
	}
	if free <= 0 {
		return
	}
	rows, next, err := d.box.Due(d.soft, now, free, func(id uint64) bool {
		_, waits := d.behind[id]
		return waits || d.inFlight[id]
	})
	if err != nil {
		if d.soft.Err() == nil {
			d.log.Error("outbox not read", ticket.LogError, err)
		}
		d.boxUntil = now.Add(firstDownPause)
		return
	}
	d.boxUntil, d.due = time.Time{}, next
	for _, row := range rows[:min(len(rows), free)] {
		var w *sendWorker
		if n := len(d.idle); n > 0 {
			w, d.idle = d.idle[n-1], d.idle[:n-1]
		} else {
			w = &sendWorker{rows: make(chan *ticket.Outgoing, 1), recording: make(chan struct{}, UnrecordedMails-1)}
			d.wg.Go(func() { d.work(w) })
		}
		d.busy++
		if w.linked {
			d.linked++
		}
		d.inFlight[row.ID] = true
		w.rows <- row
	}
}

// work is a worker's life.
func (d *dispatcher) work(w *sendWorker) {
	var link *smtpLink
	defer func() {
		if link != nil {
			stop := context.AfterFunc(d.hard, func() { link.raw.Close() })
			link.quit()
			stop()
		}
	}()
	for row := range w.rows {
		start := time.Now()
		a := d.deliver(d.soft, d.hard, &link, row)
		r := sendReport{worker: w, row: row, attempt: a, linked: link != nil, took: time.Since(start)}
		if link != nil && link.sent >= mailsPerLink {
			r.linked = false
		}
		switch a.fate {
		case fateSent:
			// The next mail need not wait for the disk.
			w.recording <- struct{}{}
			told := r
			r.recording, told.worker = true, nil
			d.wg.Go(func() {
				told.next, told.recorded = d.record(d.soft, row, a, told.took)
				<-w.recording
				d.reports <- told
			})
		case fateTemporary, fatePermanent:
			r.next, r.recorded = d.record(d.soft, row, a, r.took)
		}
		d.reports <- r
		if link != nil && !r.linked {
			link.quit()
			link = nil
		}
	}
}

// settle takes a report in.
func (d *dispatcher) settle(r sendReport) {
	now := d.now()
	if r.worker != nil {
		d.free(r, now)
		d.wentWell(r, now)
	} else {
		d.unheard--
	}
	if r.recording {
		d.unheard++
		return
	}
	delete(d.inFlight, r.row.ID)
	switch r.fate {
	case fateDown:
		d.smarthostDown(r, now)
	case fateQuota:
		d.quota(r, now)
	case fateSent, fateTemporary, fatePermanent:
		d.concluded(r, now)
	}
}

// free lets the worker that sent a report take the next mail, or go.
func (d *dispatcher) free(r sendReport, now time.Time) {
	d.busy--
	if r.worker.linked {
		d.linked--
	}
	r.worker.linked, r.worker.idleSince = r.linked, now
	if r.linked && d.soft.Err() == nil {
		d.idle = append(d.idle, r.worker)
	} else {
		close(r.worker.rows)
	}
}

// wentWell notes what a worker's report says in favour of the smarthost.
func (d *dispatcher) wentWell(r sendReport, now time.Time) {
	switch r.fate {
	case fateSent:
		d.sent++
		d.rate.Reset()
		d.daily.Reset()
		d.quotaUntil = time.Time{}
		d.change(func(st *SenderStatus) { st.LastSent = now })
		d.smarthostUp()
	case fateTemporary, fatePermanent:
		if r.linked && d.quotaUntil.IsZero() {
			d.smarthostUp()
		}
	}
}

// concluded takes in what has been recorded.
func (d *dispatcher) concluded(r sendReport, now time.Time) {
	id := r.row.ID
	switch {
	case r.recorded && r.next.IsZero():
		delete(d.strikes, id)
	case r.recorded:
		d.retries.set(r.next)
	case r.fate == fateSent:
		// The outbox still believes that it waits. Until the next start, at
		// least, it is not sent twice.
		d.inFlight[id] = true
	default:
		d.behind[id] = now.Add(firstRatePause)
	}
}

func (d *dispatcher) isDown() bool { return !d.downUntil.IsZero() }

// smarthostDown stops everything for a while, since no mail can do better than
// this one. But if other connections live, the server only allows no more.
func (d *dispatcher) smarthostDown(r sendReport, now time.Time) {
	var ae *AccountError
	if !errors.As(r.err, &ae) {
		ae = &AccountError{Doing: "connecting to " + d.cfg.addr(), Err: r.err}
	}
	if live := d.linked + len(d.idle); live > 0 && !ae.Permanent && !d.isDown() {
		d.limit, d.limitUntil = live, now.Add(fewerFor)
		d.log.Info("smarthost allows no further connection", ticket.LogError, ae)
		return
	}
	if now.Before(d.downUntil) {
		return // another worker met it first
	}
	first := !d.isDown()
	d.downUntil = now.Add(d.down.Next())
	switch {
	case ae.Permanent && !d.Status().Alarm:
		d.log.Error("alarm: no mail can be sent", ticket.LogError, ae, ticket.LogHint, ae.Hint)
	case first:
		d.log.Warn("smarthost can't be used", ticket.LogError, ae, ticket.LogHint, ae.Hint)
	default:
		d.log.Debug("smarthost still can't be used", ticket.LogError, ae)
	}
	d.change(func(st *SenderStatus) {
		if first {
			st.DownSince = now
		}
		st.Connected, st.Err, st.Hint = false, ae, ae.Hint
		st.Alarm = st.Alarm || ae.Permanent
	})
}

// smarthostUp notes that a connection works.
func (d *dispatcher) smarthostUp() {
	if d.isDown() {
		d.log.Info("smarthost can be used again")
	}
	d.downUntil = time.Time{}
	d.down.Reset()
	d.change(func(st *SenderStatus) {
		st.Connected = true
		st.DownSince, st.Err, st.Hint, st.Alarm = time.Time{}, nil, "", false
	})
}

// raiseAlarm raises the alarm when it is time, and returns when that will be.
func (d *dispatcher) raiseAlarm(now time.Time) time.Time {
	st := d.Status()
	if !d.isDown() || st.Alarm {
		return time.Time{}
	}
	at := st.DownSince.Add(alarmAfter)
	if now.Before(at) {
		return at
	}
	d.log.Error("alarm: no mail can be sent", ticket.LogError, st.Err, ticket.LogHint, st.Hint)
	d.change(func(st *SenderStatus) { st.Alarm = true })
	return time.Time{}
}

// quota stops everything for a while, and fails nobody. The mail that met it lets
// others go first afterwards. If it meets it again although others got through
// in between, the refusal was about it alone.
func (d *dispatcher) quota(r sendReport, now time.Time) {
	id := r.row.ID
	if before, again := d.strikes[id]; again && d.sent > before {
		delete(d.strikes, id)
		r.fate = fateTemporary
		r.next, r.recorded = d.record(d.soft, r.row, r.attempt, r.took)
		d.concluded(r, now)
		return
	}
	d.strikes[id] = d.sent
	if !now.Before(d.quotaUntil) {
		pause := d.rate.Next()
		if r.hard {
			pause = d.daily.Next()
		}
		d.quotaUntil = now.Add(pause)
		d.log.Warn("smarthost's sending limit reached; all outgoing mail waits", ticket.LogOutbox, id,
			ticket.LogReason, r.err, ticket.LogNext, d.quotaUntil,
			ticket.LogHint, "spread the mail over more accounts or use a relay with a higher limit, if this happens often")
		d.change(func(st *SenderStatus) {
			st.DownSince, st.Err = now, r.err
			st.Hint = "the account's sending limit is reached; mail waits and nothing is lost; 'buzon resume outgoing' tries at once"
		})
	}
	d.behind[id] = d.quotaUntil.Add(firstRatePause)
}

// retire dismisses workers that have been idle for long.
func (d *dispatcher) retire(now time.Time) {
	for len(d.idle) > 0 && now.Sub(d.idle[0].idleSince) >= keepIdle {
		close(d.idle[0].rows)
		d.idle = d.idle[1:]
	}
}

// dismiss sends all idle workers home.
func (d *dispatcher) dismiss() {
	for _, w := range d.idle {
		close(w.rows)
	}
	d.idle = nil
}

func latest(times ...time.Time) time.Time {
	var last time.Time
	for _, t := range times {
		if t.After(last) {
			last = t
		}
	}
	return last
}
