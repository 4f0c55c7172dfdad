package mailpipe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"

	"buzon/ticket"
)

// IMAPConfig is one mailbox to take mail from.
type IMAPConfig struct {
	Account string // name of the account, in envelopes, the ledger and the log
	Server  ServerConfig
	Mailbox string // default INBOX
	// Poll is how often to look while there is no IDLE; default a minute.
	Poll time.Duration
	Idle bool // use IDLE (RFC 2177) where the server offers it
	// After says what happens to messages that were taken: move (to the folder
	// MoveTo), flag (with Flag, default \Seen), or leave, the default.
	After, MoveTo, Flag string
	// Backlog, at the very first look, also takes the mail that is there
	// already.
	Backlog bool

	PageMessages int   // at most so many messages at a time; default 50
	PageBytes    int64 // and so many octets, or one message; default 32 MiB
	// MaxMessage is the size in octets above which a message is not loaded but
	// left where it is, with an alarm; default 50 MiB.
	MaxMessage int64
}

func (c IMAPConfig) withDefaults() IMAPConfig {
	if c.Mailbox == "" {
		c.Mailbox = "INBOX"
	}
	if c.Poll <= 0 {
		c.Poll = time.Minute
	}
	if c.After == "" {
		c.After = afterLeave
	}
	if c.Flag == "" {
		c.Flag = string(imap.FlagSeen)
	}
	if c.PageMessages <= 0 {
		c.PageMessages = 50
	}
	if c.PageBytes <= 0 {
		c.PageBytes = 32 << 20
	}
	if c.MaxMessage <= 0 {
		c.MaxMessage = 50 << 20
	}
	return c
}

// IMAPWorker takes the mail of one mailbox over a connection of its own.
//
// It goes by UID alone, never by \Seen, date or sequence number. A message is
// settled (moved, flagged or left) only after the desk took it; whatever happens
// in between, the ledger or the desk knows it again. A message that the server
// does not deliver whole after three tries holds up no other: it is tried again
// from time to time, the cursor stays before it, and an alarm names it. One
// above MaxMessage is passed over for good, with an alarm while it is there.
type IMAPWorker struct {
	cfg    IMAPConfig
	take   Taker
	ledger Ledger
	log    *slog.Logger
	now    func() time.Time
	limits imapLimits
	board  *board
	wake   chan struct{} // holds one

	// The rest belongs to Run.
	reconnect, retake Backoff
	state             ticket.MailboxState
	dirty             bool                 // state differs from the ledger's
	done              map[uint32]bool      // at or above state.Next, need nothing more
	strikes           map[uint32]int       // how often a message could not be loaded
	stuck             map[uint32]time.Time // could not be loaded; when to try again
	stuckErr          error                // why, of the latest
	tooLarge          map[uint32]int64     // were left because of their size
	idleFor           time.Duration        // how long the next IDLE may last; short after news, see look
	single            uint32               // up to this UID, one at a time: something in there breaks pages
	warned            string               // what the server lacks, as it was warned of
}

// NewIMAPWorker makes a worker; Run starts it. status may be nil.
func NewIMAPWorker(cfg IMAPConfig, take Taker, ledger Ledger, status StatusFunc, log *slog.Logger, now func() time.Time) *IMAPWorker {
	cfg = cfg.withDefaults()
	log = log.With(ticket.LogAccount, cfg.Account, ticket.LogMailbox, cfg.Mailbox)
	w := &IMAPWorker{cfg: cfg, take: take, ledger: ledger, log: log, now: now, wake: make(chan struct{}, 1)}
	w.board = &board{account: cfg.Account, mailbox: cfg.Mailbox, publish: status, log: log, now: now}
	w.setLimits(defaultIMAPLimits)
	w.forget()
	return w
}

func (w *IMAPWorker) setLimits(l imapLimits) {
	w.limits = l
	w.board.alarmAfter = l.alarmAfter
	w.reconnect = Backoff{Min: l.backoffMin, Max: l.backoffMax}
	w.retake = w.reconnect
}

// Wake makes the worker look now, and try now if it waits after a failure.
func (w *IMAPWorker) Wake() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Pause makes the worker finish the page that it is at, and then disconnect and
// stay so until Resume.
func (w *IMAPWorker) Pause() { w.setPaused(true) }

// Resume ends a Pause.
func (w *IMAPWorker) Resume() { w.setPaused(false) }

func (w *IMAPWorker) setPaused(yes bool) {
	w.board.change(func(st *WorkerStatus) { st.Paused = yes })
	w.Wake()
}

var errPaused = errors.New("paused")

