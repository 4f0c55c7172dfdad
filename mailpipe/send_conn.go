package mailpipe

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// smtpLink is one connection to the smarthost, logged in.
type smtpLink struct {
	client   *smtp.Client
	raw      net.Conn // closing it ends every wait
	hostname string
	data     time.Duration // to hand over a body
	sent     int           // mails that were handed over
	used     bool
}

// connectSmarthost connects, secures the connection and logs in. Its errors are
// *AccountError, or ctx's own when it ended. When a token was refused that the
// source had kept, it tries once more with a new one.
func connectSmarthost(ctx context.Context, cfg *SenderConfig) (*smtpLink, error) {
	link, err := connectOnce(ctx, cfg)
	source, ok := cfg.Server.Tokens.(forgetter)
	if ok && isLoginRefused(err) && cfg.Server.auth() != authPassword {
		source.Forget()
		link, err = connectOnce(ctx, cfg)
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, err
	}
	return link, nil
}

func connectOnce(ctx context.Context, cfg *SenderConfig) (*smtpLink, error) {
	s := &cfg.Server
	dialer := &net.Dialer{Timeout: min(cfg.CommandTimeout, 30*time.Second)}
	raw, err := dialer.DialContext(ctx, "tcp", cfg.addr())
	if err != nil {
		return nil, diagnoseSmarthost(cfg, err)
	}
	// Whatever happens until the login is over: no longer than two commands may take.
	limited, cancel := context.WithTimeout(ctx, 2*cfg.CommandTimeout)
	defer cancel()
	stop := context.AfterFunc(limited, func() { raw.Close() })
	defer stop()
	fail := func(err error) (*smtpLink, error) {
		raw.Close()
		if errors.Is(limited.Err(), context.DeadlineExceeded) {
			err = fmt.Errorf("no answer within %v", 2*cfg.CommandTimeout)
		}
		return nil, diagnoseSmarthost(cfg, err)
	}
	conn, err := secure(limited, cfg, raw)
	if err != nil {
		return fail(err)
	}
	client := smtp.NewClient(conn)
	client.CommandTimeout, client.SubmissionTimeout = cfg.CommandTimeout, cfg.DataTimeout
	if err := client.Hello(cfg.Hostname); err != nil {
		return fail(fmt.Errorf("greeting: %w", err))
	}
	if err := login(limited, s, client); err != nil {
		return fail(err)
	}
	return &smtpLink{client: client, raw: raw, hostname: cfg.Hostname, data: cfg.DataTimeout}, nil
}

// addr is host:port, with the submission ports of RFC 8314 as defaults.
func (c *SenderConfig) addr() string {
	port := c.Server.Port
	if port == 0 {
		switch c.Server.TLS {
		case tlsStartTLS:
			port = 587
		case tlsPlain:
			port = 25
		default:
			port = 465
		}
	}
	return net.JoinHostPort(c.Server.Host, strconv.Itoa(port))
}

// secure puts TLS over the connection, as configured and never less.
func secure(ctx context.Context, cfg *SenderConfig, raw net.Conn) (net.Conn, error) {
	config := &tls.Config{ServerName: cfg.Server.Host, RootCAs: cfg.Server.RootCAs, MinVersion: tls.VersionTLS12}
	switch cfg.Server.TLS {
	case "", tlsImplicit:
		conn := tls.Client(raw, config)
		return conn, conn.HandshakeContext(ctx)
	case tlsStartTLS:
		greeting, err := startTLS(cfg, raw)
		if err != nil {
			return nil, err
		}
		conn := tls.Client(raw, config)
		return &greeted{conn, greeting}, conn.HandshakeContext(ctx)
	case tlsPlain:
		if peer, ok := raw.RemoteAddr().(*net.TCPAddr); !ok || !peer.IP.IsLoopback() {
			return nil, &AccountError{Doing: "connecting to " + cfg.addr(), Permanent: true,
				Err:  errors.New("the connection would not be encrypted, and the server is not on this machine"),
				Hint: `set tls = "implicit" or "starttls"`}
		}
		return raw, nil
	}
	return nil, &AccountError{Doing: "connecting to " + cfg.addr(), Permanent: true,
		Err: fmt.Errorf("tls = %q is not known", cfg.Server.TLS), Hint: "use implicit, starttls or plain"}
}

