package desk

import (
	"slices"
	"strings"

	"buzon/routing"
	"buzon/store"
	"buzon/templates"
	"buzon/ticket"
)

// remembered is how many earlier tickets of a sender are looked at for fields.
const remembered = 20

// readRequest fills in what the topic's form asks for: from the request itself,
// from the sender's earlier tickets, from their domain.
func (p *planner) readRequest(topic *routing.Topic, requester *ticket.Person, from opening) error {
	if topic.Form == nil {
		return nil
	}
	values := topic.Form.Read(from.text)
	earlier, err := p.tx.Tickets(store.TicketFilter{Requester: requester.ID}, remembered)
	if err != nil {
		return err
	}
	for _, f := range topic.Form.Fields {
		for _, t := range earlier {
			if values[f.ID] != "" || !f.Remember {
				break
			}
			if value, ok := f.Accept(t.Fields[f.ID]); ok {
				values[f.ID] = value
			}
		}
		if values[f.ID] == "" {
			values[f.ID] = f.Infer(ticket.Domain(from.from.Addr))
		}
	}
	p.fill(values)
	return nil
}

// readReply fills in what a reply of the requester's says. What it quotes counts
// only where nothing is known yet: there people fill in the desk's questions.
func (p *planner) readReply(topic *routing.Topic, text, quoted string) {
	if topic.Form == nil {
		return
	}
	values := topic.Form.Read(text)
	have := func(id string) bool { return p.ticket.Fields[id] != "" || values[id] != "" }
	for id, value := range topic.Form.ReadChoices(text, p.ticket.Fields) {
		if !have(id) {
			values[id] = value
		}
	}
	// Marked as quoted, so that no line of the desk's is taken for the answer above it.
	for id, value := range topic.Form.Read("> " + strings.ReplaceAll(quoted, "\n", "\n> ")) {
		if !have(id) {
			values[id] = value
		}
	}
	p.fill(values)
}

// readThread reads the requester's side of the conversation for the form of the
// topic that the ticket has moved to, and fills in what is not known yet.
func (o *orders) readThread() error {
	if o.topic.Form == nil {
		return nil
	}
	entries, err := o.tx.Entries(o.ticket.ID)
	if err != nil {
		return err
	}
	values := map[string]string{}
	for _, e := range entries {
		if e.Unverified || e.Role != ticket.RoleRequester && e.Role != ticket.RoleCollaborator {
			continue
		}
		for id, value := range o.topic.Form.Read(e.Text) {
			if o.ticket.Fields[id] == "" {
				values[id] = value
			}
		}
	}
	o.fill(values)
	return nil
}

// fill records values of fields. The journal and the log hold their ids only.
func (p *planner) fill(values map[string]string) {
	var changed []string
	for id, value := range values {
		if value == "" || p.ticket.Fields[id] == value {
			continue
		}
		if p.ticket.Fields == nil {
			p.ticket.Fields = map[string]string{}
		}
		p.ticket.Fields[id] = value
		changed = append(changed, id)
	}
	if len(changed) == 0 {
		return
	}
	slices.Sort(changed)
	p.event(ticket.Event{Kind: ticket.EventFields, Detail: strings.Join(changed, " ")})
	p.fact("fields read", "fields", strings.Join(changed, " "))
}

// missing are the fields that the requester is asked for.
func (p *planner) missing(topic *routing.Topic, lang string) (asked []templates.Field) {
	for _, f := range topic.Form.Missing(p.ticket.Fields) {
		asked = append(asked, templates.Field{Name: f.Name(lang), Choices: strings.Join(f.Offered(lang), ", ")})
	}
	return asked
}

