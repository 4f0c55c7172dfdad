package routing

import (
	"fmt"
	"slices"
	"strings"

	"buzon/ticket"
)

// Strategies of topics: who of the team gets a new ticket.
const (
	StrategyFixed      = "fixed"       // the team as a whole; whoever answers first takes it
	StrategyRoundRobin = "round robin" // the member after the one who got the last
	StrategyLeastOpen  = "least open"  // the member with the fewest open tickets
	StrategySticky     = "sticky"      // the one who had the requester's last ticket, or else in turn
)

// Staff is what a strategy asks about a team at the present moment.
type Staff interface {
	// Away tells whether an agent is absent.
	Away(a *Agent) bool
	// Open counts the open tickets that an agent has.
	Open(a *Agent) int
	// Last is the id of the member who got the team's last ticket; empty: none has.
	Last(team *Team) string
	// Before is the id of the member who had the requester's last ticket with the team;
	// empty: none had.
	Before(team *Team) string
}

// Roster is what a Staff knows about one moment, and about the person who writes.
type Roster struct {
	OpenOf  map[string]int    `json:"open"`             // by agent
	AwayNow map[string]bool   `json:"away,omitempty"`   // by agent
	LastOf  map[string]string `json:"last,omitempty"`   // agent by team
	HadOf   map[string]string `json:"had,omitempty"`    // who had the person's last ticket, by team
	Groups  []string          `json:"groups,omitempty"` // labels of the person
	Blocked bool              `json:"blocked,omitempty"`
}

func (r *Roster) Away(a *Agent) bool       { return r.AwayNow[a.ID] }
func (r *Roster) Open(a *Agent) int        { return r.OpenOf[a.ID] }
func (r *Roster) Last(team *Team) string   { return r.LastOf[team.ID] }
func (r *Roster) Before(team *Team) string { return r.HadOf[team.ID] }

// Turn says that a team's turn has passed to a member. It must be stored with the
// ticket, and only if the one before is still whom it was worked out from.
type Turn struct {
	Team, Agent string
	Before      string // id of who had the turn; empty: nobody
}

// distribute picks a member of the team for a new ticket from somebody. It returns
// nil when the team as a whole gets it, and says why in any case.
func (topic *Topic) distribute(staff Staff, from string) (*Agent, *Turn, string) {
	team := topic.Team
	intro := topic.Strategy + " in team " + team.ID + ": "
	if staff == nil {
		return nil, nil, intro + "who it is depends on the desk's state"
	}
	last := staff.Last(team)
	order, skipped := team.inTurn(last, staff, from)
	if len(order) == 0 {
		return nil, nil, intro + "nobody is there (" + skipped + "), so the whole team gets it"
	}
	said := "nobody has had a ticket yet"
	if last != "" {
		said = "the last went to " + last
	}
	why := said + ", so it is " + order[0].ID + "'s turn"
	next := order[0]
	switch topic.Strategy {
	case StrategyLeastOpen:
		next, why = least(order, staff, said)
	case StrategySticky:
		before := staff.Before(team)
		i := slices.IndexFunc(order, func(a *Agent) bool { return a.ID == before })
		switch {
		case i >= 0:
			// Those who get tickets by turn keep their order.
			return order[i], nil, intro + before + " had the requester's last ticket with the team"
		case before != "":
			why = before + ", who had the requester's last ticket with the team, is not there; " + why
		default:
			why = "the requester has had no ticket with the team; " + why
		}
	}
	if skipped != "" {
		why += " (" + skipped + ")"
	}
	return next, &Turn{Team: team.ID, Agent: next.ID, Before: last}, intro + why
}

// inTurn lists the members who can get a ticket, beginning with the one after the
// last who got one, and says why the others can't.
func (team *Team) inTurn(last string, staff Staff, from string) (order []*Agent, skipped string) {
	start := 1 + slices.IndexFunc(team.Members, func(a *Agent) bool { return a.ID == last })
	var out []string
	for i := range team.Members {
		a := team.Members[(start+i)%len(team.Members)]
		switch {
		case staff.Away(a):
			out = append(out, a.ID+" is away")
		case a.Wrote(from):
			out = append(out, a.ID+" wrote it")
		default:
			order = append(order, a)
		}
	}
	return order, strings.Join(out, ", ")
}

// Wrote tells whether an address is one of the agent's.
func (a *Agent) Wrote(from string) bool { return slices.Contains(a.Addresses, ticket.AddressKey(from)) }

// least picks the first in turn among those with the fewest open tickets.
func least(order []*Agent, staff Staff, said string) (*Agent, string) {
	best, fewest := 0, 0
	counts := make([]string, len(order))
	ties := 0
	for i, a := range order {
		n := staff.Open(a)
		counts[i] = fmt.Sprintf("%s has %d", a.ID, n)
		switch {
		case i == 0 || n < fewest:
			best, fewest, ties = i, n, 1
		case n == fewest:
			ties++
		}
	}
	why := strings.Join(counts, ", ")
	if ties > 1 {
		why += "; of those with " + fmt.Sprint(fewest) + ", " + order[best].ID + " comes first, because " + said
	}
	return order[best], why
}
