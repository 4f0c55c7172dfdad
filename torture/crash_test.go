package torture

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"buzon/control"
	"buzon/internal/postoffice"
	"buzon/ticket"
)

// rig is a desk with the world around it.
type rig struct {
	*desk
	t        testing.TB
	settings settings
	host     *smarthost
	book     *book
	proxy    *imapProxy // before the mailbox
	sending  sync.WaitGroup
}

func newRig(t testing.TB, program string, s settings) *rig {
	t.Helper()
	r := &rig{t: t, host: newSmarthost(t), book: newBook()}
	r.book.office = newOffice(t, postoffice.Options{})
	r.proxy = newProxy(t, r.book.office.IMAPAddr(), s.hide...)
	s.smarthost, s.imap = r.host.addr, r.proxy.addr
	r.settings = s
	r.desk = newDesk(t, program, s)
	t.Cleanup(r.sending.Wait)
	return r
}

// later sends letters while the test goes on.
func (r *rig) later(list ...letter) { r.sending.Go(func() { r.book.send(r.t, r.smtp, list...) }) }

// mail sends both ways what is poisonous, what is long and what is ordinary.
func (r *rig) mail() {
	r.later(newPoison(listenAddress), newLetter("", listenAddress, longText(200)), newLetter("", listenAddress, "Una."))
	r.book.post(r.t, newPoison(mailboxAddress), newLetter("", mailboxAddress, longText(100)), newLetter("", mailboxAddress, "Otra."))
}

// finish has the desk start again, do what is left and one thing more by each
// way, and stop.
func (r *rig) finish() {
	r.t.Helper()
	r.start()
	r.sending.Wait()
	r.book.send(r.t, r.smtp, newLetter("", listenAddress, "Después."))
	r.book.post(r.t, newLetter("", mailboxAddress, "Después."))
	r.drain(r.book)
	r.stop()
}

func (r *rig) oracle() *oracle { return &oracle{book: r.book, host: r.host} }

// point is a place where the desk is killed.
type point struct {
	number int    // in the list of crash points
	when   string // in words
	plan   string // for the failpoints; empty: something else kills
	// fresh: from the very first start on, without mail before.
	fresh bool
	// restart: at a start with overdue tickets.
	restart bool
	set     settings
	// noMove hides from the desk that its IMAP server has MOVE.
	noMove bool
	// before and trigger make it happen; nil: mail both ways.
	before  func(*rig)
	trigger func(*rig)
	// after is checked on the running desk at the end, check on the stopped one.
	after, check func(*rig)
}

var points = []point{
	{number: 1, when: "after RCPT", plan: "rcptTaken"},
	{number: 2, when: "inside DATA", plan: "insideData:3"},
	{number: 3, when: "final dot read, nothing archived", plan: "dataEnded"},
	{number: 4, when: "archive written, not synced", plan: "archiveWritten>beforeSyncDataPages"},
	{number: 4, when: "archive's meta page written, not synced", plan: "archiveWritten>beforeSyncMetaPage"},
	{number: 5, when: "archived, not applied", plan: "archivedUnapplied"},
	{number: 6, when: "inside the apply transaction", plan: "applyHalfway"},
	{number: 7, when: "its data pages written, not synced", plan: "applied>beforeSyncDataPages"},
	{number: 7, when: "its data pages synced, meta page not written", plan: "applied>beforeWriteMetaError"},
	{number: 8, when: "its meta page written, not synced", plan: "applied>beforeSyncMetaPage"},
	{number: 9, when: "committed, 250 not sent", plan: "takenUnanswered"},
	{number: 10, when: "inside parsing", plan: "insideParsing"},
	{number: 11, when: "a batch rolled back, running singly", plan: "runningSingly", trigger: spoilBatches},
	{number: 12, when: "committed, outbox not woken", plan: "committedUnwoken"},
	{number: 13, when: "FETCH done, nothing archived", plan: "fetchedUntaken"},
	{number: 14, when: "applied, not recorded as the worker's", plan: "pageTaken"},
	{number: 14, when: "applied, MOVE not sent", plan: "takenUnsettled"},
	{number: 15, when: "COPY done, not recorded", plan: "copiedUnsaved", noMove: true},
	{number: 15, when: "COPY recorded, \\Deleted not set", plan: "copiedUnexpunged", noMove: true, check: copiedOnce},
	{number: 15, when: "EXPUNGE done, not recorded", plan: "fetchedUntaken>settledUnsaved", noMove: true},
	{number: 16, when: "MOVE done, not recorded", plan: "fetchedUntaken>settledUnsaved"},
	{number: 17, when: "UIDVALIDITY changed, rescan not begun", plan: "rescanBegun", before: fillMailbox, trigger: renumberMailbox},
	{number: 17, when: "midway in the rescan", plan: "rescanBegun>pageTaken", before: fillMailbox, trigger: renumberMailbox},
	{number: 18, when: "outbox row claimed, not connected", plan: "claimedUnconnected", fresh: true},
	{number: 19, when: "final dot sent, no reply", trigger: killedBySmarthost},
	{number: 20, when: "250 read, not recorded", plan: "sentUnrecorded"},
	{number: 21, when: "reminder due, nothing written", plan: "reminderDue", restart: true, set: settings{replyWithin: "1s"}, after: remindedOnce},
	{number: 21, when: "reminder applied, not committed", plan: "reminderDue>applied", restart: true, set: settings{replyWithin: "1s"}, after: remindedOnce},
	{number: 21, when: "reminder committed, outbox not woken", plan: "reminderDue>committedUnwoken", restart: true, set: settings{replyWithin: "1s"}, after: remindedOnce},
	{number: 24, when: "midway in a reload", plan: "reloadHalfway", trigger: reload},
	{number: 26, when: "the state made, not named", plan: "fileUnnamed", fresh: true},
	{number: 26, when: "a new month's segment made, not named", plan: "fileUnnamed:2", fresh: true},
	{number: 26, when: "a new month's segment named, not open", plan: "segmentMade", fresh: true},
	{number: 26, when: "the month changes: segment made, not named", plan: "fileUnnamed", before: nextMonth},
	{number: 26, when: "the month changes: segment named, not open", plan: "segmentMade", before: nextMonth},
	{number: 26, when: "the month changes: nothing in the segment yet", plan: "segmentMade>archiveWritten", before: nextMonth},
}

