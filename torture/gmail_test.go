package torture

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"

	"buzon/ticket"
)

// The tests of this file do what Gmail does. No server of Google's is in them: the
// one in memory is given folders, copies and texts as Gmail has them.

// allMail is Gmail's folder of every message, whatever its labels. A label is a
// folder too, and putting one on is a COPY.
const allMail = "[Gmail]/All Mail"

// newGmail is a desk that watches INBOX and All Mail.
func newGmail(t *testing.T, after string, s settings) *rig {
	t.Helper()
	s.after = after
	s.folders = []string{"INBOX", allMail}
	r := newRig(t, program(t), s)
	if err := r.other().Create(allMail, nil).Wait(); err != nil {
		t.Fatal(err)
	}
	return r
}

// append puts a message into a folder of the mailbox, with flags.
func (r *rig) append(folder string, raw []byte, flags ...imap.Flag) {
	r.t.Helper()
	command := r.other().Append(folder, int64(len(raw)), &imap.AppendOptions{Flags: flags})
	command.Write(raw)
	if err := command.Close(); err != nil {
		r.t.Fatal(err)
	}
	if _, err := command.Wait(); err != nil {
		r.t.Fatal(err)
	}
}

// arrive has a message come in as on Gmail: into INBOX and All Mail at once.
func (r *rig) arrive(l letter) {
	r.t.Helper()
	r.book.post(r.t, l)
	r.append(allMail, l.raw())
}

// told counts the mails that went to an address. One that a kill had sent again is
// the same mail: whether it may be, the oracle says.
func (r *rig) told(to string) int {
	mails := map[string]bool{}
	for _, d := range r.host.kept() {
		if d.to == to {
			mails[d.id] = true
		}
	}
	return len(mails)
}

// once ends the test: so many messages came, each letter is one ticket with one
// confirmation, and its agent was written to so often.
func (r *rig) once(messages, notices int, letters ...letter) {
	r.t.Helper()
	for _, l := range letters {
		if n := r.told(l.from); n != 1 {
			r.t.Errorf("%s was written to %d times, want 1", l.from, n)
		}
	}
	if n := r.told("luis@private.test") + r.told("ana@private.test"); n != notices {
		r.t.Errorf("the agents were written to %d times, want %d", n, notices)
	}
	r.end(messages, len(letters))
}

// The same message lies in INBOX and in All Mail, and both are watched.
func TestGmailInboxAndAllMail(t *testing.T) {
	for _, after := range []string{"leave", "flag"} {
		t.Run(after, func(t *testing.T) {
			t.Parallel()
			r := newGmail(t, after, settings{})
			r.start()
			list := []letter{newLetter("", mailboxAddress, "Una."), newLetter("", mailboxAddress, "Otra."), newLetter("", mailboxAddress, "Y otra.")}
			for _, l := range list {
				r.arrive(l)
			}
			r.await(6)
			r.once(6, 3, list...)
		})
	}
}

// A label is put on by COPY and the message leaves INBOX, but stays in All Mail:
// what a desk without MOVE does there, and killed between the two.
func TestGmailLabelByCopy(t *testing.T) {
	t.Parallel()
	r := newRig(t, program(t), settings{hide: []string{"MOVE"}, folders: []string{"INBOX"}})
	if err := r.other().Create(allMail, nil).Wait(); err != nil {
		t.Fatal(err)
	}
	r.start()
	first, second := newLetter("", mailboxAddress, "Una."), newLetter("", mailboxAddress, "Otra.")
	r.arrive(first)
	r.drain(r.book)
	r.arm("copiedUnexpunged")
	r.arrive(second)
	r.died()
	r.host.deskDied(t)
	r.start()
	r.drain(r.book)
	for folder, want := range map[string]int{"Procesados": 2, allMail: 2} {
		if n := len(r.book.office.Messages(mailboxAddress, folder)); n != want {
			t.Errorf("%d messages in %s, want %d", n, folder, want)
		}
	}
	r.once(2, 2, first, second)
}

