package mailpipe

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// ServerConfig is how to reach and log in to a mail server.
type ServerConfig struct {
	Host string
	Port int // zero: 993 with implicit TLS, 143 otherwise
	// TLS is implicit (the default), starttls, or plain, which is refused
	// unless the server is on this machine.
	TLS     string
	RootCAs *x509.CertPool // nil: the system's
	// Auth is password, xoauth2, oauthbearer or none; empty: password, or none
	// without Username.
	Auth     string
	Username string
	Password func() (string, error) // called at each login
	Tokens   TokenSource            // for xoauth2 and oauthbearer
}

// The values of ServerConfig.TLS.
const (
	tlsImplicit = "implicit"
	tlsStartTLS = "starttls"
	tlsPlain    = "plain"
)

// addr is host:port, defaults applied.
func (s *ServerConfig) addr() string {
	port := s.Port
	if port == 0 {
		port = 143
		if s.TLS == "" || s.TLS == tlsImplicit {
			port = 993
		}
	}
	return net.JoinHostPort(s.Host, strconv.Itoa(port))
}

// isLoopbackHost tells whether a host name or address means this machine.
func isLoopbackHost(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// imapLimits are the times that a worker waits. They are fields so that tests
// with a mute peer need not last minutes.
type imapLimits struct {
	dial       time.Duration // TCP, TLS and greeting, each
	command    time.Duration // the answer to a command
	body       time.Duration // a FETCH of bodies, on top of its size at slowest
	idleMin    time.Duration // before IDLE is renewed, after news; then the double each time, up to idle
	idle       time.Duration // servers may end IDLE after 30 minutes (RFC 2177), some networks after 10
	alarmAfter time.Duration // how long trouble lasts before it is an alarm
	permanent  time.Duration // least pause after a failure that is permanent in kind: servers lock accounts
	stuck      time.Duration // before a message that could not be fetched is tried again
	backoffMin time.Duration
	backoffMax time.Duration
}

var defaultIMAPLimits = imapLimits{
	dial: 30 * time.Second, command: time.Minute, body: 2 * time.Minute,
	idleMin: 15 * time.Second, idle: 9 * time.Minute,
	alarmAfter: 5 * time.Minute, permanent: time.Minute, stuck: 15 * time.Minute,
	backoffMin: time.Second, backoffMax: 5 * time.Minute,
}

// slowest is the rate, in octets a second, below which a FETCH is given up.
const slowest = 32 << 10

// imapConn is a connection to an IMAP server whose every command ends within a
// limit: the library itself waits for ever for a mute peer.
type imapConn struct {
	client *imapclient.Client
	raw    net.Conn // closing it ends every wait
	ctx    context.Context
	stop   func() bool // unhooks raw from ctx
	limits imapLimits
	heard  func()

	caps      imap.CapSet
	permanent []imap.Flag // that the open mailbox keeps
	readOnly  bool        // the open mailbox
	created   bool        // creating the folder for settled mail was tried
	noIdle    bool        // the server offered IDLE and refused it
	watch     markWatch
	exists    chan struct{} // told when the server announces messages; holds one
}

// markWatch looks out for the response code READ-ONLY in what passes over the
// connection, because the library does not tell of it. It is on only while a
// mailbox is being opened.
type markWatch struct {
	mu   sync.Mutex
	on   bool
	seen []byte
}

// Write is called by the library with what it reads and writes.
func (m *markWatch) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	const most = 64 << 10
	if m.on && len(m.seen) < most {
		m.seen = append(m.seen, p...)
	}
	return len(p), nil
}

func (m *markWatch) start() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.on, m.seen = true, nil
}

// stop tells whether READ-ONLY went by since start.
func (m *markWatch) stop() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := bytes.Contains(bytes.ToUpper(m.seen), []byte("[READ-ONLY]"))
	m.on, m.seen = false, nil
	return found
}

// dialIMAP connects and logs in. When ctx ends the connection is closed, which
// makes every command on it return. An access token that is refused may only
// have been revoked before its time, so a second one is tried.
func dialIMAP(ctx context.Context, s *ServerConfig, limits imapLimits, heard func()) (*imapConn, error) {
	c, err := dialIMAPOnce(ctx, s, limits, heard)
	if source, ok := s.Tokens.(forgetter); ok && s.auth() != authPassword && isLoginRefusal(err) && ctx.Err() == nil {
		source.Forget()
		return dialIMAPOnce(ctx, s, limits, heard)
	}
	return c, err
}