// crash runs the desk into a point, and returns how often it passed that and was
// killed there.
func (p point) crash(r *rig) int {
	t := r.t
	t.Helper()
	if p.fresh {
		r.arm(p.plan)
		r.launch()
	} else {
		r.start()
		r.book.send(t, r.smtp, newLetter("", listenAddress, "Antes."))
		r.book.post(t, newLetter("", mailboxAddress, "Antes."))
		if p.before != nil {
			p.before(r)
		}
		r.drain(r.book)
		if p.restart {
			overdue(r)
			r.stop()
		}
		if p.plan != "" {
			r.arm(p.plan)
		}
	}
	switch {
	case p.restart:
		r.launch()
	case p.trigger != nil:
		p.trigger(r)
	case p.fresh: // the mailbox is looked at from the first connection on
		r.later(newLetter("", listenAddress, "Una."))
	default:
		r.mail()
	}
	hits := 1
	if p.plan != "" {
		hits = r.died()
	}
	r.host.deskDied(t)
	return hits
}

// TestCrashPoints kills the desk once at each point, with mail on all of its ways,
// and looks at what it has made of it after the next start. ROUNDS is how often
// (1).
func TestCrashPoints(t *testing.T) {
	program := program(t)
	rounds := number(t, "ROUNDS", 1)
	hits, runs := make([]atomic.Int64, len(points)), make([]atomic.Int64, len(points))
	t.Run("point", func(t *testing.T) {
		for n := range rounds * len(points) {
			i := n % len(points)
			p := points[i]
			t.Run(fmt.Sprintf("%d %s", p.number, p.when), func(t *testing.T) {
				t.Parallel()
				if p.noMove {
					p.set.hide = []string{"MOVE"}
				}
				runs[i].Add(1)
				hits[i].Add(int64(p.whole(newRig(t, program, p.set))))
			})
		}
	})
	var table strings.Builder
	for i, p := range points {
		n := hits[i].Load()
		if n < runs[i].Load() {
			t.Errorf("point %d (%s) was reached in %d of %d runs", p.number, p.when, n, runs[i].Load())
		}
		fmt.Fprintf(&table, "%4d  %-48s %-42s %d\n", p.number, p.when, p.plan, n)
	}
	t.Logf("crash points: number, when, plan, hits\n%s", &table)
}

// whole is the crash, the restart and the verdict.
func (p point) whole(r *rig) int {
	r.t.Helper()
	hits := p.crash(r)
	r.host.behave(nil, nil)
	if p.after == nil {
		r.finish()
	} else {
		r.start()
		r.sending.Wait()
		p.after(r)
		r.drain(r.book)
		r.stop()
	}
	r.oracle().verdict(r.t, r.data)
	if p.check != nil {
		p.check(r)
	}
	return hits
}

// spoilers is how many operators at a time spoilBatches has.
const spoilers = 4

// spoilBatches has operators ask for what there isn't, so that transactions fail
// which share a commit with messages. Those come all at once.
func spoilBatches(r *rig) {
	exited := r.exited // of this run: the next one has another
	for range 4 * spoilers {
		r.later(newLetter("", listenAddress, "Una de muchas."))
	}
	for range spoilers {
		r.sending.Go(func() {
			for {
				select {
				case <-exited:
					return
				default:
					r.call("outbox drop", control.Which{ID: 1 << 40}, nil)
				}
			}
		})
	}
	r.book.post(r.t, newLetter("", mailboxAddress, "Una."))
}

