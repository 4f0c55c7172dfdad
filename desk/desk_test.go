package desk_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"mime/quotedprintable"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/desk"
	"buzon/mailpipe"
	"buzon/routing"
	"buzon/store"
	"buzon/templates"
	"buzon/ticket"
)

const configuration = `
[desk]
name = "Mesa de ayuda"
hostname = "mesa.virtual.example"
data = "data"
first_number = 3181
operators = ["olga"]
notice = "Ley 1581 de 2012: sus datos se usan solo para atenderle."
automatic_per_hour = 3
quiet = "0"
[smtp]
listen = ["127.0.0.1:2525"]
[outgoing]
host = "127.0.0.1"
port = 2526
tls = "plain"
[[account]]
name = "soporte"
host = "127.0.0.1"
tls = "plain"
username = "soporte"
password_env = "NONE"
authserv_id = "mx.virtual.example"
[[topic]]
id = "pregrado"
name = "Pregrado"
addresses = ["pregrado@virtual.example"]
agent = "ana"
reply_within = "1d"
signature = "Equipo de pregrado"
[[topic]]
id = "posgrado"
name = "Posgrado"
addresses = ["posgrado@virtual.example"]
groups = ["curso@groups.example"]
team = "todos"
catch_all = true
[[agent]]
id = "ana"
name = "Ana Ruiz"
addresses = ["ana@privada.example", "ana.ruiz@virtual.example"]
[[agent]]
id = "beto"
name = "Beto Sanz"
addresses = ["beto@privada.example"]
[[agent]]
id = "olga"
name = "Olga Paz"
addresses = ["olga@privada.example"]
[[team]]
id = "todos"
name = "Todos"
members = ["beto", "ana"]
[[canned]]
id = "clave"
name = "Restablecer la clave"
text = "Hola, {name}: use el enlace de la solicitud {number}. {agent}"
text_en = "Hello, {name}: use the link of request {number}. {agent}"
[[canned]]
id = "turnitin"
name = "Clave de Turnitin"
text = "Turnitin"
topics = ["pregrado"]
`

// office is a desk with its store, a clock that can be set, and a reader of what
// it sends.
type office struct {
	t       testing.TB
	desk    *desk.Desk
	store   *store.Store
	data    string // folder
	shut    func() // closes the store before the test ends
	setting desk.Setting
	mu      sync.Mutex
	now     time.Time
	count   int
	read    uint64 // outbox rows up to this id were looked at
}

func open(t testing.TB) *office {
	t.Helper()
	return openWith(t, configuration)
}

