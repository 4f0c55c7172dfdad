package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"buzon/control"
	"buzon/desk"
	"buzon/ticket"
)

type statusCmd struct {
	where
	JSON bool `name:"json" help:"As JSON."`
}

// Run says what is wrong, since when, and what to type; exit 1 if anything is.
func (c *statusCmd) Run(e *env) error {
	var st control.Status
	if err := c.call(e, "status", control.Which{}, &st); err != nil {
		return err
	}
	if c.JSON {
		if err := printJSON(e.stdout, st); err != nil {
			return err
		}
	} else {
		c.print(e, st)
	}
	if len(wrongs(st)) > 0 {
		return &exit{code: exitNo}
	}
	return nil
}

// wrongs lists what an operator should look at.
func wrongs(st control.Status) []desk.Alarm {
	list := append([]desk.Alarm{}, st.Alarms...)
	add := func(key, what, try string, since time.Time) {
		for _, a := range list {
			if a.Key == key {
				return
			}
		}
		list = append(list, desk.Alarm{Key: key, What: what, Try: try, Since: since})
	}
	if !st.Running {
		add("desk", "the desk is not running", "buzon serve --config FILE", time.Time{})
	}
	for _, a := range st.Health.Accounts {
		key := "account " + a.Account + ", folder " + a.Mailbox
		switch {
		case a.Paused:
			add(key, "paused", "buzon resume "+a.Account, a.Since)
		case a.Error != "":
			add(key, a.Error, a.Try, a.Since)
		}
	}
	for _, o := range append([]desk.OutgoingHealth{st.Health.Outgoing}, st.Health.Smarthosts...) {
		what := cmp.Or(o.Name, "outgoing")
		switch {
		case o.Paused:
			add(strings.TrimSpace("outgoing "+o.Name), "paused", "buzon resume "+what, time.Time{})
		case o.Error != "":
			add(strings.TrimSpace("smarthost "+o.Name), o.Error, o.Try, o.DownSince)
		}
	}
	switch {
	case st.Figures.Refused != "":
		add("disk", "it takes no writes, so mail is refused: "+st.Figures.Refused, tryDisk, time.Time{})
	case st.Figures.Full:
		add("disk", "below the floor: mail is refused", "make room, or lower desk.disk_floor", time.Time{})
	}
	if n := st.Figures.Quarantined; n > 0 {
		add("quarantine", fmt.Sprintf("%d messages could not be read", n), "buzon quarantine list", time.Time{})
	}
	if n := st.Figures.Held; n > 0 {
		add("held", fmt.Sprintf("%d messages wait for a person's word", n), "buzon held list", time.Time{})
	}
	if n := st.Figures.Failed; n > 0 {
		add("outbox", fmt.Sprintf("%d mails could not be delivered", n), "buzon outbox list --state failed", time.Time{})
	}
	return list
}

func (c *statusCmd) print(e *env, st control.Status) {
	say := func(format string, args ...any) { fmt.Fprintf(e.stdout, format+"\n", args...) }
	if st.Running {
		say("running for %s, configuration %s", since(st.Started), st.Config)
	}
	if len(st.Health.Restart) > 0 {
		say("changed in the file, in effect at the next start: %s", strings.Join(st.Health.Restart, ", "))
	}
	wrong := wrongs(st)
	if len(wrong) == 0 {
		say("nothing is wrong")
	}
	for _, a := range wrong {
		when := ""
		if !a.Since.IsZero() {
			when = ", for " + since(a.Since)
		}
		say("WRONG  %s%s: %s", a.Key, when, oneLongLine(a.What))
		if a.Try != "" {
			say("       try: %s", a.Try)
		}
	}
	for _, a := range st.Health.Accounts {
		state := "down"
		if a.Connected {
			state = "connected"
		}
		if a.Paused {
			state = "paused"
		}
		say("account %s, %s: %s, last heard from %s ago", a.Account, a.Mailbox, state, since(a.LastHeard))
	}
	for _, c := range st.Health.Canaries {
		switch {
		case c.Sent.IsZero():
			say("canary %s: none sent yet", c.Topic)
		case c.Back.IsZero():
			say("canary %s: sent %s ago, none has come back yet", c.Topic, since(c.Sent))
		default:
			say("canary %s: sent %s ago, the last one came back %s ago and took %s", c.Topic, since(c.Sent), since(c.Back), c.Took.Round(100*time.Millisecond))
		}
	}
	f := st.Figures
	waiting := ""
	if f.Waiting > 0 && !f.OldestWaiting.IsZero() {
		waiting = ", the oldest for " + since(f.OldestWaiting)
	}
	say("outgoing: %d waiting%s, %d failed", f.Waiting, waiting, f.Failed)
	say("tickets: %d open, %d waiting for the requester, %d resolved, %d closed",
		f.Tickets[ticket.StatusOpen], f.Tickets[ticket.StatusWaiting], f.Tickets[ticket.StatusResolved], f.Tickets[ticket.StatusClosed])
	say("messages: %d taken, %d in quarantine, %d held", f.Messages, f.Quarantined, f.Held)
	say("disk: %d MB free", f.FreeDisk>>20)
}

func oneLongLine(s string) string {
	r := []rune(s)
	if len(r) > 400 {
		r = append(r[:399], '…')
	}
	for i, c := range r {
		if c < ' ' {
			r[i] = ' '
		}
	}
	return string(r)
}

type reloadCmd struct{ where }

// Run makes the running desk read its configuration again.
func (c *reloadCmd) Run(e *env) error { return c.call(e, "reload", control.Which{}, nil) }

type pauseCmd struct {
	where
	What string `arg:"" help:"outgoing, or the name of an account or a smarthost."`
}

// Run stops sending, or an account.
func (c *pauseCmd) Run(e *env) error { return c.call(e, "pause", control.Which{What: c.What}, nil) }

type resumeCmd struct {
	where
	What string `arg:"" help:"outgoing, or the name of an account or a smarthost."`
}

// Run goes on after pause.
func (c *resumeCmd) Run(e *env) error { return c.call(e, "resume", control.Which{What: c.What}, nil) }
