package mailpipe

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"

	"buzon/ticket"
)

const (
	// maxCommand is the longest command line, in octets. RFC 5321, section
	// 4.5.3.1.4 asks for 512 and extensions add to it.
	maxCommand = 4096
	// maxLine is the longest line of a message, in octets. RFC 5321 allows 1,000;
	// real mail has far longer ones.
	maxLine = 1<<20 + 8
	// lingerTime is how long a connection that is being given up still reads, so
	// that the reply is not lost with what was never read.
	lingerTime = time.Second
)

var (
	errDismissed = errors.New("the listener is stopping")
	errBroken    = &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 4, 2}, Message: "Connection broken or too slow inside a message, closing"}
	errExcess    = &smtp.SMTPError{Code: 552, EnhancedCode: smtp.EnhancedCode{5, 3, 4}, Message: "Far more than the size limit was sent, closing"}
)

// listenerConn stands between a client and go-smtp, above TLS, and makes up for
// what that server leaves open (seen in 0.25.1):
//
//   - It hands on one command line, one line of DATA or one BDAT chunk at a
//     time, so go-smtp never holds octets beyond what it is working on, and what
//     follows a message that was given up can't be run as commands.
//   - Deadlines: each read and the whole of a message, and the time until a
//     complete command has come.
//   - A command line without CR LF, or with control characters, is refused, and
//     one that the connection's end cuts short is dropped, not run; nor is a
//     chunk that is cut short taken for a whole one.
//   - STARTTLS is done here, so that everything above holds under TLS as well.
//   - Octets that RFC 5321 forbids in a message are noticed, also where go-smtp
//     swallows them.
type listenerConn struct {
	net.Conn // the socket
	l        *Listener
	log      *slog.Logger
	lmtp     bool
	server   *smtp.Server
	session  *listenerSession // nil before the greeting

	// The framing belongs to the goroutine that reads.
	stream    net.Conn // the socket, or TLS over it
	in        *bufio.Reader
	pending   []byte // read and not yet handed on
	arg       string // of the present command
	inData    bool   // after 354, until the transaction ends
	chunk     int64  // octets left of a BDAT chunk
	chunking  bool   // the last chunk is still to come
	givesUp   bool   // the present command ends a message between its chunks
	budget    int64  // octets left until a message that is too large is given up
	mustGreet bool   // after STARTTLS nothing said before counts
	failed    error  // what every further read returns
	wire      wireCheck

	mu        sync.Mutex
	limit     time.Time // of the present command or message; set by the greeting's Write
	receiving bool      // a message is being received or taken
	stopping  bool
	ending    bool // close after the present reply
	closed    bool
}

