package torture

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"buzon/internal/postoffice"
)

// letterKind is what a letter shall become.
type letterKind string

const (
	request letterKind = "request" // a ticket
	reply   letterKind = "reply"   // an entry of one
	poison  letterKind = "poison"  // a row of the quarantine
)

// letter is a mail to the desk.
type letter struct {
	kind     letterKind
	from, to string
	envelope string // its sender, when it is not from
	id       string // Message-ID without brackets
	fields   string // more of the header
	text     string
	date     time.Time
	broken   string // of poison: how
}

var letters atomic.Int64

// newLetter writes a request. Each has a sender of its own unless one is given,
// so that no budget of automatic mail comes in between.
func newLetter(from, to, text string) letter {
	n := letters.Add(1)
	if from == "" {
		from = fmt.Sprintf("p%d@uni.test", n)
	}
	return letter{kind: request, from: from, to: to, id: fmt.Sprintf("%d.%d@client.test", n, time.Now().UnixNano()), text: text, date: time.Now()}
}

// newPoison writes what can't be understood, in turn by two senders, by far too
// many parts and by its nesting.
func newPoison(to string) letter {
	l := newLetter("", to, "Texto.")
	l.kind = poison
	l.broken = []string{"two-from", "parts", "depth"}[letters.Load()%3]
	return l
}

// raw is the letter as it is sent.
func (l letter) raw() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "Date: %s\r\nFrom: <%s>\r\nTo: <%s>\r\nSubject: Caso %s\r\nMessage-ID: <%s>\r\n%s",
		l.date.Format(time.RFC1123Z), l.from, l.to, l.id, l.id, l.fields)
	if l.broken == "two-from" {
		fmt.Fprintf(&b, "From: <%s>\r\n", "otra@uni.test")
	}
	switch l.broken {
	case "parts":
		b.WriteString("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n")
		b.WriteString(strings.Repeat("--x\r\n\r\na\r\n", 3000))
		b.WriteString("--x--\r\n")
	case "depth":
		b.WriteString("MIME-Version: 1.0\r\n")
		for i := range 60 {
			fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
		}
		b.WriteString("\r\nfin\r\n")
	default:
		b.WriteString("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n")
		b.WriteString(strings.ReplaceAll(l.text, "\n", "\r\n") + "\r\n")
	}
	return b.Bytes()
}

// longText makes a text of many lines, so that a message is read in many pieces.
func longText(kilobytes int) string {
	line := strings.Repeat("Una solicitud larga. ", 3)
	return strings.Repeat(line+"\n", kilobytes*1024/(len(line)+1)+1)
}

// book is what was given to the desk, and what became known of that.
type book struct {
	office *postoffice.Office

	mu       sync.Mutex
	sent     []letter                   // by SMTP
	raws     map[string][]byte          // of all letters, by Message-ID
	acked    map[[sha256.Size]byte]bool // by the SHA-256 of the bytes
	boxed    []letter                   // put into the mailbox
	attempts int                        // at SMTP
	answers  int                        // 250
	refusals int                        // 4xx
	lost     int                        // connections that ended without an answer
	// referrals are messages that came to a second topic as well, whose agent is told.
	referrals int
	wrong     []string // what no client may meet
}

func newBook() *book {
	return &book{raws: map[string][]byte{}, acked: map[[sha256.Size]byte]bool{}}
}

// newOffice starts the server of the desk's mailbox.
func newOffice(tb testing.TB, opt postoffice.Options) *postoffice.Office {
	tb.Helper()
	office, err := postoffice.New(opt)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { office.Close() })
	office.AddUser(mailboxAddress, password)
	return office
}

// post puts letters into the mailbox.
func (b *book) post(tb testing.TB, list ...letter) {
	tb.Helper()
	for _, l := range list {
		b.mu.Lock()
		b.boxed = append(b.boxed, l)
		b.raws[l.id] = l.raw()
		b.mu.Unlock()
		if err := b.office.Deliver(mailboxAddress, l.raw()); err != nil {
			tb.Fatal(err)
		}
	}
}

// answer is how an attempt to hand a message over ended.
type answer int

const (
	taken   answer = iota // 250
	refused               // 4xx
	broken                // no answer, or no connection
)

