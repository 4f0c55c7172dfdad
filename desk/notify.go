package desk

import (
	"buzon/routing"
	"buzon/ticket"
)

// tellAgents writes to whoever has the ticket, and to those who were brought in:
// see audience. It returns the ids of those who are told,
// at once or in the digest.
func (p *planner) tellAgents(topic *routing.Topic, template, text string, edit func(*letter)) ([]string, error) {
	assignee := p.setting.Table.Agent(p.ticket.Assignee)
	var told []string
	audience := p.audience()
	for _, agent := range audience {
		told = append(told, agent.ID)
	}
	for _, agent := range p.atOnce(audience, template) {
		if err := p.tellAgent(agent, topic, template, text, agent == assignee); err != nil {
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
	l.data.Fields = fieldsOf(p.setting.Table, p.ticket, l.lang, false)
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