func newListenerConn(l *Listener, sock net.Conn, lmtp bool, log *slog.Logger) *listenerConn {
	c := &listenerConn{Conn: sock, l: l, log: log, lmtp: lmtp, stream: sock}
	c.in = bufio.NewReaderSize(readerFunc(c.fill), 16<<10)
	return c
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// fill reads from the client, under the deadlines.
func (c *listenerConn) fill(p []byte) (int, error) {
	c.mu.Lock()
	if c.stopping && !c.receiving {
		c.mu.Unlock()
		return 0, errDismissed // readCommand says so
	}
	deadline := c.limit
	if each := time.Now().Add(c.l.cfg.ReadTimeout); c.receiving && each.Before(deadline) {
		deadline = each
	}
	c.Conn.SetReadDeadline(deadline)
	c.mu.Unlock()
	return c.stream.Read(p)
}

// Read hands go-smtp the next command line, line of DATA or piece of a chunk.
func (c *listenerConn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(c.pending) == 0 {
		switch {
		case c.failed != nil:
			return 0, c.failed
		case c.isClosed(): // what came after QUIT
			return 0, net.ErrClosed
		case c.chunk > 0:
			n, err := c.in.Read(p[:min(int64(len(p)), c.chunk)])
			if n == 0 && err != nil {
				return 0, c.breakOff(err)
			}
			c.chunk -= int64(n)
			return n, c.count(p[:n])
		case c.inData:
			line, err := c.in.ReadSlice('\n')
			if err != nil && err != bufio.ErrBufferFull {
				return 0, c.breakOff(err)
			}
			if err := c.count(line); err != nil {
				return 0, err
			}
			c.pending = line
		default:
			line, err := c.readCommand()
			if err != nil {
				c.failed = err
				return 0, err
			}
			c.pending = c.command(line)
		}
	}
	n := copy(p, c.pending)
	c.pending = c.pending[n:]
	return n, nil
}

// breakOff ends a connection inside a message. The reason goes to the log and a
// reply for whoever may still hear it to go-smtp, which would otherwise make it
// a permanent one.
func (c *listenerConn) breakOff(err error) error {
	c.log.Debug("broken off inside a message", ticket.LogError, err)
	c.failed = errBroken
	c.endAfterReply()
	return c.failed
}

// count looks at octets of a message.
func (c *listenerConn) count(p []byte) error {
	c.wire.scan(p)
	if c.budget -= int64(len(p)); c.budget < 0 {
		c.failed = errExcess
		c.endAfterReply()
		return c.failed
	}
	return nil
}

// readCommand reads a line. It returns io.EOF when the connection is to be
// closed without another word.
func (c *listenerConn) readCommand() ([]byte, error) {
	line, err := c.in.ReadSlice('\n')
	switch {
	case c.dismissed():
		c.reply("421 4.3.2 " + c.l.cfg.Hostname + " is stopping, try again later")
		return nil, io.EOF
	case err == bufio.ErrBufferFull || len(line) > maxCommand:
		c.reply("500 5.5.2 Command line too long, closing")
		c.hangUp()
		return nil, io.EOF
	case err != nil:
		return nil, err // what came of the line is dropped
	}
	return line, nil
}

var barePostmaster = regexp.MustCompile(`(?i)^TO:\s*<postmaster>`)

// command looks at a command line before go-smtp does. It returns the line to
// hand on, or nothing when the command has been answered.
func (c *listenerConn) command(line []byte) []byte {
	text, ok := bytes.CutSuffix(line, []byte("\r\n"))
	if !ok || bytes.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return []byte("\r\n") // go-smtp answers 500 5.5.2 and counts it
	}
	verb, arg, spaced := strings.Cut(string(text), " ")
	verb, arg = strings.ToUpper(verb), strings.TrimSpace(arg)
	c.arg = arg
	// go-smtp refuses a message of exactly this size, and its refusal doesn't
	// name the limit: it only has it to advertise, and the session enforces it.
	c.server.MaxMessageBytes = 0
	c.givesUp = false
	switch verb {
	case "RSET":
		c.givesUp = c.chunking
	case "EHLO", "HELO", "LHLO":
		c.givesUp = c.chunking
		c.server.MaxMessageBytes = c.l.cfg.MaxMessage
		c.mustGreet = false
	case "STARTTLS":
		switch {
		case c.server.TLSConfig == nil:
		case spaced:
			return c.reply("501 5.5.4 STARTTLS takes no argument")
		case c.chunking:
			return c.reply("503 5.5.1 Finish the message first")
		default:
			return c.startTLS()
		}
	case "MAIL", "RCPT", "DATA", "BDAT":
		if c.mustGreet {
			c.reply("503 5.5.1 Say EHLO again after STARTTLS")
			c.hangUp()
			c.failed = io.EOF
			return nil
		}
	}
	switch verb {
	case "RCPT":
		if path := barePostmaster.FindString(arg); path != "" { // RFC 5321, section 4.5.1
			return []byte("RCPT TO:<" + c.l.postmaster() + ">" + arg[len(path):] + "\r\n")
		}
	case "DATA":
		if !c.session.ready() {
			return c.reply("503 5.5.1 No recipient was accepted") // RFC 2033, section 4.2
		}
		if !spaced && !c.chunking {
			c.begin()
			c.inData = true
		}
	case "BDAT":
		size, last, ok := parseChunk(arg)
		if !ok {
			break
		}
		c.chunk = size
		if c.session.ready() {
			if !c.chunking {
				c.begin()
			}
			c.chunking = !last
		} else {
			c.budget = c.greatest() // go-smtp discards the chunk
		}
	}
	return line
}