// fillMailbox takes more messages than are fetched at a time.
func fillMailbox(r *rig) {
	for range 60 {
		r.book.post(r.t, newLetter("", mailboxAddress, "De muchas."))
	}
}

// renumberMailbox replaces the server by one that has the same mail under another
// UIDVALIDITY, and one message more.
func renumberMailbox(r *rig) {
	old := r.book.office
	r.book.office = newOffice(r.t, postoffice.Options{})
	for _, l := range r.book.boxed {
		if err := r.book.office.Deliver(mailboxAddress, l.raw()); err != nil {
			r.t.Fatal(err)
		}
	}
	r.book.post(r.t, newLetter("", mailboxAddress, "Nueva."))
	r.proxy.replace(r.book.office.IMAPAddr())
	old.Close()
}

// killedBySmarthost kills the desk when the smarthost has a mail whole, before it
// answers.
func killedBySmarthost(r *rig) {
	var once sync.Once
	dead := make(chan struct{})
	r.host.behave(func() fate { return cutsTaken }, func(delivery) {
		once.Do(func() {
			r.desk.kill()
			close(dead)
		})
	})
	r.mail()
	select {
	case <-dead:
	case <-time.After(patience):
		r.t.Fatalf("no mail reached the smarthost within %s", patience)
	}
}

// reload changes the configuration in the midst of mail.
func reload(r *rig) {
	r.settings.more = "[[topic]]\nid = \"otro\"\nname = \"Otro\"\naddresses = [\"otro@desk.test\"]\nagent = \"luis\"\n"
	r.configure(r.settings)
	r.mail()
	r.cmd.Process.Signal(syscall.SIGHUP)
}

// overdue waits until every ticket of the topic that hurries is overdue.
func overdue(r *rig) {
	r.eventually("all tickets to be overdue", func() bool {
		for _, t := range hurried(r) {
			if t.Due.After(time.Now()) {
				return false
			}
		}
		return true
	})
}

func hurried(r *rig) (list []control.Ticket) {
	if err := r.call("ticket list", control.Which{Topic: "soporte", Limit: 10000}, &list); err != nil {
		r.t.Fatal(err)
	}
	return list
}

// reminders counts those of each ticket.
func (r *rig) reminders() map[ticket.ID]int {
	r.t.Helper()
	var list []ticket.Outgoing
	if err := r.call("outbox list", control.Which{Limit: 10000}, &list); err != nil {
		r.t.Fatal(err)
	}
	reminders := map[ticket.ID]int{}
	for _, out := range list {
		if out.Class != ticket.ClassReminder {
			continue
		}
		if len(out.Tickets) == 0 {
			reminders[out.Ticket]++
		}
		for _, id := range out.Tickets {
			reminders[id]++
		}
	}
	return reminders
}

// remindedOnce looks whether each overdue ticket was reminded of once, after two
// more starts.
func remindedOnce(r *rig) {
	for range 2 {
		overdue(r)
		r.stop()
		r.start() // which looks for overdue work at once
		r.eventually("a reminder of each ticket", func() bool { return len(r.reminders()) == len(hurried(r)) })
	}
	r.drain(r.book)
	for id, n := range r.reminders() {
		if n != 1 {
			r.t.Errorf("I2: ticket %s was reminded of %d times", id, n)
		}
	}
}

// nextMonth has the month change. What is sent from then on needs a new segment.
func nextMonth(r *rig) {
	r.drain(r.book)
	r.setClock(31 * 24 * time.Hour)
}

// copiedOnce looks whether there is more than one copy of a message that was moved
// by copying it.
func copiedOnce(r *rig) {
	for _, l := range r.book.boxed {
		mark := []byte("\r\nMessage-ID: <" + l.id + ">\r\n")
		copies := 0
		for _, m := range r.book.office.Messages(mailboxAddress, "Procesados") {
			if bytes.Contains(m.Raw, mark) {
				copies++
			}
		}
		if copies > 1 {
			r.t.Errorf("C4: <%s> was copied %d times", l.id, copies)
		}
	}
}

// killedWhenOffering kills the desk when it offers the smarthost a mail.
func killedWhenOffering(r *rig) {
	var once sync.Once
	dead := make(chan struct{})
	r.host.behave(func() fate {
		once.Do(func() {
			r.desk.kill()
			close(dead)
		})
		return refusesReceiver
	}, nil)
	r.mail()
	select {
	case <-dead:
	case <-time.After(patience):
		r.t.Fatalf("no mail reached the smarthost within %s", patience)
	}
}
