package desk

import (
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"buzon/routing"
	"buzon/templates"
	"buzon/ticket"
)

const hour = time.Hour

func asDuration(d routing.Duration) time.Duration { return time.Duration(d) }

// letter is a mail that a change causes: to one person, in that person's own
// conversation, from a template.
type letter struct {
	template string
	lang     string
	class    ticket.Class
	topic    *routing.Topic
	to       *ticket.Person
	sender   string // who speaks, shown with the topic's address; empty: the topic itself
	data     templates.Data
	files    []ticket.File
	tickets  []ticket.ID // what it is about, where the change is about no single ticket
	tells    []uint32    // entries of the ticket, of a notification
	folds    uint64      // the outbox row whose place it takes; 0: none
	after    time.Time   // when it is due; zero: at once
	draft    ticket.Draft
	open     bool             // sensitive fields may stand in it
	token    string           // as it stands in the separator line
	wait     time.Duration    // before it leaves
	out      *ticket.Outgoing // once composed
}

// begin starts a letter about the change's ticket. What depends on the person's
// conversation is fixed now, in the order in which letters are begun.
func (d *Desk) begin(c *change, s *Setting, template string, class ticket.Class, topic *routing.Topic, to *ticket.Person, role ticket.Role) *letter {
	t := c.ticket
	subject := maskedSubject(s.Table, t)
	part := t.Join(to.ID, role)
	number := c.placeholder
	if t.Number != 0 {
		number = t.Number.String()
	}
	if part.Subject == "" {
		part.Subject = "[#" + number + "] " + subject
	}
	l := &letter{template: template, lang: t.Language, class: class, topic: topic, to: to}
	if role != ticket.RoleAgent && to.Language != "" {
		l.lang = to.Language
	}
	expires := c.now.Add(asDuration(s.Table.Config.Desk.TokenLifetime))
	inside := template == "internal"
	mint := func(p ticket.Purpose) string {
		if inside && p != ticket.PurposeBounce {
			p = p.Inside()
		}
		return d.keys().Mint(ticket.Token{Ticket: t.ID, Person: to.ID, Purpose: p, Expires: expires})
	}
	l.draft = ticket.Draft{
		To:           to.Address,
		EnvelopeFrom: topic.Sender(),
		Subject:      part.Subject,
		MessageID:    ticket.MessageID(mint(ticket.PurposeMessageID), d.nonce(10), s.Table.Config.Desk.Hostname),
		References:   slices.Clone(part.Thread),
		Date:         s.local(c.now),
		Class:        class,
	}
	if n := len(part.Thread); n > 0 {
		l.draft.InReplyTo = part.Thread[n-1]
	}
	part.Note(l.draft.MessageID)
	if base := s.Table.ReplyBase(topic); base != "" {
		l.draft.ReplyTo = ticket.WithPlus(base, mint(ticket.PurposeReply))
		l.draft.EnvelopeFrom = ticket.WithPlus(base, mint(ticket.PurposeBounce))
	}
	l.token = ticket.SeparatorToken(mint(ticket.PurposeSeparator))
	l.data = templates.Data{
		Desk: s.Table.Config.Desk.Name, Hostname: s.Table.Config.Desk.Hostname,
		Number: number, Tag: "[#" + number + "]", Subject: subject,
		Assignee: assigneeName(s.Table, t), Separator: l.token,
		Received: s.local(c.now), Status: string(t.Status),
	}
	if !t.Due.IsZero() {
		l.data.Due = s.local(t.Due)
	}
	c.letters = append(c.letters, l)
	return l
}

// letter begins a letter about the planned change.
func (p *planner) letter(template string, class ticket.Class, topic *routing.Topic, to *ticket.Person, role ticket.Role) *letter {
	l := p.desk.begin(p.change, p.setting, template, class, topic, to, role)
	l.data.Requester = p.requester()
	return l
}

func (p *planner) requester() templates.Person {
	for _, fresh := range p.people {
		if fresh.ID == p.ticket.Requester {
			return shown(fresh.Address)
		}
	}
	person, err := p.tx.Person(p.ticket.Requester)
	if err != nil {
		return templates.Person{}
	}
	return shown(person.Address)
}

func shown(a ticket.Address) templates.Person { return templates.Person{Name: a.Name, Address: a.Addr} }

// attach lists the message's files in the letter, and sends them along if so
// told.
func (l *letter) attach(m *ticket.Message, include bool) {
	l.attachFiles(m.Attachments, m.Archive, include)
}

func (l *letter) attachFiles(files []ticket.Attachment, archive ticket.ArchiveRef, include bool) {
	for _, a := range files {
		l.data.Files = append(l.data.Files, templates.File{
			Name: a.Name, Size: humanSize(a.Size), ContentID: a.ContentID,
			Included: include,
		})
		l.files = append(l.files, ticket.File{Attachment: a, Archive: archive})
	}
}

