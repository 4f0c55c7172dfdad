package routing

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"buzon/ticket"
)

// staffed is a table whose second topic has a team of n members and a strategy.
func staffed(t testing.TB, strategy string, n int) *Table {
	t.Helper()
	agents, members := "", ""
	for i := range n {
		agents += fmt.Sprintf("\n[[agent]]\nid = \"a%d\"\nname = \"A\"\naddresses = [\"a%d@delegados.example\"]\n", i, i)
		members += fmt.Sprintf("\"a%d\", ", i)
	}
	return parse(t, change(t, "team = \"moodle\"", "team = \"moodle\"\nstrategy = \""+strategy+"\"", "members = [\"ana\", \"luis\"]", "members = ["+members+"]")+agents)
}

// counted is a Staff whose tickets are counted.
type counted struct {
	Roster
	got map[string]int
}

func (c *counted) give(t *testing.T, d Decision) {
	if d.Turn != nil {
		if d.Turn.Before != c.LastOf[d.Turn.Team] || d.Turn.Agent != d.Agent.ID {
			t.Fatalf("%+v", d.Turn)
		}
		c.LastOf[d.Turn.Team] = d.Turn.Agent
	}
	c.got[d.Agent.ID]++
	c.OpenOf[d.Agent.ID]++
}

func newCounted() *counted {
	return &counted{Roster{OpenOf: map[string]int{}, AwayNow: map[string]bool{}, LastOf: map[string]string{}}, map[string]int{}}
}

var toTeam = []ticket.Target{{Where: "To", Address: "pregrado@virtual.example"}}

// By turn, nobody who is there gets two tickets more than another who is there.
func TestRoundRobinIsFair(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 7).Draw(rt, "members")
		table := staffed(t, StrategyRoundRobin, n)
		staff := newCounted()
		staff.LastOf["moodle"] = rapid.SampledFrom([]string{"", "a0", "someone who has left"}).Draw(rt, "last")
		for i := range n - 1 {
			staff.AwayNow[fmt.Sprintf("a%d", i)] = rapid.Bool().Draw(rt, "away")
		}
		for range rapid.IntRange(1, 40).Draw(rt, "tickets") {
			d := table.Match(Input{Targets: toTeam, Staff: staff})
			if again := table.Match(Input{Targets: toTeam, Staff: staff}); again.Agent != d.Agent || !slices.Equal(again.Reasons, d.Reasons) {
				rt.Fatalf("%v, then %v", d.Reasons, again.Reasons)
			}
			staff.give(t, d)
			fewest, most := 1<<30, 0
			for i := range n {
				id := fmt.Sprintf("a%d", i)
				if staff.AwayNow[id] {
					if staff.got[id] > 0 {
						rt.Fatalf("%s is away: %v", id, d.Reasons)
					}
					continue
				}
				fewest, most = min(fewest, staff.got[id]), max(most, staff.got[id])
			}
			if most-fewest > 1 {
				rt.Fatalf("%v: %v", staff.got, d.Reasons)
			}
		}
	})
}

// Nobody gets a ticket while another who is there has fewer, and who had none for
// long comes first among equals.
func TestLeastOpenIsFair(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 6).Draw(rt, "members")
		table := staffed(t, StrategyLeastOpen, n)
		staff := newCounted()
		for i := range n {
			staff.OpenOf[fmt.Sprintf("a%d", i)] = rapid.IntRange(0, 5).Draw(rt, "open")
		}
		for range rapid.IntRange(1, 40).Draw(rt, "tickets") {
			if closing := fmt.Sprintf("a%d", rapid.IntRange(0, n-1).Draw(rt, "closes")); staff.OpenOf[closing] > 0 && rapid.Bool().Draw(rt, "closed") {
				staff.OpenOf[closing]--
			}
			d := table.Match(Input{Targets: toTeam, Staff: staff})
			for i := range n {
				if id := fmt.Sprintf("a%d", i); staff.OpenOf[id] < staff.OpenOf[d.Agent.ID] {
					rt.Fatalf("%s has fewer: %v", id, d.Reasons)
				}
			}
			staff.give(t, d)
		}
	})
}

