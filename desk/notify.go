package desk

import (
	"slices"

	"buzon/routing"
	"buzon/ticket"
)

// tellAgents writes to whoever has the ticket: the assignee, or else the topic's
// team, or else the operators. It returns the ids of those who were told.
func (p *planner) tellAgents(topic *routing.Topic, template, text string, edit func(*letter)) ([]string, error) {
	table := p.setting.Table
	agents := topic.Agents()
	if team := table.Team(p.ticket.Team); team != nil {
		agents = team.Members
	}
	assignee := table.Agent(p.ticket.Assignee)
	if assignee != nil {
		agents = []*routing.Agent{assignee}
	} else if topic.Agent != nil && p.ticket.Team == "" {
		agents = nil // its only agent is the requester
	}
	var told []string
	for _, agent := range agents {
		if slices.Contains(agent.Addresses, p.m.From.Key()) {
			continue // nobody is told of what they wrote
		}
		told = append(told, agent.ID)
	}
	if len(told) == 0 {
		for _, agent := range table.Operators() {
			told = append(told, agent.ID)
		}
	}
	for _, id := range told {
		if err := p.tellAgent(table.Agent(id), topic, template, text, assignee != nil && assignee.ID == id); err != nil {
			return nil, err
		}
		if edit != nil {
			edit(p.letters[len(p.letters)-1])
		}
	}
	return told, nil
}

// tellAgent writes to one agent, with the message's files. Beyond the limit the
// assignee gets the files and everybody else the list. A notification that comes
// soon after another on the ticket waits, or takes its place.
func (p *planner) tellAgent(agent *routing.Agent, topic *routing.Topic, template, text string, assignee bool) error {
	person, err := p.agentPerson(agent)
	if err != nil {
		return err
	}
	told, err := p.news(person.ID, template)
	if err != nil {
		return err
	}
	if told.folds != nil {
		p.ticket.Participant(person.ID).Forget(told.folds.MessageID)
		template = "updates"
	}
	l := p.letter(template, ticket.ClassNotification, topic, person, ticket.RoleAgent)
	l.lang = agent.Language
	l.data.Text = text
	l.steps(p.ticket, agent, topic)
	limit := int64(p.setting.Table.Config.Desk.NotifyFiles)
	include := assignee || encodedSize(p.m.Attachments) <= limit
	if told.folds == nil {
		l.attach(p.m, include)
	} else if err := p.tell(l, told); err != nil {
		return err
	}
	if told.tells != nil {
		l.tells, l.after = told.tells, told.after
		p.ticket.Participant(person.ID).Notified = l.draft.MessageID
	}
	return nil
}

// encodedSize is how many octets files take in a mail, nearly.
func encodedSize(files []ticket.Attachment) (total int64) {
	for _, f := range files {
		if f.Packed > 0 {
			total += f.Size / 3 * 4 // as it will be encoded
			continue
		}
		total += f.Length
	}
	return total
}