// openWith opens an office with a configuration of its own.
func openWith(t testing.TB, text string) *office {
	t.Helper()
	o := &office{t: t, now: time.Date(2026, 11, 24, 15, 0, 0, 0, time.UTC)}
	table, err := routing.Parse("test.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	tmpl, err := templates.New("")
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	data := t.TempDir()
	o.data = data
	if o.store, err = store.Open(data, store.Options{Now: o.clock, Log: log}); err != nil {
		t.Fatal(err)
	}
	o.shut = func() {
		if err := o.store.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(func() {
		o.shut()
		// Whatever the test has done must have left everything in order.
		if r, err := store.Verify(context.Background(), data); err != nil || !r.Clean() {
			t.Errorf("the data folder: %v, %+v", err, r)
		}
	})
	o.setting = desk.Setting{Table: table, Templates: tmpl}
	o.restart()
	return o
}

// restart makes a desk anew on the store.
func (o *office) restart() {
	o.t.Helper()
	var err error
	o.desk, err = desk.New(desk.Parts{
		Store: o.store, Composer: &mailpipe.Composer{Hostname: "mesa.virtual.example"}, Log: slog.New(slog.DiscardHandler), Now: o.clock,
		Unpack: mailpipe.DecodeAttachment, Header: mailpipe.HeaderValues,
		Understand: func(raw []byte) *ticket.Message {
			return mailpipe.Understand(raw, o.reading())
		},
	}, o.setting)
	if err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) reading() mailpipe.Options {
	return mailpipe.Options{Own: o.desk.Own, Group: o.desk.Table().Group, Hostname: "mesa.virtual.example", Learned: o.desk.KnownFooter}
}

func (o *office) clock() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.now
}

func (o *office) pass(d time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.now = o.now.Add(d)
}

// letter is a mail that someone writes.
type letter struct {
	from, to, subject, text string
	headers                 []string
	contentType             string // default: plain text
	id                      string // Message-ID without brackets; empty: a fresh one
	envelope                ticket.Envelope
}

func (o *office) raw(l letter) []byte {
	o.mu.Lock()
	o.count++
	n := o.count
	o.mu.Unlock()
	if l.id == "" {
		l.id = fmt.Sprintf("m%d@cliente.example", n)
	}
	if l.contentType == "" {
		l.contentType = "text/plain; charset=utf-8"
	}
	lines := append([]string{
		"From: " + l.from, "To: " + l.to, "Subject: " + l.subject, "Message-ID: <" + l.id + ">",
		"Date: Tue, 24 Nov 2026 10:00:00 -0500", "MIME-Version: 1.0", "Content-Type: " + l.contentType,
	}, l.headers...)
	return []byte(strings.Join(lines, "\r\n") + "\r\n\r\n" + strings.ReplaceAll(l.text, "\n", "\r\n") + "\r\n")
}

func (o *office) message(raw []byte, env ticket.Envelope) *ticket.Message {
	ref, err := o.store.Put(context.Background(), raw)
	if err != nil {
		o.t.Fatal(err)
	}
	m := mailpipe.Understand(raw, o.reading())
	env.Received = o.clock()
	m.ID, m.Archive, m.SHA256, m.Size, m.Envelope = fmt.Sprintf("c%d", o.count), ref, sha256.Sum256(raw), int64(len(raw)), env
	return m
}

// send has a letter arrive at the desk by SMTP, unless it says otherwise.
func (o *office) send(l letter) ticket.Outcome {
	o.t.Helper()
	env := l.envelope
	if env.Account == "" {
		_, addr, _ := strings.Cut(l.to, "<")
		addr = strings.TrimSuffix(addr, ">")
		if addr == "" {
			addr = l.to
		}
		env = ticket.Envelope{Account: "smtp", MailFrom: "x@cliente.example", Recipients: []string{addr}}
	}
	out, err := o.desk.Receive(context.Background(), o.message(o.raw(l), env))
	if err != nil {
		o.t.Fatal(err)
	}
	return out
}

// mail is a mail that the desk queued.
type mail struct {
	row ticket.Outgoing
	raw string
	*ticket.Message
}

// sent returns what was queued since the last call.
func (o *office) sent() []mail {
	o.t.Helper()
	var mails []mail
	err := o.store.View(func(tx *store.Tx) error {
		rows, err := tx.OutgoingList("", 1000)
		if err != nil {
			return err
		}
		for i := len(rows) - 1; i >= 0; i-- {
			row := rows[i]
			if row.ID <= o.read {
				continue
			}
			o.read = row.ID
			chunks, err := tx.OutgoingChunks(row.ID)
			if err != nil {
				return err
			}
			var raw bytes.Buffer
			for _, c := range chunks {
				raw.Write(c.Literal)
				if c.Length > 0 {
					part, err := o.store.ReadAt(c.Archive, c.Offset, c.Length)
					if err != nil {
						return err
					}
					raw.Write(part)
				}
			}
			if int64(raw.Len()) != row.Size {
				o.t.Errorf("outbox row %d says %d octets and has %d", row.ID, row.Size, raw.Len())
			}
			mails = append(mails, mail{*row, raw.String(), mailpipe.Understand(raw.Bytes(), mailpipe.Options{})})
		}
		return nil
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return mails
}

// only returns the one mail to an address among those given.
func (o *office) only(mails []mail, to string) mail {
	o.t.Helper()
	var found []mail
	for _, m := range mails {
		if m.row.To == to {
			found = append(found, m)
		}
	}
	if len(found) != 1 {
		o.t.Fatalf("want one mail to %s, got %d of %v", to, len(found), addressees(mails))
	}
	return found[0]
}

func addressees(mails []mail) []string {
	var list []string
	for _, m := range mails {
		list = append(list, string(m.row.Class)+" to "+m.row.To)
	}
	return list
}

func (o *office) none(why string) {
	o.t.Helper()
	if mails := o.sent(); len(mails) > 0 {
		o.t.Errorf("%s: no mail was to be sent, got %v", why, addressees(mails))
	}
}

func (o *office) outgoing(id uint64) *ticket.Outgoing {
	o.t.Helper()
	var row *ticket.Outgoing
	err := o.store.View(func(tx *store.Tx) (err error) {
		row, err = tx.Outgoing(id)
		return err
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return row
}

func compare(a, b any) string { return cmp.Diff(a, b) }

func (o *office) ticket(n ticket.Number) (*ticket.Ticket, []*ticket.Entry) {
	o.t.Helper()
	var t *ticket.Ticket
	var entries []*ticket.Entry
	err := o.store.View(func(tx *store.Tx) (err error) {
		if t, err = tx.TicketByNumber(n); err != nil {
			return err
		}
		entries, err = tx.Entries(t.ID)
		return err
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return t, entries
}

// reply is what a mail program sends when its user presses Reply on a mail.
func reply(to mail, from, text string) letter {
	target := to.From.Addr
	if len(to.ReplyTo) > 0 {
		target = to.ReplyTo[0].Addr
	}
	refs := append(append([]string{}, to.References...), to.MessageID)
	subject := to.Subject
	if !strings.HasPrefix(subject, "Re: ") {
		subject = "Re: " + subject
	}
	quoted := "> " + strings.ReplaceAll(strings.TrimSpace(to.Text), "\n", "\n> ")
	return letter{
		from: from, to: target, subject: subject,
		text: text + "\n\nEl mar, 24 nov 2026 a las 10:00, " + to.From.Name + " (<" + to.From.Addr + ">) escribió:\n" + quoted,
		headers: []string{
			"In-Reply-To: <" + to.MessageID + ">",
			"References: <" + strings.Join(refs, ">\r\n <") + ">",
		},
	}
}

const (
	laura = "Laura Rojas <laura@estudiantes.example>"
	ana   = "Ana Ruiz <ana@privada.example>"
)

// opened opens a ticket of Laura's and returns the two mails that it causes.
func (o *office) opened() (n ticket.Number, confirmation, notification mail) {
	o.t.Helper()
	out := o.send(letter{from: laura, to: "pregrado@virtual.example", subject: "No abre el aula", text: "Buenos días.\n\nNo me abre el aula de Cálculo."})
	if out.Event != ticket.EventTicketed {
		o.t.Fatalf("outcome %+v", out)
	}
	mails := o.sent()
	return out.Number, o.only(mails, "laura@estudiantes.example"), o.only(mails, "ana@privada.example")
}

// htmlOf is the HTML part of a raw mail, decoded.
func htmlOf(raw string) string {
	_, part, _ := strings.Cut(raw, "Content-Type: text/html")
	head, body, _ := strings.Cut(part, "\r\n\r\n")
	switch {
	case strings.Contains(head, "quoted-printable"):
		text, _ := io.ReadAll(quotedprintable.NewReader(strings.NewReader(body)))
		return string(text)
	case strings.Contains(head, "base64"):
		body, _, _ = strings.Cut(body, "\r\n--")
		text, _ := base64.StdEncoding.DecodeString(strings.ReplaceAll(body, "\r\n", ""))
		return string(text)
	}
	return body
}
