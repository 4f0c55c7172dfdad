package control

import (
	"context"
	"fmt"
	"slices"

	"buzon/store"
	"buzon/ticket"
)

// personExport is all that the desk holds of a person. Notes of agents are not theirs
// and stay out; of others' tickets only what the person wrote is in it.
func (s *Service) personExport(ctx context.Context, in Which) (any, error) {
	known, err := s.Desk.Known(ctx, in.Requester)
	if err != nil {
		return nil, err
	}
	x := Export{Address: in.Requester, Made: s.Desk.Now().UTC(), Tickets: []Ticket{}, Parts: []Ticket{}, Messages: []ExportedMail{}, People: []ticket.Person{}}
	err = s.Desk.Store.View(func(tx *store.Tx) error {
		for _, id := range known.People {
			p, err := tx.Person(id)
			if err != nil {
				return err
			}
			x.People = append(x.People, *p)
		}
		for _, t := range known.Own {
			v := view(tx, t)
			for _, f := range s.Desk.FieldsOf(t) {
				v.Fields = append(v.Fields, Field{f.Name, f.Value})
			}
			if v.Entries, err = thread(tx, t.ID); err != nil {
				return err
			}
			v.Entries = slices.DeleteFunc(v.Entries, func(e Entry) bool { return e.Kind == ticket.EntryNote })
			x.Tickets = append(x.Tickets, v)
		}
		for _, t := range known.Parts {
			v := view(tx, t)
			v.Requester = ""
			shown, err := thread(tx, t.ID)
			if err != nil {
				return err
			}
			entries, err := tx.Entries(t.ID)
			if err != nil {
				return err
			}
			for i, e := range entries {
				if slices.Contains(known.People, e.Author) {
					v.Entries = append(v.Entries, shown[i])
				}
			}
			x.Parts = append(x.Parts, v)
		}
		for _, m := range known.Messages {
			mail := ExportedMail{ID: m.ID, At: m.At, Outcome: m.Outcome, File: fmt.Sprintf("mail/%06d.eml", m.ID)}
			if t, err := tx.Ticket(m.Ticket); err == nil {
				mail.Number = t.Number
			}
			x.Messages = append(x.Messages, mail)
		}
		return nil
	})
	return x, err
}

// erasureList lists what was erased, by number, the newest first.
func (s *Service) erasureList(_ context.Context, in Which) (any, error) {
	list := []*store.Erasure{}
	err := s.Desk.Store.View(func(tx *store.Tx) error {
		found, err := tx.Erasures(limit(in))
		list = append(list, found...)
		return err
	})
	return list, err
}