func TestStrategies(t *testing.T) {
	at := func(strategy string, edit func(*counted)) Decision {
		staff := newCounted()
		edit(staff)
		return staffed(t, strategy, 3).Match(Input{Targets: toTeam, Staff: staff, Facts: Facts{Message: &ticket.Message{From: ticket.Address{Addr: "A1@delegados.example"}}}})
	}
	for _, tt := range []struct {
		strategy string
		edit     func(*counted)
		agent    string
		why      string
	}{
		{StrategyRoundRobin, func(c *counted) { c.LastOf["moodle"] = "a0" }, "a2",
			"round robin in team moodle: the last went to a0, so it is a2's turn (a1 wrote it)"},
		{StrategyRoundRobin, func(c *counted) { c.AwayNow = map[string]bool{"a0": true, "a2": true} }, "",
			"round robin in team moodle: nobody is there (a0 is away, a1 wrote it, a2 is away), so the whole team gets it"},
		{StrategyLeastOpen, func(c *counted) { c.OpenOf["a0"] = 4 }, "a2",
			"least open in team moodle: a0 has 4, a2 has 0 (a1 wrote it)"},
		{StrategyLeastOpen, func(c *counted) { c.LastOf["moodle"] = "a0" }, "a2",
			"least open in team moodle: a2 has 0, a0 has 0; of those with 0, a2 comes first, because the last went to a0 (a1 wrote it)"},
		{StrategySticky, func(c *counted) { c.HadOf = map[string]string{"moodle": "a2"} }, "a2", "sticky in team moodle: a2 had the requester's last ticket with the team"},
		{StrategySticky, func(c *counted) { c.HadOf, c.AwayNow["a2"] = map[string]string{"moodle": "a2"}, true }, "a0",
			"sticky in team moodle: a2, who had the requester's last ticket with the team, is not there; nobody has had a ticket yet, so it is a0's turn (a1 wrote it, a2 is away)"},
		{StrategySticky, func(*counted) {}, "a0",
			"sticky in team moodle: the requester has had no ticket with the team; nobody has had a ticket yet, so it is a0's turn (a1 wrote it)"},
		{StrategyFixed, func(*counted) {}, "", "topic pregrado goes to team moodle"},
	} {
		d := at(tt.strategy, tt.edit)
		got := ""
		if d.Agent != nil {
			got = d.Agent.ID
		}
		if got != tt.agent || d.Reasons[len(d.Reasons)-1] != tt.why || d.Team == nil || d.Team.ID != "moodle" {
			t.Errorf("%s: %s, %v", tt.strategy, got, d.Reasons)
		}
	}
	d := staffed(t, StrategyRoundRobin, 3).Match(Input{Targets: toTeam})
	if d.Agent != nil || d.Turn != nil || d.Team == nil {
		t.Errorf("without the desk's state: %+v", d)
	}
}

// The decision says of an agent who is not there what the desk makes of it.
func TestAgentIsNotThere(t *testing.T) {
	table := staffed(t, StrategyFixed, 2)
	edx := []ticket.Target{{Where: "To", Address: "edx@virtual.example"}}
	for _, tt := range []struct {
		targets []ticket.Target
		away    string
		from    string
		agent   string
		why     string
	}{
		{edx, "", "x@otra.example", "ana", "topic edx goes to agent ana"},
		{edx, "ana", "x@otra.example", "", "ana is away, so nobody has it: others who staff the topic are told, or else the operators"},
		{edx, "", "Ana.Rojas@delegados.example", "", "ana asks for it, so nobody has it: others who staff the topic are told, or else the operators"},
		{[]ticket.Target{{Where: "To", Address: "Postmaster@virtual.example"}}, "", "x@otra.example", "ana", "mail to postmaster goes to the first operator, agent ana"},
	} {
		staff := newCounted()
		staff.AwayNow[tt.away] = true
		d := table.Match(Input{Targets: tt.targets, Staff: staff, Facts: Facts{Message: &ticket.Message{From: ticket.Address{Addr: tt.from}}}})
		got := ""
		if d.Agent != nil {
			got = d.Agent.ID
		}
		if got != tt.agent || d.Reasons[len(d.Reasons)-1] != tt.why {
			t.Errorf("%+v: %s, %v", tt, got, d.Reasons)
		}
	}
}