// compose renders the change's letters and puts them into MIME form. It reads
// the archive, so it belongs outside the write transaction.
func (d *Desk) compose(c *change, s *Setting) error {
	if c.with != nil {
		if err := d.compose(c.with, s); err != nil {
			return err
		}
	}
	for _, l := range c.letters {
		if err := d.composeOne(c, s, l); err != nil {
			return fmt.Errorf("composing %s to %s: %w", l.template, l.to.Address.Addr, err)
		}
	}
	return nil
}

func (d *Desk) composeOne(c *change, s *Setting, l *letter) error {
	if l.lang == "" {
		l.lang = s.Table.Config.Desk.Language
	}
	for i, f := range l.files {
		if !l.data.Files[i].Included {
			continue
		}
		content, err := d.content(f)
		if err != nil {
			return err
		}
		if f.Private {
			// An attached message may hold another person's tokens.
			if text := string(content); ticket.StripTokens(text) != text {
				l.data.Files[i].Included = false
				continue
			}
		}
		if !f.Copyable() {
			if content == nil { // only the list has it
				l.data.Files[i].Included = false
				continue
			}
			f.Content = content
		}
		l.draft.Files = append(l.draft.Files, f)
	}
	l.data.Topic = l.topic.Name(l.lang)
	if l.data.Separator != "" {
		l.data.Separator = separatorLine(l.lang, l.data.Separator)
	}
	l.mask(s.Table, c.ticket)
	mail, err := s.Templates.Render(l.template, l.lang, l.data)
	if err != nil {
		return err
	}
	l.draft.From = ticket.Address{Name: l.data.Topic, Addr: l.topic.Sender()}
	if l.sender != "" {
		l.draft.From.Name = l.sender + " · " + l.data.Topic
	}
	l.draft.Text, l.draft.HTML, l.draft.Language = mail.Text, mail.HTML, l.lang
	if l.draft.Subject == "" {
		l.draft.Subject = mail.Subject
	}
	chunks, err := d.Composer.Compose(&l.draft)
	if err != nil {
		return err
	}
	l.out = &ticket.Outgoing{
		Person: l.to.ID, Class: l.class, Smarthost: l.topic.Smarthost, EnvelopeFrom: l.draft.EnvelopeFrom, To: l.draft.To.Addr,
		Subject: l.draft.Subject, MessageID: l.draft.MessageID, State: ticket.OutgoingWaiting,
		Created: c.now, NextTry: c.now.Add(l.wait), Chunks: chunks, Tells: l.tells,
	}
	if !l.after.IsZero() {
		l.out.NextTry = l.after
	}
	for _, chunk := range chunks {
		l.out.Size += int64(len(chunk.Literal)) + chunk.Length
	}
	return nil
}

// content reads a file that can't be copied unseen: one that lies inside a
// container, is encoded in an odd way, or may hold tokens. Of others, and of one that is not where it
// should be, it returns nil.
func (d *Desk) content(f ticket.File) ([]byte, error) {
	if f.Copyable() && !f.Private {
		return nil, nil
	}
	raw, err := d.Store.ReadAt(f.Archive, f.Offset, f.Length)
	if err != nil {
		return nil, err
	}
	there := f.Attachment
	there.Offset = 0
	content, err := d.Unpack(raw, there)
	switch {
	case err != nil:
		d.Log.Error("an attachment can't be unpacked", ticket.LogError, err)
		return nil, nil
	case content == nil:
		return []byte{}, nil
	}
	return content, nil
}

// separatorLine is the line above which people write their reply. What stands
// below it in a reply is ours, and its token says whose copy it is.
func separatorLine(lang, token string) string {
	if lang == "en" {
		return "-- Please write your reply above this line -- " + token
	}
	return "-- Por favor escriba su respuesta encima de esta línea -- " + token
}

func assigneeName(table *routing.Table, t *ticket.Ticket) string {
	if a := table.Agent(t.Assignee); a != nil {
		return a.Name
	}
	if team := table.Team(t.Team); team != nil {
		return team.Name
	}
	return ""
}

var nonceEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// nonce makes n random letters and digits.
func (d *Desk) nonce(n int) string {
	raw := make([]byte, (n*5+7)/8)
	if _, err := io.ReadFull(d.Random, raw); err != nil {
		panic("no randomness: " + err.Error()) // crypto/rand never fails
	}
	return nonceEncoding.EncodeToString(raw)[:n]
}

// personID draws a new person's ID; the transaction checks that it is free.
func (d *Desk) personID() (ticket.PersonID, error) {
	var raw [4]byte
	for {
		if _, err := io.ReadFull(d.Random, raw[:]); err != nil {
			return 0, err
		}
		if id := binary.BigEndian.Uint32(raw[:]); id != 0 {
			return ticket.PersonID(id), nil
		}
	}
}

// humanSize writes octets as people read them.
func humanSize(n int64) string {
	switch {
	case n >= 1<<20:
		return strings.Replace(fmt.Sprintf("%.1f MB", float64(n)/(1<<20)), ".0 MB", " MB", 1)
	case n >= 1<<10:
		return fmt.Sprintf("%d KB", (n+512)/1024)
	}
	return fmt.Sprintf("%d B", n)
}
