package mailpipe

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/emersion/go-smtp"

	"buzon/ticket"
)

const (
	// memoryBudget is what messages over freeMessage may occupy together, in
	// octets.
	memoryBudget = 256 << 20
	freeMessage  = 1 << 20
	// collectOver is the size, in octets, of messages after which garbage is collected
	// at once. Each leaves several times its size behind, which would otherwise stay
	// until much more of it had gathered.
	collectOver = 4 << 20
)

var (
	errTooLarge = errors.New("message over the size limit")
	errBusy     = errors.New("too many large messages at once")
)

// listenerSession is a client's mail transaction (RFC 5321, section 3.3).
type listenerSession struct {
	l    *Listener
	conn *listenerConn

	// mu is needed because go-smtp runs Data of BDAT beside the commands.
	mu   sync.Mutex
	open bool // MAIL was accepted
	utf8 bool
	size int64 // that the client says the message has; 0: it does not say
	from string
	to   []string
}

func status(code int, class, subject, detail int, text string) *smtp.SMTPError {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{class, subject, detail}, Message: text}
}

// Mail begins a transaction.
func (s *listenerSession) Mail(from string, opts *smtp.MailOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.l.cfg.TLS == ListenerTLSRequired && !s.conn.lmtp && !s.conn.isSecure():
		return s.refuse(from, status(530, 5, 7, 0, "Must issue a STARTTLS command first"))
	case s.open:
		return status(503, 5, 5, 1, "There is a sender already, send RSET first")
	case opts.Size > s.l.cfg.MaxMessage:
		return s.refuse(from, s.l.tooLarge())
	case !spelled(from, opts.UTF8):
		return s.refuse(from, status(553, 5, 6, 7, "An address beyond ASCII needs valid UTF-8 and SMTPUTF8"))
	}
	s.open, s.utf8, s.size, s.from = true, opts.UTF8, opts.Size, from
	return nil
}

// Rcpt takes the desk's own addresses and nothing else.
func (s *listenerSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.open:
		return status(503, 5, 5, 1, "Send MAIL first")
	case !spelled(to, s.utf8):
		return s.refuse(s.from, status(553, 5, 6, 7, "An address beyond ASCII needs valid UTF-8 and SMTPUTF8"))
	case relayTrick(to, s.conn.arg):
		return s.refuse(s.from, status(550, 5, 1, 1, "Source routes and addresses inside addresses are not taken, and mail is not relayed"))
	case !strings.EqualFold(to, s.l.postmaster()) && !s.l.dir.Accepts(to):
		return s.refuse(s.from, status(550, 5, 1, 1, "No such address at this help desk, check its spelling (esta direccion no existe, revise como esta escrita)"))
	}
	s.to = append(s.to, to)
	// gofail: var rcptTaken struct{}
	return nil
}

// spelled tells whether an address may be written as it is: in ASCII, or in
// UTF-8 where SMTPUTF8 was asked for (RFC 6531).
func spelled(addr string, asked bool) bool {
	ascii := !strings.ContainsFunc(addr, func(r rune) bool { return r >= utf8.RuneSelf })
	return ascii || asked && utf8.ValidString(addr)
}

// relayTrick tells whether a recipient is written as if it were to be sent on:
// through a source route (which go-smtp takes off), or with a second address in
// its local part. addr has no quotes any more.
func relayTrick(addr, arg string) bool {
	if _, path, ok := strings.Cut(arg, ":"); ok && strings.HasPrefix(strings.TrimLeft(path, " \t<"), "@") {
		return true
	}
	at := strings.IndexByte(addr, '@')
	return at < 0 || strings.ContainsAny(addr[:at], "%!:;,<>()[]\\\" \t") || strings.IndexByte(addr[at+1:], '@') >= 0
}

// ready tells whether a message may follow.
func (s *listenerSession) ready() bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.to) > 0
}

func (s *listenerSession) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open, s.utf8, s.size, s.from, s.to = false, false, 0, "", nil
}

// Reset is called by go-smtp at RSET and EHLO, and after every message when its
// reply is out.
func (s *listenerSession) Reset() {
	s.clear()
	s.conn.finish()
}

func (s *listenerSession) Logout() error { return nil }

// Data receives a message and has it taken. It gets the octets as they were
// sent, without the dots of RFC 5321, section 4.5.2. The reply holds for all
// recipients, in LMTP as well, because they are applied together.
func (s *listenerSession) Data(r io.Reader) error {
	env := s.envelope()
	if len(env.Recipients) == 0 {
		s.conn.endAfterReply() // RSET overtook it
		return status(503, 5, 5, 1, "No recipient was accepted")
	}
	raw, release, err := s.l.readMessage(r, s.declared())
	defer func(n int) {
		release()
		if n > collectOver {
			runtime.GC()
		}
	}(len(raw))
	if err != nil {
		return s.unread(env.MailFrom, err)
	}
	if bad := s.conn.wire.result(); bad != "" {
		s.conn.endAfterReply()
		return s.refuse(env.MailFrom, status(554, 5, 6, 0, "The message holds "+bad+", which RFC 5321 forbids"))
	}
	// gofail: var dataEnded struct{}
	if _, err := s.l.take.Take(s.l.ctx, env, raw); err != nil {
		return s.notTaken(env.MailFrom, err)
	}
	// gofail: var takenUnanswered struct{}

	// A digest is something both sides can check, and names no ticket.
	sum := sha256.Sum256(raw)
	return status(250, 2, 0, 0, fmt.Sprintf("taken as sha256:%x", sum[:8]))
}

