package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"buzon/control"
	"buzon/mailpipe"
	"buzon/ticket"
)

// number reads a setting of the run from the environment.
func number(t *testing.T, name string, fallback int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return fallback
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s=%s: %v", name, text, err)
	}
	return n
}

// TestLedger kills the desk at random, again and again, while eight senders and a
// mailbox give it mail and the smarthost fails a third of the time; then it
// compares what was given with what the desk has. KILLS is how often (60), SEED
// what chance begins with (1).
func TestLedger(t *testing.T) {
	const senders = 8
	kills, seed := number(t, "KILLS", 60), uint64(number(t, "SEED", 1))
	r := newRig(t, program(t), settings{smtp: "max_per_address = 200", quiet: "1s"})
	t.Parallel()
	r.host.behave(moody(seed), nil)
	r.start()

	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var writing sync.WaitGroup
	for i := range senders {
		writing.Go(func() { r.write(ctx, random(seed<<8+uint64(i))) })
	}
	writing.Go(func() { r.fill(ctx, random(seed<<8+senders)) })
	operating, resign := context.WithCancel(context.Background())
	defer resign()
	var operator sync.WaitGroup
	operator.Go(func() { r.retryAll(operating) })

	began := time.Now()
	chance := random(seed)
	for range kills {
		// From 0.3 to 3 seconds, more often short than long.
		x := chance.Float64()
		time.Sleep(300*time.Millisecond + time.Duration(x*x*2.7*float64(time.Second)))
		if r.gone() {
			t.Fatalf("the desk ended by itself: %v", r.err)
		}
		r.kill()
		r.host.deskDied(t)
		r.start()
	}
	took := time.Since(began)
	stop()
	writing.Wait()
	r.host.behave(nil, nil)
	r.drain(r.book)
	resign()
	operator.Wait()
	r.stop()

	o := r.oracle()
	o.verdict(t, r.data)
	again, _ := r.host.repeats()
	underWay := kills * connections * mailpipe.UnrecordedMails
	allowed := r.host.lost() + underWay
	if again > allowed {
		t.Errorf("%d mails went out more than once, and at most %d may have", again, allowed)
	}
	losses, requests, poisons := 0, 0, 0
	for _, line := range o.found {
		if strings.HasPrefix(line, "I1") || strings.HasPrefix(line, "I6") || strings.HasPrefix(line, "I7") {
			losses++
		}
	}
	b := r.book
	for _, l := range append(b.sent[:len(b.sent):len(b.sent)], b.boxed...) {
		switch l.kind {
		case request:
			requests++
		case poison:
			poisons++
		}
	}
	if o.tickets != requests {
		t.Errorf("%d requests and %d tickets", requests, o.tickets)
	}
	if o.quarantined != poisons {
		t.Errorf("%d poisonous messages and %d in quarantine", poisons, o.quarantined)
	}
	if o.tickets < kills || again == 0 || o.duplicates == 0 || r.host.lost() == 0 || o.folded == 0 {
		t.Errorf("the run was too quiet to show anything: %d tickets, %d repeats, %d duplicates, %d answers lost, %d mails folded", o.tickets, again, o.duplicates, r.host.lost(), o.folded)
	}
	t.Logf("ledger of %d kills in %s, seed %d\n%s", kills, took.Round(time.Second), seed, lines(
		"attempts to hand a message over", b.attempts,
		"  answered 250", b.answers, "  answered 4xx", b.refusals, "  not answered", b.lost,
		"messages by SMTP, each at last acknowledged", len(b.sent), "messages in the mailbox", len(b.boxed),
		"  of all these, requests", requests, "  poisonous", poisons,
		"tickets", o.tickets, "entries", o.entries, "duplicates recorded", o.duplicates, "in quarantine", o.quarantined,
		"losses", losses,
		"outgoing mails", o.queued, "  sent", o.sent, "  waiting", o.waiting, "  failed", o.failed, "  folded into later ones", o.folded,
		"deliveries at the smarthost", len(r.host.kept()), "  of which repeats", again,
		"  allowed: answers lost", r.host.lost(), "  allowed: under way at a kill, at most", underWay,
	))
}

// lines sets pairs of words and numbers under each other.
func lines(pairs ...any) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		fmt.Fprintf(&b, "%-50s %7d\n", pairs[i], pairs[i+1])
	}
	return b.String()
}

// moody fails a third of the mails, in every way.
func moody(seed uint64) func() fate {
	var mu sync.Mutex
	chance := random(seed)
	return func() fate {
		mu.Lock()
		defer mu.Unlock()
		if chance.IntN(3) > 0 {
			return takes
		}
		return refusesSender + fate(chance.IntN(int(cutsTaken-refusesSender)+1))
	}
}

// write is one sender: requests, replies to confirmations, poison, messages that
// are sent again after the 250, and some whose sender goes away before it.
func (r *rig) write(ctx context.Context, chance *rand.Rand) {
	var done []letter
	replied := map[string]bool{}
	for ctx.Err() == nil {
		l := newLetter("", listenAddress, longText(chance.IntN(8)))
		switch n := chance.IntN(100); {
		case n < 5:
			l = newPoison(listenAddress)
		case n < 20 && len(done) > 0:
			l = done[chance.IntN(len(done))]
			if r.book.offer(r.smtp, l) == taken && chance.IntN(2) == 0 {
				l.envelope = fmt.Sprintf("relay%d@uni.test", chance.IntN(1000)) // another delivery of the same
				r.book.offer(r.smtp, l)
			}
			continue
		case n < 35 && len(done) > 0:
			earlier := done[chance.IntN(len(done))]
			if d, ok := r.host.confirmation(earlier.from); ok && !replied[earlier.from] {
				replied[earlier.from] = true
				// Some write one mail after the other: a single notification.
				for range 1 + chance.IntN(3) {
					answer, err := d.reply("Gracias, otra cosa.")
					if err != nil {
						r.t.Errorf("replying to <%s>: %v", d.id, err)
						return
					}
					r.book.send(r.t, r.smtp, answer)
				}
				continue
			}
		case n < 45:
			r.book.vanish(r.smtp, l)
		}
		r.book.send(r.t, r.smtp, l)
		if l.kind == request {
			done = append(done, l)
		}
		pause(ctx, time.Duration(50+chance.IntN(250))*time.Millisecond)
	}
}

// fill puts mail into the mailbox.
func (r *rig) fill(ctx context.Context, chance *rand.Rand) {
	for ctx.Err() == nil {
		l := newLetter("", mailboxAddress, longText(chance.IntN(8)))
		if chance.IntN(20) == 0 {
			l = newPoison(mailboxAddress)
		}
		r.book.post(r.t, l)
		pause(ctx, time.Duration(50+chance.IntN(250))*time.Millisecond)
	}
}

// retryAll is an operator who has all mail that failed tried again at once, which
// by itself would be after a minute and more.
func (r *rig) retryAll(ctx context.Context) {
	for ctx.Err() == nil {
		var waiting []ticket.Outgoing
		r.call("outbox list", control.Which{State: string(ticket.OutgoingWaiting), Limit: 1000}, &waiting)
		for _, out := range waiting {
			if out.Attempts > 0 && out.NextTry.After(time.Now()) {
				r.call("outbox retry", control.Which{ID: out.ID}, nil)
			}
		}
		pause(ctx, 300*time.Millisecond)
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
