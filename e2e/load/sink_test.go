package load

import (
	"bytes"
	"io"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/jhillyerd/enmime/v2"

	"buzon/internal/stream"
)

// sink is the smarthost: it takes all that the desk sends and remembers when.
type sink struct {
	addr string

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at each mail
	// confirmed holds the confirmations by the Message-ID of the request.
	confirmed map[string]*confirmation
	toPeople  int // answers, confirmations
	toAgents  int
	again     int // mails with a Message-ID that was there before
	seen      map[string]bool
}

type confirmation struct {
	stream.Confirmation
	at    time.Time
	times int
}

func newSink(tb testing.TB) *sink {
	tb.Helper()
	s := &sink{confirmed: map[string]*confirmation{}, seen: map[string]bool{}, changed: make(chan struct{})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s.addr = l.Addr().String()
	server := smtp.NewServer(s)
	var done sync.WaitGroup
	done.Go(func() { server.Serve(l) })
	tb.Cleanup(func() {
		// The server closes only what Serve has already been called with.
		l.Close()
		server.Close()
		done.Wait()
	})
	return s
}

// NewSession begins a connection.
func (s *sink) NewSession(*smtp.Conn) (smtp.Session, error) { return &session{sink: s}, nil }

type session struct {
	sink *sink
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

func (s *sink) take(from string, h mail.Header, raw []byte, at time.Time) {
	var c stream.Confirmation
	first := ""
	toAgent := strings.Contains(h.Get("To"), agentDomain)
	if !toAgent {
		// References begin with the requester's own Message-ID.
		if ids := strings.Fields(h.Get("References")); len(ids) > 0 {
			first = strings.Trim(ids[0], "<>")
		}
		c = readConfirmation(from, h, raw)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := h.Get("Message-Id")
	if s.seen[id] {
		s.again++
	}
	s.seen[id] = true
	if toAgent {
		s.toAgents++
	} else {
		s.toPeople++
		have := s.confirmed[first]
		if have == nil {
			have = &confirmation{Confirmation: c, at: at}
			s.confirmed[first] = have
		}
		have.times++
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

func readConfirmation(from string, h mail.Header, raw []byte) stream.Confirmation {
	c := stream.Confirmation{ReturnPath: from, MessageID: strings.Trim(h.Get("Message-Id"), "<>")}
	if e, err := enmime.ReadEnvelope(bytes.NewReader(raw)); err == nil {
		c.Subject, c.Text = e.GetHeader("Subject"), e.Text
	}
	if a, err := mail.ParseAddress(h.Get("Reply-To")); err == nil {
		c.ReplyTo = a.Address
	}
	return c
}

// wait returns the confirmation of a request as soon as it is there; false after
// the deadline.
func (s *sink) wait(request string, deadline time.Duration) (confirmation, bool) {
	timer := time.NewTimer(deadline)
	defer timer.Stop()
	for {
		s.mu.Lock()
		c, changed := s.confirmed[request], s.changed
		s.mu.Unlock()
		if c != nil {
			return *c, true
		}
		select {
		case <-changed:
		case <-timer.C:
			return confirmation{}, false
		}
	}
}

// knows tells whether a requester was sent something that answers a message.
func (s *sink) knows(messageID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.confirmed[messageID] != nil
}
