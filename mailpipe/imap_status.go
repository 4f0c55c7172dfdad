package mailpipe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"

	"buzon/ticket"
)

// AccountError is a failure to work with an account's server, sorted by what can
// be done about it.
type AccountError struct {
	Doing string // what was being done
	Err   error
	Hint  string // what a person can do; empty when there is nothing but to wait
	// Permanent means that the same attempt will fail until someone acts.
	Permanent bool
}

func (e *AccountError) Error() string { return e.Doing + ": " + e.Err.Error() }
func (e *AccountError) Unwrap() error { return e.Err }

// WorkerStatus is how an IMAPWorker fares.
type WorkerStatus struct {
	Connected bool      // logged in, with the mailbox open
	Since     time.Time // how long it has been connected, or has not
	LastHeard time.Time // when the server last answered; zero: never
	Err       error     // what is wrong; nil: nothing
	Hint      string    // what to do about it
	// Alarm is true while something is wrong that is permanent in kind or has
	// lasted five minutes. It turns true once an outage.
	Alarm  bool
	Paused bool
}

// StatusFunc is told of each change, in order. It must be quick and must not
// call the worker.
type StatusFunc func(account, mailbox string, st WorkerStatus)

// problemKind separates what can be wrong at the same time; the first is the
// gravest and is the one shown.
type problemKind int

const (
	problemConnection problemKind = iota // no usable connection
	problemTaking                        // the desk does not take messages
	problemMessage                       // some message can't be fetched or is too large
	problemSettling                      // messages can't be moved or flagged
	problemMailbox                       // the server breaks the rules that UIDs rest on
	problemKinds
)

type problem struct {
	err     *AccountError
	alarm   bool
	overdue *time.Timer // raises the alarm
}

// board holds a worker's status and publishes it.
type board struct {
	account, mailbox string
	publish          StatusFunc
	log              *slog.Logger
	now              func() time.Time
	alarmAfter       time.Duration

	mu       sync.Mutex
	status   WorkerStatus
	problems [problemKinds]*problem
}

// report notes a problem. The first report of one is logged as a warning, and
// its becoming an alarm as an error; repetitions are logged at debug level.
func (b *board) report(kind problemKind, err error) {
	ae := diagnose(err)
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.problems[kind]
	if p == nil {
		p = &problem{}
		b.problems[kind] = p
		p.err = ae
		if !ae.Permanent {
			b.log.Warn("trouble with mailbox", ticket.LogError, ae, ticket.LogHint, ae.Hint)
			p.overdue = time.AfterFunc(b.alarmAfter, func() { b.raise(kind, p) })
		}
	} else {
		b.log.Debug("still trouble with mailbox", ticket.LogError, ae)
	}
	p.err = ae
	if ae.Permanent && !p.alarm {
		b.alarm(p)
	}
	b.show()
}

// raise turns a problem that has lasted too long into an alarm.
func (b *board) raise(kind problemKind, p *problem) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.problems[kind] != p || p.alarm {
		return
	}
	b.alarm(p)
	b.show()
}

func (b *board) alarm(p *problem) {
	p.alarm = true
	b.log.Error("alarm: mailbox needs attention", ticket.LogError, p.err, ticket.LogHint, p.err.Hint)
}

// clear takes a problem away.
func (b *board) clear(kind problemKind) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.problems[kind]
	if p == nil {
		return
	}
	if p.overdue != nil {
		p.overdue.Stop()
	}
	b.problems[kind] = nil
	b.log.Info("mailbox recovered", ticket.LogReason, p.err.Doing)
	b.show()
}

// heard notes an answer of the server.
func (b *board) heard() { b.change(func(st *WorkerStatus) { st.LastHeard = b.now() }) }

func (b *board) connected(yes bool) {
	b.change(func(st *WorkerStatus) {
		if st.Connected != yes || st.Since.IsZero() {
			st.Connected, st.Since = yes, b.now()
		}
	})
}

// change changes the status and publishes it.
func (b *board) change(f func(st *WorkerStatus)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f(&b.status)
	b.show()
}

// show publishes the status with the gravest problem in it; mu is held.
func (b *board) show() {
	st := &b.status
	st.Err, st.Hint, st.Alarm = nil, "", false
	for _, p := range b.problems {
		if p == nil {
			continue
		}
		if st.Err == nil {
			st.Err, st.Hint = p.err, p.err.Hint
		}
		st.Alarm = st.Alarm || p.alarm
	}
	if b.publish != nil {
		b.publish(b.account, b.mailbox, *st)
	}
}

// paused tells whether the worker is to rest.
func (b *board) paused() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.status.Paused
}

// drop forgets all problems, because nothing is being tried any more.
func (b *board) drop() {
	b.stop()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.problems = [problemKinds]*problem{}
	b.show()
}

// stop ends the timers.
func (b *board) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.problems {
		if p != nil && p.overdue != nil {
			p.overdue.Stop()
		}
	}
}

