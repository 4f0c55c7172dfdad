package desk

import (
	"slices"
	"time"

	"buzon/routing"
	"buzon/store"
	"buzon/ticket"
)

// What an agent has chosen to be mailed (agent.notify):
//
//	each      everything that concerns them
//	digest    what is addressed to them by name; what is only news (a new request to
//	          their team, what people write) stands in the daily digest
//	mentions  what is addressed to them by name, and what is written on tickets that
//	          they have or were brought into
//
// A choice leaves nobody in the dark: where it would leave a request to nobody, it
// does not count.

// onlyNews are the templates of mails that tell what someone of the other side wrote.
var onlyNews = []string{"update", "thirdparty"}

// atOnce leaves out the agents who have chosen not to be mailed at once what a
// template says of the ticket.
func (p *planner) atOnce(agents []*routing.Agent, template string) []*routing.Agent {
	t, table := p.ticket, p.setting.Table
	var now []*routing.Agent
	later := false // somebody reads of it in the digest
	for _, a := range agents {
		named := t.Assignee == a.ID || slices.Contains(t.Referred, a.ID)
		waits := table.GetsDigest(a) && a.Notify == routing.NotifyDigest
		switch {
		case a.Notify == routing.NotifyMentions && named,
			a.Notify == routing.NotifyDigest && (!waits || named && !slices.Contains(onlyNews, template)),
			a.Notify == routing.NotifyEach:
			now = append(now, a)
		case waits:
			later = true
		}
	}
	if len(now) == 0 && (!later || template == "reminder") {
		return agents
	}
	if left := len(agents) - len(now); left > 0 {
		p.fact("not told at once", "count", left, ticket.LogReason, "agents have chosen so (agent.notify)")
	}
	return now
}

// isNews tells whether the requester's side has written on a ticket since then.
func (p *planner) isNews(t *ticket.Ticket, since time.Time) (bool, error) {
	if t.Updated.Before(since) {
		return false, nil
	}
	entries, err := p.tx.Entries(t.ID)
	return slices.ContainsFunc(entries, func(e *ticket.Entry) bool {
		return (e.Kind == ticket.EntryRequest || e.Kind == ticket.EntryReply) && !e.At.Before(since)
	}), err
}

// news are the tickets about which an agent has chosen to read in the digest, and on
// which people have written since the last one.
func (p *planner) newsFor(agent *routing.Agent) (found []*ticket.Ticket, err error) {
	if agent.Notify != routing.NotifyDigest {
		return nil, nil
	}
	since := p.setting.Table.DigestTime(p.tx.LastDigest(agent.ID))
	if since.IsZero() {
		since = p.now.Add(-day)
	}
	for _, status := range []ticket.Status{ticket.StatusOpen, ticket.StatusWaiting, ticket.StatusResolved} {
		tickets, err := p.tx.Tickets(store.TicketFilter{Status: status}, 0)
		if err != nil {
			return nil, err
		}
		for _, t := range tickets {
			if t.Deleted.IsZero() && t.MergedInto.IsZero() && slices.Contains(involvedIn(p.setting.Table, t), agent) {
				if news, err := p.isNews(t, since); err != nil {
					return nil, err
				} else if news {
					found = append(found, t)
				}
			}
		}
	}
	return found, nil
}