// fieldsOf are the ticket's fields as agents are shown them: those of the topic's
// form in its order, then others. Sensitive ones are left out unless all is true.
func fieldsOf(table *routing.Table, t *ticket.Ticket, lang string, all bool) (shown []templates.Field) {
	rest := t.Copy().Fields
	if form := topicOf(table, t).Form; form != nil {
		for _, f := range form.Fields {
			if value := rest[f.ID]; value != "" && (all || !table.Sensitive(f.ID)) {
				shown = append(shown, templates.Field{Name: f.Name(lang), Value: f.Shown(value, lang)})
			}
			delete(rest, f.ID)
		}
	}
	var others []string
	for id := range rest {
		if all || !table.Sensitive(id) {
			others = append(others, id)
		}
	}
	slices.Sort(others)
	for _, id := range others {
		shown = append(shown, templates.Field{Name: id, Value: rest[id]})
	}
	return shown
}

// FieldsOf are all fields of a ticket, sensitive ones too, in the desk's language.
func (d *Desk) FieldsOf(t *ticket.Ticket) []templates.Field {
	table := d.Table()
	return fieldsOf(table, t, table.Config.Desk.Language, true)
}

// maskedSubject is a ticket's subject as it stands in mail: subjects are seen in lists,
// on locked screens and by every server on the way.
func maskedSubject(table *routing.Table, t *ticket.Ticket) string {
	return table.MaskSubject(t.Subject, t.Fields)
}

// ListedSubject is a ticket's subject as it stands in lists, without the values of
// sensitive fields.
func (d *Desk) ListedSubject(t *ticket.Ticket) string { return maskedSubject(d.Table(), t) }

// mask hides sensitive fields in what a letter shows of a conversation, unless its
// reader has asked for them. Requesters' own mail is their own.
func (l *letter) mask(table *routing.Table, t *ticket.Ticket) {
	if l.open || t == nil || l.class != ticket.ClassNotification && l.class != ticket.ClassReminder {
		return
	}
	hide := func(text *string) { *text = table.Mask(*text, t.Fields) }
	hide(&l.data.Text)
	hide(&l.data.Quoted)
	hide(&l.data.Title)
	for i := range l.data.Thread {
		hide(&l.data.Thread[i].Text)
	}
	for i := range l.data.News {
		hide(&l.data.News[i].Text)
	}
	for i := range l.data.Lines {
		hide(&l.data.Lines[i])
	}
}

// field sets a field, or empties it. A field of the topic's form is found by any
// spelling of its name.
func (o *orders) field(c ticket.Command) error {
	name, value, ok := strings.Cut(c.Text(), "=")
	id, label, value := labelKey(name), labelKey(name), strings.TrimSpace(ticket.StripTokens(value))
	if !ok || id == "" {
		return o.no(c, "no.pair")
	}
	shown := value
	if f := o.topic.Form.Field(name); f != nil {
		id, label = f.ID, f.Name(o.lang)
		if value != "" {
			accepted, ok := f.Accept(value)
			if !ok {
				return o.no(c, "no.value", label, strings.Join(f.Offered(o.lang), ", "))
			}
			value, shown = accepted, f.Shown(accepted, o.lang)
		}
	}
	if o.ticket.Fields == nil {
		o.ticket.Fields = map[string]string{}
	}
	o.ticket.Fields[id] = value
	if value == "" {
		delete(o.ticket.Fields, id)
	}
	if value != "" && o.setting.Table.Sensitive(id) {
		shown = routing.Masked
	}
	o.event(ticket.Event{Kind: ticket.EventFields, Person: o.who.person.ID, Detail: id})
	o.did("did.field", label, shown)
	return nil
}

// shownLine is a command as it is recorded in the thread: without the value of a
// sensitive field.
func (o *orders) shownLine(c ticket.Command) string {
	line := ticket.StripTokens(c.Line)
	name, _, ok := strings.Cut(c.Text(), "=")
	if c.Name != ticket.CommandField || !ok {
		return line
	}
	id := labelKey(name)
	if f := o.topic.Form.Field(name); f != nil {
		id = f.ID
	}
	if !o.setting.Table.Sensitive(id) {
		return line
	}
	before, _, _ := strings.Cut(line, "=")
	return before + "= " + routing.Masked
}
