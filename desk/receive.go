package desk

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"buzon/store"
	"buzon/ticket"
)

// seen is what the state knows of a message already.
type seen struct {
	delivery *store.MessageRow // the same delivery, made again
	same     *store.MessageRow // the same message by another way
	variant  *store.MessageRow // the same message with other content
}

func lookSeen(tx *store.Tx, m *ticket.Message) (s seen, err error) {
	if m == nil {
		return s, nil
	}
	if s.delivery, err = orNone(tx.MessageByTransport(m.Envelope.TransportKey(m.SHA256))); err != nil {
		return s, err
	}
	if s.same, err = orNone(tx.MessageByIdentity(m.IdentityKey)); err != nil {
		return s, err
	}
	s.variant, err = orNone(tx.MessageByVariant(m.VariantKey))
	return s, err
}

// orNone returns nil for what was not found.
func orNone(row *store.MessageRow, err error) (*store.MessageRow, error) {
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return row, err
}

// holds tells whether lookSeen would find the same again.
func (s seen) holds(tx *store.Tx, m *ticket.Message) bool {
	if m == nil {
		return s == seen{}
	}
	delivery, same, variant := tx.Seen(m.Envelope.TransportKey(m.SHA256), m.IdentityKey, m.VariantKey)
	return delivery == (s.delivery != nil) && same == (s.same != nil) && variant == (s.variant != nil)
}

// Receive applies a message: exactly one effect for each message, however often
// and by whatever way it comes. It returns when the effect is durable. An error
// means that it was not taken or that the outcome is unknown; offering it again
// is harmless.
func (d *Desk) Receive(ctx context.Context, m *ticket.Message) (ticket.Outcome, error) {
	var done *change
	var err error
	for range 3 { // what a command takes back may leave at this very moment
		done, err = d.apply(ctx, m, func(tx *store.Tx, s *Setting) (*change, error) {
			return d.plan(tx, s, m, replay{})
		})
		if !errors.Is(err, errStale) {
			break
		}
	}
	if err != nil && isPoison(ctx, err) {
		// It would fail again each time that it is offered, and hold up what
		// comes after it. It is kept for a person to look at.
		d.Log.Error("poisonous", ticket.LogMessage, m.ID, ticket.LogError, err)
		done, err = d.apply(ctx, m, func(tx *store.Tx, s *Setting) (*change, error) {
			return d.planPoison(tx, s, m, err)
		})
	}
	if err != nil {
		return ticket.Outcome{}, err
	}
	if done.kept != nil {
		d.Raise(Alarm{
			Key:  "quarantine",
			What: fmt.Sprintf("message %s could not be read: %s", m.ID, done.kept.Reason),
			Try:  fmt.Sprintf("buzon quarantine show %d", done.kept.ID),
		})
	}
	if done.held != nil && done.held.Agent == "" { // nobody else is asked
		d.Raise(Alarm{
			Key:  "held by rule",
			What: fmt.Sprintf("message %s is held %s", m.ID, done.held.Reason),
			Try:  fmt.Sprintf("buzon held show %d, then: buzon held release %d, or: buzon held drop %d", done.held.ID, done.held.ID, done.held.ID),
		})
	}
	return done.outcome, nil
}

// isPoison tells whether handling a message failed because of the message, and
// not because the desk is stopping, full or damaged.
func isPoison(ctx context.Context, err error) bool {
	return ctx.Err() == nil && !errors.Is(err, ticket.ErrStopping) && !errors.Is(err, ticket.ErrFull) && !errors.Is(err, store.ErrCorrupt)
}

func (d *Desk) planPoison(tx *store.Tx, s *Setting, m *ticket.Message, cause error) (*change, error) {
	c := &change{now: d.Now().UTC()}
	var err error
	if c.seen, err = lookSeen(tx, m); err != nil {
		return nil, err
	}
	p := &planner{desk: d, tx: tx, setting: s, m: m, change: c}
	p.quarantine("failed: " + cause.Error())
	return c, nil
}

// guarded turns a panic into an error, so that one message can't stop the desk.
func guarded(what string, do func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			if err = store.Damage(r); err != nil {
				return // the message is not to blame
			}
			err = fmt.Errorf("%s: panic: %v\n%s", what, r, debug.Stack())
		}
	}()
	return do()
}

