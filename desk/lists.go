package desk

import (
	"slices"
	"sort"
	"strconv"
	"time"

	"buzon/routing"
	"buzon/store"
	"buzon/templates"
	"buzon/ticket"
)

const (
	listed   = 50        // tickets in a list
	searched = 1000      // tickets of a topic that a search finds, the newest
	shownMax = 200 << 10 // octets of a conversation in a mail
)

func itoa[T ~int | ~uint32](n T) string { return strconv.Itoa(int(n)) }

func phrase(lang, key string, args []string) string { return templates.Phrase(lang, key, args...) }

// inDesk is a phrase in the desk's own language, for the thread.
func (p *planner) inDesk(key string, args ...string) string {
	return phrase(p.setting.Table.Config.Desk.Language, key, args)
}

// show mails the whole conversation.
func (o *orders) show(c ticket.Command) error {
	t := o.ticket
	if len(c.Args) > 0 {
		var err error
		if t, err = o.ticketNamed(c, c.Args[0]); err != nil {
			return err
		}
	}
	o.reports = append(o.reports, func() error {
		entries, err := o.conversation(t)
		if err != nil {
			return err
		}
		l := o.toAgent("transcript")
		l.data.Title = o.say("title.show", t.Number.String())
		l.data.Fields, l.open = fieldsOf(o.setting.Table, t, l.lang, true), true
		room := shownMax
		for _, e := range slices.Backward(entries) {
			text := ticket.StripTokens(e.Text)
			if room -= len(text); room < 0 {
				break
			}
			l.data.Thread = append(l.data.Thread, o.item(e, text))
		}
		slices.Reverse(l.data.Thread)
		return nil
	})
	return nil
}

func (o *orders) item(e *ticket.Entry, text string) templates.Item {
	author := e.AuthorName
	if author == "" && e.Author != 0 {
		if person, err := o.personByID(e.Author); err == nil {
			author = shown(person.Address).String()
		}
	}
	if author == "" {
		author = o.say("word.desk")
	}
	for _, f := range e.Files {
		text += "\n[" + f.Name + ", " + humanSize(f.Size) + "]"
	}
	return templates.Item{When: o.setting.local(e.At), Author: author, Kind: string(e.Kind), Text: text}
}

// conversation is a ticket's thread together with those that were merged into it,
// in the order of time.
func (p *planner) conversation(t *ticket.Ticket) ([]*ticket.Entry, error) {
	entries, err := p.tx.Entries(t.ID)
	if err != nil {
		return nil, err
	}
	for _, id := range t.Merged {
		more, err := p.tx.Entries(id)
		if err != nil {
			return nil, err
		}
		entries = append(entries, more...)
	}
	sort.SliceStable(entries, func(i, j int) bool { return entries[i].At.Before(entries[j].At) })
	return entries, nil
}

// earlier are the last entries of a conversation that people wrote, the newest
// first, for a mail about it.
func (o *orders) earlier(t *ticket.Ticket, n int) ([]templates.Item, error) {
	entries, err := o.conversation(t)
	if err != nil {
		return nil, err
	}
	var items []templates.Item
	for _, e := range slices.Backward(entries) {
		if e.Kind == ticket.EntryEvent || len(items) == n {
			continue
		}
		items = append(items, o.item(e, ticket.StripTokens(e.Text)))
	}
	return items, nil
}

// history mails every event of the ticket, from the journal.
func (o *orders) history(ticket.Command) error {
	o.reports = append(o.reports, func() error {
		events, err := o.tx.JournalOf(o.ticket.ID)
		if err != nil {
			return err
		}
		l := o.toAgent("transcript")
		l.data.Title = o.say("title.history", o.ticket.Number.String())
		for _, e := range events {
			line := o.setting.local(e.At).Format("2006-01-02 15:04") + " " + e.Kind
			if e.Entry > 0 {
				line += " #" + itoa(e.Entry)
			}
			if e.Detail != "" && e.Detail != e.Kind {
				line += " (" + e.Detail + ")"
			}
			if e.Person != 0 {
				if person, err := o.personByID(e.Person); err == nil {
					line += ": " + shown(person.Address).String()
				}
			}
			l.data.Lines = append(l.data.Lines, line)
		}
		return nil
	})
	return nil
}

// others lists what else the requester has asked for.
func (o *orders) others(ticket.Command) error {
	person, err := o.personByID(o.ticket.Requester)
	if err != nil {
		return err
	}
	all, err := o.tx.Tickets(store.TicketFilter{Requester: person.ID}, 0)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(t *ticket.Ticket) bool { return t.ID == o.ticket.ID || !o.maySee(t) })
	o.list(o.say("title.others", shown(person.Address).String()), all)
	return nil
}

// mine lists the open tickets that the agent has, and those that wait.
func (o *orders) mine(ticket.Command) error {
	for _, s := range []ticket.Status{ticket.StatusOpen, ticket.StatusWaiting} {
		all, err := o.tx.Tickets(store.TicketFilter{Assignee: o.who.agent.ID, Status: s}, 0)
		if err != nil {
			return err
		}
		title := "title.mine"
		if s == ticket.StatusWaiting {
			if len(all) == 0 {
				continue
			}
			title = "title.waiting"
		}
		o.list(o.say(title), all)
	}
	return nil
}

