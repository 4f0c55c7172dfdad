package desk

import (
	"slices"
	"sort"
	"strings"
	"time"

	"buzon/routing"
	"buzon/templates"
	"buzon/ticket"
)

// actions carries out each command on the planned change. Those that only the
// requester's side may write are not here.
var actions = map[string]func(*orders, ticket.Command) error{
	ticket.CommandAnswer:     (*orders).sendAsIs,
	ticket.CommandNote:       (*orders).note,
	ticket.CommandClose:      (*orders).closeTicket,
	ticket.CommandResolve:    (*orders).resolve,
	ticket.CommandWait:       (*orders).wait,
	ticket.CommandReopen:     (*orders).reopen,
	ticket.CommandAnswered:   (*orders).markAnswered,
	ticket.CommandUnanswered: (*orders).markUnanswered,
	ticket.CommandTake:       (*orders).takeTicket,
	ticket.CommandAssign:     (*orders).assignTo,
	ticket.CommandRelease:    (*orders).release,
	ticket.CommandTransfer:   (*orders).transfer,
	ticket.CommandRefer:      (*orders).refer,
	ticket.CommandWithdraw:   (*orders).withdraw,
	ticket.CommandPriority:   (*orders).priority,
	ticket.CommandDue:        (*orders).due,
	ticket.CommandLabel:      (*orders).label,
	ticket.CommandUnlabel:    (*orders).unlabel,
	ticket.CommandMark:       (*orders).labelPerson,
	ticket.CommandSubject:    (*orders).subject,
	ticket.CommandField:      (*orders).field,
	ticket.CommandCopy:       (*orders).copyTo,
	ticket.CommandRequester:  (*orders).requesterIs,
	ticket.CommandMerge:      (*orders).merge,
	ticket.CommandLink:       (*orders).link,
	ticket.CommandSplit:      (*orders).split,
	ticket.CommandCanned:     (*orders).canned,
	ticket.CommandSpam:       (*orders).spam,
	ticket.CommandDelete:     (*orders).deleteTicket,
	ticket.CommandShow:       (*orders).show,
	ticket.CommandHistory:    (*orders).history,
	ticket.CommandOthers:     (*orders).others,
	ticket.CommandMine:       (*orders).mine,
	ticket.CommandTeam:       (*orders).teams,
	ticket.CommandOverdue:    (*orders).overdue,
	ticket.CommandSearch:     (*orders).search,
	ticket.CommandAway:       (*orders).away,
	ticket.CommandBack:       (*orders).back,
	ticket.CommandFor:        (*orders).forSomeone,
	ticket.CommandUndo:       (*orders).undo,
	ticket.CommandHelp:       (*orders).help,
}

func (o *orders) sendAsIs(ticket.Command) error {
	o.inside = false
	return nil
}

// note keeps the mail's text inside; what stands behind the word belongs to it.
func (o *orders) note(c ticket.Command) error {
	o.inside = true
	o.text = strings.TrimSpace(ticket.StripTokens(c.Text()) + "\n" + o.text)
	if o.text == "" && len(o.m.Attachments) == 0 {
		return o.no(c, "no.nothing")
	}
	return nil
}

func (o *orders) closeTicket(ticket.Command) error {
	o.status = ticket.StatusClosed
	o.did("did.closed")
	return nil
}

func (o *orders) resolve(c ticket.Command) error {
	if o.ticket.Status == ticket.StatusClosed {
		return o.no(c, "no.status")
	}
	o.status = ticket.StatusResolved
	o.did("did.resolved")
	return nil
}

func (o *orders) wait(c ticket.Command) error {
	if o.ticket.Status == ticket.StatusClosed {
		return o.no(c, "no.status")
	}
	o.status = ticket.StatusWaiting
	o.did("did.waiting")
	return nil
}

func (o *orders) reopen(ticket.Command) error {
	o.status = ticket.StatusOpen
	o.ticket.Spam = false
	o.did("did.open")
	return nil
}

// markAnswered says that the requester was answered by other means; the reason
// stands in the thread.
func (o *orders) markAnswered(c ticket.Command) error {
	if o.ticket.Status == ticket.StatusClosed {
		return o.no(c, "no.status")
	}
	o.status = ticket.StatusWaiting
	if o.ticket.Answered.IsZero() {
		o.ticket.Answered = o.now
	}
	o.setting.answered(o.ticket, o.now)
	o.did("did.answered")
	return nil
}

func (o *orders) markUnanswered(ticket.Command) error {
	o.status = ticket.StatusOpen
	o.ticket.Answered = time.Time{}
	if o.ticket.Status == ticket.StatusOpen {
		o.setting.clocks(o.ticket, o.now)
	}
	o.did("did.unanswered")
	return nil
}

