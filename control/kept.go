package control

import (
	"context"
	"fmt"

	"buzon/store"
)

func quarantined(r *store.QuarantineRow) Kept {
	return Kept{ID: r.ID, At: r.At, State: string(r.State), Reason: r.Reason, From: r.From, Subject: r.Subject, Via: r.Envelope}
}

func held(r *store.HeldRow) Kept {
	return Kept{
		ID: r.ID, At: r.At, State: string(r.State), Reason: r.Reason, From: r.From, Subject: r.Subject,
		Agent: r.Agent, Ticket: r.Ticket, Via: r.Envelope,
	}
}

// listed hides the values of sensitive fields in the subject, as lists do.
func (s *Service) listed(k Kept) Kept {
	k.Subject = s.Desk.Table().MaskSubject(k.Subject, nil)
	return k
}

func (s *Service) quarantineList(_ context.Context, in Which) (any, error) {
	list := []Kept{}
	err := s.Desk.Store.View(func(tx *store.Tx) error {
		rows, err := tx.QuarantineList(limit(in))
		for _, r := range rows {
			if in.State == "" || in.State == string(r.State) {
				list = append(list, s.listed(quarantined(r)))
			}
		}
		return err
	})
	return list, err
}

func (s *Service) heldList(_ context.Context, in Which) (any, error) {
	list := []Kept{}
	err := s.Desk.Store.View(func(tx *store.Tx) error {
		rows, err := tx.HeldList(limit(in))
		for _, r := range rows {
			if in.State == "" || in.State == string(r.State) {
				list = append(list, s.listed(held(r)))
			}
		}
		return err
	})
	return list, err
}

func (s *Service) quarantineShow(_ context.Context, in Which) (any, error) {
	var row *store.QuarantineRow
	err := s.Desk.Store.View(func(tx *store.Tx) (err error) {
		row, err = tx.Quarantine(in.ID)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("quarantined message %d: %w", in.ID, err)
	}
	k := quarantined(row)
	k.Raw, err = s.Desk.Store.Raw(row.Archive)
	return k, err
}

func (s *Service) heldShow(_ context.Context, in Which) (any, error) {
	var row *store.HeldRow
	err := s.Desk.Store.View(func(tx *store.Tx) (err error) {
		row, err = tx.Held(in.ID)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("held message %d: %w", in.ID, err)
	}
	k := held(row)
	k.Raw, err = s.Desk.Store.Raw(row.Archive)
	return k, err
}