// diagnose finds out what an error means and what to do about it.
func diagnose(err error) *AccountError {
	var known *AccountError
	if errors.As(err, &known) {
		if known == err {
			return known
		}
		return &AccountError{Doing: "working with the mailbox", Err: err, Hint: known.Hint, Permanent: known.Permanent}
	}
	return &AccountError{Doing: "working with the mailbox", Err: err}
}

// diagnoseDial explains why no connection came about.
func diagnoseDial(s *ServerConfig, addr string, err error) *AccountError {
	ae := &AccountError{Doing: "connecting to " + addr, Err: err}
	var (
		invalid   x509.CertificateInvalidError
		name      x509.HostnameError
		authority x509.UnknownAuthorityError
		record    tls.RecordHeaderError
		dns       *net.DNSError
		refused   *imap.Error
	)
	switch {
	case errors.As(err, &invalid):
		ae.Permanent = true
		ae.Hint = "the server's certificate is not valid; whoever runs the server must renew it (check this machine's clock too)"
		if invalid.Reason == x509.Expired {
			ae.Hint = "the server's certificate has expired or is not valid yet; whoever runs the server must renew it (check this machine's clock too)"
		}
	case errors.As(err, &name):
		ae.Hint, ae.Permanent = "set host to a name that is in the server's certificate", true
	case errors.As(err, &authority):
		ae.Hint, ae.Permanent = "the authority that signed the server's certificate is not known here; name its PEM file in the account's ca key", true
	case errors.As(err, &record):
		ae.Hint, ae.Permanent = `the server does not speak TLS on this port; set tls = "starttls", or the port for implicit TLS (993)`, true
	case errors.As(err, &dns):
		ae.Hint = "check the account's host and this machine's name server"
	case errors.As(err, &refused):
		if s.TLS == tlsStartTLS && refused.Type != imap.StatusResponseTypeBye {
			ae.Hint, ae.Permanent = `the server refuses STARTTLS; set tls = "implicit" and port 993 if it offers that`, true
		} else {
			ae.Hint = "the server turns connections away; it may be overloaded, or there may be too many connections from here"
		}
	default:
		ae.Hint = "check the account's host and port, that the server runs, and that a firewall lets this machine through"
	}
	return ae
}

// passing lists the response codes of refusals that go by (RFC 5530).
var passing = []imap.ResponseCode{imap.ResponseCodeUnavailable, imap.ResponseCodeInUse, imap.ResponseCodeLimit,
	imap.ResponseCodeServerBug, imap.ResponseCodeOverQuota}

// isRefusal tells whether the server answered NO or BAD; the connection is still
// usable then.
func isRefusal(err error) bool {
	var refused *imap.Error
	return errors.As(err, &refused) && refused.Type != imap.StatusResponseTypeBye
}

// isLoginRefusal tells whether the server refused a login, in whichever way.
func isLoginRefusal(err error) bool {
	var inside *saslRefusal
	return isRefusal(err) || errors.As(err, &inside)
}

// diagnoseLogin explains a failed login.
func diagnoseLogin(s *ServerConfig, err error) error {
	var known *AccountError
	if errors.As(err, &known) {
		return err
	}
	if !isLoginRefusal(err) {
		return fmt.Errorf("logging in: %w", err)
	}
	var refused *imap.Error
	errors.As(err, &refused)
	ae := &AccountError{Doing: fmt.Sprintf("logging in as %s by %s", s.Username, s.auth()), Err: err, Permanent: true}
	switch {
	case refused != nil && slices.Contains(passing, refused.Code):
		ae.Permanent = false
		ae.Hint = "the server can't let anybody in just now; wait, or ask whoever runs it"
	case refused != nil && refused.Code == imap.ResponseCodePrivacyRequired:
		ae.Hint = `the server wants an encrypted connection; set tls = "starttls" or "implicit"`
	case s.auth() == authPassword:
		ae.Hint = "check username and password; with two-step verification an app password is needed, and some providers (Google, Microsoft) want OAuth instead"
	default:
		ae.Hint = "check that username is the mailbox that granted access, and that the grant has the scope for IMAP"
	}
	return ae
}

// diagnoseSelect explains why a mailbox can't be opened.
func diagnoseSelect(mailbox string, err error) error {
	var refused *imap.Error
	if !errors.As(err, &refused) {
		return fmt.Errorf("opening folder %q: %w", mailbox, err)
	}
	ae := &AccountError{Doing: fmt.Sprintf("opening folder %q", mailbox), Err: err}
	if !slices.Contains(passing, refused.Code) {
		ae.Permanent = true
		ae.Hint = "create the folder, let this user read it, or correct its name in the account"
	}
	return ae
}

// diagnoseTake explains why messages are not taken.
func diagnoseTake(err error) error {
	ae := &AccountError{Doing: "taking messages", Err: err, Hint: "see the log for the cause; the mail stays in the mailbox and is offered again"}
	if errors.Is(err, ticket.ErrFull) {
		ae.Hint = "free space on the data folder's disk; the mail stays in the mailbox meanwhile"
	}
	if errors.Is(err, ticket.ErrStopping) || errors.Is(err, context.Canceled) {
		ae.Hint = ""
	}
	return ae
}