// startTLS goes as far as the server's consent to TLS (RFC 3207) and returns the
// server's greeting. The library could do it, but would greet as "localhost",
// which some servers turn away.
func startTLS(cfg *SenderConfig, raw net.Conn) (greeting string, err error) {
	if err := raw.SetDeadline(time.Now().Add(cfg.CommandTimeout)); err != nil {
		return "", err
	}
	defer raw.SetDeadline(time.Time{})
	buffered := bufio.NewReader(raw)
	r := textproto.NewReader(buffered)
	reply := func(want int, command string) (string, error) {
		if command != "" {
			if _, err := fmt.Fprintf(raw, "%s\r\n", command); err != nil {
				return "", err
			}
		}
		_, text, err := r.ReadResponse(want)
		return text, smtpReply(err)
	}
	if greeting, err = reply(220, ""); err != nil {
		return "", err
	}
	extensions, err := reply(250, "EHLO "+cfg.Hostname)
	if err != nil {
		return "", err
	}
	if !offersSTARTTLS(extensions) {
		return "", &AccountError{Doing: "securing the connection to " + cfg.addr(), Permanent: true,
			Err:  errors.New("the server does not offer STARTTLS on this port"),
			Hint: `use the submission port 587, or set tls = "implicit" with port 465; buzon never sends a password unencrypted`}
	}
	if _, err := reply(220, "STARTTLS"); err != nil {
		return "", fmt.Errorf("STARTTLS: %w", err)
	}
	if buffered.Buffered() > 0 {
		return "", errors.New("the server sent more before TLS began, which could be someone else's words")
	}
	return greeting, nil
}

func offersSTARTTLS(extensions string) bool {
	for line := range strings.Lines(extensions) {
		if strings.EqualFold(strings.TrimSpace(line), "STARTTLS") {
			return true
		}
	}
	return false
}

// greeted is a connection whose server has greeted already, before TLS. The
// library waits for a greeting; it gets that one.
type greeted struct {
	net.Conn
	greeting string
}

func (g *greeted) Read(p []byte) (int, error) {
	if g.greeting != "" {
		line, _, _ := strings.Cut(g.greeting, "\n")
		g.greeting = ""
		if text := fmt.Sprintf("220 %.200s\r\n", peerText(line)); len(text) <= len(p) {
			return copy(p, text), nil
		}
		return 0, errors.New("the reader's buffer is too small")
	}
	return g.Conn.Read(p)
}

// smtpReply turns textproto's error into the library's.
func smtpReply(err error) error {
	var reply *textproto.Error
	if errors.As(err, &reply) {
		return &smtp.SMTPError{Code: reply.Code, Message: reply.Msg}
	}
	return err
}

// login authenticates (RFC 4954), unless the account has nothing to log in with.
func login(ctx context.Context, s *ServerConfig, client *smtp.Client) error {
	mechanism, secret, err := s.credentials(ctx)
	if err != nil || mechanism == nil {
		return err
	}
	name, _, err := mechanism.Start()
	if err != nil {
		return err
	}
	if name == sasl.Plain && !client.SupportsAuth(name) && client.SupportsAuth(sasl.Login) {
		name, mechanism = sasl.Login, &loginMechanism{answers: []string{s.Username, secret}}
	}
	if !client.SupportsAuth(name) {
		_, offered := client.Extension("AUTH")
		return &AccountError{Doing: "logging in", Permanent: true,
			Err:  fmt.Errorf("the server does not offer %s; it offers: %q", name, peerText(offered)),
			Hint: "set auth to what the server offers, or use its submission port (587 or 465)"}
	}
	if err := client.Auth(mechanism); err != nil {
		return &loginError{name, hideSMTP(err, secret)}
	}
	return nil
}

// loginMechanism is the client side of LOGIN (draft-murchison-sasl-login), which
// some servers offer alone. What a server asks differs between servers, the
// order of its two questions does not.
type loginMechanism struct{ answers []string }

func (l *loginMechanism) Start() (mech string, ir []byte, err error) { return sasl.Login, nil, nil }

func (l *loginMechanism) Next([]byte) ([]byte, error) {
	if len(l.answers) == 0 {
		return nil, sasl.ErrUnexpectedServerChallenge
	}
	answer := l.answers[0]
	l.answers = l.answers[1:]
	return []byte(answer), nil
}

// loginError is a failure between AUTH and the server's consent.
type loginError struct {
	mechanism string
	err       error
}

