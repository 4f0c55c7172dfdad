package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"buzon/routing"
	"buzon/store"
	"buzon/templates"
	"buzon/ticket"
)

// A canary is a mail that the desk sends to an address of its own, through the
// smarthost, and that has to come back by whatever way mail for that address comes
// in. It is known by a signed token, in its Message-ID and its subject, because some
// relays write Message-IDs anew; it makes no ticket and is answered by nobody. What
// is under way is kept in the state, so that a restart neither forgets nor doubles one.

// canarySubject begins the subject of a canary; the token follows.
const canarySubject = "buzon canary "

// mostCanaries bounds how many that have not come back are remembered of a topic.
const mostCanaries = 20

// canaryExpires is how long the token of a canary is good.
const canaryExpires = 7 * day

// CanaryHealth is how the way of mail through an address of the desk is.
type CanaryHealth struct {
	Topic string        `json:"topic"`
	Sent  time.Time     `json:"sent,omitzero"` // the last one
	Back  time.Time     `json:"back,omitzero"` // when one came back last
	Took  time.Duration `json:"took,omitempty"`
	Out   int           `json:"out"` // not back yet
}

// Canary sends the canaries that are due, and raises or ends the alarm of each: one
// that is not back within the time set. It returns how many it queued.
func (d *Desk) Canary(ctx context.Context) (int, error) {
	table := d.Table()
	var errs []error
	total := 0
	watched := map[string]bool{}
	for _, topic := range table.Canaries() {
		watched[canaryKey(topic.ID)] = true
		sent, err := d.sendCanary(ctx, topic.ID)
		if err == nil {
			err = d.missCanary(topic)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("canary of topic %s: %w", topic.ID, err))
		}
		total += sent
	}
	for _, a := range d.Alarms() {
		if strings.HasPrefix(a.Key, canaryKey("")) && !watched[a.Key] {
			d.Clear(a.Key) // the configuration wants none any more
		}
	}
	return total, errors.Join(errs...)
}

func canaryKey(topic string) string { return "canary " + topic }

// sendCanary sends one if its hour has come since the last. While that still waits in
// the outbox, another would prove nothing.
func (d *Desk) sendCanary(ctx context.Context, topic string) (int, error) {
	var known store.Canary
	err := d.Store.View(func(tx *store.Tx) (err error) {
		known, err = tx.Canary(topic)
		return err
	})
	if err != nil || !d.Table().CanaryDue(known.Sent, d.Now()) {
		return 0, err
	}
	done, err := d.apply(ctx, nil, func(tx *store.Tx, s *Setting) (*change, error) {
		return d.planCanary(tx, s, topic)
	})
	if errors.Is(err, errStale) {
		return 0, nil // it was sent meanwhile
	} else if err != nil {
		return 0, err
	}
	return len(done.letters), nil
}

func (d *Desk) planCanary(tx *store.Tx, s *Setting, id string) (*change, error) {
	c := &change{now: d.Now().UTC()}
	topic := s.Table.Topic(id)
	known, err := tx.Canary(id)
	if err != nil || topic == nil || !s.Table.CanaryDue(known.Sent, c.now) {
		return nil, err
	}
	if row, err := canaryRow(tx, known); err != nil || row != nil && row.State == ticket.OutgoingWaiting {
		return nil, err
	}
	canary, err := ticket.NewID(d.Random, c.now)
	if err != nil {
		return nil, err
	}
	token := d.keys().Mint(ticket.Token{Ticket: canary, Purpose: ticket.PurposeCanary, Expires: c.now.Add(canaryExpires)})
	conf := s.Table.Config.Desk
	l := &letter{
		template: "canary", lang: conf.Language, class: ticket.ClassNotice, topic: topic,
		to: &ticket.Person{Address: ticket.Address{Addr: topic.Sender()}},
		draft: ticket.Draft{
			To: ticket.Address{Addr: topic.Sender()}, EnvelopeFrom: topic.Sender(), Class: ticket.ClassNotice,
			Subject:   canarySubject + token,
			MessageID: ticket.MessageID(token, d.nonce(10), conf.Hostname), Date: s.local(c.now),
		},
		data: templates.Data{Desk: conf.Name, Hostname: conf.Hostname, Received: s.local(c.now)},
	}
	c.letters = append(c.letters, l)
	c.also = func(tx *store.Tx) error {
		now, err := tx.Canary(id)
		if err != nil {
			return err
		}
		if !now.Sent.Equal(known.Sent) {
			return errStale
		}
		now.Sent, now.MessageID = c.now, l.draft.MessageID
		now.Out = append(now.Out, store.CanaryOut{ID: canary, Sent: c.now})
		if len(now.Out) > mostCanaries {
			now.Out = slices.Delete(now.Out, 1, 2) // the oldest one says since when
		}
		return tx.PutCanary(id, now)
	}
	return c, nil
}