// ledgerError is a failure of our own storage, not of the server.
type ledgerError struct{ err error }

func (e *ledgerError) Error() string { return e.err.Error() }
func (e *ledgerError) Unwrap() error { return e.err }

// takeError is a message that the desk did not take.
type takeError struct{ err error }

func (e *takeError) Error() string { return e.err.Error() }
func (e *takeError) Unwrap() error { return e.err }

// Run takes mail until ctx ends. It connects again after each failure, at
// growing intervals from a second to five minutes.
func (w *IMAPWorker) Run(ctx context.Context) {
	defer w.board.stop()
	defer w.board.connected(false)
	for ctx.Err() == nil {
		if w.board.paused() {
			w.board.drop()
			select {
			case <-w.wake:
			case <-ctx.Done():
			}
			continue
		}
		err := w.serve(ctx)
		w.board.connected(false)
		if ctx.Err() != nil || errors.Is(err, errPaused) {
			continue
		}
		kind := problemConnection
		var ours *ledgerError
		if errors.As(err, &ours) {
			kind, err = problemTaking, diagnoseTake(err)
		}
		w.board.report(kind, err)
		pause := w.reconnect.Next()
		if diagnose(err).Permanent {
			pause = max(pause, w.limits.permanent)
		}
		w.sleep(ctx, pause)
	}
}

// sleep waits for d, Wake, or the end of ctx.
func (w *IMAPWorker) sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.wake:
	case <-ctx.Done():
	}
}

// serve is the life of one connection.
func (w *IMAPWorker) serve(ctx context.Context) error {
	c, err := dialIMAP(ctx, &w.cfg.Server, w.limits, w.board.heard)
	if err != nil {
		return err
	}
	defer c.close()
	w.idleFor = w.limits.idleMin
	for {
		if w.board.paused() {
			c.logout()
			return errPaused
		}
		if err := w.open(ctx, c); err != nil {
			return err
		}
		w.board.connected(true)
		w.board.clear(problemConnection)
		if err := w.follow(ctx, c); err != nil {
			return err
		}
	}
}

// follow looks for messages each time that the server announces some. It returns
// without error when it is time to open the mailbox anew.
func (w *IMAPWorker) follow(ctx context.Context, c *imapConn) error {
	for announced := true; announced; {
		err := w.look(ctx, c)
		var untaken *takeError
		if errors.As(err, &untaken) && ctx.Err() == nil {
			w.board.report(problemTaking, diagnoseTake(untaken.err))
			w.sleep(ctx, w.retake.Next())
			return nil
		}
		if errors.Is(err, errPaused) {
			return nil
		}
		if err != nil {
			return err
		}
		w.board.clear(problemTaking)
		w.reconnect.Reset()
		w.retake.Reset()
		limit, idle := w.cfg.Poll, w.cfg.Idle && c.canIdle()
		if idle {
			limit = w.idleFor
			w.idleFor = min(2*w.idleFor, w.limits.idle)
		}
		if announced, err = c.wait(w.wake, limit, idle); err != nil {
			return err
		}
		announced = announced && !w.board.paused()
	}
	return nil
}

// open opens the mailbox, finds out where the worker stands in it, and settles
// what was taken but not settled.
func (w *IMAPWorker) open(ctx context.Context, c *imapConn) error {
	selected, err := c.selectMailbox(w.cfg.Mailbox)
	if err != nil {
		return err
	}
	state, unsettled, err := w.ledger.Load(ctx, w.cfg.Account, w.cfg.Mailbox)
	if err != nil {
		return &ledgerError{fmt.Errorf("reading how far the mailbox was taken: %w", err)}
	}
	next := uint32(selected.UIDNext)
	w.state = state
	switch {
	case state.UIDValidity == 0:
		w.begin(selected.UIDValidity, next)
		if err := w.save(ctx, nil); err != nil {
			return err
		}
	case state.UIDValidity != selected.UIDValidity:
		w.log.Warn("UIDVALIDITY has changed: comparing all messages with those taken",
			"before", state.UIDValidity, "now", selected.UIDValidity)
		w.forget()
		w.state = ticket.MailboxState{UIDValidity: selected.UIDValidity, Next: 1, Since: state.Since, RescanBelow: next}
		unsettled = nil
		if err := w.save(ctx, nil); err != nil {
			return err
		}
		// gofail: var rescanBegun struct{}
	}
	if next < w.state.Next {
		w.board.report(problemMailbox, &AccountError{Doing: fmt.Sprintf("opening folder %q", w.cfg.Mailbox), Permanent: true,
			Err:  fmt.Errorf("the server would give UID %d to the next message, and has given %d before", next, w.state.Next-1),
			Hint: "the mailbox seems to be restored from a backup, and new mail there can't be told from old: have its UIDVALIDITY changed, or recreate the folder"})
	} else {
		w.board.clear(problemMailbox)
	}
	if err := w.recheckTooLarge(c); err != nil {
		return err
	}
	return w.settle(ctx, c, unsettled)
}

