package load

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"buzon/internal/stream"
	"buzon/ticket"
)

// Found is an entry that the desk made of a message.
type Found struct {
	MessageID string
	Ticket    ticket.Number
	Opened    bool // it opened the ticket
	Text      string
}

// Account says what became of messages. The lists hold forms and Message-IDs.
type Account struct {
	Requests, Replies, Automatic int // that were sent
	Newsletters                  int // that opened a ticket: agents are shown them, their senders told nothing
	Opened                       int // tickets

	Missing     []string // requests and replies that are nowhere
	Twice       []string // with more than one effect
	Astray      []string // in the wrong place: another's ticket, or a ticket of their own
	Miscut      []string // replies with other text than was written
	Unconfirmed []string // requests that nothing came back for
	Repeated    int      // mails to requesters beyond one for each request
	Taken       Taken    // at the smarthost
}

// NewAccount looks for every message among what the desk has. found nil: the desk
// was not asked, and only confirmations are looked at.
func NewAccount(messages []*stream.Message, found []Found, sink *Sink) *Account {
	a := &Account{Taken: sink.Taken(), Repeated: sink.repeated()}
	opened, entries, texts := map[string][]ticket.Number{}, map[string][]ticket.Number{}, map[string]string{}
	for _, f := range found {
		texts[f.MessageID] = f.Text
		if f.Opened {
			a.Opened++
			opened[f.MessageID] = append(opened[f.MessageID], f.Ticket)
		} else if f.MessageID != "" {
			entries[f.MessageID] = append(entries[f.MessageID], f.Ticket)
		}
	}
	for _, m := range messages {
		name := m.Form + " " + m.MessageID
		in := opened[m.MessageID]
		switch m.Kind {
		case stream.Request:
			a.Requests++
			if _, ok := sink.Confirmed(m.MessageID); !ok {
				a.Unconfirmed = append(a.Unconfirmed, name)
			}
		case stream.Reply:
			a.Replies++
		case stream.Automatic:
			a.Automatic++
		}
		if found == nil {
			continue
		}
		if m.Kind != stream.Request {
			in = slices.Concat(in, entries[m.MessageID])
		}
		_, told := sink.Confirmed(m.MessageID)
		switch {
		case len(in) > 1:
			a.Twice = append(a.Twice, name)
		case len(in) == 0 && m.Kind != stream.Automatic:
			a.Missing = append(a.Missing, name)
		case m.Kind == stream.Reply && !slices.Equal(in, opened[m.Parent]):
			a.Astray = append(a.Astray, name)
		case m.Form == "newsletter":
			a.Newsletters += len(in)
			if told {
				a.Astray = append(a.Astray, name)
			}
		case m.Kind == stream.Automatic && len(opened[m.MessageID]) > 0:
			a.Astray = append(a.Astray, name)
		case m.Kind == stream.Reply && texts[m.MessageID] != m.Text:
			a.Miscut = append(a.Miscut, name)
		}
	}
	return a
}

// String tells the figures, in lines.
func (a *Account) String() string {
	return fmt.Sprintf("sent: %d requests, %d replies, %d automatic\n"+
		"missing: %d, with two effects: %d, in the wrong place: %d, with other text than was written: %d\n"+
		"at the smarthost: %d to requesters (%d confirmations missing, %d too many), %d to agents, %d sent again\n",
		a.Requests, a.Replies, a.Automatic, len(a.Missing), len(a.Twice), len(a.Astray), len(a.Miscut),
		a.Taken.ToPeople, len(a.Unconfirmed), a.Repeated, a.Taken.ToAgents, a.Taken.Again)
}

// Err says what is not as it must be; nil: all are there.
func (a *Account) Err() error {
	var errs []error
	for _, l := range []struct {
		what string
		list []string
	}{
		{"missing", a.Missing}, {"with two effects", a.Twice}, {"in the wrong place", a.Astray},
		{"with other text than was written", a.Miscut}, {"unconfirmed", a.Unconfirmed},
	} {
		if len(l.list) > 0 {
			errs = append(errs, fmt.Errorf("%d messages %s:\n%s", len(l.list), l.what, strings.Join(l.list[:min(10, len(l.list))], "\n")))
		}
	}
	if a.Repeated+a.Taken.Again > 0 {
		errs = append(errs, fmt.Errorf("%d mails to requesters were too many, %d mails were sent again", a.Repeated, a.Taken.Again))
	}
	return errors.Join(errs...)
}

// Percentiles of times: of a thousand, so many took no longer.
type Percentiles struct{ P50, P99, P999 time.Duration }

// PercentilesOf sorts the times. None give zero.
func PercentilesOf(times []time.Duration) Percentiles {
	if len(times) == 0 {
		return Percentiles{}
	}
	slices.Sort(times)
	at := func(permille int) time.Duration {
		return times[max(0, (len(times)*permille+999)/1000-1)]
	}
	return Percentiles{at(500), at(990), at(999)}
}

func (p Percentiles) String() string {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return fmt.Sprintf("p50 %.1f ms, p99 %.1f ms, p99.9 %.1f ms", ms(p.P50), ms(p.P99), ms(p.P999))
}

// Latencies are the times from each final dot to its answer, and from those of
// requests to the confirmation's arrival at the smarthost.
func Latencies(sent []Sent, sink *Sink) (accepted, confirmed Percentiles) {
	var toAnswer, toConfirmation []time.Duration
	for _, m := range sent {
		toAnswer = append(toAnswer, m.Accepted.Sub(m.Dot))
		if c, ok := sink.Confirmed(m.MessageID); ok && m.Kind == stream.Request {
			toConfirmation = append(toConfirmation, c.At.Sub(m.Dot))
		}
	}
	return PercentilesOf(toAnswer), PercentilesOf(toConfirmation)
}