// canaryRow is the row of the outbox of the last canary; nil: it is gone.
func canaryRow(tx *store.Tx, known store.Canary) (*ticket.Outgoing, error) {
	id, err := tx.OutgoingByMessageID(known.MessageID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return tx.Outgoing(id)
}

// missCanary raises the alarm of a canary that is not back in time, or ends it. What
// came back while the desk was down is given its time to be fetched.
func (d *Desk) missCanary(topic *routing.Topic) error {
	var known store.Canary
	var row *ticket.Outgoing
	err := d.Store.View(func(tx *store.Tx) (err error) {
		if known, err = tx.Canary(topic.ID); err == nil {
			row, err = canaryRow(tx, known)
		}
		return err
	})
	if err != nil {
		return err
	}
	if len(known.Out) == 0 {
		d.Clear(canaryKey(topic.ID))
		return nil
	}
	from, within := known.Out[0].Sent, asDuration(d.Table().Config.Canary.Within)
	if d.started.After(from) {
		from = d.started
	}
	if d.Now().Sub(from) < within {
		return nil
	}
	last := "none has come back yet"
	if !known.Back.IsZero() {
		last = "the last one came back " + known.Back.In(d.Table().Zone).Format("2006-01-02 15:04")
	}
	try := "buzon status says whether the smarthost and the accounts work"
	if row != nil {
		try += fmt.Sprintf("; buzon outbox show %d says whether the last one has left; if so, look for it in the mailbox, its spam folder and the server's log", row.ID)
	}
	d.Raise(Alarm{
		Key: canaryKey(topic.ID),
		What: fmt.Sprintf("the mail that the desk sent to itself at %s on %s is not back after %s; %s", topic.Sender(),
			known.Out[0].Sent.In(d.Table().Zone).Format("2006-01-02 15:04"), within, last),
		Try: try,
	})
	return nil
}

// Canaries tells how the way of mail through each address that is tried is.
func (d *Desk) Canaries() (list []CanaryHealth, err error) {
	err = d.Store.View(func(tx *store.Tx) error {
		for _, topic := range d.Table().Canaries() {
			known, err := tx.Canary(topic.ID)
			if err != nil {
				return err
			}
			list = append(list, CanaryHealth{Topic: topic.ID, Sent: known.Sent, Back: known.Back, Took: known.Took, Out: len(known.Out)})
		}
		return nil
	})
	return list, err
}

// isCanary tells whether the message is one that the desk has sent to itself, and
// which. A reply to one, which quotes the token, is not.
func (p *planner) isCanary() (ticket.ID, bool) {
	var candidates []string
	if token, ok := ticket.MessageIDToken(p.m.MessageID); ok {
		candidates = append(candidates, token)
	}
	if token, ok := strings.CutPrefix(p.m.Subject, canarySubject); ok {
		candidates = append(candidates, strings.TrimSpace(token))
	}
	for _, token := range candidates {
		t, err := p.desk.keys().Check(token, ticket.PurposeCanary, p.now)
		if err == nil || errors.Is(err, ticket.ErrExpiredToken) {
			return t.Ticket, true
		}
	}
	return ticket.ID{}, false
}

// canaryBack records that a canary has come back. Those that were sent before it may
// be lost; mail comes in.
func (p *planner) canaryBack(id ticket.ID) error {
	p.ignore("canary: the desk's own mail, sent to see whether mail comes in")
	p.change.outcome.Event = ticket.EventCanary
	for _, topic := range p.setting.Table.Topics {
		known, err := p.tx.Canary(topic.ID)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(known.Out, func(o store.CanaryOut) bool { return o.ID == id })
		if i < 0 {
			continue
		}
		took := max(p.now.Sub(known.Out[i].Sent), 0)
		p.fact("canary back", ticket.LogTopic, topic.ID, ticket.LogTook, took.Round(time.Millisecond))
		p.also = func(tx *store.Tx) error {
			now, err := tx.Canary(topic.ID)
			if err != nil {
				return err
			}
			if i := slices.IndexFunc(now.Out, func(o store.CanaryOut) bool { return o.ID == id }); i >= 0 {
				now.Out = now.Out[i+1:]
				now.Back, now.Took = p.now, took
			}
			return tx.PutCanary(topic.ID, now)
		}
		return nil
	}
	p.fact("canary back", ticket.LogReason, "it was given up, or came twice")
	return nil
}