// apply works a change out on a snapshot, renders its letters, and writes it in
// a transaction; when the snapshot went stale meanwhile it does all of it again
// inside the transaction.
func (d *Desk) apply(ctx context.Context, m *ticket.Message, plan func(*store.Tx, *Setting) (*change, error)) (*change, error) {
	s := d.setting.Load()
	var reserved []uint64 // rows of the outbox that the change replaces
	defer func() { d.claims.replaced(reserved) }()
	reserving := func(tx *store.Tx) (*change, error) {
		for {
			c, err := plan(tx, s)
			if err != nil || c == nil {
				return c, err
			}
			if folds := c.folds(); d.claims.replace(folds) {
				reserved = append(reserved, folds...)
				return c, nil
			}
			// A sender was faster, and this plan knew nothing of it.
		}
	}
	var c *change
	err := d.Store.View(func(tx *store.Tx) error {
		return guarded("planning", func() (err error) {
			c, err = reserving(tx)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	if c == nil {
		return &change{}, nil
	}
	if err := guarded("composing", func() error { return d.compose(c, s) }); err != nil {
		return nil, err
	}
	if c.seen.delivery != nil {
		// The delivery is applied already; only its acknowledgement was lost.
		d.log(c, m)
		return c, nil
	}
	var done *change
	err = d.Store.Update(ctx, func(tx *store.Tx) error {
		run := c.copy()
		if err := c.check(tx, m); errors.Is(err, errStale) {
			again, err := reserving(tx)
			if err != nil {
				return err
			}
			if again == nil || again.seen.delivery != nil {
				done = again
				return nil
			}
			if err := d.compose(again, s); err != nil {
				return err
			}
			run = again
		} else if err != nil {
			return err
		}
		done = run
		return run.write(tx, s, m)
	})
	if err != nil {
		return nil, err
	}
	if done == nil {
		return &change{}, nil
	}
	// gofail: var committedUnwoken struct{}
	d.log(done, m)
	d.footers.learn(done.learned, done.now)
	if done.with != nil {
		d.log(done.with, nil)
	}
	if len(done.letters) > 0 || done.with != nil {
		d.queued()
	}
	return done, nil
}

// log writes one line a fact, now that the facts are durable.
func (d *Desk) log(c *change, m *ticket.Message) {
	var about []any
	if m != nil {
		about = append(about, ticket.LogMessage, m.ID)
	}
	if c.ticket != nil {
		about = append(about, ticket.LogTicket, c.ticket.Number.String())
	}
	log := d.Log.With(about...)
	for _, f := range c.facts {
		log.Info(f.text, f.args...)
	}
	for _, l := range c.letters {
		to := []any{ticket.LogTo, ticket.Domain(l.out.To)}
		if agent := d.Table().AgentByAddress(l.out.To); agent != nil {
			to = []any{ticket.LogAgent, agent.ID}
		}
		log.Info("queued", append(to, ticket.LogOutbox, l.out.ID, ticket.LogClass, l.out.Class, ticket.LogTemplate, l.template)...)
	}
}

// replay says that a message which was kept is handled once more.
type replay struct {
	again bool
	as    string // the agent in whose name a held one is let through
}

// plan decides what a message does.
func (d *Desk) plan(tx *store.Tx, s *Setting, m *ticket.Message, replay replay) (*change, error) {
	c := &change{now: d.Now().UTC()}
	var err error
	if !replay.again {
		if c.seen, err = lookSeen(tx, m); err != nil {
			return nil, err
		}
	}
	p := &planner{desk: d, tx: tx, setting: s, m: m, change: c, replay: replay}
	own, canary := p.isCanary()
	switch {
	case c.seen.delivery != nil:
		c.outcome = p.outcome(ticket.EventDuplicate, "the same delivery again")
		c.fact("delivered again", ticket.LogReason, "already applied; only the acknowledgement was missing")
	case s.Table.SentByHand(m.Envelope.Account, m.Envelope.Mailbox):
		err = p.sentByHand()
	case canary:
		err = p.canaryBack(own)
	case c.seen.same != nil:
		err = p.copyArrived()
	case m.Quarantine != "":
		p.quarantine(m.Quarantine)
	case c.seen.variant != nil:
		err = p.variantArrived()
	default:
		err = p.understood()
		if m.Kind == ticket.KindHuman && c.held == nil && c.kept == nil && !replay.again {
			c.footers = d.footers.see(m, c.now)
		}
	}
	return c, err
}

// planner is the state of working out one message's change.
type planner struct {
	desk    *Desk
	tx      *store.Tx
	setting *Setting
	m       *ticket.Message
	replay  replay
	lookups lookups
	*change
}

func (p *planner) outcome(event, detail string) ticket.Outcome {
	o := ticket.Outcome{Event: event, Detail: detail}
	if p.ticket != nil {
		o.Ticket, o.Number = p.ticket.ID, p.ticket.Number
	}
	return o
}

// understood sends a message that could be read on its way.
func (p *planner) understood() error {
	ev, err := p.thread()
	if err != nil {
		return err
	}
	switch {
	case ev.bounce != nil || p.m.Kind == ticket.KindBounce:
		return p.bounce(ev)
	case p.m.Kind == ticket.KindOwn && !p.sentAs(ev):
		p.ignore("our own mail came back: " + p.m.KindReason)
		return nil
	case p.m.Kind == ticket.KindAutoreply, p.m.Kind == ticket.KindChallenge, p.m.Kind == ticket.KindReport:
		return p.automaton(ev)
	case p.m.From.IsZero():
		p.quarantine("no-from: the message names no sender")
		return nil
	case ev.question != nil:
		return p.decide(ev)
	}
	return p.person(ev)
}

// person handles what a person wrote, by what ties it to a ticket.
func (p *planner) person(ev evidence) error {
	who, err := p.identify(ev)
	if err != nil {
		return err
	}
	switch {
	case who.hold != "":
		return p.hold(ev, who)
	case who.agent != nil:
		return p.answer(ev, who)
	}
	if q, ok := p.asksState(); ok && !p.isBlocked(who) {
		return p.askedState(q)
	}
	if ev.ticket == nil {
		for _, giveBack := range []func(evidence) (bool, error){p.giveBackDeleted, p.giveBackFor} {
			if back, err := giveBack(ev); back || err != nil {
				return err
			}
		}
	}
	if ev.ticket == nil || !who.joins {
		return p.request(ev)
	}
	if c, ok := p.wished(ev, who); ok {
		return p.obey(ev, who, c)
	}
	return p.reply(ev, who)
}
