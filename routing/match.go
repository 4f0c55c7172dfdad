package routing

import "buzon/ticket"

// Input is what a decision looks at.
type Input struct {
	Account string          // account the message came by
	Group   string          // configured group that it came through; empty: none
	Targets []ticket.Target // most reliable first
}

// Decision is where a new ticket goes, and why.
type Decision struct {
	Topic   *Topic
	Agent   *Agent   // the assignee, or nil
	Team    *Team    // the team that is told, or nil
	Where   string   // which evidence decided: "group", "envelope recipient", "Delivered-To", "To", "Cc", "account default", "catch-all"
	Address string   // the topic's address or group that matched; empty for the last two
	Reasons []string // one fact each, in order, in English
	Version string   // of the table
}

// Match decides where a message goes: to the topic of the group it came through,
// because the mailbox that the group delivers to only subscribes to it; or else
// to the topic of the first target that is an address or a group of one, or else to the account's default topic, or else to the
// catch-all. Own addresses that are no topic's decide nothing. There is always a
// topic, and always an agent or a team.
func (t *Table) Match(in Input) Decision {
	d := Decision{Version: t.Version}
	if topic := t.TopicByGroup(in.Group); topic != nil {
		d.Topic, d.Where, d.Address = topic, "group", ticket.AddressKey(in.Group)
		d.Reasons = append(d.Reasons, "it came through "+d.Address+", a group of topic "+topic.ID)
	}
	for _, target := range in.Targets {
		if d.Topic != nil {
			break
		}
		if topic := t.TopicByGroup(target.Address); topic != nil {
			d.Topic, d.Where, d.Address = topic, target.Where, ticket.AddressKey(target.Address)
			d.Reasons = append(d.Reasons, target.Where+" "+d.Address+" is a group of topic "+topic.ID)
		} else if topic, addr := t.topicAt(target.Address); topic != nil {
			d.Topic, d.Where, d.Address = topic, target.Where, addr
			d.Reasons = append(d.Reasons, target.Where+" "+addr+" is an address of topic "+topic.ID)
		}
	}
	if d.Topic == nil {
		if topic := t.defaultTopic[in.Account]; topic != nil {
			d.Topic, d.Where = topic, "account default"
			d.Reasons = append(d.Reasons, "no recipient names a topic: account "+in.Account+" has default topic "+topic.ID)
		} else {
			d.Topic, d.Where = t.catchAll, "catch-all"
			d.Reasons = append(d.Reasons, "no recipient names a topic: "+t.catchAll.ID+" is the catch-all")
		}
	}
	d.Agent, d.Team = d.Topic.Agent, d.Topic.Team
	if d.Agent != nil {
		d.Reasons = append(d.Reasons, "topic "+d.Topic.ID+" goes to agent "+d.Agent.ID)
	} else {
		d.Reasons = append(d.Reasons, "topic "+d.Topic.ID+" goes to team "+d.Team.ID)
	}
	return d
}
