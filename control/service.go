package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"buzon/desk"
	"buzon/store"
	"buzon/ticket"
)

// defaultLimit is how many rows a list has unless told otherwise.
const defaultLimit = 100

// Service carries out operations on a desk.
type Service struct {
	Desk    *desk.Desk
	Daemon  Daemon // nil: on the files, nothing is running
	Started time.Time
}

// operation does its work and returns its answer.
type operation func(s *Service, ctx context.Context, in Which) (any, error)

var operations = map[string]operation{
	"status":      (*Service).status,
	"reload":      (*Service).reload,
	"pause":       func(s *Service, _ context.Context, in Which) (any, error) { return s.toggle(in.What, false) },
	"resume":      func(s *Service, _ context.Context, in Which) (any, error) { return s.toggle(in.What, true) },
	"standing":    (*Service).standing,
	"report":      func(s *Service, _ context.Context, in Which) (any, error) { return s.Desk.Tabulate(in.What, in.Since) },
	"ticket list": (*Service).ticketList,
	"ticket show": (*Service).ticketShow,
	"outbox list": (*Service).outboxList,
	"outbox show": (*Service).outboxShow,
	"outbox retry": func(s *Service, ctx context.Context, in Which) (any, error) {
		return s.undeliveredSettled(in.ID, s.Desk.RetryOutgoing(ctx, in.ID))
	},
	"outbox release": func(s *Service, ctx context.Context, _ Which) (any, error) {
		return nil, s.Desk.ReleaseOutgoing(ctx)
	},
	"snapshot":      (*Service).snapshot,
	"snapshot drop": (*Service).dropSnapshot,
	"outbox drop": func(s *Service, ctx context.Context, in Which) (any, error) {
		return s.undeliveredSettled(in.ID, s.Desk.DropOutgoing(ctx, in.ID))
	},
	"quarantine list": (*Service).quarantineList,
	"quarantine show": (*Service).quarantineShow,
	"quarantine retry": func(s *Service, ctx context.Context, in Which) (any, error) {
		return s.quarantineSettled(s.Desk.Retry(ctx, in.ID))
	},
	"quarantine drop": func(s *Service, ctx context.Context, in Which) (any, error) {
		return s.quarantineSettled(nil, s.Desk.Drop(ctx, "quarantine", in.ID))
	},
	"keys list": func(s *Service, _ context.Context, _ Which) (any, error) { return s.Desk.Keys() },
	"keys rotate": func(s *Service, ctx context.Context, _ Which) (any, error) {
		if err := s.Desk.RotateKeys(ctx); err != nil {
			return nil, err
		}
		return s.Desk.Keys()
	},
	"person show": (*Service).personShow,
	"person plan": func(s *Service, ctx context.Context, in Which) (any, error) {
		return s.Desk.PlanErasure(ctx, in.Requester)
	},
	"person erase": func(s *Service, ctx context.Context, in Which) (any, error) {
		return s.Desk.ErasePerson(ctx, in.Requester)
	},
	"person export": (*Service).personExport,
	"erasure list":  (*Service).erasureList,
	"ticket hold": func(s *Service, ctx context.Context, in Which) (any, error) {
		return nil, s.Desk.Hold(ctx, in.Number, in.What)
	},
	"held list": (*Service).heldList,
	"held show": (*Service).heldShow,
	"held release": func(s *Service, ctx context.Context, in Which) (any, error) {
		return s.heldSettled(s.Desk.Release(ctx, in.ID))
	},
	"held drop": func(s *Service, ctx context.Context, in Which) (any, error) {
		return s.heldSettled(nil, s.Desk.Drop(ctx, "held", in.ID))
	},
	"config":       (*Service).config,
	"staff":        func(s *Service, _ context.Context, in Which) (any, error) { return s.Desk.Roster(in.Requester) },
	"message list": (*Service).messageList,
	"message raw":  (*Service).messageRaw,
}

// Call runs an operation on the files, as a Caller.
func (s *Service) Call(ctx context.Context, name string, in, out any) error {
	text, err := json.Marshal(in)
	if err != nil {
		return err
	}
	answer, err := s.run(ctx, name, text)
	if err != nil {
		return err
	}
	return roundTrip(answer, out)
}

func (s *Service) run(ctx context.Context, name string, in []byte) (any, error) {
	op, ok := operations[name]
	if !ok {
		return nil, &Error{Message: fmt.Sprintf("the running desk does not know %q; is it another version?", name)}
	}
	var which Which
	if len(in) > 0 {
		if err := json.Unmarshal(in, &which); err != nil {
			return nil, &Error{Message: "the request could not be read: " + err.Error()}
		}
	}
	answer, err := op(s, ctx, which)
	if err != nil {
		return nil, &Error{Message: err.Error(), Missing: errors.Is(err, store.ErrNotFound)}
	}
	return answer, nil
}

func (s *Service) status(context.Context, Which) (any, error) {
	figures, err := s.Desk.Figures()
	if err != nil {
		return nil, err
	}
	alarms, err := s.alarms()
	if err != nil {
		return nil, err
	}
	st := Status{Config: s.Desk.Table().Version, Alarms: alarms, Figures: figures}
	if s.Daemon != nil {
		st.Running, st.Started, st.Health = true, s.Started, s.Daemon.Health()
	}
	return st, nil
}

var errNotRunning = errors.New("no desk is running on this data folder")

func (s *Service) reload(ctx context.Context, _ Which) (any, error) {
	if s.Daemon == nil {
		return nil, errNotRunning
	}
	return nil, s.Daemon.Reload(ctx)
}