// declared is how many octets the client has said the message has (RFC 1870).
func (s *listenerSession) declared() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size
}

func (s *listenerSession) envelope() ticket.Envelope {
	s.mu.Lock()
	defer s.mu.Unlock()
	env := ticket.Envelope{Account: protocol(s.conn.lmtp), MailFrom: s.from, Remote: remoteIP(s.conn.Conn), Received: s.l.cfg.Now()}
	for _, to := range s.to {
		if !slices.ContainsFunc(env.Recipients, func(r string) bool { return ticket.AddressKey(r) == ticket.AddressKey(to) }) {
			env.Recipients = append(env.Recipients, to)
		}
	}
	return env
}

// unread is the reply to a message that could not be read.
func (s *listenerSession) unread(from string, err error) error {
	var reply *smtp.SMTPError
	switch {
	case errors.Is(err, errTooLarge):
		return s.refuse(from, s.l.tooLarge())
	case errors.Is(err, errBusy):
		return s.refuse(from, status(452, 4, 3, 2, "Too many large messages at once, try again later"))
	case errors.As(err, &reply):
		return reply
	}
	s.conn.endAfterReply()
	if errors.Is(err, smtp.ErrTooLongLine) {
		return s.refuse(from, status(554, 5, 6, 0, "A line of the message is longer than 1 MiB"))
	}
	return err // given up by the client, who no longer listens
}

// notTaken is the reply to a message that was read and not taken.
func (s *listenerSession) notTaken(from string, err error) error {
	switch {
	case errors.Is(err, ticket.ErrFull):
		return s.refuse(from, status(452, 4, 3, 1, "Not enough disk space, try again later"))
	case s.l.isStopping():
		s.conn.endAfterReply()
		return s.refuse(from, status(421, 4, 3, 2, s.l.cfg.Hostname+" is stopping, try again later"))
	}
	s.conn.log.Debug("not taken", ticket.LogError, err)
	return s.refuse(from, status(451, 4, 3, 0, "The message could not be taken now, try again later"))
}

// refuse logs a refusal and returns it.
func (s *listenerSession) refuse(from string, reply *smtp.SMTPError) error {
	code := reply.EnhancedCode
	s.conn.log.Info("refused", ticket.LogReason, fmt.Sprintf("%d %d.%d.%d %s", reply.Code, code[0], code[1], code[2], reply.Message),
		ticket.LogFrom, ticket.Domain(from))
	return reply
}

func (l *Listener) tooLarge() *smtp.SMTPError {
	limit := l.cfg.MaxMessage
	return status(552, 5, 3, 4, fmt.Sprintf("The message is over the size limit of %d octets (%.1f MiB), send a link instead of the file (el mensaje es demasiado grande, envie un enlace)", limit, float64(limit)/(1<<20)))
}

// postmaster is what RCPT TO:<postmaster> without a domain stands for.
func (l *Listener) postmaster() string { return "postmaster@" + l.cfg.Hostname }

// reserve takes memory from the budget, or waits a little for some.
func (l *Listener) reserve(octets int64) bool {
	if l.memory.TryAcquire(octets) {
		return true
	}
	ctx, cancel := context.WithTimeout(l.ctx, l.memoryWait)
	defer cancel()
	return l.memory.Acquire(ctx, octets) == nil
}

// readMessage reads a message whole. What it occupies over freeMessage is counted
// against the memory budget until release is called; when there is none left it
// waits a little, and the client with it, then returns errBusy.
//
// A large one is copied seldom: once it has more than freeMessage, there is room for
// all of it if declared says how much that is, else for eight times what has come.
func (l *Listener) readMessage(r io.Reader, declared int64) (raw []byte, release func(), err error) {
	var held int64
	release = func() { l.memory.Release(held) }
	limit := l.cfg.MaxMessage
	buf := make([]byte, 0, 16<<10)
	for {
		if len(buf) == cap(buf) {
			size := 2 * int64(cap(buf))
			if size > freeMessage {
				size *= 4
				if declared > int64(cap(buf)) {
					size = declared + 1 // room to find its end in
				}
			}
			// One octet over the limit is enough to know.
			size = min(size, max(limit, 16<<10)+1)
			if size > freeMessage {
				if !l.reserve(size - held) {
					return nil, release, errBusy
				}
				held = size
			}
			buf = append(make([]byte, 0, size), buf...)
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		// gofail: var insideData struct{}
		switch {
		case int64(len(buf)) > limit:
			return nil, release, errTooLarge
		case err == io.EOF:
			return buf, release, nil
		case err != nil:
			return nil, release, err
		}
	}
}

// wireCheck looks for octets that no message may hold: NUL, and CR without LF
// (RFC 5321, section 2.3.8). LF without CR passes.
type wireCheck struct {
	bad string // what was found
	cr  bool   // the last octet was CR
}

func (w *wireCheck) scan(p []byte) {
	if w.bad != "" || len(p) == 0 {
		return
	}
	if w.cr && p[0] != '\n' {
		w.bad = "CR without LF"
		return
	}
	w.cr = p[len(p)-1] == '\r'
	if bytes.IndexByte(p, 0) >= 0 {
		w.bad = "NUL"
		return
	}
	for rest := p; ; {
		i := bytes.IndexByte(rest, '\r')
		if i < 0 || i+1 == len(rest) {
			return
		}
		if rest[i+1] != '\n' {
			w.bad = "CR without LF"
			return
		}
		rest = rest[i+1:]
	}
}

// result is what is wrong with the whole message; empty if nothing is.
func (w *wireCheck) result() string {
	if w.bad == "" && w.cr {
		return "CR without LF"
	}
	return w.bad
}
