// Package postoffice is a post office inside the process, for the demo and for
// tests: an IMAP server whose mailboxes are in memory, and an SMTP server that
// puts mail into these mailboxes and nowhere else. It remembers every mail.
//
// It is imapmemserver and go-smtp with what they lack for this: mail is
// delivered by address, with the header fields that a real delivery agent adds;
// UIDVALIDITY differs from one start to the next, so that a desk which kept its
// data notices that the mailboxes are new; MOVE tells the right sequence
// numbers; IDLE misses nothing; and closing waits until every connection is gone. What imapmemserver
// doesn't have isn't here either: CONDSTORE, SPECIAL-USE, read-only EXAMINE.
package postoffice

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-smtp"
)

// folders are what every user has, besides the INBOX.
var folders = []string{"INBOX", "Sent", "Drafts", "Junk", "Procesados"}

// ErrUnknownUser is returned for a user name, and ErrUnknownAddress for an
// address, that belongs to nobody here.
var (
	ErrUnknownUser    = errors.New("no such user")
	ErrUnknownAddress = errors.New("no such address")
	errClosed         = errors.New("the post office is closed")
)

// Options says how a post office is set up. The zero value is good for tests.
type Options struct {
	IMAPAddr, SMTPAddr string // host:port to listen on; default 127.0.0.1:0
	Log                *slog.Logger
	Now                func() time.Time // default time.Now
	// Fallback is the user who gets mail to an address that nobody owns in a
	// domain that someone has an address in. Without one such mail is refused.
	Fallback string
	// Intercept, if set, is shown every mail that comes by SMTP, once for each
	// recipient, before it is delivered, and says whether it has dealt with it.
	// It may block, and is called by several goroutines at once. With Intercept
	// every recipient is accepted at RCPT; one that is neither dealt with nor
	// known has the mail refused after DATA.
	Intercept func(from, to string, raw []byte) bool
}

// Mail is a mail as it was delivered.
type Mail struct {
	From, To string // envelope; empty for what a client put into a folder
	Raw      []byte // shared: not to be changed
	At       time.Time
	Flags    []imap.Flag // sorted; nil in the results of Sent and Wait
}

// Office is a post office. Its methods may be used by many goroutines.
type Office struct {
	opt  Options
	imap *server
	smtp *server
	done chan struct{} // closed by Close

	mutex     sync.Mutex
	accounts  map[string]*account // by user name
	addresses map[string]*account // by address, lower case
	sent      []Mail
	fail      func(verb, arg string) error
	changed   chan struct{} // closed, and made anew, when anything has changed in any mailbox
}

// New starts a post office. The error is that of listening.
func New(opt Options) (*Office, error) {
	if opt.IMAPAddr == "" {
		opt.IMAPAddr = "127.0.0.1:0"
	}
	if opt.SMTPAddr == "" {
		opt.SMTPAddr = "127.0.0.1:0"
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	o := &Office{
		opt: opt, done: make(chan struct{}), changed: make(chan struct{}),
		accounts: map[string]*account{}, addresses: map[string]*account{},
	}
	imapListener, err := net.Listen("tcp", opt.IMAPAddr)
	if err != nil {
		return nil, fmt.Errorf("starting the IMAP server: %w", err)
	}
	smtpListener, err := net.Listen("tcp", opt.SMTPAddr)
	if err != nil {
		imapListener.Close()
		return nil, fmt.Errorf("starting the SMTP server: %w", err)
	}
	o.imap = serve(imapListener, o.newIMAPServer().Serve)
	o.smtp = serve(smtpListener, o.newSMTPServer().Serve)
	return o, nil
}

// Close stops both servers, breaks their connections and waits until nothing of
// them runs any more; a Wait returns an error. The mail can still be read.
func (o *Office) Close() error {
	o.mutex.Lock()
	select {
	case <-o.done:
		o.mutex.Unlock()
		return errClosed
	default:
		close(o.done)
	}
	o.mutex.Unlock()
	return errors.Join(o.smtp.close(), o.imap.close())
}

// IMAPAddr is the host:port of the IMAP server. It speaks no TLS.
func (o *Office) IMAPAddr() string { return o.imap.listener.Addr().String() }

// SMTPAddr is the host:port of the SMTP server. It speaks no TLS.
func (o *Office) SMTPAddr() string { return o.smtp.listener.Addr().String() }

// AddUser makes a user with the folders INBOX, Sent, Drafts and Procesados, who
// gets the mail to the addresses and, for each local@domain of them, to every
// local+detail@domain that isn't an address itself. The user name is an address
// too when it has an @. For a user who exists the password is changed and the
// addresses are added.
func (o *Office) AddUser(username, password string, addresses ...string) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	a := o.accounts[username]
	if a == nil {
		a = newAccount(username, o.opt.Now())
		o.accounts[username] = a
	}
	a.setPassword(password)
	if strings.Contains(username, "@") {
		addresses = append([]string{username}, addresses...)
	}
	for _, addr := range addresses {
		o.addresses[strings.ToLower(addr)] = a
	}
}