func (s *Service) toggle(what string, on bool) (any, error) {
	if s.Daemon == nil {
		return nil, errNotRunning
	}
	return nil, s.Daemon.Switch(what, on)
}

func (s *Service) ticketList(_ context.Context, in Which) (any, error) {
	list := []Ticket{}
	err := s.Desk.Store.View(func(tx *store.Tx) error {
		filter := store.TicketFilter{Status: in.Status, Topic: in.Topic, Assignee: in.Assignee, Text: in.Search, Shown: true}
		if in.Requester != "" {
			person, err := tx.PersonByAddress(in.Requester)
			if errors.Is(err, store.ErrNotFound) {
				return nil
			} else if err != nil {
				return err
			}
			filter.Requester = person.ID
		}
		tickets, err := tx.Tickets(filter, limit(in))
		for _, t := range tickets {
			v := view(tx, t)
			v.Subject = s.Desk.ListedSubject(t)
			list = append(list, v)
		}
		return err
	})
	return list, err
}

// standing counts who has open tickets, whether or not the configuration still has
// them, and tells which agents are away.
func (s *Service) standing(_ context.Context, in Which) (any, error) {
	st := Standing{Owners: map[string]int{}, Away: map[string]time.Time{}}
	err := s.Desk.Store.View(func(tx *store.Tx) error {
		for _, id := range tx.Assignees() {
			for _, status := range []ticket.Status{ticket.StatusOpen, ticket.StatusWaiting} {
				tickets, err := tx.Tickets(store.TicketFilter{Assignee: id, Status: status}, 0)
				if err != nil {
					return err
				}
				if len(tickets) > 0 {
					st.Owners[id] += len(tickets)
				}
			}
		}
		for _, addr := range in.Addresses {
			person, err := tx.PersonRegistered(addr)
			if errors.Is(err, store.ErrNotFound) {
				continue
			} else if err != nil {
				return err
			}
			if person.Away.After(s.Desk.Now()) {
				st.Away[addr] = person.Away
			}
		}
		return nil
	})
	return st, err
}

func limit(in Which) int {
	if in.Limit > 0 {
		return in.Limit
	}
	return defaultLimit
}

func view(tx *store.Tx, t *ticket.Ticket) Ticket {
	v := Ticket{
		Number: t.Number, ID: t.ID, Subject: t.Subject, Status: t.Status, Topic: t.Topic, Assignee: t.Assignee,
		Team: t.Team, Language: t.Language, Created: t.Created, Updated: t.Updated, Due: t.Due, Deleted: t.Deleted,
	}
	if t.Erased != nil {
		v.Erased = t.Erased.At
	}
	if t.Hold != nil {
		v.Hold = t.Hold.Reason
	}
	if person, err := tx.Person(t.Requester); err == nil {
		v.Requester = person.Address.Addr
	}
	return v
}

func (s *Service) ticketShow(_ context.Context, in Which) (any, error) {
	var v Ticket
	err := s.Desk.Store.View(func(tx *store.Tx) error {
		t, err := tx.TicketByNumber(in.Number)
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("there is no ticket %s: %w", in.Number, err)
		} else if err != nil {
			return err
		}
		v = view(tx, t)
		for _, f := range s.Desk.FieldsOf(t) {
			v.Fields = append(v.Fields, Field{f.Name, f.Value})
		}
		v.Entries, err = thread(tx, t.ID)
		return err
	})
	return v, err
}

// thread is a ticket's thread as people look at it.
func thread(tx *store.Tx, id ticket.ID) (list []Entry, err error) {
	entries, err := tx.Entries(id)
	for _, e := range entries {
		shown := Entry{
			Seq: e.Seq, Kind: e.Kind, Author: e.AuthorName, Role: e.Role, At: e.At, Text: e.Text, Quoted: e.Quoted,
			Verdict: e.Verdict, Unverified: e.Unverified, MessageID: e.MessageID,
		}
		if person, err := tx.Person(e.Author); err == nil && person.Erased == nil {
			shown.Author = person.Address.Addr
		}
		for _, f := range e.Files {
			shown.Files = append(shown.Files, f.Name)
		}
		list = append(list, shown)
	}
	return list, err
}

func (s *Service) outboxList(_ context.Context, in Which) (any, error) {
	list := []*ticket.Outgoing{}
	err := s.Desk.Store.View(func(tx *store.Tx) error {
		rows, err := tx.OutgoingList(ticket.OutgoingState(in.State), limit(in))
		list = append(list, rows...)
		return err
	})
	return list, err
}

func (s *Service) outboxShow(_ context.Context, in Which) (any, error) {
	var shown Outgoing
	var chunks []ticket.Chunk
	err := s.Desk.Store.View(func(tx *store.Tx) error {
		row, err := tx.Outgoing(in.ID)
		if err != nil {
			return fmt.Errorf("outgoing mail %d: %w", in.ID, err)
		}
		shown.Outgoing = *row
		chunks, err = tx.OutgoingChunks(in.ID)
		if errors.Is(err, store.ErrNotFound) {
			return nil // its bytes are pruned
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, c := range chunks {
		shown.Raw = append(shown.Raw, c.Literal...)
		if c.Length > 0 {
			part, err := s.Desk.Store.ReadAt(c.Archive, c.Offset, c.Length)
			if err != nil {
				return nil, err
			}
			shown.Raw = append(shown.Raw, part...)
		}
	}
	return shown, nil
}