func (o *orders) priority(c ticket.Command) error {
	p, ok := ticket.ParsePriority(c.Text())
	if !ok {
		return o.no(c, "no.priority")
	}
	o.ticket.Priority = p
	o.setting.due(o.ticket)
	o.redue = true
	if p == ticket.PriorityNormal {
		p = "normal"
	}
	o.did("did.priority", o.say("word."+string(p)))
	return nil
}

// due sets when the answer is due: at the end of the day, if no hour is given.
func (o *orders) due(c ticket.Command) error {
	at, whole, err := ticket.ParseDate(c.Text(), o.setting.local(o.now))
	if err != nil {
		return o.no(c, "no.date")
	}
	if whole {
		at = at.AddDate(0, 0, 1).Add(-time.Minute)
	}
	if !at.After(o.now) {
		return o.no(c, "no.past")
	}
	o.setting.promise(o.ticket, at.UTC(), o.now)
	o.did("did.due", templates.LongDate(o.lang, at))
	return nil
}

// labelKey is the form in which labels are kept: folded, words joined.
func labelKey(s string) string {
	words := strings.Fields(s)
	for i := range words {
		words[i] = ticket.FoldWord(words[i])
	}
	return strings.Trim(strings.Join(words, "-"), "-")
}

func withLabel(list []string, label string) []string {
	if label == "" || slices.Contains(list, label) {
		return list
	}
	list = append(slices.Clone(list), label)
	sort.Strings(list)
	return list
}

func (o *orders) label(c ticket.Command) error {
	o.ticket.Labels = withLabel(o.ticket.Labels, labelKey(c.Text()))
	o.did("did.labelled", strings.Join(o.ticket.Labels, ", "))
	return nil
}

// unlabel takes a label from the ticket, or else from the requester.
func (o *orders) unlabel(c ticket.Command) error {
	label := labelKey(c.Text())
	if i := slices.Index(o.ticket.Labels, label); i >= 0 {
		o.ticket.Labels = slices.Delete(slices.Clone(o.ticket.Labels), i, i+1)
		o.did("did.labelled", strings.Join(o.ticket.Labels, ", "))
		return nil
	}
	person, err := o.personByID(o.ticket.Requester)
	if err != nil {
		return err
	}
	i := slices.Index(person.Labels, label)
	if i < 0 {
		return o.no(c, "no.label")
	}
	person.Labels = slices.Delete(slices.Clone(person.Labels), i, i+1)
	o.touch(person)
	o.did("did.marked", shown(person.Address).String(), strings.Join(person.Labels, ", "))
	return nil
}

func (o *orders) labelPerson(c ticket.Command) error {
	person, err := o.personByID(o.ticket.Requester)
	if err != nil {
		return err
	}
	person.Labels = withLabel(person.Labels, labelKey(c.Text()))
	o.touch(person)
	o.did("did.marked", shown(person.Address).String(), strings.Join(person.Labels, ", "))
	return nil
}

// subject changes what the desk calls the ticket. The subjects of the mails stay:
// clients start a new conversation when they change.
func (o *orders) subject(c ticket.Command) error {
	o.ticket.Subject = ticket.WithoutTags(strings.Join(strings.Fields(ticket.StripTokens(c.Text())), " "))
	o.did("did.subject", maskedSubject(o.setting.Table, o.ticket))
	return nil
}

// canned puts a prepared answer before the mail's own text.
func (o *orders) canned(c ticket.Command) error {
	var found, all []*routing.Canned
	want := strings.Fields(labelKey(strings.ReplaceAll(c.Text(), "-", " ")))
	want = strings.FieldsFunc(strings.Join(want, "-"), func(r rune) bool { return r == '-' })
	for _, a := range o.setting.Table.Canned {
		if !a.For(o.topic) {
			continue
		}
		all = append(all, a)
		if labelKey(c.Text()) == labelKey(a.ID) {
			found = []*routing.Canned{a}
			break
		}
		if hasWords(a.Name, want) {
			found = append(found, a)
		}
	}
	switch {
	case len(found) == 0:
		return o.no(c, "no.canned", cannedNames(all))
	case len(found) > 1:
		return o.no(c, "no.cannedOf", cannedNames(found))
	}
	requester, err := o.personByID(o.ticket.Requester)
	if err != nil {
		return err
	}
	lang := o.ticket.Language
	if requester.Language != "" {
		lang = requester.Language
	}
	text := o.fillCanned(found[0], requester.Address.Name, o.who.agent.Name, o.topic, lang)
	o.text = strings.TrimSpace(text + "\n\n" + o.text)
	return nil
}

func cannedNames(list []*routing.Canned) string {
	var names []string
	for _, a := range list {
		names = append(names, "«"+a.Name+"»")
	}
	return strings.Join(names, ", ")
}