// Deliver puts a mail into the INBOX of whoever owns the address, as if it had
// come from outside. Its envelope sender is what the topmost Return-Path or else
// From says. Line ends become CR LF. It returns ErrUnknownAddress, wrapped, when
// the address belongs to nobody and there is no Fallback for it.
func (o *Office) Deliver(to string, raw []byte) error {
	a := o.owner(to)
	if a == nil {
		return fmt.Errorf("delivering to %s: %w", to, ErrUnknownAddress)
	}
	return o.deliver(a, Mail{From: senderOf(raw), To: to, Raw: raw, At: o.opt.Now()})
}

// deliver puts a mail into an INBOX, under the header fields of a delivery agent
// (RFC 5321, section 4.4).
func (o *Office) deliver(a *account, m Mail) error {
	m.Raw = slices.Concat([]byte("Return-Path: <"+m.From+">\r\nDelivered-To: "+m.To+"\r\n"), withCRLF(m.Raw))
	if err := a.append("INBOX", m); err != nil {
		return fmt.Errorf("delivering to %s: %w", m.To, err)
	}
	o.opt.Log.Debug("delivered", "to", m.To, "size", len(m.Raw))
	o.announce()
	return nil
}

// owner returns who gets mail to an address, or nil.
func (o *Office) owner(addr string) *account {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	addr = strings.ToLower(addr)
	if a := o.addresses[addr]; a != nil {
		return a
	}
	local, domain, _ := strings.Cut(addr, "@")
	local, _, _ = strings.Cut(local, "+")
	if a := o.addresses[local+"@"+domain]; a != nil {
		return a
	}
	for known := range o.addresses {
		if strings.HasSuffix(known, "@"+domain) {
			return o.accounts[o.opt.Fallback]
		}
	}
	return nil
}

func (o *Office) account(username string) *account {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.accounts[username]
}

// Messages returns what is in a mailbox, in its order; nil when there is no such
// user or mailbox.
func (o *Office) Messages(username, mailbox string) []Mail {
	a := o.account(username)
	if a == nil {
		return nil
	}
	mails, _, _ := a.messages(mailbox, 0)
	return mails
}

// Wait returns the first message of the user's INBOX that matches, and waits
// for it if need be. See WaitIn.
func (o *Office) Wait(ctx context.Context, username string, match func(Mail) bool) (Mail, error) {
	return o.WaitIn(ctx, username, "INBOX", match)
}

