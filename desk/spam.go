package desk

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"buzon/routing"
	"buzon/store"
	"buzon/templates"
	"buzon/ticket"
)

const (
	glimpsed    = 20  // messages that are listed
	glimpseLong = 100 // characters of each of name, address and subject
)

// SpamAlarm is the key of the alarm of an account whose spam folder can't be looked at.
func SpamAlarm(account string) string { return "spam folder of " + account }

// CountSpam has the spam folders of the accounts looked at whose hour has come, and
// mails those concerned what has come in since the look before: how many, and from whom
// the latest are. Nothing of it is taken. How far a folder was looked at is kept with
// the mail in one transaction, so that nothing is counted twice and no day has two
// mails. The first look at a folder only says from where on to count.
//
// look is LookInto of mailpipe. The error joins those of all accounts.
func (d *Desk) CountSpam(ctx context.Context, look func(context.Context, routing.AccountConfig, ticket.MailboxState) (ticket.Arrivals, error)) error {
	var errs []error
	watched := map[string]bool{}
	for _, a := range d.Table().Config.Accounts {
		if a.Spam == "" {
			continue
		}
		watched[SpamAlarm(a.Name)] = true
		if ctx.Err() != nil {
			return ctx.Err()
		}
		since, due, err := d.spamDue(a)
		if err == nil && due {
			var seen ticket.Arrivals
			if seen, err = look(ctx, a, since); err == nil {
				err = d.spamSeen(ctx, a, since, seen)
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("spam folder of account %s: %w", a.Name, err))
		}
	}
	for _, a := range d.Alarms() {
		if strings.HasPrefix(a.Key, SpamAlarm("")) && !watched[a.Key] {
			d.Clear(a.Key) // the configuration wants none any more
		}
	}
	return errors.Join(errs...)
}

// spamDue tells whether an account's spam folder is to be looked at, and from where on.
func (d *Desk) spamDue(a routing.AccountConfig) (since ticket.MailboxState, due bool, err error) {
	day, passed := d.Table().SpamDay(d.Now())
	err = d.Store.View(func(tx *store.Tx) (err error) {
		since, _, err = tx.LedgerLoad(a.Name, a.Spam)
		due = since.UIDValidity == 0 || passed && tx.LastSpam(a.Name) < day
		return err
	})
	return since, due, err
}

// spamSeen records a look, and mails what it found.
func (d *Desk) spamSeen(ctx context.Context, a routing.AccountConfig, since ticket.MailboxState, seen ticket.Arrivals) error {
	done, err := d.apply(ctx, nil, func(tx *store.Tx, s *Setting) (*change, error) {
		c := &change{now: d.Now().UTC()}
		day, passed := s.Table.SpamDay(c.now)
		c.also = func(tx *store.Tx) error {
			now, _, err := tx.LedgerLoad(a.Name, a.Spam)
			if err != nil {
				return err
			}
			if now.UIDValidity != since.UIDValidity || now.Next != since.Next || !now.Since.Equal(since.Since) {
				return errStale
			}
			if passed {
				err = tx.SetLastSpam(a.Name, day)
			}
			return errors.Join(err, tx.LedgerSave(a.Name, a.Spam, seen.State, nil))
		}
		if seen.Count == 0 {
			return c, nil
		}
		p := &planner{desk: d, tx: tx, setting: s, m: &ticket.Message{}, change: c}
		for _, agent := range p.spamReaders(a) {
			if err := p.tellSpam(agent, a, seen); err != nil {
				return nil, err
			}
		}
		return c, nil
	})
	if errors.Is(err, errStale) {
		return nil // another look was faster
	}
	if err != nil {
		return err
	}
	log := d.Log.With(ticket.LogAccount, a.Name, ticket.LogMailbox, a.Spam)
	switch {
	case since.UIDValidity == 0:
		log.Info("first look at the spam folder", "next", seen.State.Next)
	case seen.Count > 0:
		log.Info("spam counted", "count", seen.Count, "told", len(done.letters))
	}
	return nil
}

// spamReaders are those who are told of an account's spam folder: the leads of its
// default topic, or of any where it has none; where none of them is there, the operators.
func (p *planner) spamReaders(a routing.AccountConfig) []*routing.Agent {
	table := p.setting.Table
	topics := table.Topics
	if a.DefaultTopic != "" {
		topics = []*routing.Topic{table.Topic(a.DefaultTopic)}
	}
	leads := slices.DeleteFunc(slices.Clone(table.Agents), func(agent *routing.Agent) bool {
		return agent.Role != routing.RoleLead || p.isAway(agent) || !slices.ContainsFunc(topics, agent.Staffs)
	})
	if len(leads) > 0 {
		return leads
	}
	return table.Operators()
}

// tellSpam writes to one of them. Those whom the desk knows come first: there a request
// is likeliest to have been caught.
func (p *planner) tellSpam(agent *routing.Agent, a routing.AccountConfig, seen ticket.Arrivals) error {
	person, err := p.agentPerson(agent)
	if err != nil {
		return err
	}
	lang := p.agentLanguage(agent)
	l := p.summary("spam", lang, person)
	l.data.Title = phrase(lang, "title.spam", []string{a.Name, itoa(seen.Count)})
	l.data.Lines = []string{phrase(lang, "line.spam", []string{a.Spam, a.Folders[0]})}
	var known, others []string
	for _, g := range seen.Newest {
		_, err := p.tx.PersonByAddress(g.From.Addr)
		switch {
		case err == nil:
			known = append(known, p.glimpse(g))
		case errors.Is(err, store.ErrNotFound):
			others = append(others, p.glimpse(g))
		default:
			return err
		}
	}
	known = known[:min(len(known), glimpsed)]
	others = others[:min(len(others), glimpsed-len(known))]
	for _, part := range []struct {
		title string
		lines []string
	}{{"title.spamknown", known}, {"title.spamothers", others}} {
		if len(part.lines) > 0 {
			l.data.Sections = append(l.data.Sections, templates.Section{Title: phrase(lang, part.title, nil), Lines: part.lines})
		}
	}
	if more := seen.Count - len(known) - len(others); more > 0 {
		l.data.Hint = phrase(lang, "line.spammore", []string{itoa(more)})
	}
	return nil
}

// glimpse is a message in one line. It came unasked, so nothing in it may become a link.
func (p *planner) glimpse(g ticket.Glimpse) string {
	short := func(text string) string {
		if r := []rune(text); len(r) > glimpseLong {
			text = string(r[:glimpseLong]) + "…"
		}
		return unlinked(text)
	}
	from := templates.Person{Name: short(g.From.Name), Address: short(g.From.Addr)}
	return from.String() + " · " + short(p.setting.Table.MaskSubject(g.Subject, nil))
}

// linkable are the points by which mail programs know addresses, of mail and of the
// web: what follows the last one begins with a letter.
var linkable = regexp.MustCompile(`([\pL\pN])([.。．｡])(\pL)`)

// unlinked writes what mail programs would make a link of so that they don't.
func unlinked(text string) string {
	text = strings.ReplaceAll(text, "://", "[:]//")
	for linkable.MatchString(text) { // a letter between two points is in one match only
		text = linkable.ReplaceAllString(text, "$1[$2]$3")
	}
	return text
}
