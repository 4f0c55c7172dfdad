package torture

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"buzon/control"
	"buzon/internal/postoffice"
)

// The tests of this file are named after failures of other programs that read
// mail, and do what made those fail.

// await waits until the desk has so many messages and no mail to send.
func (r *rig) await(messages int) {
	r.t.Helper()
	r.eventually(fmt.Sprintf("%d messages", messages), func() bool {
		f := r.status().Figures
		return f.Messages >= messages && f.Waiting == 0
	})
}

// end stops the desk and has the oracle look, which counts messages and tickets.
func (r *rig) end(messages, tickets int) {
	r.t.Helper()
	r.stop()
	o := r.oracle()
	o.verdict(r.t, r.data)
	if o.messages != messages || o.tickets != tickets {
		r.t.Errorf("%d messages and %d tickets, want %d and %d", o.messages, o.tickets, messages, tickets)
	}
}

// other is another client of the desk's mailbox, with INBOX open.
func (r *rig) other() *imapclient.Client {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.book.office.IMAPAddr())
	if err != nil {
		r.t.Fatal(err)
	}
	c := imapclient.New(conn, nil)
	r.t.Cleanup(func() { c.Close() })
	if err := c.Login(mailboxAddress, password).Wait(); err != nil {
		r.t.Fatal(err)
	}
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		r.t.Fatal(err)
	}
	return c
}

// FetchEmails.php: an exception while a message is saved has it marked as read,
// and it is never looked at again.
func TestFreeScoutMarksFailingMailAsRead(t *testing.T) {
	t.Parallel()
	r := newRig(t, program(t), settings{after: "flag"})
	r.start()
	r.arm("applyHalfway")
	r.book.post(t, newLetter("", mailboxAddress, "Una."))
	r.died()
	r.host.deskDied(t)
	for _, m := range r.book.office.Messages(mailboxAddress, "INBOX") {
		if slices.Contains(m.Flags, imap.FlagSeen) {
			t.Errorf("a message that was not saved is marked as read")
		}
	}
	r.start()
	r.await(1)
	r.eventually("the message to be flagged", func() bool {
		return slices.Contains(r.book.office.Messages(mailboxAddress, "INBOX")[0].Flags, imap.FlagSeen)
	})
	r.end(1, 1)
}

// FreeScout #3406: only unread messages of the last three days are fetched.
func TestFreeScoutFetchesOnlyRecentUnread(t *testing.T) {
	t.Parallel()
	r := newRig(t, program(t), settings{})
	r.start()
	l := newLetter("", mailboxAddress, "Leída ya, y vieja.")
	l.date = time.Now().AddDate(0, 0, -10)
	raw := l.raw()
	command := r.other().Append("INBOX", int64(len(raw)), &imap.AppendOptions{Flags: []imap.Flag{imap.FlagSeen}, Time: l.date})
	command.Write(raw)
	if err := command.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := command.Wait(); err != nil {
		t.Fatal(err)
	}
	r.book.boxed = append(r.book.boxed, l)
	r.await(1)
	r.end(1, 1)
}

// FreeScout #3654: one message that can't be parsed blocks all that come after it.
func TestFreeScoutPoisonFirst(t *testing.T) {
	t.Parallel()
	r := newRig(t, program(t), settings{})
	r.start()
	for range 3 {
		r.book.post(t, newPoison(mailboxAddress))
	}
	r.book.post(t, newLetter("", mailboxAddress, "La siguiente."))
	r.drain(r.book)
	r.end(4, 1)
}

// FreeScout #4624: the newest message is missed until another one comes.
func TestFreeScoutNewestLost(t *testing.T) {
	t.Parallel()
	r := newRig(t, program(t), settings{})
	r.start()
	for i := range 10 {
		// The second one comes while the first is being fetched.
		r.book.post(t, newLetter("", mailboxAddress, "Una."))
		r.book.post(t, newLetter("", mailboxAddress, "La más nueva."))
		r.await(2 * (i + 1))
	}
	r.drain(r.book)
	r.end(20, 20)
}

// Zammad #78, #1662: a crash between the commit and the flag makes a second ticket.
func TestZammadDuplicatesAfterCrash(t *testing.T) {
	t.Parallel()
	r := newRig(t, program(t), settings{after: "flag"})
	r.start()
	r.arm("takenUnsettled")
	r.book.post(t, newLetter("", mailboxAddress, "Una."))
	r.died()
	r.host.deskDied(t)
	r.start()
	r.book.post(t, newLetter("", mailboxAddress, "Otra."))
	r.await(2)
	r.end(2, 2)
}

// Zammad #1861, #2321: after an outage of the mail server fetching stays stuck
// until somebody restarts it.
func TestZammadStuckAfterOutage(t *testing.T) {
	t.Parallel()
	r := newRig(t, program(t), settings{})
	r.start()
	for i := range 3 {
		r.proxy.outage(true)
		r.book.post(t, newLetter("", mailboxAddress, "Durante la caída."))
		r.eventually("the desk to see the outage", func() bool { return !r.status().Health.Accounts[0].Connected })
		r.proxy.outage(false)
		r.await(i + 1)
	}
	r.drain(r.book)
	r.end(3, 3)
}