// WaitIn returns the first message of a mailbox that matches, and waits for it
// if need be. Each message is shown to match once, without its flags; one that
// is moved away at once may never be seen. It returns the context's error,
// wrapped, when that ends first.
func (o *Office) WaitIn(ctx context.Context, username, mailbox string, match func(Mail) bool) (Mail, error) {
	a := o.account(username)
	if a == nil {
		return Mail{}, fmt.Errorf("waiting for mail to %s: %w", username, ErrUnknownUser)
	}
	var seen imap.UID
	for {
		news := o.news()
		mails, last, err := a.messages(mailbox, seen)
		if err != nil {
			return Mail{}, fmt.Errorf("waiting for mail to %s: %w", username, err)
		}
		seen = last
		for _, m := range mails {
			m.Flags = nil
			if match(m) {
				return m, nil
			}
		}
		select {
		case <-news:
		case <-ctx.Done():
			return Mail{}, fmt.Errorf("waiting for mail to %s in %s: %w", username, mailbox, ctx.Err())
		case <-o.done:
			return Mail{}, fmt.Errorf("waiting for mail to %s: %w", username, errClosed)
		}
	}
}

// news returns a channel that is closed when anything changes after this call.
func (o *Office) news() <-chan struct{} {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.changed
}

// announce tells all who wait for news.
func (o *Office) announce() {
	o.mutex.Lock()
	close(o.changed)
	o.changed = make(chan struct{})
	o.mutex.Unlock()
}

// Sent returns every mail that was accepted by SMTP, in order, once for each
// recipient, intercepted ones included, with the bytes as they came.
func (o *Office) Sent() []Mail {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return slices.Clone(o.sent)
}

// ErrDisconnect, returned by the function given to Fail, breaks the connection
// without a reply.
var ErrDisconnect = errors.New("disconnect")

// Fail sets what decides about failures of the SMTP server; nil means none. It
// is asked with a verb and its argument: EHLO and the client's name, AUTH and
// the user name, MAIL and the sender, RCPT and the recipient, DATA and the
// sender when the whole body has come and nothing was done with it, and DONE and
// the sender when the mail has been delivered but the client doesn't know. An
// error is the reply: an *smtp.SMTPError as it says, ErrDisconnect, any other as
// 451. The function may block, and is called by several goroutines at once; it
// must return before Close can.
func (o *Office) Fail(fn func(verb, arg string) error) {
	o.mutex.Lock()
	o.fail = fn
	o.mutex.Unlock()
}

func (o *Office) failure(verb, arg string) error {
	o.mutex.Lock()
	fn := o.fail
	o.mutex.Unlock()
	if fn == nil {
		return nil
	}
	return fn(verb, arg)
}

// libraryLog takes the lines that the libraries write about connections.
type libraryLog struct{ log *slog.Logger }

func (l libraryLog) Printf(format string, args ...any) {
	l.log.Debug("connection", "reason", fmt.Sprintf(format, args...))
}
func (l libraryLog) Println(args ...any) { l.log.Debug("connection", "reason", fmt.Sprint(args...)) }

func (o *Office) newIMAPServer() *imapserver.Server {
	return imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return &imapSession{office: o}, nil, nil
		},
		Caps: imap.CapSet{
			imap.CapIMAP4rev1: {}, imap.CapNamespace: {}, imap.CapUIDPlus: {}, imap.CapESearch: {}, imap.CapSearchRes: {},
			imap.CapListExtended: {}, imap.CapListStatus: {}, imap.CapMove: {}, imap.CapStatusSize: {}, imap.CapLiteralPlus: {},
		},
		Logger:       libraryLog{o.opt.Log},
		InsecureAuth: true,
	})
}

func (o *Office) newSMTPServer() *smtp.Server {
	s := smtp.NewServer(smtp.BackendFunc(o.newSMTPSession))
	s.Domain = "postoffice.localhost"
	s.AllowInsecureAuth = true
	s.EnableSMTPUTF8 = true
	s.EnableDSN = true
	s.MaxMessageBytes = 100 << 20
	s.MaxLineLength = 1 << 20
	s.ErrorLog = libraryLog{o.opt.Log}
	return s
}
