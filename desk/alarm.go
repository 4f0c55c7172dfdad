package desk

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"buzon/store"
	"buzon/templates"
	"buzon/ticket"
)

// Alarm is something that an operator has to look at.
type Alarm struct {
	Key   string    `json:"key"`  // what it is about: "account soporte", "smarthost"
	What  string    `json:"what"` // what is wrong
	Try   string    `json:"try"`  // what to type or to mend
	Since time.Time `json:"since"`
	Count int       `json:"count"`
}

// Lasts tells whether the alarm is about how things are, and ends by itself when
// they are mended. The others are about something that has happened, and end when
// it has been dealt with.
func (a Alarm) Lasts() bool {
	return a.Key != "quarantine" && a.Key != "held by rule" && !strings.HasPrefix(a.Key, "undelivered ")
}

// States of an alarm that a Notifier is told of.
const (
	AlarmRaised = "raised"
	AlarmOver   = "over"
)

// Notifier tells an alarm by other ways than mail. It must return at once.
type Notifier func(a Alarm, state string)

type alarms struct {
	mu     sync.Mutex
	active map[string]Alarm
	told   map[string]time.Time
	notify Notifier // nil: none
}

// OnAlarm sets who is told of alarms besides the operators by mail: as often as
// they are, and when one that was told is over.
func (d *Desk) OnAlarm(n Notifier) {
	d.alarms.mu.Lock()
	defer d.alarms.mu.Unlock()
	d.alarms.notify = n
}

// Raise records an alarm, logs it, and writes to the operators: once, and again
// only when it is still so much later.
func (d *Desk) Raise(a Alarm) {
	now := d.Now()
	d.alarms.mu.Lock()
	if d.alarms.active == nil {
		d.alarms.active, d.alarms.told = map[string]Alarm{}, map[string]time.Time{}
	}
	old, again := d.alarms.active[a.Key]
	a.Since, a.Count = now, 1
	if again {
		a.Since, a.Count = old.Since, old.Count+1
	}
	d.alarms.active[a.Key] = a
	last, told := d.alarms.told[a.Key]
	tell := !told || now.Sub(last) >= asDuration(d.Table().Config.Alarm.Repeat)
	if tell {
		d.alarms.told[a.Key] = now
	}
	notify := d.alarms.notify
	d.alarms.mu.Unlock()

	d.Log.Error("alarm", "about", a.Key, ticket.LogReason, a.What, ticket.LogHint, a.Try)
	if !tell {
		return
	}
	if notify != nil {
		notify(a, AlarmRaised)
	}
	if err := d.tellOperators(a); err != nil {
		d.Log.Error("operators not told", ticket.LogError, err)
	}
}

// Clear ends an alarm; ending one that is not active does nothing.
func (d *Desk) Clear(key string) {
	d.alarms.mu.Lock()
	a, ok := d.alarms.active[key]
	delete(d.alarms.active, key)
	notify := d.alarms.notify
	d.alarms.mu.Unlock()
	if ok {
		if notify != nil {
			notify(a, AlarmOver)
		}
		d.Log.Info("alarm over", "about", a.Key, "lasted", d.Now().Sub(a.Since).Round(time.Second))
	}
}

// Alarms lists what is wrong at present, the oldest first.
func (d *Desk) Alarms() []Alarm {
	d.alarms.mu.Lock()
	defer d.alarms.mu.Unlock()
	list := slices.Collect(maps.Values(d.alarms.active))
	slices.SortFunc(list, func(a, b Alarm) int {
		if c := a.Since.Compare(b.Since); c != 0 {
			return c
		}
		return strings.Compare(a.Key, b.Key)
	})
	return list
}

// tellOperators queues the alarm as mail. It is on no ticket and invites no reply.
func (d *Desk) tellOperators(a Alarm) error {
	_, err := d.apply(context.Background(), nil, func(tx *store.Tx, s *Setting) (*change, error) {
		c := &change{now: d.Now().UTC()}
		p := &planner{desk: d, tx: tx, setting: s, m: &ticket.Message{}, change: c}
		desk := s.Table.Config.Desk
		for _, agent := range s.Table.Operators() {
			person, err := p.agentPerson(agent)
			if err != nil {
				return nil, err
			}
			topic := s.Table.CatchAll()
			c.letters = append(c.letters, &letter{
				template: "alarm", lang: agent.Language, class: ticket.ClassNotice, topic: topic, to: person,
				draft: ticket.Draft{
					To: person.Address, EnvelopeFrom: topic.Sender(), Class: ticket.ClassNotice,
					MessageID: ticket.MessageID("alarm", d.nonce(16), desk.Hostname), Date: s.local(c.now),
				},
				data: templates.Data{
					Desk: desk.Name, Hostname: desk.Hostname, Reason: a.What, Hint: a.Try, Received: s.local(a.Since),
				},
			})
		}
		return c, nil
	})
	return err
}