// Zammad #1578: a message to two channels makes two tickets.
func TestZammadTwoChannels(t *testing.T) {
	t.Parallel()
	r := newRig(t, program(t), settings{})
	const second = "otra@imap.test"
	r.book.office.AddUser(second, password)
	r.settings.more = account("otra", r.book.office.IMAPAddr(), second, "leave")
	r.configure(r.settings)
	r.start()
	l := newLetter("", mailboxAddress, "A los dos.")
	r.book.post(t, l)
	if err := r.book.office.Deliver(second, l.raw()); err != nil {
		t.Fatal(err)
	}
	r.await(2)
	r.drain(r.book)
	r.end(2, 1)
}

// osTicket's class.mailfetch.php goes by sequence numbers, which change under it
// when another client deletes messages.
func TestOsTicketSequenceNumbers(t *testing.T) {
	t.Parallel()
	r := newRig(t, program(t), settings{after: "leave"})
	r.start()
	other := r.other()
	for i := range 5 {
		for range 4 {
			r.book.post(t, newLetter("", mailboxAddress, "Una."))
		}
		r.await(4 * (i + 1))
		// All but the newest go, so the next ones get numbers that were used.
		all := imap.SeqSet{{Start: 1, Stop: 3}}
		if err := other.Store(all, &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}, Silent: true}, nil).Close(); err != nil {
			t.Fatal(err)
		}
		if err := other.Expunge().Close(); err != nil {
			t.Fatal(err)
		}
	}
	r.book.boxed = nil // the other client deleted them
	r.end(20, 20)
}

// osTicket takes the newest 30 only, so that older ones starve.
func TestOsTicketNewestThirtyOnly(t *testing.T) {
	t.Parallel()
	r := newRig(t, program(t), settings{})
	r.start()
	r.proxy.outage(true)
	for range 150 {
		r.book.post(t, newLetter("", mailboxAddress, "De muchas."))
	}
	r.proxy.outage(false)
	r.drain(r.book)
	r.end(150, 150)
}

// osTicket #494: a mailbox in which nothing can be marked gives a new ticket for
// the same message each minute.
func TestOsTicketNewTicketEachMinute(t *testing.T) {
	t.Parallel()
	r := newRig(t, program(t), settings{hide: []string{"MOVE", "UIDPLUS"}}) // so it can't be moved
	r.start()
	r.book.post(t, newLetter("", mailboxAddress, "Una sola vez."))
	r.await(1)
	for i := range 3 {
		r.proxy.outage(true)
		r.proxy.outage(false)
		r.eventually("the desk to look again", func() bool { return r.status().Health.Accounts[0].Connected })
		if i == 1 {
			r.stop()
			r.start()
		}
	}
	r.book.post(t, newLetter("", mailboxAddress, "Y otra."))
	r.await(2)
	r.end(2, 2)
}

// osTicket #5645: messages that can't be deleted after they were copied are copied
// again and again, until the disk is full.
func TestOsTicketCopyPileUp(t *testing.T) {
	t.Parallel()
	r := newRig(t, program(t), settings{hide: []string{"MOVE"}})
	var cuts atomic.Int64
	r.proxy.refuse = func(line string) bool {
		return strings.Contains(line, "EXPUNGE") && cuts.Add(1) <= 3
	}
	r.start()
	r.book.post(t, newLetter("", mailboxAddress, "Una."))
	r.drain(r.book)
	if n := len(r.book.office.Messages(mailboxAddress, "Procesados")); n != 1 {
		t.Errorf("there are %d copies", n)
	}
	if n := cuts.Load(); n < 4 {
		t.Errorf("the desk expunged %d times", n)
	}
	r.end(1, 1)
}

// Discourse's receiver.rb saves that a message is known before the post is made;
// a crash in between loses it, since it is known.
func TestDiscourseKnownBeforePosted(t *testing.T) {
	t.Parallel()
	r := newRig(t, program(t), settings{})
	r.start()
	r.arm("applied>beforeWriteMetaError")
	r.later(newLetter("", listenAddress, "Una."))
	r.died()
	r.host.deskDied(t)
	r.start()
	r.sending.Wait()
	r.drain(r.book)
	r.end(1, 1)
}

// iTop #253: messages are told apart by From, Subject and Date, so that of two
// with the same ones the second is lost.
func TestITopSyntheticKey(t *testing.T) {
	t.Parallel()
	r := newRig(t, program(t), settings{})
	r.start()
	at := time.Now()
	for i := range 3 {
		l := newLetter("siempre@uni.test", mailboxAddress, fmt.Sprintf("La número %d.", i))
		l.date = at
		r.book.boxed = append(r.book.boxed, l)
		raw := bytes.Replace(l.raw(), []byte("Subject: Caso "+l.id), []byte("Subject: Siempre igual"), 1)
		if err := r.book.office.Deliver(mailboxAddress, raw); err != nil {
			t.Fatal(err)
		}
	}
	r.await(3)
	r.drain(r.book)
	r.end(3, 3)
}

// paperless #8944: a UID that was seen under another UIDVALIDITY is taken for the
// same message, which is then skipped.
func TestPaperlessUIDsBeginAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t, program(t), settings{})
	r.start()
	for i := range 3 {
		l := newLetter("", mailboxAddress, "Siempre UID 1.")
		r.book.post(t, l)
		r.await(i + 1)
		r.drain(r.book)
		old := r.book.office
		r.book.office = newOffice(t, postoffice.Options{})
		r.proxy.replace(r.book.office.IMAPAddr())
		old.Close()
		r.eventually("the desk to be back", func() bool {
			var st control.Status
			return r.call("status", control.Which{}, &st) == nil && st.Health.Accounts[0].Connected
		})
	}
	r.book.boxed = nil // they went with their servers
	r.end(3, 3)
}
