package mailpipe

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"buzon/ticket"
)

// SenderConfig says where outgoing mail goes. Zero fields get the defaults that
// stand with them.
type SenderConfig struct {
	Server   ServerConfig
	Hostname string // in EHLO; default "localhost"
	// Connections is how many may be open at a time. Default 2.
	Connections int
	// GiveUp is how old a mail may get before a temporary failure becomes a
	// permanent one. Default 5 days (RFC 5321, section 4.5.4.1).
	GiveUp time.Duration
	// CommandTimeout is for the answer to each command. Default 5 minutes (RFC
	// 5321, section 4.5.3.2).
	CommandTimeout time.Duration
	// DataTimeout is for the peer to take a whole body, and again for its answer
	// after the final dot. Default 15 minutes.
	DataTimeout time.Duration
	// Rand spreads pauses; it gives numbers in [0,1) to several goroutines.
	// Default math/rand/v2.
	Rand func() float64
}

func (c *SenderConfig) setDefaults() {
	if c.Hostname == "" {
		c.Hostname = "localhost"
	}
	if c.Connections < 1 {
		c.Connections = 2
	}
	if c.GiveUp <= 0 {
		c.GiveUp = 5 * 24 * time.Hour
	}
	if c.CommandTimeout <= 0 {
		c.CommandTimeout = 5 * time.Minute
	}
	if c.DataTimeout <= 0 {
		c.DataTimeout = 15 * time.Minute
	}
	if c.Rand == nil {
		c.Rand = rand.Float64
	}
}

// SenderStatus is how the Sender fares.
type SenderStatus struct {
	// Connected: the smarthost let us in at the last attempt. Connections are
	// closed when there is nothing to send.
	Connected bool
	Paused    bool      // by the operator
	DownSince time.Time // zero: nothing is wrong
	LastSent  time.Time
	Err       error  // what is wrong
	Hint      string // what to do about it
	// Alarm is true while the smarthost can't be used and that has lasted two
	// minutes, or only a person can end it (login, certificate).
	Alarm bool
}

// SenderStatusFunc is told of each change but that of LastSent alone, in order.
// It must be quick and must not call the Sender.
type SenderStatusFunc func(SenderStatus)

const (
	pollOutbox      = 30 * time.Second // in case a Wake was missed
	keepIdle        = 30 * time.Second // an idle connection
	mailsPerLink    = 100              // some servers end longer ones
	alarmAfter      = 2 * time.Minute
	fewerFor        = 5 * time.Minute // after the server refused one connection more
	stopGrace       = 30 * time.Second
	reportGrace     = 5 * time.Second // to record a result after the stop
	reportPause     = time.Second     // doubled after each failure …
	reportLastPause = 8 * time.Second // … up to this
	firstDownPause  = time.Second
	longestPause    = 5 * time.Minute
	firstRatePause  = time.Minute
	firstDailyPause = 30 * time.Minute
	longestQuota    = time.Hour
)

// UnrecordedMails is how many mails a connection may have handed over, one of them
// perhaps still without its answer, before the outbox knows of the first: so many a
// connection are sent again after a crash. What is recorded meanwhile shares commits,
// and the connection need not wait for each.
const UnrecordedMails = 4

// Sender drains an outbox to the smarthost. A mail that was handed over but not
// recorded as sent is sent again, with the same bytes: at least once.
type Sender struct {
	cfg    SenderConfig
	box    Outbox
	log    *slog.Logger
	now    func() time.Time
	status SenderStatusFunc
	grace  time.Duration
	wake   chan struct{}

	mu      sync.Mutex
	st      SenderStatus
	resumed bool // an operator's Resume ends every pause
}

// NewSender makes a Sender. status may be nil.
func NewSender(cfg SenderConfig, box Outbox, status SenderStatusFunc, log *slog.Logger, now func() time.Time) *Sender {
	cfg.setDefaults()
	return &Sender{cfg: cfg, box: box, log: log, now: now, status: status, grace: stopGrace, wake: make(chan struct{}, 1)}
}

// Wake tells that the outbox has something new.
func (s *Sender) Wake() {
	select {
	case s.wake <- struct{}{}:
	default: // a wake is under way
	}
}

// Pause stops sending after the mails under way, until Resume.
func (s *Sender) Pause() {
	s.change(func(st *SenderStatus) { st.Paused = true })
	s.log.Info("outgoing mail paused by the operator")
	s.Wake()
}

// Resume ends a Pause, and also what remains of a pause of the Sender's own.
func (s *Sender) Resume() {
	s.change(func(st *SenderStatus) { st.Paused = false; s.resumed = true })
	s.log.Info("outgoing mail resumed by the operator")
	s.Wake()
}

// Status returns the present status.
func (s *Sender) Status() SenderStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.st
}

