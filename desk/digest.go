package desk

import (
	"context"
	"errors"
	"slices"

	"buzon/routing"
	"buzon/store"
	"buzon/templates"
	"buzon/ticket"
)

// Digest mails each agent what is open, once a day when its hour has come: what is
// overdue, theirs, their team's, waiting, and held in their name. The day is kept
// with the mail in one transaction, so that neither a restart nor a clock that
// jumps doubles one. It returns how many it queued.
func (d *Desk) Digest(ctx context.Context) (int, error) {
	day, ok := d.Table().DigestDay(d.Now())
	if !ok {
		return 0, nil
	}
	total := 0
	for _, agent := range d.Table().Agents {
		if !agent.Digest || ctx.Err() != nil {
			continue
		}
		done, err := d.apply(ctx, nil, func(tx *store.Tx, s *Setting) (*change, error) {
			return d.planDigest(tx, s, agent.ID, day)
		})
		if errors.Is(err, errStale) {
			continue // it was made meanwhile
		} else if err != nil {
			return total, err
		}
		total += len(done.letters)
	}
	return total, ctx.Err()
}

func (d *Desk) planDigest(tx *store.Tx, s *Setting, id, day string) (*change, error) {
	agent := s.Table.Agent(id)
	if agent == nil || tx.LastDigest(id) >= day {
		return nil, nil
	}
	c := &change{now: d.Now().UTC()}
	p := &planner{desk: d, tx: tx, setting: s, m: &ticket.Message{}, change: c}
	calendar := agent.Calendar
	if calendar == nil {
		calendar = s.Table.Wall()
	}
	if p.isAway(agent) || calendar.Closed(c.now) != nil {
		return nil, nil
	}
	c.also = func(tx *store.Tx) error {
		if tx.LastDigest(id) >= day {
			return errStale
		}
		return tx.SetLastDigest(id, day)
	}
	return c, p.digest(agent)
}

// digest writes an agent's digest; where there is nothing to say it writes none.
func (p *planner) digest(agent *routing.Agent) error {
	person, err := p.agentPerson(agent)
	if err != nil {
		return err
	}
	lang := p.agentLanguage(agent)
	var before []ticket.ID // each stands under the first title that fits
	all, err := p.concerning(agent)
	if err != nil {
		return err
	}
	news, err := p.newsFor(agent)
	if err != nil {
		return err
	}
	for _, t := range news {
		if !slices.ContainsFunc(all, func(x *ticket.Ticket) bool { return x.ID == t.ID }) {
			all = append(all, t)
		}
	}
	isNew := func(t *ticket.Ticket) bool {
		return slices.ContainsFunc(news, func(x *ticket.Ticket) bool { return x.ID == t.ID })
	}
	l := p.summary("digest", lang, person)
	for _, part := range []struct {
		title string
		want  func(*ticket.Ticket) bool
	}{
		{"title.overdue", func(t *ticket.Ticket) bool {
			return t.Status == ticket.StatusOpen && !t.Due.IsZero() && t.Due.Before(p.now)
		}},
		{"title.news", isNew},
		{"title.mine", func(t *ticket.Ticket) bool { return t.Status == ticket.StatusOpen && t.Assignee == agent.ID }},
		{"title.ofteam", func(t *ticket.Ticket) bool { return t.Status == ticket.StatusOpen }},
		{"title.waiting", func(t *ticket.Ticket) bool { return t.Status == ticket.StatusWaiting && t.Assignee == agent.ID }},
	} {
		var rows []*ticket.Ticket
		for _, t := range all {
			if !part.want(t) || slices.Contains(before, t.ID) {
				continue
			}
			before = append(before, t.ID)
			if len(rows) < listed {
				rows = append(rows, t)
			}
		}
		if err := p.section(l, phrase(lang, part.title, nil), rows, person); err != nil {
			return err
		}
	}
	held, err := p.heldFor(agent)
	if err != nil || len(l.data.Sections) == 0 && held == 0 {
		p.letters = nil
		return err
	}
	l.data.Title = phrase(lang, "title.digest", []string{templates.LongDay(lang, p.setting.local(p.now))})
	if held > 0 {
		l.data.Lines = []string{phrase(lang, "title.heldmail", []string{itoa(held)})}
	}
	p.event(ticket.Event{Kind: ticket.EventReminded, Person: person.ID, Detail: "digest"})
	return nil
}