func (e *loginError) Error() string { return e.mechanism + ": " + e.err.Error() }
func (e *loginError) Unwrap() error { return e.err }

// refused tells whether the server said no to the credentials, as against being
// unable to tell just now (RFC 4954, section 6).
func (e *loginError) refused() bool {
	var reply *smtp.SMTPError
	var inside *saslRefusal
	var bearer *sasl.OAuthBearerError
	return errors.As(e.err, &reply) && reply.Code/100 == 5 || errors.As(e.err, &inside) || errors.As(e.err, &bearer)
}

func isLoginRefused(err error) bool {
	var login *loginError
	return errors.As(err, &login) && login.refused()
}

// hideSMTP takes a secret out of what the server said.
func hideSMTP(err error, secret string) error {
	var reply *smtp.SMTPError
	var inside *saslRefusal
	switch {
	case errors.As(err, &reply):
		return &smtp.SMTPError{Code: reply.Code, EnhancedCode: reply.EnhancedCode, Message: hideSecrets(reply.Message, secret)}
	case errors.As(err, &inside):
		return &saslRefusal{mech: inside.mech, reason: hideSecrets(inside.reason, secret)}
	}
	return err
}

// diagnoseSmarthost says what a failure to get a usable connection means and
// what to do about it.
func diagnoseSmarthost(cfg *SenderConfig, err error) *AccountError {
	var (
		known  *AccountError
		login  *loginError
		record tls.RecordHeaderError
		reply  *smtp.SMTPError
	)
	if errors.As(err, &known) {
		return known
	}
	ae := &AccountError{Doing: "connecting to " + cfg.addr(), Err: err}
	switch {
	case errors.As(err, &login):
		ae.Doing = fmt.Sprintf("logging in to %s as %s", cfg.addr(), cfg.Server.Username)
		ae.Err = login
		ae.Permanent = login.refused()
		ae.Hint = "the server can't check logins just now; wait, or ask whoever runs it"
		if ae.Permanent && cfg.Server.auth() == authPassword {
			ae.Hint = "check username and password; with two-step verification an app password is needed, and some providers (Microsoft) want SMTP AUTH allowed for the mailbox, or OAuth"
		} else if ae.Permanent {
			ae.Hint = "check that username is the mailbox that granted access, and that the grant has the scope for SMTP"
		}
	case errors.Is(err, ErrGrantDead):
		ae.Permanent = true
		ae.Hint = "grant access to the account again"
	case errors.As(err, &record):
		ae.Permanent = true
		ae.Hint = `the server does not speak TLS on this port; set tls = "starttls", or the port for implicit TLS (465)`
	case errors.As(err, &reply):
		ae.Hint = "the server turns connections away; it may be overloaded, or not take mail from this address or host name"
	default:
		return diagnoseDial(&cfg.Server, cfg.addr(), err)
	}
	return ae
}

// quit ends the connection in good order, or at once when that takes too long.
func (l *smtpLink) quit() {
	l.client.CommandTimeout = min(l.client.CommandTimeout, 5*time.Second)
	if l.client.Quit() != nil {
		l.raw.Close()
	}
}

// CheckSmarthost tries what sending needs, without sending: it connects, logs
// in, and opens a mail from each of the sending addresses. The error names every
// address that is refused, and says what to do.
func CheckSmarthost(ctx context.Context, cfg SenderConfig, senders []string) error {
	cfg.setDefaults()
	link, err := connectSmarthost(ctx, &cfg)
	if err != nil {
		var known *AccountError
		if errors.As(err, &known) && known.Hint != "" {
			return fmt.Errorf("%w; %s", err, known.Hint)
		}
		return err
	}
	defer link.quit()
	stop := context.AfterFunc(ctx, func() { link.raw.Close() })
	defer stop()
	var refused []error
	for _, sender := range senders {
		if err := checkAddress(sender); err != nil {
			refused = append(refused, err)
			continue
		}
		err := link.client.Mail(sender, &smtp.MailOptions{UTF8: !isASCII([]byte(sender))})
		if err != nil {
			refused = append(refused, fmt.Errorf("the smarthost refuses %s as sender: %s; let %s send as that address there, or change it in the configuration",
				sender, replyText(err), cmp.Or(cfg.Server.Username, "this machine")))
		}
		if !link.reset() {
			refused = append(refused, fmt.Errorf("the smarthost ended the connection after the test of %s as sender", sender))
			break
		}
	}
	return errors.Join(refused...)
}