// A person puts labels on and takes them off, and archives: messages come to and
// go from folders under new UIDs, and read or starred, with no effect.
func TestGmailLabelsByHand(t *testing.T) {
	t.Parallel()
	r := newGmail(t, "leave", settings{})
	r.start()
	l := newLetter("", mailboxAddress, "Una.")
	r.arrive(l)
	r.await(2)
	for i := range 3 {
		// Back into INBOX under another UID, starred.
		r.append("INBOX", l.raw(), imap.FlagFlagged, imap.FlagSeen)
		r.await(3 + i)
	}
	r.once(5, 1, l)
}

// A Google Group adds its footer: who is in the group and was written to directly
// too has the message twice, with one Message-ID and two texts.
func TestGmailGroupFooter(t *testing.T) {
	t.Parallel()
	r := newRig(t, program(t), settings{})
	r.start()
	l := newLetter("", mailboxAddress, "Una pregunta.")
	r.book.post(t, l)
	r.await(1)
	footed := l
	footed.text += "\n-- \nHas recibido este mensaje porque estás suscrito al grupo \"Aula\".\nPara anular la suscripción a este grupo, envía un correo a aula+unsubscribe@googlegroups.test.\n"
	raw := bytes.Replace(footed.raw(), []byte("MIME-Version:"), []byte("X-Relayed-Through: group\r\nMIME-Version:"), 1)
	if err := r.book.office.Deliver(mailboxAddress, raw); err != nil {
		t.Fatal(err)
	}
	r.await(2)
	// The same again is a copy of the variant, and no second variant.
	if err := r.book.office.Deliver(mailboxAddress, raw); err != nil {
		t.Fatal(err)
	}
	r.await(3)
	r.drain(r.book)
	r.once(3, 1, l)
	r.outcomes(ticket.EventTicketed, ticket.EventVariant, ticket.EventDuplicate)
}

// The same message comes by SMTP and lies in the mailbox, in either order and at
// once.
func TestSameBySMTPAndIMAP(t *testing.T) {
	t.Parallel()
	r := newRig(t, program(t), settings{})
	r.start()
	var list []letter
	for i := range 3 {
		l := newLetter("", mailboxAddress, "Por dos caminos.")
		list = append(list, l)
		switch i {
		case 0:
			r.book.post(t, l)
			r.await(1)
			r.book.send(t, r.smtp, l)
		case 1:
			r.book.send(t, r.smtp, l)
			r.book.post(t, l)
		case 2:
			r.later(l)
			r.book.post(t, l)
			r.sending.Wait()
		}
		r.await(2 * (i + 1))
	}
	r.drain(r.book)
	r.once(6, 3, list...)
}

// One message to two topics, by one DATA, by two, and by SMTP and a mailbox: one
// ticket with one confirmation, and the agents of both know.
func TestSameToTwoTopics(t *testing.T) {
	t.Parallel()
	r := newRig(t, program(t), settings{})
	r.start()
	l := newLetter("", listenAddress, "A los dos.")
	l.fields = fmt.Sprintf("Cc: <%s>\r\n", mailboxAddress)
	r.book.send(t, r.smtp, l)
	other := l
	other.to = mailboxAddress
	r.book.send(t, r.smtp, other)
	r.book.post(t, other)
	r.await(3)
	r.drain(r.book)
	r.book.referrals = 1
	if r.told("luis@private.test") != 1 || r.told("ana@private.test") != 1 {
		t.Errorf("the agents were told %d and %d times, want once each", r.told("luis@private.test"), r.told("ana@private.test"))
	}
	r.once(3, 2, l)
}

// outcomes compares what became of the messages, in order, of a stopped desk.
func (r *rig) outcomes(want ...string) {
	r.t.Helper()
	o := r.oracle()
	o.audit(r.data)
	var got []string
	for _, row := range o.rows {
		got = append(got, row.Outcome)
	}
	if !slices.Equal(got, want) {
		r.t.Errorf("the messages were %q, want %q", got, want)
	}
}