// teams lists the open tickets of the topics that the agent staffs.
func (o *orders) teams(ticket.Command) error {
	all, err := o.ofTopics(store.TicketFilter{Status: ticket.StatusOpen}, 0, nil)
	if err != nil {
		return err
	}
	o.list(o.say("title.team"), all)
	return nil
}

func (o *orders) overdue(ticket.Command) error {
	all, err := o.ofTopics(store.TicketFilter{Status: ticket.StatusOpen}, 0, func(t *ticket.Ticket) bool { return !t.Due.IsZero() && t.Due.Before(o.now) })
	if err != nil {
		return err
	}
	slices.SortStableFunc(all, func(a, b *ticket.Ticket) int { return a.Due.Compare(b.Due) })
	o.list(o.say("title.overdue"), all)
	return nil
}

// ofTopics are the tickets that the agent may see of the topics that they staff, as
// far as the filter wants them; an administrator staffs all.
func (o *orders) ofTopics(f store.TicketFilter, limit int, want func(*ticket.Ticket) bool) ([]*ticket.Ticket, error) {
	var all []*ticket.Ticket
	for _, topic := range o.setting.Table.Topics {
		if !o.who.agent.Staffs(topic) && o.who.agent.Role != routing.RoleAdministrator {
			continue
		}
		f.Topic = topic.ID
		some, err := o.tx.Tickets(f, limit)
		if err != nil {
			return nil, err
		}
		for _, t := range some {
			if o.maySee(t) && (want == nil || want(t)) {
				all = append(all, t)
			}
		}
	}
	return all, nil
}

// search lists tickets of the agent's topics in which all of the words stand, or
// words that begin so.
func (o *orders) search(c ticket.Command) error {
	all, err := o.ofTopics(store.TicketFilter{Text: c.Text()}, searched, nil)
	if err != nil {
		return err
	}
	slices.SortStableFunc(all, func(a, b *ticket.Ticket) int { return b.Updated.Compare(a.Updated) })
	o.list(o.say("title.search", ticket.StripTokens(c.Text())), all)
	return nil
}

// list has a mail with tickets sent to the agent.
func (o *orders) list(title string, all []*ticket.Ticket) {
	all = slices.DeleteFunc(all, func(t *ticket.Ticket) bool { return t.IsHidden() || !t.MergedInto.IsZero() })
	o.reports = append(o.reports, func() error {
		l := o.toAgent("transcript")
		l.data.Title = title
		if len(all) == 0 {
			l.data.Lines = []string{o.say("title.none")}
		}
		if len(all) > listed {
			l.data.Lines = []string{o.say("title.more", itoa(listed))}
			all = all[:listed]
		}
		for _, t := range all {
			row, err := o.row(t)
			if err != nil {
				return err
			}
			l.data.Rows = append(l.data.Rows, row)
		}
		return nil
	})
}

// row shows a ticket in a list.
func (p *planner) row(t *ticket.Ticket) (templates.Row, error) {
	person, err := p.personByID(t.Requester)
	if err != nil {
		return templates.Row{}, err
	}
	row := templates.Row{
		Number: t.Number.String(), Subject: maskedSubject(p.setting.Table, t), Status: string(t.Status), Requester: shown(person.Address).String(),
		Assignee: assigneeName(p.setting.Table, t),
	}
	if !t.Due.IsZero() {
		row.Due = p.setting.local(t.Due)
	}
	return row, nil
}

// second is how close two agents' answers must be to have crossed.
const second = 10 * time.Minute

// tellSecondAnswer tells both agents when another one has answered moments ago.
func (o *orders) tellSecondAnswer() error {
	entries, err := o.tx.Entries(o.ticket.ID)
	if err != nil {
		return err
	}
	for _, e := range slices.Backward(entries) {
		if o.now.Sub(e.At) > second {
			return nil
		}
		if e.Kind != ticket.EntryAnswer || e.Role != ticket.RoleAgent {
			continue // a canned answer of a rule's is nobody's
		}
		other, err := o.personByID(e.Author)
		if err != nil || other.ID == o.who.person.ID {
			return err
		}
		agent := o.setting.Table.AgentByAddress(other.Address.Addr)
		if agent == nil {
			return nil
		}
		for _, to := range []*ticket.Person{o.who.person, other} {
			l := o.letter("assigned", ticket.ClassNotification, o.topic, to, ticket.RoleAgent)
			l.lang = o.lang
			if to == other {
				l.lang = o.agentLanguage(agent)
			}
			l.data.Title = phrase(l.lang, "title.both", []string{e.AuthorName, o.who.agent.Name, o.ticket.Number.String()})
			l.data.Text = o.text
			l.data.Thread = []templates.Item{o.item(e, ticket.StripTokens(e.Text))}
		}
		return nil
	}
	return nil
}
