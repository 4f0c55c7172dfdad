package load

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/mail"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/jhillyerd/enmime/v2"

	"buzon/internal/stream"
)

// Sink is a smarthost: it takes all that a desk sends and remembers when. It is
// safe for concurrent use.
type Sink struct {
	agents string // domain of the agents
	server *smtp.Server
	listen net.Listener
	served sync.WaitGroup

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at each mail
	// confirmed holds what answers a request, by the Message-ID of the request.
	confirmed map[string]*Confirmed
	seen      map[string]bool
	taken     Taken
}

// Taken says what a Sink has got.
type Taken struct {
	ToPeople int // mails to requesters: confirmations, answers
	ToAgents int
	Again    int // mails with a Message-ID that was there before
}

// Confirmed is the first mail to a requester about a request.
type Confirmed struct {
	At    time.Time // when it was there whole
	Times int       // mails about the request
	raw   []byte
	from  string
}

// NewSink listens at an address, which may have port 0. Mail to agentDomain is
// taken as mail to agents.
func NewSink(address, agentDomain string) (*Sink, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening as the smarthost: %w", err)
	}
	s := &Sink{agents: "@" + agentDomain, listen: l, confirmed: map[string]*Confirmed{}, seen: map[string]bool{}, changed: make(chan struct{})}
	s.server = smtp.NewServer(s)
	s.served.Go(func() { s.server.Serve(l) })
	return s, nil
}

// Addr is where it listens, host:port.
func (s *Sink) Addr() string { return s.listen.Addr().String() }

// Close ends all connections.
func (s *Sink) Close() error {
	// The server closes only what Serve has already been called with.
	err := errors.Join(s.listen.Close(), s.server.Close())
	s.served.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Taken tells what has come so far.
func (s *Sink) Taken() Taken {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken
}

// NewSession begins a connection.
func (s *Sink) NewSession(*smtp.Conn) (smtp.Session, error) { return &session{sink: s}, nil }

type session struct {
	sink *Sink
	from string
}

func (s *session) Reset()        { s.from = "" }
func (s *session) Logout() error { return nil }

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return nil
}

func (s *session) Rcpt(string, *smtp.RcptOptions) error { return nil }

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	at := time.Now()
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	s.sink.take(s.from, m.Header, raw, at)
	return nil
}

func (s *Sink) take(from string, h mail.Header, raw []byte, at time.Time) {
	toAgent := strings.Contains(h.Get("To"), s.agents)
	first := ""
	// References begin with the requester's own Message-ID.
	if ids := strings.Fields(h.Get("References")); len(ids) > 0 {
		first = strings.Trim(ids[0], "<>")
	}
	id := h.Get("Message-Id")
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen[id] {
		s.taken.Again++
	}
	s.seen[id] = true
	if toAgent {
		s.taken.ToAgents++
	} else {
		s.taken.ToPeople++
		have := s.confirmed[first]
		if have == nil {
			have = &Confirmed{At: at, raw: raw, from: from}
			s.confirmed[first] = have
		}
		have.Times++
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

// Read is what the requester's mail client knows of the mail.
func (c Confirmed) Read() stream.Confirmation {
	out := stream.Confirmation{ReturnPath: c.from}
	e, err := enmime.ReadEnvelope(bytes.NewReader(c.raw))
	if err != nil {
		return out
	}
	out.MessageID, out.Subject, out.Text = strings.Trim(e.GetHeader("Message-ID"), "<>"), e.GetHeader("Subject"), e.Text
	if a, err := mail.ParseAddress(e.GetHeader("Reply-To")); err == nil {
		out.ReplyTo = a.Address
	}
	return out
}

// Confirmed returns what has come for a request so far.
func (s *Sink) Confirmed(request string) (Confirmed, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.confirmed[request]; c != nil {
		return *c, true
	}
	return Confirmed{}, false
}

// Wait returns the first mail about a request as soon as it is there; false after
// the deadline.
func (s *Sink) Wait(request string, deadline time.Duration) (Confirmed, bool) {
	timer := time.NewTimer(deadline)
	defer timer.Stop()
	for {
		s.mu.Lock()
		c, changed := s.confirmed[request], s.changed
		var have Confirmed
		if c != nil {
			have = *c
		}
		s.mu.Unlock()
		if c != nil {
			return have, true
		}
		select {
		case <-changed:
		case <-timer.C:
			return Confirmed{}, false
		}
	}
}

// repeated counts the mails to requesters beyond the first about each request.
func (s *Sink) repeated() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, c := range s.confirmed {
		n += c.Times - 1
	}
	return n
}
