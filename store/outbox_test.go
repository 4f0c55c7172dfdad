package store

import (
	"errors"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"buzon/ticket"
)

func sampleOutgoing(c ticket.Class) *ticket.Outgoing {
	return &ticket.Outgoing{
		Ticket: idOf(1), Class: c, To: "ana@example.org", MessageID: string(c) + "@x",
		Chunks: []ticket.Chunk{{Literal: []byte("Subject: x\r\n")}, {Archive: ticket.ArchiveRef{Segment: "2026-11", Seq: 1}, Offset: 5, Length: 100}},
	}
}

func TestOutbox(t *testing.T) {
	s := newStore(t)
	o := sampleOutgoing(ticket.ClassAnswer)
	o.State, o.Finished = ticket.OutgoingSent, noon // Enqueue sets them right
	update(t, s, func(tx *Tx) error { return tx.Enqueue(o) })
	if o.ID != 1 || o.State != ticket.OutgoingWaiting || o.Size != 112 || !o.Created.Equal(noon) || !o.NextTry.Equal(noon) || !o.Finished.IsZero() {
		t.Errorf("it was queued as %+v", o)
	}
	view(t, s, func(tx *Tx) error {
		got, err := tx.Outgoing(1)
		chunks, err2 := tx.OutgoingChunks(1)
		id, err3 := tx.OutgoingByMessageID("<answer@x>")
		if got.Chunks != nil || id != 1 {
			t.Errorf("the row has chunks, or id %d", id)
		}
		got.Chunks = chunks
		if diff := gocmp.Diff(o, got); diff != "" {
			t.Error(diff)
		}
		if _, err := tx.OutgoingByMessageID("y@x"); !errors.Is(err, ErrNotFound) {
			t.Errorf("a strange Message-ID gives %v", err)
		}
		return errors.Join(err, err2, err3)
	})
	if err := s.Update(t.Context(), func(tx *Tx) error { return tx.Enqueue(&ticket.Outgoing{}) }); err == nil {
		t.Error("a mail without bytes was queued")
	}
	if err := s.Update(t.Context(), func(tx *Tx) error { return tx.PutOutgoing(&ticket.Outgoing{ID: 9, State: ticket.OutgoingSent}) }); !errors.Is(err, ErrNotFound) {
		t.Errorf("a row that isn't there gives %v", err)
	}
}

// dueIDs lists what is due.
func dueIDs(t *testing.T, s *Store, now time.Time, limit int, skip func(DueRow) bool) (ids []uint64) {
	t.Helper()
	view(t, s, func(tx *Tx) error {
		rows, err := tx.DueOutgoing(now, limit, skip)
		for _, o := range rows {
			ids = append(ids, o.ID)
			if len(o.Chunks) != 2 {
				t.Errorf("row %d has %d chunks", o.ID, len(o.Chunks))
			}
		}
		return err
	})
	return ids
}

func setOutgoing(t *testing.T, s *Store, id uint64, change func(*ticket.Outgoing)) {
	t.Helper()
	update(t, s, func(tx *Tx) error {
		o, err := tx.Outgoing(id)
		if err != nil {
			return err
		}
		change(o)
		return tx.PutOutgoing(o)
	})
}

