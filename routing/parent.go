package routing

import "reflect"

// inherited are the keys of a topic that it takes from the topic that it is a part of.
// Those in one row go together: a topic that sets one of them takes none.
var inherited = [][]string{
	{"agent", "team", "strategy"},
	{"sla", "reply_within"},
	{"priority"}, {"form"}, {"language"}, {"signature"}, {"smarthost"},
	{"autoresponse"}, {"public"}, {"petition"},
	{"retention"},
	{"may_assign"}, {"may_transfer"}, {"may_merge"}, {"may_delete"}, {"may_see"},
}

// inherit gives the topics that are parts of others what they don't say themselves.
// What nobody says of retention is retention.keep. Circles and unknown parents are
// reported elsewhere.
func (c *checker) inherit() {
	place := map[string]int{}
	for i, t := range c.Topics {
		place[t.ID] = i
		if !c.set(elementPath("topic", i) + ".retention") {
			c.Topics[i].Retention = c.Retention.Keep
		}
	}
	done := make([]bool, len(c.Topics))
	var fill func(i int)
	fill = func(i int) {
		if done[i] {
			return
		}
		done[i] = true // before its parent, so that a circle ends
		parent, ok := place[c.Topics[i].Parent]
		if !ok || c.Topics[i].Parent == "" || parent == i {
			return
		}
		fill(parent)
		for _, keys := range inherited {
			c.take(i, parent, keys)
		}
	}
	for i := range c.Topics {
		fill(i)
	}
}

// take copies the values of keys from one topic to another that has none of them.
func (c *checker) take(to, from int, keys []string) {
	for _, key := range keys {
		if at := c.spots[childPath(elementPath("topic", to), key)]; at.set || at.bad {
			return
		}
	}
	target, source := reflect.ValueOf(&c.Topics[to]).Elem(), reflect.ValueOf(c.Topics[from])
	for i := range source.NumField() {
		for _, key := range keys {
			if source.Type().Field(i).Tag.Get("toml") == key {
				target.Field(i).Set(source.Field(i))
			}
		}
	}
}
