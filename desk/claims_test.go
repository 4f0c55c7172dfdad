package desk_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"buzon/routing"
	"buzon/ticket"
)

func TestWhatIsBeingSentIsNotTakenBack(t *testing.T) {
	o := openQuiet(t)
	n, confirmation, _ := o.opened()
	busy := map[uint64]bool{}
	for _, row := range o.due(10) { // a sender has them
		busy[row.ID] = true
	}
	for _, text := range []string{"Segunda.", "Tercera."} {
		o.send(reply(confirmation, laura, text))
	}
	rows := o.outbox()
	if len(rows) != 3 || rows[0].State != ticket.OutgoingWaiting || rows[1].FoldedInto != rows[2].ID || !slices.Equal(rows[2].Tells, []uint32{2, 3}) {
		t.Fatalf("outbox %+v", rows)
	}
	// The first one comes back untried: the smarthost was down. From now on it
	// could be taken back, but the newest is what takes up more.
	if _, _, err := o.desk.Outbox("").Due(t.Context(), o.clock().Add(-time.Hour), 1, nil); err != nil {
		t.Fatal(err)
	}
	o.send(reply(confirmation, laura, "Cuarta."))
	// An attempt that failed may have reached its reader all the same.
	o.pass(3 * time.Minute)
	o.leaving(ticket.Result{Detail: "421 later"})
	o.send(reply(confirmation, laura, "Quinta."))
	rows = o.outbox()
	if tells := rows[len(rows)-1].Tells; !slices.Equal(tells, []uint32{5}) {
		t.Errorf("after a failed attempt it tells of %v", tells)
	}
	o.toldOnce(n)
}

// A notification that was due before this start may have been under way when the
// desk stopped, and is sent as it is.
func TestWhatAnEarlierRunMayHaveSentIsNotTakenBack(t *testing.T) {
	o := openQuiet(t)
	n, confirmation, _ := o.opened()
	o.pass(10 * time.Second)
	o.restart()
	o.send(reply(confirmation, laura, "Segunda."))
	o.send(reply(confirmation, laura, "Tercera."))
	rows := o.outbox()
	if len(rows) != 3 || rows[0].State != ticket.OutgoingWaiting || rows[1].FoldedInto != rows[2].ID {
		t.Fatalf("outbox %+v", rows)
	}
	o.toldOnce(n)
}

// Senders and writers at the same time: every entry is in exactly one mail, and no
// mail leaves that was taken back.
func TestFoldingAndSendingAtOnce(t *testing.T) {
	o := openQuiet(t)
	o.desk.Table().Config.Desk.Quiet = routing.Duration(time.Second)
	_, confirmation, _ := o.opened()
	n := ticket.Number(3181)
	stop, done := make(chan struct{}), make(chan map[uint64]bool)
	go func() {
		left := map[uint64]bool{}
		defer func() { done <- left }()
		for end := false; !end; {
			select {
			case <-stop:
				end = true
			default:
			}
			rows, _, err := o.desk.Outbox("").Due(t.Context(), o.clock(), 2, nil)
			if err != nil {
				t.Error(err)
				return
			}
			for _, row := range rows {
				left[row.ID] = true
				if err := o.desk.Report(t.Context(), row.ID, ticket.Result{Sent: true}, time.Time{}); err != nil {
					t.Error(err)
					return
				}
			}
		}
	}()
	for i := range 150 {
		o.pass(time.Duration(i%5) * 300 * time.Millisecond)
		o.send(reply(confirmation, laura, fmt.Sprintf("Mensaje %d.", i)))
	}
	close(stop)
	left := <-done
	folded := 0
	for _, row := range o.outbox() {
		if row.State == ticket.OutgoingDropped {
			folded++
			if left[row.ID] {
				t.Errorf("row %d left, and was taken back", row.ID)
			}
		}
	}
	if folded == 0 || len(left) < 10 {
		t.Errorf("the run shows nothing: %d taken back, %d left", folded, len(left))
	}
	o.toldOnce(n)
}
