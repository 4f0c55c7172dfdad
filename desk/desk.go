// Package desk is what can happen: a message arrives and becomes a ticket, a
// reply, an answer, a note, is held or quarantined; an answer is overdue; a mail
// could not be delivered. Each has a file and happens in one transaction of the
// store, together with its journal rows and the mail that it causes. Nothing
// here talks to the network.
package desk

import (
	"crypto/rand"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"buzon/routing"
	"buzon/store"
	"buzon/templates"
	"buzon/ticket"
)

// Composer puts a draft into MIME form.
type Composer interface {
	// Compose returns the message as literal bytes and ranges of archived
	// messages. A run of letters and digits in the draft's subject or text stays
	// in one piece in the literals.
	Compose(d *ticket.Draft) ([]ticket.Chunk, error)
}

// Setting is what a reload replaces: a table and the templates, checked together.
type Setting struct {
	Table     *routing.Table
	Templates *templates.Set
}

// Parts are what a desk is made of.
type Parts struct {
	Store    *store.Store
	Composer Composer
	// Understand reads a raw message again, for what was held or quarantined.
	Understand func(raw []byte) *ticket.Message
	// Unpack returns the decoded bytes of an attachment of a raw message.
	Unpack func(raw []byte, a ticket.Attachment) ([]byte, error)
	// Header returns the values of a raw message's header fields of a name, for
	// rules that ask for them; nil: there are none.
	Header func(raw []byte, name string) []string
	Log    *slog.Logger
	Now    func() time.Time
	Random io.Reader // nil: crypto/rand
}

// Desk turns messages into effects. It is safe for concurrent use.
type Desk struct {
	Parts
	ring    atomic.Pointer[ticket.Keyring]
	setting atomic.Pointer[Setting]
	wake    atomic.Pointer[func()]
	watched atomic.Pointer[Setting] // for which all tickets at rest are watched
	alarms  alarms

	keysChange sync.Mutex // held while the keys are changed
	budget     budget
	claims     claims
	footers    footers
	started    time.Time
	outboxes   outboxes
}

// New makes a desk on a store, whose signing keys it uses.
func New(p Parts, s Setting) (*Desk, error) {
	if p.Random == nil {
		p.Random = rand.Reader
	}
	keys, err := p.Store.Keyring()
	if err != nil {
		return nil, err
	}
	d := &Desk{Parts: p, started: p.Now()}
	d.ring.Store(keys)
	if err := d.footers.open(p.Store); err != nil {
		return nil, err
	}
	d.setting.Store(&s)
	d.OnQueued(func() {})
	return d, nil
}

// Use replaces the setting. Messages under way finish with the one they began with.
func (d *Desk) Use(s Setting) { d.setting.Store(&s) }

// Table returns the table in use.
func (d *Desk) Table() *routing.Table { return d.setting.Load().Table }

// OnQueued sets what is called after outgoing mail was queued.
func (d *Desk) OnQueued(wake func()) { d.wake.Store(&wake) }

func (d *Desk) queued() { (*d.wake.Load())() }

// local shows a time in the desk's zone.
func (s *Setting) local(t time.Time) time.Time { return t.In(s.Table.Zone) }