// summary begins a letter about several tickets, which is in no conversation.
func (p *planner) summary(template, lang string, to *ticket.Person) *letter {
	conf, topic := p.setting.Table.Config.Desk, p.setting.Table.CatchAll()
	l := &letter{
		template: template, lang: lang, class: ticket.ClassReminder, topic: topic, to: to,
		draft: ticket.Draft{
			To: to.Address, EnvelopeFrom: topic.Sender(), Class: ticket.ClassReminder,
			MessageID: ticket.MessageID(template, p.desk.nonce(16), conf.Hostname), Date: p.setting.local(p.now),
		},
		data: templates.Data{Desk: conf.Name, Hostname: conf.Hostname},
	}
	p.letters = append(p.letters, l)
	return l
}

// section adds a list of tickets to a summary; an empty one is left out.
func (p *planner) section(l *letter, title string, tickets []*ticket.Ticket, to *ticket.Person) error {
	section := templates.Section{Title: title}
	for _, t := range tickets {
		row, err := p.row(t)
		if err != nil {
			return err
		}
		row.Link = p.answerLink(t, to)
		section.Rows = append(section.Rows, row)
	}
	if len(section.Rows) > 0 {
		l.data.Sections = append(l.data.Sections, section)
	}
	return nil
}

// concerning are the tickets that an agent has, and those that nobody of the
// agent's teams and topics has taken, unless they want to be told only what names
// them.
func (p *planner) concerning(agent *routing.Agent) ([]*ticket.Ticket, error) {
	var all []*ticket.Ticket
	for _, status := range []ticket.Status{ticket.StatusOpen, ticket.StatusWaiting} {
		mine, err := p.tx.Tickets(store.TicketFilter{Assignee: agent.ID, Status: status}, 0)
		if err != nil {
			return nil, err
		}
		all = append(all, mine...)
	}
	open, err := p.tx.Tickets(store.TicketFilter{Status: ticket.StatusOpen}, 0)
	if err != nil {
		return nil, err
	}
	for _, t := range open {
		if t.Assignee == "" && agent.Notify != routing.NotifyMentions && slices.Contains(agentsOf(p.setting.Table, t), agent) {
			all = append(all, t)
		}
	}
	all = slices.DeleteFunc(all, func(t *ticket.Ticket) bool { return t.IsHidden() || !t.MergedInto.IsZero() })
	slices.SortStableFunc(all, func(a, b *ticket.Ticket) int {
		switch {
		case a.Due.IsZero() == b.Due.IsZero():
			return a.Due.Compare(b.Due)
		case a.Due.IsZero():
			return 1
		}
		return -1
	})
	return all, nil
}

// answerLink opens a mail that answers a ticket; empty where only headers could
// tie it to the ticket.
func (p *planner) answerLink(t *ticket.Ticket, person *ticket.Person) string {
	base := p.setting.Table.ReplyBase(p.topicOf(t))
	if base == "" {
		return ""
	}
	token := p.desk.keys().Mint(ticket.Token{
		Ticket: t.ID, Person: person.ID, Purpose: ticket.PurposeReply,
		Expires: p.now.Add(asDuration(p.setting.Table.Config.Desk.TokenLifetime)),
	})
	subject := "Re: " + t.Number.Tag() + " " + maskedSubject(p.setting.Table, t)
	return "mailto:" + mailtoEscape(ticket.WithPlus(base, token)) + "?subject=" + mailtoEscape(subject)
}

// heldFor counts the messages that are held in an agent's name.
func (p *planner) heldFor(agent *routing.Agent) (n int, err error) {
	rows, err := p.tx.HeldList(0)
	for _, row := range rows {
		if row.State == store.HeldKept && row.Agent == agent.ID {
			n++
		}
	}
	return n, err
}