func dialIMAPOnce(ctx context.Context, s *ServerConfig, limits imapLimits, heard func()) (*imapConn, error) {
	c := &imapConn{ctx: ctx, limits: limits, heard: heard, exists: make(chan struct{}, 1)}
	if err := c.connect(s); err != nil {
		c.close()
		var known *AccountError
		if ctx.Err() != nil || errors.As(err, &known) {
			return nil, err
		}
		return nil, diagnoseDial(s, s.addr(), err)
	}
	if err := c.login(s); err != nil {
		c.close()
		return nil, diagnoseLogin(s, err)
	}
	return c, nil
}

func (c *imapConn) connect(s *ServerConfig) error {
	dialer := &net.Dialer{Timeout: c.limits.dial, KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: time.Minute, Interval: 15 * time.Second, Count: 4,
	}}
	raw, err := dialer.DialContext(c.ctx, "tcp", s.addr())
	if err != nil {
		return err
	}
	c.raw = raw
	c.stop = context.AfterFunc(c.ctx, func() { raw.Close() })

	config := &tls.Config{ServerName: s.Host, RootCAs: s.RootCAs, MinVersion: tls.VersionTLS12}
	// The handler runs in the library's reading goroutine, which must not wait
	// for a command; so it only leaves a note.
	options := &imapclient.Options{TLSConfig: config, DebugWriter: &c.watch, UnilateralDataHandler: &imapclient.UnilateralDataHandler{
		Mailbox: func(data *imapclient.UnilateralDataMailbox) {
			if data.NumMessages != nil {
				select {
				case c.exists <- struct{}{}:
				default:
				}
			}
		},
	}}
	err = c.do(c.limits.dial, func() error {
		switch s.TLS {
		case "", tlsImplicit:
			secure := tls.Client(raw, config)
			if err := secure.HandshakeContext(c.ctx); err != nil {
				return err
			}
			c.client = imapclient.New(secure, options)
		case tlsStartTLS:
			c.client, err = imapclient.NewStartTLS(raw, options)
			return err
		case tlsPlain:
			if peer, ok := raw.RemoteAddr().(*net.TCPAddr); !ok || !peer.IP.IsLoopback() {
				return &AccountError{Doing: "connecting to " + s.addr(), Permanent: true,
					Err:  errors.New("the connection would not be encrypted, and the server is not on this machine"),
					Hint: `set tls = "implicit" or "starttls"`}
			}
			c.client = imapclient.New(raw, options)
		default:
			return &AccountError{Doing: "connecting to " + s.addr(), Err: fmt.Errorf("tls = %q is not known", s.TLS),
				Hint: "use implicit, starttls or plain", Permanent: true}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.do(c.limits.dial, c.client.WaitGreeting)
}

// do runs a command that must end within limit, counted from now.
func (c *imapConn) do(limit time.Duration, command func() error) error {
	var late atomic.Bool
	timer := time.AfterFunc(limit, func() {
		late.Store(true)
		c.raw.Close()
	})
	defer timer.Stop()
	err := command()
	switch {
	case err == nil || isRefusal(err):
		c.heard()
		return err
	case c.ctx.Err() != nil:
		return c.ctx.Err()
	case late.Load():
		return fmt.Errorf("no answer within %v", limit)
	}
	return err
}

// readCaps asks for the capabilities, unless the server has told them.
func (c *imapConn) readCaps() error {
	return c.do(c.limits.command, func() error {
		if c.caps = c.client.Caps(); c.caps == nil {
			return errors.New("the server does not tell its capabilities")
		}
		return nil
	})
}

func (c *imapConn) login(s *ServerConfig) error {
	if err := c.readCaps(); err != nil {
		return err
	}
	if c.client.State() == imap.ConnStateAuthenticated { // PREAUTH
		return nil
	}
	client, secret, err := s.credentials(c.ctx)
	if err != nil {
		return err
	}
	if client == nil {
		return &AccountError{Doing: "logging in", Err: errors.New("the server wants a login, and none is configured"),
			Hint: "set the account's username and auth", Permanent: true}
	}
	mech, _, err := client.Start()
	if err != nil {
		return err
	}
	err = c.do(c.limits.command, func() error {
		switch {
		case c.caps.Has(imap.AuthCap(mech)):
			return c.client.Authenticate(client)
		case mech == "PLAIN" && !c.caps.Has(imap.CapLoginDisabled):
			return c.client.Login(s.Username, secret).Wait()
		}
		return &AccountError{Doing: "logging in", Permanent: true,
			Err:  fmt.Errorf("the server does not offer %s; it offers: %s", mech, peerText(strings.Join(c.caps.AuthMechanisms(), ", "))),
			Hint: "set the account's auth to what the server offers"}
	})
	if err != nil {
		return withoutSecret(err, secret)
	}
	return c.readCaps()
}

// withoutSecret returns the error of a login with the secret taken out of what
// the server said.
func withoutSecret(err error, secret string) error {
	var refused *imap.Error
	var inside *saslRefusal
	switch {
	case !strings.Contains(err.Error(), secret):
		return err
	case errors.As(err, &refused):
		return &imap.Error{Type: refused.Type, Code: refused.Code, Text: hideSecrets(refused.Text, secret)}
	case errors.As(err, &inside):
		return &saslRefusal{mech: inside.mech, reason: hideSecrets(inside.reason, secret)}
	}
	return errors.New(hideSecrets(err.Error(), secret))
}

// selectMailbox opens a mailbox for reading and writing. On an open one it does
// so anew, which brings news that some servers tell in no other way.
func (c *imapConn) selectMailbox(name string) (*imap.SelectData, error) {
	return c.openMailbox(name, nil)
}

func (c *imapConn) openMailbox(name string, options *imap.SelectOptions) (*imap.SelectData, error) {
	var data *imap.SelectData
	c.watch.start()
	err := c.do(c.limits.command, func() (err error) {
		data, err = c.client.Select(name, options).Wait()
		return err
	})
	c.readOnly = c.watch.stop()
	if err != nil {
		return nil, diagnoseSelect(name, err)
	}
	c.permanent = data.PermanentFlags
	if data.UIDValidity == 0 {
		return nil, &AccountError{Doing: fmt.Sprintf("opening folder %q", name), Permanent: true,
			Err:  errors.New("the server gives no UIDVALIDITY, so messages can't be told apart safely"),
			Hint: "choose another folder, or have the server's mail store changed to one with lasting UIDs"}
	}
	if data.UIDNext == 0 {
		// RFC 2060 servers need not tell it: find the highest UID instead.
		uids, err := c.search(imap.UIDSet{{Start: 1, Stop: 0}})
		if err != nil {
			return nil, err
		}
		data.UIDNext = 1
		for _, uid := range uids {
			data.UIDNext = max(data.UIDNext, imap.UID(uid)+1)
		}
	}
	return data, nil
}

// maxFound bounds how many UIDs a search may return.
const maxFound = 5_000_000

// search returns the UIDs in the set that exist, ascending. A set n:* also
// returns the last message when n is beyond it (RFC 9051, section 9, seq-range):
// the caller filters.
func (c *imapConn) search(set imap.UIDSet) ([]uint32, error) {
	var data *imap.SearchData
	err := c.do(c.limits.command, func() (err error) {
		data, err = c.client.UIDSearch(&imap.SearchCriteria{UID: []imap.UIDSet{set}}, nil).Wait()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("searching for messages: %w", err)
	}
	found, _ := data.All.(imap.UIDSet)
	var uids []uint32
	for _, r := range found {
		first, last := min(r.Start, r.Stop), max(r.Start, r.Stop)
		if first == 0 || int64(len(uids))+int64(last-first) >= maxFound {
			return nil, errors.New("searching for messages: the server's answer is not a list of messages")
		}
		for uid := first; ; uid++ {
			uids = append(uids, uint32(uid))
			if uid == last {
				break
			}
		}
	}
	slices.Sort(uids)
	return slices.Compact(uids), nil
}

func (c *imapConn) canIdle() bool { return c.caps.Has(imap.CapIdle) && !c.noIdle }

// wait sleeps until the server announces messages, wake is told, or limit has
// passed, in IDLE if idle is set. It returns whether there was an announcement.
func (c *imapConn) wait(wake <-chan struct{}, limit time.Duration, idle bool) (announced bool, err error) {
	var command *imapclient.IdleCommand
	if idle {
		err := c.do(c.limits.command, func() (err error) {
			command, err = c.client.Idle()
			return err
		})
		if isRefusal(err) {
			c.noIdle = true
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("starting IDLE: %w", err)
		}
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-c.exists:
		announced = true
	case <-wake:
	case <-timer.C:
	case <-c.client.Closed():
	case <-c.ctx.Done():
	}
	if command != nil {
		err := c.do(c.limits.command, func() error {
			if err := command.Close(); err != nil {
				return err
			}
			return command.Wait()
		})
		if err != nil {
			return announced, fmt.Errorf("ending IDLE: %w", err)
		}
	}
	if c.ctx.Err() != nil {
		return announced, c.ctx.Err()
	}
	select {
	case <-c.client.Closed():
		return announced, errors.New("the server closed the connection")
	default:
		return announced, nil
	}
}

// logout says goodbye, briefly.
func (c *imapConn) logout() {
	if c.ctx.Err() == nil {
		c.do(min(c.limits.command, 2*time.Second), func() error { return c.client.Logout().Wait() })
	}
}

// close ends the connection, and the library's goroutine with it.
func (c *imapConn) close() {
	if c.raw == nil {
		return
	}
	c.stop()
	c.raw.Close()
	if c.client != nil {
		<-c.client.Closed()
	}
}