// change changes the status and tells it, if anything but LastSent is new.
func (s *Sender) change(f func(*SenderStatus)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.st
	f(&s.st)
	after := s.st
	before.LastSent, after.LastSent = time.Time{}, time.Time{}
	same := before.Connected == after.Connected && before.Paused == after.Paused && before.Alarm == after.Alarm &&
		before.Hint == after.Hint && before.DownSince.Equal(after.DownSince) && (before.Err == nil) == (after.Err == nil)
	if !same && s.status != nil {
		s.status(s.st)
	}
}

// Run sends until ctx ends. Then it lets the mails under way finish, for half a
// minute at most, and returns when all connections are closed.
func (s *Sender) Run(ctx context.Context) {
	hard, kill := context.WithCancel(context.WithoutCancel(ctx))
	defer kill()
	d := newDispatcher(s, ctx, hard)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		timer.Reset(d.step())
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-timer.C:
		case r := <-d.reports:
			d.settle(r)
		}
	}
	d.dismiss()
	limit := time.AfterFunc(s.grace, kill)
	defer limit.Stop()
	for d.busy > 0 || d.unheard > 0 {
		d.settle(<-d.reports)
	}
	d.wg.Wait()
}

// deliver tries one mail over the worker's connection, which it opens, replaces
// and closes as needed.
func (s *Sender) deliver(soft, hard context.Context, link **smtpLink, row *ticket.Outgoing) attempt {
	if row.EnvelopeFrom != "" {
		if err := checkAddress(row.EnvelopeFrom); err != nil {
			return attempt{fate: fatePermanent, err: fmt.Errorf("envelope sender: %w", err)}
		}
	}
	if err := checkAddress(row.To); err != nil {
		return attempt{fate: fatePermanent, err: fmt.Errorf("recipient: %w", err)}
	}
	for {
		if soft.Err() != nil {
			return attempt{fate: fateUntried}
		}
		if *link == nil {
			// gofail: var claimedUnconnected struct{}
			fresh, err := connectSmarthost(soft, &s.cfg)
			if err != nil {
				if soft.Err() != nil {
					return attempt{fate: fateUntried}
				}
				return attempt{fate: fateDown, err: err}
			}
			*link = fresh
		}
		result, usable := (*link).send(hard, row, s.box)
		if !usable {
			(*link).raw.Close()
			*link = nil
		}
		if hard.Err() != nil && result.fate == fateTemporary {
			return attempt{fate: fateUntried} // we ended the connection ourselves
		}
		if result.fate != fateStale {
			return result
		}
	}
}

// conclude turns the outcome of an attempt into what the outbox is told: the
// result, and when to try again.
func (s *Sender) conclude(row *ticket.Outgoing, a attempt, now time.Time) (result ticket.Result, next time.Time) {
	result = ticket.Result{Sent: a.fate == fateSent, Permanent: a.fate == fatePermanent}
	if a.err != nil {
		result.Detail = peerText(a.err.Error())
	}
	if result.Sent || result.Permanent {
		return result, next
	}
	if age := now.Sub(row.Created); age >= s.cfg.GiveUp && !row.Created.IsZero() {
		result.Permanent = true
		result.Detail = fmt.Sprintf("gave up after %s: %s", days(age), result.Detail)
		return result, next
	}
	return result, now.Add(retryDelay(row.Attempts, s.cfg.Rand()))
}

// record logs the result of an attempt and writes it to the outbox, several times
// if need be. It returns when the mail is to be tried next, and whether the
// outbox knows.
func (s *Sender) record(soft context.Context, row *ticket.Outgoing, a attempt, took time.Duration) (next time.Time, ok bool) {
	// gofail: var sentUnrecorded struct{}
	result, next := s.conclude(row, a, s.now())
	log := s.log.With(ticket.LogOutbox, row.ID, ticket.LogClass, string(row.Class), ticket.LogTo, ticket.Domain(row.To),
		ticket.LogAttempts, row.Attempts+1, ticket.LogTook, took)
	switch {
	case result.Sent:
		log.Info("sent")
	case result.Permanent:
		log.Warn("not sent", ticket.LogReason, result.Detail)
	default:
		log.Warn("not sent", ticket.LogReason, result.Detail, ticket.LogNext, next)
	}

	// Once the stop has begun there is a little time left to write it down.
	ctx, cancel := context.WithCancel(context.WithoutCancel(soft))
	defer cancel()
	stop := context.AfterFunc(soft, func() { time.AfterFunc(reportGrace, cancel) })
	defer stop()
	for pause := reportPause; ; pause *= 2 {
		err := s.box.Report(ctx, row.ID, result, next)
		if err == nil {
			return next, true
		}
		log.Error("result of sending not recorded", ticket.LogError, err)
		if pause > reportLastPause {
			return next, false
		}
		select {
		case <-soft.Done():
			return next, false
		case <-time.After(pause):
		}
	}
}

// days writes a long time without a false precision.
func days(d time.Duration) string {
	if d >= 48*time.Hour {
		return fmt.Sprintf("%d days", int(d/(24*time.Hour)))
	}
	return d.Round(time.Second).String()
}
