package control

import (
	"context"
	"errors"
	"fmt"

	"buzon/store"
	"buzon/ticket"
)

// config is the text of the configuration in use.
func (s *Service) config(context.Context, Which) (any, error) {
	if s.Daemon == nil {
		return nil, errNotRunning
	}
	name, text := s.Desk.Table().Source()
	return Config{Name: name, Text: text}, nil
}

// messageList lists messages that routing decides about, the newest first, below a
// row if one is given, back to a time.
func (s *Service) messageList(_ context.Context, in Which) (any, error) {
	list := []Archived{}
	err := s.Desk.Store.View(func(tx *store.Tx) error {
		rows, err := tx.MessagesBefore(in.ID, in.Since, limit(in))
		if err != nil {
			return err
		}
		for _, row := range rows {
			a := Archived{ID: row.ID, At: row.At, Outcome: row.Outcome, Envelope: row.Envelope}
			if t, err := tx.Ticket(row.Ticket); err == nil {
				a.Number, a.Topic, a.Fields = t.Number, t.Topic, t.Fields
			} else if !errors.Is(err, store.ErrNotFound) {
				return err
			}
			if person, err := tx.PersonByAddress(row.From); err == nil {
				a.Groups, a.Blocked = person.Labels, !person.Blocked.IsZero()
			} else if !errors.Is(err, store.ErrNotFound) {
				return err
			}
			list = append(list, a)
		}
		return nil
	})
	return list, err
}

// messageRaw is the bytes of a message.
func (s *Service) messageRaw(_ context.Context, in Which) (any, error) {
	var ref ticket.ArchiveRef
	err := s.Desk.Store.View(func(tx *store.Tx) error {
		row, err := tx.Message(in.ID)
		if err == nil {
			ref = row.Archive
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("message %d: %w", in.ID, err)
	}
	return s.Desk.Store.Raw(ref)
}
