package torture

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"buzon/mailpipe"
)

// fate is what the smarthost does with a mail that is offered to it.
type fate int

const (
	takes           fate = iota
	refusesSender        // 421
	refusesReceiver      // 450
	refusesMail          // 451 after the final dot
	cutsBefore           // disconnects in the middle of the mail
	cutsUntaken          // disconnects after the final dot, and has not kept the mail
	cutsTaken            // keeps the mail, and disconnects before it says so
)

var errCut = errors.New("cut")

// delivery is a mail that the smarthost has kept.
type delivery struct {
	id, from, to string
	raw          []byte
	sum          [sha256.Size]byte
	unanswered   bool // the desk was never told
	era          int  // how often the desk had been killed by then
}

// smarthost takes what the desk sends, and remembers it.
type smarthost struct {
	addr string
	// decide chooses the fate of the next mail; nil: all are taken.
	decide func() fate
	// taken is called before the answer to a mail that was kept; it may be nil.
	taken func(delivery)

	mu         sync.Mutex
	open       int // connections
	era        int
	deliveries []delivery
}

func newSmarthost(tb testing.TB) *smarthost {
	tb.Helper()
	s := &smarthost{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s.addr = l.Addr().String()
	server := smtp.NewServer(smtp.BackendFunc(s.connect))
	server.Domain = "smarthost.test"
	server.EnableSMTPUTF8 = true
	server.ErrorLog = nothing{}
	var done sync.WaitGroup
	done.Go(func() { server.Serve(l) })
	tb.Cleanup(func() {
		l.Close()
		server.Close()
		done.Wait()
	})
	return s
}

type nothing struct{}

func (nothing) Printf(string, ...any) {}
func (nothing) Println(...any)        {}

// behave sets what decides, and what is called when a mail was kept.
func (s *smarthost) behave(decide func() fate, taken func(delivery)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.decide, s.taken = decide, taken
}

// deskDied notes that the desk was killed. What the smarthost still reads of it
// belongs to the time before.
func (s *smarthost) deskDied(tb testing.TB) {
	tb.Helper()
	eventually(tb, "the smarthost to see the end of its connections", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.open == 0
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.era++
}

// kept lists the deliveries so far.
func (s *smarthost) kept() []delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.deliveries[:len(s.deliveries):len(s.deliveries)]
}

// confirmation is the first mail to an address, if it is there.
func (s *smarthost) confirmation(to string) (delivery, bool) {
	for _, d := range s.kept() {
		if d.to == to {
			return d, true
		}
	}
	return delivery{}, false
}

func (s *smarthost) connect(c *smtp.Conn) (smtp.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open++
	return &smarthostSession{host: s, conn: c}, nil
}

type smarthostSession struct {
	host     *smarthost
	conn     *smtp.Conn
	fate     fate
	from, to string
}

func (s *smarthostSession) Reset() {}

func (s *smarthostSession) Logout() error {
	s.host.mu.Lock()
	defer s.host.mu.Unlock()
	s.host.open--
	return nil
}

func (s *smarthostSession) Mail(from string, _ *smtp.MailOptions) error {
	s.host.mu.Lock()
	decide := s.host.decide
	s.host.mu.Unlock()
	s.from, s.fate = from, takes
	if decide != nil {
		s.fate = decide()
	}
	if s.fate == refusesSender {
		return &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "not now"}
	}
	return nil
}

func (s *smarthostSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	if s.fate == refusesReceiver {
		return &smtp.SMTPError{Code: 450, EnhancedCode: smtp.EnhancedCode{4, 2, 1}, Message: "mailbox in use"}
	}
	return nil
}

func (s *smarthostSession) Data(r io.Reader) error {
	if s.fate == cutsBefore {
		io.ReadFull(r, make([]byte, 10))
		return s.cut()
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	switch s.fate {
	case refusesMail:
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "try again later"}
	case cutsUntaken:
		return s.cut()
	}
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	d := delivery{
		id: strings.Trim(m.Header.Get("Message-Id"), "<>"), from: s.from, to: s.to,
		raw: raw, sum: sha256.Sum256(raw), unanswered: s.fate == cutsTaken,
	}
	s.host.mu.Lock()
	d.era = s.host.era
	s.host.deliveries = append(s.host.deliveries, d)
	taken := s.host.taken
	s.host.mu.Unlock()
	if taken != nil {
		taken(d)
	}
	if s.fate == cutsTaken {
		return s.cut()
	}
	return nil
}

// cut breaks the connection without a word.
func (s *smarthostSession) cut() error {
	s.conn.Conn().Close()
	return errCut
}

// repeats counts the mails that were sent again, and describes each that had no
// reason to be: a mail may only come twice when the smarthost did not say that
// it had it, or when the desk was killed in between, and of those only as many as its
// connections may have had that were not written down; and then with equal bytes.
func (s *smarthost) repeats() (again int, unfounded []string) {
	last := map[string]delivery{}
	killed := map[int]int{} // by era: mails that its end had sent again
	for _, d := range s.kept() {
		before, known := last[d.id]
		last[d.id] = d
		if !known {
			continue
		}
		again++
		if d.sum != before.sum {
			unfounded = append(unfounded, fmt.Sprintf("I3: mail <%s> to %s was sent again with other bytes", d.id, d.to))
		}
		if !before.unanswered && d.era == before.era {
			unfounded = append(unfounded, fmt.Sprintf("I3: mail <%s> to %s was sent again although it was answered with 250", d.id, d.to))
		}
		if !before.unanswered && d.era != before.era {
			killed[before.era]++
		}
	}
	for era, n := range killed {
		if n > connections*mailpipe.UnrecordedMails {
			unfounded = append(unfounded, fmt.Sprintf("I3: after kill %d %d mails were sent again that had been answered with 250", era+1, n))
		}
	}
	return again, unfounded
}

// lost is how many mails were kept without the desk being told so.
func (s *smarthost) lost() (n int) {
	for _, d := range s.kept() {
		if d.unanswered {
			n++
		}
	}
	return n
}

// reply is what a client sends when its user presses Reply to a mail.
func (d delivery) reply(text string) (letter, error) {
	m, err := mail.ReadMessage(bytes.NewReader(d.raw))
	if err != nil {
		return letter{}, err
	}
	l := newLetter(d.to, listenAddress, text)
	l.kind = reply
	if to, err := mail.ParseAddress(m.Header.Get("Reply-To")); err == nil {
		l.to = to.Address
	}
	l.fields = fmt.Sprintf("In-Reply-To: <%s>\r\nReferences: <%s>\r\n", d.id, d.id)
	l.date = time.Now()
	return l, nil
}