// parseChunk reads the arguments of BDAT as go-smtp does (RFC 3030, section 2).
func parseChunk(arg string) (size int64, last, ok bool) {
	args := strings.Fields(arg)
	if len(args) == 0 || len(args) > 2 {
		return 0, false, false
	}
	if len(args) == 2 {
		if last = strings.EqualFold(args[1], "LAST"); !last {
			return 0, false, false
		}
	}
	n, err := strconv.ParseUint(args[0], 10, 32)
	return int64(n), last, err == nil
}

// startTLS answers STARTTLS (RFC 3207). Whatever the client sent in the clear
// and ahead of time is thrown away, and what was said before no longer counts.
func (c *listenerConn) startTLS() []byte {
	c.reply("220 2.0.0 Ready to start TLS")
	c.in.Discard(c.in.Buffered())
	if err := c.secure(c.server.TLSConfig); err != nil {
		c.log.Debug("TLS handshake failed", ticket.LogError, err)
		c.Close()
		c.failed = io.EOF
		return nil
	}
	c.server.TLSConfig = nil // no longer advertised
	c.mustGreet = true       // which has go-smtp reset the session
	return nil
}

// secure puts TLS over the socket.
func (c *listenerConn) secure(config *tls.Config) error {
	c.mu.Lock()
	if c.stopping {
		c.mu.Unlock()
		return errDismissed
	}
	c.Conn.SetDeadline(time.Now().Add(c.l.cfg.ReadTimeout))
	c.mu.Unlock()
	over := tls.Server(c.Conn, config)
	if err := over.Handshake(); err != nil {
		return err
	}
	c.stream = over
	return nil
}

func (c *listenerConn) isSecure() bool { return c.stream != c.Conn }

// begin starts the clock and the count of a message.
func (c *listenerConn) begin() {
	c.wire, c.budget = wireCheck{}, c.greatest()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.receiving = true
	c.limit = time.Now().Add(c.l.cfg.DataTimeout)
}

// greatest is how much is read of a message before it is given up: enough to
// answer a sender whose message is somewhat too large.
func (c *listenerConn) greatest() int64 { return 2*c.l.cfg.MaxMessage + 1<<20 }

// endAfterReply has the connection closed as soon as the reply to the present
// message is out.
func (c *listenerConn) endAfterReply() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ending = true
}

// finish is called after the reply to a message, and whenever a transaction is
// reset.
func (c *listenerConn) finish() {
	c.inData, c.chunking = false, false
	c.mu.Lock()
	c.receiving = false
	c.limit = time.Now().Add(c.l.cfg.IdleTimeout)
	ending := c.ending
	c.mu.Unlock()
	if c.givesUp { // go-smtp might give the next message this one's result
		c.reply("421 4.5.0 Message given up half-way, connect again")
	}
	if ending || c.givesUp {
		c.hangUp()
	}
}

// Write sends a reply, after which the client has IdleTimeout for its next
// command.
func (c *listenerConn) Write(p []byte) (int, error) {
	c.Conn.SetWriteDeadline(time.Now().Add(c.l.cfg.ReadTimeout))
	n, err := c.stream.Write(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.receiving {
		c.limit = time.Now().Add(c.l.cfg.IdleTimeout)
	}
	return n, err
}

// reply answers in go-smtp's stead. It returns nil, which tells Read to go on.
func (c *listenerConn) reply(line string) []byte {
	io.WriteString(c, line+"\r\n")
	return nil
}

// hangUp closes the connection such that the reply before it arrives: closing
// with octets unread would reset it.
func (c *listenerConn) hangUp() {
	if over, ok := c.stream.(*tls.Conn); ok {
		over.CloseWrite()
	}
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		c.Conn.SetReadDeadline(time.Now().Add(lingerTime))
		io.Copy(io.Discard, c.Conn)
	}
	c.Close()
}

// stop dismisses the client, at once if it is between messages. It may be called
// from anywhere.
func (c *listenerConn) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopping = true
	if !c.receiving {
		c.Conn.SetReadDeadline(time.Unix(1, 0))
	}
}

// dismissed tells whether the client is to go now.
func (c *listenerConn) dismissed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stopping && !c.receiving
}

func (c *listenerConn) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// Close may be called again.
func (c *listenerConn) Close() error {
	c.mu.Lock()
	closed := c.closed
	c.closed = true
	c.mu.Unlock()
	if closed {
		return nil
	}
	return c.stream.Close()
}
