package routing

import (
	"slices"
	"time"

	"github.com/robfig/cron/v3"
)

// canary checks where the desk writes to itself, and when.
func (c *checker) canary() {
	if c.Canary.At != "" && c.set("canary.at") {
		if mistake := cronMistake(c.Canary.At); mistake != "" {
			c.rejectf("canary.at", `five fields: minute, hour, day, month, weekday; such as "*/15 * * * *"`, "%q %s", c.Canary.At, mistake)
		}
	}
	for i, id := range c.Canary.Topics {
		c.refers(elementPath("canary.topics", i), id, "topic", c.topics)
	}
	c.distinct("canary.topics", c.Canary.Topics)
	if c.Canary.At == "" && len(c.Canary.Topics) > 0 && c.set("canary.topics") && !c.bad("canary.at") {
		c.rejectf("canary.topics", `write at = "*/15 * * * *"`, "has no effect, because at is not set")
	}
}

// Canaries are the topics to whose addresses the desk writes to see that mail comes
// back; none: it doesn't.
func (t *Table) Canaries() []*Topic {
	conf := t.Config.Canary
	switch {
	case conf.At == "":
		return nil
	case len(conf.Topics) == 0:
		return []*Topic{t.CatchAll()}
	}
	var topics []*Topic
	for _, topic := range t.Topics {
		if slices.Contains(conf.Topics, topic.ID) {
			topics = append(topics, topic)
		}
	}
	return topics
}

// CanaryDue tells whether the next canary is due, after one that was sent at last;
// zero: none was.
func (t *Table) CanaryDue(last, now time.Time) bool { return t.due(t.Config.Canary.At, last, now) }

// due tells whether a cron line has fired since last, by the clock of the desk's zone.
// What has never happened is due at once.
func (t *Table) due(line string, last, now time.Time) bool {
	schedule, err := cron.ParseStandard(line)
	if line == "" || err != nil {
		return false
	}
	next := schedule.Next(last.In(t.Zone))
	return last.IsZero() || !next.IsZero() && !next.After(now)
}
