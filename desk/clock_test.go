package desk_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/store"
	"buzon/ticket"
)

// A clock that is set back and forth by an hour or a day, whatever the zone does
// meanwhile, makes no reminder come twice and none be left out, gives out no
// number twice, and leaves the journal in order. Bogotá has no summer time;
// Santiago and Madrid change in the days that are passed here.
func TestClockJumps(t *testing.T) {
	for _, c := range []struct {
		zone string
		from time.Time
	}{
		{"America/Bogota", time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC)},
		{"America/Santiago", time.Date(2026, 4, 4, 12, 0, 0, 0, time.UTC)}, // an hour twice on 5 April
		{"America/Santiago", time.Date(2026, 9, 5, 12, 0, 0, 0, time.UTC)}, // an hour left out on 6 September
		{"Europe/Madrid", time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC)},   // left out on 29 March
		{"Europe/Madrid", time.Date(2026, 10, 24, 12, 0, 0, 0, time.UTC)},  // twice on 25 October
	} {
		t.Run(fmt.Sprintf("%s %s", c.zone, c.from.Format(time.DateOnly)), func(t *testing.T) {
			zone, err := time.LoadLocation(c.zone)
			if err != nil {
				t.Fatal(err)
			}
			o := open(t)
			o.now = c.from.In(zone)
			n, _, _ := o.opened()
			numbers := map[ticket.Number]bool{n: true}
			total := 0
			// Five days of hours, with a jump back or ahead in each.
			jumps := []time.Duration{0, time.Hour, -time.Hour, 24 * time.Hour, -24 * time.Hour, 0}
			for i := range 5 * 24 {
				for _, jump := range []time.Duration{jumps[i%len(jumps)], -jumps[i%len(jumps)]} {
					o.pass(jump)
					count, err := o.desk.Remind(context.Background())
					if err != nil {
						t.Fatal(err)
					}
					total += count
				}
				if i%7 == 0 {
					o.restart()
				}
				if i%24 == 0 {
					out := o.send(letter{from: laura, to: "posgrado@virtual.example", subject: "Otra", text: fmt.Sprintf("Número %d.", i)})
					if numbers[out.Number] {
						t.Errorf("number %s was given twice", out.Number)
					}
					numbers[out.Number] = true
				}
				o.pass(time.Hour)
			}
			reminders, done := 0, map[string]int{}
			err = o.store.View(func(tx *store.Tx) error {
				if err := store.VerifyJournal(tx); err != nil {
					return err
				}
				first, err := tx.TicketByNumber(n)
				if err != nil {
					return err
				}
				if first.Reminded != 3 || !first.RemindAt.IsZero() {
					t.Errorf("the first ticket was reminded of %d times and will be at %s, want 3 times in all", first.Reminded, first.RemindAt)
				}
				rows, err := tx.OutgoingList("", 0)
				for _, row := range rows {
					if row.Class == ticket.ClassReminder && (row.Ticket == first.ID || slices.Contains(row.Tickets, first.ID)) {
						reminders++
					}
				}
				if err != nil {
					return err
				}
				events, err := tx.JournalOf(first.ID)
				for _, e := range events {
					if e.Kind == ticket.EventReminded {
						done[e.Detail]++
					}
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			// The jump of a day makes it due before the time of the warning has come.
			if reminders != 3 || total < 3 {
				t.Errorf("%d mails remind of the first ticket, of %d in all; want three reminders", reminders, total)
			}
			due := c.from.Add(24 * time.Hour).UTC().Format(time.RFC3339)
			want := map[string]int{"due " + due + " 1": 1, "due " + due + " 2": 1, "due " + due + " 3": 1}
			if diff := cmp.Diff(want, done); diff != "" {
				t.Errorf("what was done (-want +got):\n%s", diff)
			}
		})
	}
}