// offer tries once to hand a letter over by SMTP.
func (b *book) offer(addr string, l letter) answer {
	raw := l.raw()
	got, err := hand(addr, cmp.Or(l.envelope, l.from), l.to, raw)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.attempts++
	switch got {
	case taken:
		b.answers++
		b.acked[sha256.Sum256(raw)] = true
	case refused:
		b.refusals++
	case broken:
		b.lost++
	}
	var late net.Error
	var reply *smtp.SMTPError
	switch {
	case errors.As(err, &late) && late.Timeout():
		b.wrong = append(b.wrong, fmt.Sprintf("I8: the client of <%s> waited %s in vain: %v", l.id, clientPatience, err))
	case errors.As(err, &reply) && reply.Code/100 != 4:
		b.wrong = append(b.wrong, fmt.Sprintf("I8: the client of <%s> got %v", l.id, err))
	}
	return got
}

// clientPatience is how long a client waits for each answer.
const clientPatience = 30 * time.Second

// hand is one SMTP conversation.
func hand(addr, from, to string, raw []byte) (answer, error) {
	conn, err := net.DialTimeout("tcp", addr, clientPatience)
	if err != nil {
		return broken, nil // nobody listens while the desk is down
	}
	c := smtp.NewClient(conn)
	c.CommandTimeout, c.SubmissionTimeout = clientPatience, clientPatience
	defer c.Close()
	err = c.Hello("client.test")
	if err == nil {
		err = c.SendMail(from, []string{to}, bytes.NewReader(raw))
	}
	var reply *smtp.SMTPError
	switch {
	case err == nil:
		c.Quit()
		return taken, nil
	case errors.As(err, &reply):
		return refused, err
	}
	return broken, err
}

// vanish hands a letter over and is gone before the answer.
func (b *book) vanish(addr string, l letter) {
	b.mu.Lock()
	b.attempts++
	b.lost++
	b.mu.Unlock()
	conn, err := net.DialTimeout("tcp", addr, clientPatience)
	if err != nil {
		return
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(clientPatience))
	c := textproto.NewConn(conn)
	c.ReadResponse(220)
	for _, line := range []string{"EHLO client.test", "MAIL FROM:<" + l.from + ">", "RCPT TO:<" + l.to + ">"} {
		c.PrintfLine("%s", line)
		if _, _, err := c.ReadResponse(250); err != nil {
			return
		}
	}
	c.PrintfLine("DATA")
	if _, _, err := c.ReadResponse(354); err != nil {
		return
	}
	w := c.DotWriter()
	w.Write(l.raw())
	w.Close()
}

// send hands letters over, each again and again until it is acknowledged, as
// every mail server does. It may be called by a goroutine of its own.
func (b *book) send(tb testing.TB, addr string, list ...letter) {
	tb.Helper()
	patience := 5 * limit(tb) // of a desk that is killed all the time, on a busy machine
	for _, l := range list {
		b.mu.Lock()
		b.sent = append(b.sent, l)
		b.raws[l.id] = l.raw()
		b.mu.Unlock()
		for end := time.Now().Add(patience); b.offer(addr, l) != taken; time.Sleep(30 * time.Millisecond) {
			if time.Now().After(end) {
				tb.Errorf("<%s> was not acknowledged within %s", l.id, patience)
				return
			}
		}
	}
}

// settled tells whether nothing that the desk shall take is left in the mailbox.
func (b *book) settled() bool { return len(b.office.Messages(mailboxAddress, "INBOX")) == 0 }

// drain waits until the desk has done all that it had to do.
//
// A long run leaves a long queue: it is given time as long as there gets less to do.
// A message in the mailbox is more than the two or three mails that come of it.
func (d *desk) drain(b *book) {
	d.tb.Helper()
	todo := func() int {
		n := d.status().Figures.Waiting
		if b.office != nil {
			n += 4 * len(b.office.Messages(mailboxAddress, "INBOX"))
		}
		return n
	}
	for before := todo(); before > 0; {
		now := before
		d.eventually("everything to be done, or less to do", func() bool {
			now = todo()
			return now == 0 || now < before-50
		})
		before = now
	}
}

// random gives the numbers of a seed.
func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0x746f7274)) }