func TestDueOutgoing(t *testing.T) {
	s := newStore(t)
	// The least urgent first, and one of a class that this program doesn't know.
	classes := []ticket.Class{"greeting", ticket.ClassNotice, ticket.ClassReminder, ticket.ClassNotification, ticket.ClassConfirmation, ticket.ClassAnswer}
	for _, c := range classes {
		for _, after := range []time.Duration{time.Hour, 0} {
			update(t, s, func(tx *Tx) error {
				o := sampleOutgoing(c)
				o.NextTry = noon.Add(after)
				return tx.Enqueue(o)
			})
		}
	}
	later := noon.Add(time.Hour)
	for _, tt := range []struct {
		name  string
		now   time.Time
		limit int
		skip  func(DueRow) bool
		want  []uint64
	}{
		{"none yet", noon.Add(-1), 0, nil, nil},
		{"those that are due", noon, 0, nil, []uint64{12, 10, 8, 6, 4, 2}},
		{"all, by class, then by time", later, 0, nil, []uint64{12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1}},
		{"the most urgent", later, 3, nil, []uint64{12, 11, 10}},
		{"others", later, 3, func(row DueRow) bool { return row.ID > 9 }, []uint64{9, 8, 7}},
	} {
		if got := dueIDs(t, s, tt.now, tt.limit, tt.skip); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	setOutgoing(t, s, 12, func(o *ticket.Outgoing) { o.NextTry = later.Add(1); o.Attempts++ })
	setOutgoing(t, s, 11, func(o *ticket.Outgoing) { o.State = ticket.OutgoingSent })
	if got := dueIDs(t, s, later, 2, nil); !slices.Equal(got, []uint64{10, 9}) {
		t.Errorf("after a try that failed and one that was sent: %v", got)
	}
	setOutgoing(t, s, 11, func(o *ticket.Outgoing) { o.State = ticket.OutgoingWaiting })
	if got := dueIDs(t, s, later.Add(1), 2, nil); !slices.Equal(got, []uint64{11, 12}) {
		t.Errorf("put back: %v", got)
	}
}

func TestOutgoingStates(t *testing.T) {
	s := newStore(t)
	for range 5 {
		update(t, s, func(tx *Tx) error { return tx.Enqueue(sampleOutgoing(ticket.ClassNotice)) })
	}
	setOutgoing(t, s, 1, func(o *ticket.Outgoing) { o.State = ticket.OutgoingSent })
	setOutgoing(t, s, 2, func(o *ticket.Outgoing) { o.State, o.Finished = ticket.OutgoingFailed, noon.Add(time.Minute) })
	setOutgoing(t, s, 3, func(o *ticket.Outgoing) { o.State, o.Finished = ticket.OutgoingDropped, noon.Add(time.Hour) })
	setOutgoing(t, s, 4, func(o *ticket.Outgoing) { o.Created = noon.Add(-time.Hour) })
	view(t, s, func(tx *Tx) error {
		for _, tt := range []struct {
			state ticket.OutgoingState
			limit int
			want  []uint64
		}{
			{"", 0, []uint64{5, 4, 3, 2, 1}}, {"", 2, []uint64{5, 4}}, {ticket.OutgoingWaiting, 0, []uint64{5, 4}},
			{ticket.OutgoingWaiting, 1, []uint64{5}}, {ticket.OutgoingSent, 0, []uint64{1}}, {ticket.OutgoingFailed, 0, []uint64{2}},
		} {
			rows, err := tx.OutgoingList(tt.state, tt.limit)
			if err != nil {
				return err
			}
			var ids []uint64
			for _, o := range rows {
				ids = append(ids, o.ID)
				if (o.State == ticket.OutgoingWaiting) != o.Finished.IsZero() {
					t.Errorf("row %d is %s and was finished %s", o.ID, o.State, o.Finished)
				}
			}
			if !slices.Equal(ids, tt.want) {
				t.Errorf("%q, limit %d: %v, want %v", tt.state, tt.limit, ids, tt.want)
			}
		}
		counts, oldest, err := tx.OutgoingCounts()
		want := map[ticket.OutgoingState]int{ticket.OutgoingWaiting: 2, ticket.OutgoingSent: 1, ticket.OutgoingFailed: 1, ticket.OutgoingDropped: 1}
		if diff := gocmp.Diff(want, counts); diff != "" || !oldest.Equal(noon.Add(-time.Hour)) {
			t.Errorf("the oldest is of %s, %s", oldest, diff)
		}
		return err
	})
	prune := func(before time.Time, limit int) (n int) {
		update(t, s, func(tx *Tx) (err error) { n, err = tx.PruneSent(before, limit); return err })
		return n
	}
	if n := prune(noon, 0); n != 0 {
		t.Errorf("%d rows that are not old enough were pruned", n)
	}
	if n := prune(noon.Add(2*time.Minute), 1); n != 1 {
		t.Errorf("%d rows were pruned, not one", n)
	}
	if n := prune(noon.Add(2*time.Minute), 0); n != 1 {
		t.Errorf("%d rows were pruned, not the other one", n)
	}
	view(t, s, func(tx *Tx) error {
		for id, pruned := range map[uint64]bool{1: true, 2: true, 3: false, 4: false} {
			if _, err := tx.OutgoingChunks(id); errors.Is(err, ErrNotFound) != pruned {
				t.Errorf("row %d: %v", id, err)
			}
		}
		_, err := tx.Outgoing(1)
		return err
	})
	err := s.Update(t.Context(), func(tx *Tx) error {
		o, err := tx.Outgoing(2)
		if err != nil {
			return err
		}
		o.State = ticket.OutgoingWaiting
		return tx.PutOutgoing(o)
	})
	if !errors.Is(err, ErrNotFound) {
		t.Errorf("a row without bytes that shall wait again gives %v", err)
	}
	setOutgoing(t, s, 2, func(o *ticket.Outgoing) { o.State = ticket.OutgoingDropped })
	if n := prune(noon.AddDate(1, 0, 0), 0); n != 1 {
		t.Errorf("%d rows were pruned, want the one that still had its bytes", n)
	}
	for _, state := range []ticket.OutgoingState{"", "lost"} {
		if err := s.Update(t.Context(), func(tx *Tx) error { return tx.PutOutgoing(&ticket.Outgoing{ID: 1, State: state}) }); err == nil {
			t.Errorf("the state %q was stored", state)
		}
	}
}

// A row that a clock wrote which was ahead by a day is not left until that day.
func TestDueOutgoingOfWrongClock(t *testing.T) {
	s := newStore(t)
	for _, wait := range []time.Duration{0, time.Hour, ticket.MaxRetryDelay, 24 * time.Hour, 400 * 24 * time.Hour} {
		update(t, s, func(tx *Tx) error {
			return tx.Enqueue(&ticket.Outgoing{
				To: "a@x", Class: ticket.ClassAnswer, Created: noon, NextTry: noon.Add(wait),
				Chunks: []ticket.Chunk{{Literal: []byte("a")}, {Literal: []byte("b")}},
			})
		})
	}
	if got, want := dueIDs(t, s, noon, 0, nil), []uint64{1, 5, 4}; !slices.Equal(got, want) {
		t.Errorf("due are %v, want %v", got, want)
	}
	if got, want := dueIDs(t, s, noon, 2, nil), []uint64{1, 5}; !slices.Equal(got, want) {
		t.Errorf("the first two are %v, want %v", got, want)
	}
}
