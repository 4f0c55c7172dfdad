package routing

import (
	"slices"
	"strings"
)

// untold warns of choices of agents by which new requests wait for a reader.
func (c *checker) untold() {
	if len(c.problems) > 0 {
		return // who is told may be among what is wrong
	}
	agents := map[string]*AgentConfig{}
	for i := range c.Agents {
		a := &c.Agents[i]
		agents[a.ID] = a
		path := elementPath("agent", i) + ".notify"
		switch {
		case a.Notify != NotifyDigest:
		case c.Digest.At == "":
			c.warnf(path, `write [digest] at = "0 7 * * 1-5"`, "there is no digest, so agent %q is mailed everything at once", a.ID)
		case !a.Digest:
			c.warnf(path, "write digest = true", "agent %q gets no digest, and so is mailed everything at once", a.ID)
		}
	}
	for i, t := range c.Topics {
		if t.Team == "" || t.Strategy != StrategyFixed {
			continue // somebody has each request, by name
		}
		team := c.Teams[slices.IndexFunc(c.Teams, func(x TeamConfig) bool { return x.ID == t.Team })]
		digest := false
		if slices.ContainsFunc(team.Members, func(id string) bool {
			a := agents[id]
			waits := a.Digest && c.Digest.At != ""
			digest = digest || a.Notify == NotifyDigest && waits
			return a.Notify == NotifyEach || a.Notify == NotifyDigest && !waits
		}) {
			continue
		}
		path, hint := elementPath("topic", i)+".team", `give one of them notify = "each", or the topic a strategy`
		if digest {
			c.warnf(path, hint, "nobody of team %q is told at once of a new request (%s): it waits for the digest", t.Team, strings.Join(team.Members, ", "))
		} else {
			c.warnf(path, hint, "nobody of team %q wants to be told of new requests (%s), so all of them are", t.Team, strings.Join(team.Members, ", "))
		}
	}
}
