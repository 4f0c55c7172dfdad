// Package stream makes mail like a help desk's: of ten messages six are new
// requests, three are replies and one is automatic. It is deterministic, so a
// run can be repeated message by message.
package stream

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Kind is what a message is meant to be.
type Kind string

// Kinds of message, with how many of a hundred there are.
const (
	Request   Kind = "request"   // 60
	Reply     Kind = "reply"     // 30
	Automatic Kind = "automatic" // 10
)

// Message is one mail of the stream.
type Message struct {
	N    int // from 1
	Kind Kind
	// Form is how it is written: plain, html for requests; gmail, outlook for
	// replies; out-of-office, bounce, newsletter for automatic mail.
	Form      string
	From      string // envelope sender; empty for a bounce
	To        string // envelope recipient
	MessageID string // without brackets
	// Text is what the person newly wrote, without greeting quotes or signature
	// of clients. Empty for automatic mail.
	Text string
	// Parent is the MessageID of the request that a reply belongs to.
	Parent string
	// Attached is the size of the attachment in octets, decoded; 0: none.
	Attached int
	Raw      []byte // with CR LF
}

// Confirmation is what the requester got for an earlier request: what a mail
// client knows when its user presses Reply.
type Confirmation struct {
	MessageID  string // without brackets
	ReplyTo    string // address that the answer goes to
	ReturnPath string // envelope sender, where a bounce goes
	Subject    string
	Text       string
}

// Options of a stream. The zero value is usable.
type Options struct {
	// Topics are the addresses written to; default soporte@desk.test.
	Topics []string
	// Domain of the requesters; default uni.test.
	Domain string
	// Requesters is how many people write; default 200.
	Requesters int
	// Recent is to how many of the newest requests replies still come, and how many
	// the stream remembers; 0: all.
	Recent int
	// Bare leaves out attachments.
	Bare bool
	// Start is the date of the first message; default a fixed day. The others
	// follow a minute apart.
	Start time.Time
	// Confirmation returns what came back for the request with that Message-ID.
	// Without one yet, a reply is written as an addition to the person's own
	// sent mail. Nil: none ever.
	Confirmation func(messageID string) (Confirmation, bool)
}

// Stream makes messages. It is not safe for concurrent use.
type Stream struct {
	Options
	rng      *rand.Rand
	n        int
	seed     int64
	requests []*request
}

// request is an earlier request that a reply can belong to.
type request struct {
	who       person
	to        string
	subject   string
	messageID string
}

type person struct{ name, addr string }

// New makes a stream. Equal seeds and options, and equal answers of
// Confirmation, give equal messages.
func New(seed int64, o Options) *Stream {
	if len(o.Topics) == 0 {
		o.Topics = []string{"soporte@desk.test"}
	}
	if o.Domain == "" {
		o.Domain = "uni.test"
	}
	if o.Requesters == 0 {
		o.Requesters = 200
	}
	if o.Start.IsZero() {
		o.Start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.FixedZone("", -5*3600))
	}
	return &Stream{Options: o, seed: seed, rng: rand.New(rand.NewPCG(uint64(seed), 0x62757a6f6e))}
}

// Next makes the next message. The stream never ends.
func (s *Stream) Next() *Message {
	s.n++
	m := &Message{N: s.n}
	draw := s.rng.IntN(10)
	switch {
	case draw < 6 || len(s.requests) == 0:
		s.request(m)
	case draw < 9:
		s.reply(m, pick(s, s.requests))
	default:
		s.automatic(m)
	}
	return m
}

// Plain makes a plain request of so many octets in all, or a little more when that
// is too few for one.
func (s *Stream) Plain(size int) *Message {
	s.n++
	who, to := s.someone(), pick(s, s.Topics)
	m := &Message{N: s.n, Kind: Request, Form: "plain", From: who.addr, To: to, MessageID: s.newID("mail." + s.Domain)}
	h := s.header(who, person{"", to}, pick(s, subjects)+", "+pick(s, courses), m.MessageID)
	m.Text = s.paragraphs(1)
	make := func() []byte {
		return assemble(h, entity{"Content-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n", crlf(m.Text)})
	}
	for m.Raw = make(); len(m.Raw) < size; m.Raw = make() {
		next := pick(s, sentences)
		m.Text += "\n" + next[:min(len(next), max(1, size-len(m.Raw)-2))]
	}
	m.Text = strings.ToValidUTF8(m.Text, "?")
	m.Raw = make()
	s.remember(&request{who: who, to: to, messageID: m.MessageID})
	return m
}

// date of the present message.
func (s *Stream) date() time.Time { return s.Start.Add(time.Duration(s.n-1) * time.Minute) }

// newID makes a Message-ID in the style of a mail client.
func (s *Stream) newID(host string) string {
	return fmt.Sprintf("%d.%d.%x@%s", s.seed, s.n, s.rng.Uint64(), host)
}

func pick[T any](s *Stream, list []T) T { return list[s.rng.IntN(len(list))] }

// someone picks one of the stream's requesters.
func (s *Stream) someone() person {
	n := s.rng.IntN(s.Requesters)
	first, last := firstNames[n%len(firstNames)], lastNames[n/len(firstNames)%len(lastNames)]
	return person{
		name: first + " " + last,
		addr: fmt.Sprintf("%s.%s%d@%s", ascii(first), ascii(last), n, s.Domain),
	}
}

// ascii writes a name as it stands in an address.
var asciiLetters = strings.NewReplacer("á", "a", "é", "e", "í", "i", "ó", "o", "ú", "u", "ñ", "n")

func ascii(name string) string { return asciiLetters.Replace(strings.ToLower(name)) }

func (s *Stream) request(m *Message) {
	who, to := s.someone(), pick(s, s.Topics)
	subject := pick(s, subjects) + ", " + pick(s, courses)
	text := s.paragraphs(1 + s.rng.IntN(4))
	id := s.newID("mail." + s.Domain)
	m.Kind, m.From, m.To, m.MessageID, m.Text = Request, who.addr, to, id, text
	m.Form = pick(s, []string{"plain", "html"})

	h := s.header(who, person{"", to}, subject, id)
	signed := text + "\n\n" + pick(s, closings) + "\n" + who.name
	body := s.plain(signed)
	if m.Form == "html" {
		body = s.alternative(signed, "<div>"+htmlText(signed)+"</div>")
	}
	if s.rng.IntN(5) == 0 && !s.Bare {
		m.Attached = (30 + s.rng.IntN(271)) << 10
		body = s.mixed(body, s.attachment(m.Attached))
	}
	m.Raw = assemble(h, body)
	s.remember(&request{who: who, to: to, subject: subject, messageID: id})
}

func (s *Stream) remember(r *request) {
	if s.Recent > 0 && len(s.requests) == s.Recent {
		s.requests = s.requests[:copy(s.requests, s.requests[1:])]
	}
	s.requests = append(s.requests, r)
}

// paragraphs writes a request of n paragraphs.
func (s *Stream) paragraphs(n int) string {
	var b strings.Builder
	b.WriteString(pick(s, greetings))
	for range n {
		b.WriteString("\n\n")
		for i := range 2 + s.rng.IntN(3) {
			if i > 0 {
				b.WriteString(" ")
			}
			b.WriteString(pick(s, sentences))
		}
	}
	fmt.Fprintf(&b, "\n\nMi documento es %d y el curso es %s.", 10_000_000+s.rng.IntN(90_000_000), pick(s, courses))
	return b.String()
}