// begin sets the state for the first look at a mailbox.
func (w *IMAPWorker) begin(validity, next uint32) {
	w.forget()
	// INTERNALDATE has whole seconds.
	w.state = ticket.MailboxState{UIDValidity: validity, Next: next, Since: w.now().Truncate(time.Second)}
	if w.cfg.Backlog {
		w.state.Next, w.state.BacklogBelow = 1, next
	}
	w.log.Info("first look at the mailbox", "backlog", w.cfg.Backlog, "next", w.state.Next)
}

// forget drops what was known about UIDs.
func (w *IMAPWorker) forget() {
	w.done = make(map[uint32]bool)
	w.strikes = make(map[uint32]int)
	w.stuck = make(map[uint32]time.Time)
	w.tooLarge = make(map[uint32]int64)
	w.single = 0
}

// save records the state, and which messages were settled.
func (w *IMAPWorker) save(ctx context.Context, settled []uint32) error {
	if err := w.ledger.Save(ctx, w.cfg.Account, w.cfg.Mailbox, w.state, settled); err != nil {
		return &ledgerError{fmt.Errorf("recording how far the mailbox was taken: %w", err)}
	}
	w.dirty = false
	return nil
}

// look takes all that is new, in pages, oldest first. More may have come since
// its last command, and not every server announces that when IDLE begins; so the
// first IDLE after news is a short one.
func (w *IMAPWorker) look(ctx context.Context, c *imapConn) error {
	for {
		found, err := c.search(imap.UIDSet{{Start: imap.UID(w.state.Next), Stop: 0}})
		if err != nil {
			return err
		}
		// Next:* brings the last message even when it is below Next.
		found = slices.DeleteFunc(found, func(uid uint32) bool { return uid < w.state.Next })
		w.forgetGone(found)
		w.advance(found)
		todo := slices.DeleteFunc(slices.Clone(found), func(uid uint32) bool {
			return w.done[uid] || w.now().Before(w.stuck[uid])
		})
		if len(todo) == 0 {
			w.showMessages()
			if w.dirty {
				return w.save(ctx, nil)
			}
			return nil
		}
		w.idleFor = w.limits.idleMin
		for len(todo) > 0 {
			if w.board.paused() {
				return errPaused
			}
			if todo, err = w.takePage(ctx, c, found, todo); err != nil {
				return err
			}
		}
	}
}

// takePage takes the first messages of todo, and returns what remains of it.
func (w *IMAPWorker) takePage(ctx context.Context, c *imapConn, found, todo []uint32) ([]uint32, error) {
	n := min(w.cfg.PageMessages, len(todo))
	if todo[0] <= w.single {
		n = 1
	}
	uids := todo[:n]
	page, err := w.load(c, uids)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		w.fault(uids, uids[0], err)
		if isRefusal(err) {
			if n == 1 {
				todo = todo[1:]
			}
			return todo, nil
		}
		return nil, err
	}
	// gofail: var fetchedUntaken struct{}
	taken, takeErr := w.takeAll(ctx, page.mails)
	// gofail: var pageTaken struct{}
	for _, uid := range slices.Concat(page.done, taken) {
		w.done[uid] = true
		delete(w.strikes, uid)
		delete(w.stuck, uid)
	}
	w.advance(found)
	if err := w.save(ctx, nil); err != nil {
		return nil, err
	}
	// gofail: var takenUnsettled struct{}
	if err := w.settle(ctx, c, taken); err != nil {
		return nil, err
	}
	if takeErr != nil {
		return nil, &takeError{takeErr}
	}
	return todo[n-len(page.rest):], nil
}

// advance moves the cursor over all that needs nothing more. found is what there
// is at or above the cursor.
func (w *IMAPWorker) advance(found []uint32) {
	next := w.state.Next
	for _, uid := range found {
		if uid < next {
			continue
		}
		if !w.done[uid] {
			next = uid
			break
		}
		next = uid + 1
	}
	if next == w.state.Next {
		return
	}
	w.state.Next, w.dirty = next, true
	if next >= w.state.RescanBelow {
		w.state.RescanBelow = 0
	}
	for uid := range w.done {
		if uid < next {
			delete(w.done, uid)
		}
	}
}
