package desk

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"buzon/store"
	"buzon/templates"
	"buzon/ticket"
)

// Several mails on a ticket within desk.quiet are one notification. The first one
// goes at once; what comes soon after it waits, as a row of the outbox that is due
// later, and takes up what comes meanwhile: the row is replaced by one that tells
// of everything. In the same way a notification that can't leave, because the
// day's limit is used up or the smarthost is down, takes up the later ones.

// A notification that has grown to these takes up nothing more; with files,
// desk.notify_files is the limit.
const (
	mostTold     = 20        // entries
	mostToldText = 200 << 10 // octets
)

// together are the templates of mails that only tell what someone wrote.
var together = []string{"notification", "update", "thirdparty"}

// news is what a notification tells an agent of.
type news struct {
	tells   []uint32         // entries, oldest first; nil: none that could be told with others
	folds   *ticket.Outgoing // the waiting notification whose place it takes; nil: none
	earlier []*ticket.Entry  // what that one tells of
	after   time.Time        // when it is due; zero: at once
}

// news works out what to tell an agent of, and when.
func (p *planner) news(agent ticket.PersonID, template string) (n news, err error) {
	if !slices.Contains(together, template) || len(p.entries) == 0 || p.entries[0].Kind == ticket.EntryEvent {
		return n, nil
	}
	n.tells = []uint32{p.ticket.Entries + 1}
	quiet := asDuration(p.setting.Table.Config.Desk.Quiet)
	part := p.ticket.Participant(agent)
	if quiet == 0 || part == nil || part.Notified == "" {
		return n, nil
	}
	id, err := p.tx.OutgoingByMessageID(part.Notified)
	if errors.Is(err, store.ErrNotFound) {
		return n, nil
	} else if err != nil {
		return n, err
	}
	row, err := p.tx.Outgoing(id)
	if err != nil {
		return n, err
	}
	if p.desk.foldable(row) {
		n.after = row.NextTry // also when it is overdue: it keeps its place
		if err := p.takeUp(&n, row); err != nil {
			return n, err
		}
	} else {
		last := row.Created
		if row.State == ticket.OutgoingSent {
			last = row.Finished
		}
		// A time to come is one of a clock that has been set back since.
		if until := last.Add(quiet); until.After(p.now) && !last.After(p.now) {
			n.after = until
		}
	}
	if part.Thread[len(part.Thread)-1] != part.Notified {
		n.after = time.Time{} // the agent has written since, and waits for the answer
	}
	return n, nil
}

// takeUp lets the news take a waiting notification's place, unless that would
// make it too big.
func (p *planner) takeUp(n *news, row *ticket.Outgoing) error {
	if len(row.Tells) == 0 || len(row.Tells) >= mostTold {
		return nil
	}
	text, files := len(p.entries[0].Text), encodedSize(p.m.Attachments)
	var earlier []*ticket.Entry
	for _, seq := range row.Tells {
		e, err := p.tx.Entry(p.ticket.ID, seq)
		if err != nil {
			return err
		}
		earlier = append(earlier, e)
		text += len(e.Text)
		files += encodedSize(e.Files)
	}
	if text > mostToldText || files > int64(p.setting.Table.Config.Desk.NotifyFiles) {
		return nil
	}
	n.folds, n.earlier = row, earlier
	n.tells = slices.Concat(row.Tells, n.tells)
	return nil
}

// tell writes the news of several entries into a letter, with all their files.
func (p *planner) tell(l *letter, n news) error {
	entries := append(n.earlier[:len(n.earlier):len(n.earlier)], p.entries[0])
	ends := make([]int, len(entries))
	for i, e := range entries {
		author, err := p.author(e)
		if err != nil {
			return err
		}
		l.data.News = append(l.data.News, templates.Item{
			When: p.setting.local(e.At), Author: author.String(), Kind: string(e.Kind), Text: e.Text,
			Unverified: e.Unverified || e.Role == ticket.RoleThirdParty,
		})
		l.attachFiles(e.Files, e.Archive, true)
		ends[i] = len(l.data.Files)
	}
	start := 0
	for i, end := range ends {
		l.data.News[i].Files = l.data.Files[start:end:end] // the same ones, not copies: see composeOne
		start = end
	}
	l.folds = n.folds.ID
	p.fact("told together", ticket.LogOutbox, n.folds.ID, ticket.LogReason, fmt.Sprintf("the notification has not left; it tells of %d entries now", len(entries)))
	return nil
}

// author is who wrote an entry, as agents are shown them.
func (p *planner) author(e *ticket.Entry) (templates.Person, error) {
	shownAs := templates.Person{Name: e.AuthorName}
	for _, fresh := range p.people {
		if fresh.ID == e.Author {
			shownAs.Address = fresh.Address.Addr
			return shownAs, nil
		}
	}
	person, err := p.tx.Person(e.Author)
	switch {
	case err == nil:
		shownAs.Address = person.Address.Addr
	case !errors.Is(err, store.ErrNotFound):
		return shownAs, err
	}
	return shownAs, nil
}

// folds lists the rows of the outbox that the change's letters take the place of.
func (c *change) folds() (ids []uint64) {
	for _, l := range c.letters {
		if l.folds != 0 {
			ids = append(ids, l.folds)
		}
	}
	return ids
}

// checkFolds tells whether those rows still wait for a first attempt.
func (c *change) checkFolds(tx *store.Tx) error {
	for _, id := range c.folds() {
		row, err := tx.Outgoing(id)
		if err != nil {
			return err
		}
		if row.State != ticket.OutgoingWaiting || row.Attempts > 0 {
			return errStale
		}
	}
	return nil
}

// giveWay takes a row out of the queue, in favour of one that tells the same and
// more.
func (c *change) giveWay(tx *store.Tx, id uint64, to *ticket.Outgoing) error {
	row, err := tx.Outgoing(id)
	if err != nil {
		return err
	}
	row.State, row.Finished, row.NextTry, row.FoldedInto = ticket.OutgoingDropped, c.now, time.Time{}, to.ID
	if err := tx.PutOutgoing(row); err != nil {
		return err
	}
	return tx.Append(&ticket.Event{At: c.now, Kind: ticket.EventFolded, Ticket: row.Ticket, Entry: row.Entry, Person: row.Person, Object: id})
}