// spam closes the ticket without a word and blocks who wrote it.
func (o *orders) spam(c ticket.Command) error {
	person, err := o.personByID(o.ticket.Requester)
	if err != nil {
		return err
	}
	if o.setting.Table.AgentByAddress(person.Address.Addr) != nil || o.setting.Table.Own(person.Address.Addr) {
		return o.no(c, "no.own")
	}
	if o.text != "" {
		return o.no(c, "no.together")
	}
	o.status, o.silent, o.ticket.Spam = ticket.StatusClosed, true, true
	if o.ticket.Behalf != 0 { // who is named as the requester may have written nothing
		o.did("did.closed")
		return nil
	}
	if person.Blocked.IsZero() {
		person.Blocked, o.blocked = o.now, true
		o.touch(person)
	}
	o.did("did.spam", person.Address.Addr)
	return nil
}

// confirmWithin is how long a command that needs a second word waits for it.
const confirmWithin = 48 * time.Hour

// deleteTicket hides the ticket from everybody, once it is confirmed with the
// token that it mails to the agent. The reason stays in the thread.
func (o *orders) deleteTicket(c ticket.Command) error {
	t := o.ticket
	if len(c.Args) == 1 && ticket.LooksLikeToken(c.Args[0]) {
		token, err := o.desk.keys().Check(c.Args[0], ticket.PurposeConfirm, o.now)
		if err != nil || token.Ticket != t.ID || token.Person != o.who.person.ID {
			return o.no(c, "no.confirm")
		}
		seq, reason, err := o.deleteReason()
		if err != nil {
			return err
		}
		t.Deleted, t.Undo = o.now, nil
		o.silent, o.status = true, ticket.StatusClosed
		o.event(ticket.Event{Kind: ticket.EventDeleted, Person: o.who.person.ID, Entry: seq, Digest: o.tx.Digest([]byte(reason))})
		o.did("did.deleted")
		return nil
	}
	if o.text != "" {
		return o.no(c, "no.together")
	}
	o.silent = true
	o.reports = append(o.reports, func() error {
		token := o.desk.keys().Mint(ticket.Token{Ticket: t.ID, Person: o.who.person.ID, Purpose: ticket.PurposeConfirm, Expires: o.now.Add(confirmWithin)})
		o.entry(&ticket.Entry{
			Kind: ticket.EntryEvent, Author: o.who.person.ID, AuthorName: o.who.agent.Name, Role: ticket.RoleAgent,
			Text: o.who.agent.Name + ": " + ticket.StripTokens(c.Line), Archive: o.m.Archive, MessageID: o.m.MessageID, Verdict: o.m.Kind,
		})
		l := o.toAgent("transcript")
		l.data.Title = o.say("ask.delete", t.Number.String(), ticket.StripTokens(c.Text()))
		l.action(o.say("ask.confirm"), c.Verb().Word(o.lang)+" "+token)
		return nil
	})
	return nil
}

// deleteReason finds the agent's last order to delete the ticket, and its reason.
func (o *orders) deleteReason() (seq uint32, reason string, err error) {
	entries, err := o.tx.Entries(o.ticket.ID)
	for _, e := range slices.Backward(entries) {
		line, ok := strings.CutPrefix(e.Text, o.who.agent.Name+": ")
		if !ok || e.Kind != ticket.EntryEvent || e.Author != o.who.person.ID {
			continue
		}
		if c, _ := ticket.SplitCommands(line); len(c) == 1 && c[0].Name == ticket.CommandDelete {
			return e.Seq, c[0].Text(), err
		}
	}
	return 0, "", err
}

// forSomeone has its place in new mail only.
func (o *orders) forSomeone(c ticket.Command) error { return o.no(c, "no.new") }

// away has new tickets of the agent's go to the team until a day.
func (o *orders) away(c ticket.Command) error {
	at, whole, err := ticket.ParseDate(c.Text(), o.setting.local(o.now))
	if err != nil {
		return o.no(c, "no.date")
	}
	if !at.After(o.now) {
		return o.no(c, "no.past")
	}
	o.who.person.Away = at.UTC()
	o.touch(o.who.person)
	shown := templates.LongDate(o.lang, at)
	if whole {
		shown = templates.LongDay(o.lang, at)
	}
	o.report("", o.say("did.away", shown))
	return nil
}

func (o *orders) back(ticket.Command) error {
	o.who.person.Away = time.Time{}
	o.touch(o.who.person)
	o.report("", o.say("did.back"))
	return nil
}

// report has a mail with a title and lines sent to the agent.
func (o *orders) report(title string, lines ...string) {
	o.reports = append(o.reports, func() error {
		l := o.toAgent("transcript")
		l.data.Title, l.data.Lines = title, lines
		return nil
	})
}

// help lists the commands that the agent may use here.
func (o *orders) help(ticket.Command) error {
	var list []string
	for i := range ticket.Verbs {
		v := &ticket.Verbs[i]
		if !v.RequesterOnly && o.who.agent.May(v.Needs, o.topic) {
			list = append(list, v.Usage(o.lang)+": "+v.Does(o.lang))
		}
	}
	o.report(o.say("title.help"), list...)
	return nil
}
