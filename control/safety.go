package control

import (
	"context"
	"slices"

	"buzon/desk"
	"buzon/store"
)

// snapshot copies the files that are being written to, so that another process
// can verify them or back them up: a damaged page then harms that process alone.
func (s *Service) snapshot(ctx context.Context, _ Which) (any, error) {
	return s.Desk.Store.Snapshot(ctx)
}

func (s *Service) dropSnapshot(_ context.Context, in Which) (any, error) {
	return nil, s.Desk.Store.DropSnapshot(store.Files{State: in.What})
}

// alarms lists what is wrong, with or without a running desk.
func (s *Service) alarms() ([]desk.Alarm, error) {
	list := s.Desk.Alarms()
	held, err := s.Desk.Held()
	if err != nil {
		return nil, err
	}
	if held != nil && !slices.ContainsFunc(list, func(a desk.Alarm) bool { return a.Key == held.Key }) {
		list = append(list, *held)
	}
	return list, nil
}

// quarantineSettled ends the quarantine's alarm when the last message in it has
// been dealt with, and passes an answer on.
func (s *Service) quarantineSettled(answer any, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	if f, err := s.Desk.Figures(); err == nil && f.Quarantined == 0 {
		s.Desk.Clear("quarantine")
	}
	return answer, nil
}

// heldSettled ends the alarm about what rules hold when none of it is left,
// and passes an answer on.
func (s *Service) heldSettled(answer any, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return answer, s.Desk.Store.View(func(tx *store.Tx) error {
		rows, err := tx.HeldList(0)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(rows, func(r *store.HeldRow) bool { return r.State == store.HeldKept && r.Agent == "" }) {
			s.Desk.Clear("held by rule")
		}
		return nil
	})
}

// undeliveredSettled ends the alarm about a mail that could not be delivered.
func (s *Service) undeliveredSettled(id uint64, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return nil, s.Desk.Store.View(func(tx *store.Tx) error {
		row, err := tx.Outgoing(id)
		if err == nil {
			s.Desk.Clear("undelivered " + row.To)
		}
		return err
	})
}
