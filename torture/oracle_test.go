package torture

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"buzon/store"
	"buzon/ticket"
)

// figures are what the data folder holds after a run.
type figures struct {
	messages, tickets, entries, duplicates, quarantined int
	queued, sent, waiting, failed, folded               int
}

// oracle looks at the data folder of a stopped desk, and at what its clients and
// servers remember, for anything lost or done twice.
type oracle struct {
	book *book
	host *smarthost

	found []string
	figures
	rows     []*store.MessageRow
	sums     map[[sha256.Size]byte]*store.MessageRow
	outgoing []*ticket.Outgoing
	causes   map[string][]*ticket.Outgoing
	journal  map[string]map[uint64]int // kind and object → how often
}

func (o *oracle) say(format string, args ...any) {
	o.found = append(o.found, fmt.Sprintf(format, args...))
}

// audit runs all checks and returns what it found wrong.
func (o *oracle) audit(dir string) []string {
	o.checkFiles(dir)
	report, err := store.Verify(context.Background(), dir)
	if err != nil {
		o.say("I5: verifying the data folder: %v", err)
		return o.found
	}
	for _, d := range report.Differences {
		o.say("I4: what is derived differs: %v", d)
	}
	st, err := store.Open(dir, store.Options{})
	if err != nil {
		o.say("I5: the data folder can't be opened: %v", err)
		return o.found
	}
	defer st.Close()
	if err := st.View(func(tx *store.Tx) error { return o.read(st, tx) }); err != nil {
		o.say("I5: reading the state: %v", err)
		return o.found
	}
	o.checkLetters()
	o.checkOnce()
	o.checkOutbox()
	o.found = append(o.found, o.book.wrong...)
	return o.found
}

// checkFiles has bbolt check every page (I5).
func (o *oracle) checkFiles(dir string) {
	segments, err := filepath.Glob(filepath.Join(dir, "archive", "*.db"))
	if err != nil {
		o.say("I5: %v", err)
	}
	for _, path := range append(segments, filepath.Join(dir, "state.db")) {
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: 5 * time.Second, PreLoadFreelist: true})
		if err != nil {
			o.say("I5: opening %s: %v", filepath.Base(path), err)
			continue
		}
		err = db.View(func(tx *bbolt.Tx) error {
			var errs []error
			for err := range tx.Check() {
				errs = append(errs, err)
			}
			return errors.Join(errs...)
		})
		if err := errors.Join(err, db.Close()); err != nil {
			o.say("I5: %s: %v", filepath.Base(path), err)
		}
	}
}

// read loads the state, and checks what each row says of itself.
func (o *oracle) read(st *store.Store, tx *store.Tx) error {
	if err := store.VerifyJournal(tx); err != nil {
		o.say("I4: %v", err)
	}
	counts, err := tx.Counts()
	if err != nil {
		return err
	}
	o.sums = map[[sha256.Size]byte]*store.MessageRow{}
	for id := uint64(1); ; id++ {
		row, err := tx.Message(id)
		if errors.Is(err, store.ErrNotFound) {
			break
		} else if err != nil {
			return err
		}
		raw, err := st.Raw(row.Archive)
		if err != nil {
			o.say("I1: message %d has no bytes: %v", id, err)
			continue
		}
		if int64(len(raw)) != row.Size {
			o.say("I1: message %d has %d octets of %d", id, len(raw), row.Size)
		}
		sum := sha256.Sum256(raw)
		if key := row.Envelope.TransportKey(sum); key != row.Transport {
			o.say("I1: the bytes of message %d are not those that came", id)
		}
		o.rows = append(o.rows, row)
		if o.sums[sum] == nil {
			o.sums[sum] = row
		}
	}
	o.messages = len(o.rows)
	if counts.Messages != o.messages {
		o.say("I4: the state counts %d messages and has %d", counts.Messages, o.messages)
	}
	if err := o.readTickets(tx); err != nil {
		return err
	}
	if o.outgoing, err = tx.OutgoingList("", 0); err != nil {
		return err
	}
	o.causes = map[string][]*ticket.Outgoing{}
	for _, out := range o.outgoing {
		o.causes[out.Cause] = append(o.causes[out.Cause], out)
	}
	events, err := tx.Journal(1, 0)
	o.journal = map[string]map[uint64]int{}
	for _, e := range events {
		if o.journal[e.Kind] == nil {
			o.journal[e.Kind] = map[uint64]int{}
		}
		o.journal[e.Kind][e.Object]++
	}
	return err
}

func (o *oracle) readTickets(tx *store.Tx) error {
	tickets, err := tx.Tickets(store.TicketFilter{}, 0)
	if err != nil {
		return err
	}
	o.tickets = len(tickets)
	numbers := map[ticket.Number]bool{}
	for _, t := range tickets {
		if numbers[t.Number] {
			o.say("I4: number %s was given twice", t.Number)
		}
		numbers[t.Number] = true
		entries, err := tx.Entries(t.ID)
		if err != nil {
			return err
		}
		if len(entries) != int(t.Entries) {
			o.say("I4: ticket %s counts %d entries and has %d", t.Number, t.Entries, len(entries))
		}
		requests := 0
		for _, e := range entries {
			if e.Kind == ticket.EntryRequest {
				requests++
			}
		}
		if requests != 1 {
			o.say("I2: ticket %s has %d requests", t.Number, requests)
		}
		o.entries += len(entries)
	}
	for n := range ticket.Number(len(tickets)) {
		if !numbers[n+1] {
			o.say("I4: there are %d tickets and none is number %s", len(tickets), n+1)
		}
	}
	return nil
}

// checkLetters looks for every letter (I1, I6, I7).
func (o *oracle) checkLetters() {
	for sum := range o.book.acked {
		if o.sums[sum] == nil {
			o.say("I1: a message was acknowledged and is not there (sha256 %s)", hex.EncodeToString(sum[:8]))
		}
	}
	byID := map[string][]*store.MessageRow{}
	for _, row := range o.rows {
		byID[row.MessageID] = append(byID[row.MessageID], row)
	}
	for _, l := range append(o.book.sent[:len(o.book.sent):len(o.book.sent)], o.book.boxed...) {
		if len(byID[l.id]) == 0 {
			o.say("I7: nothing came of <%s> (%s)", l.id, l.kind)
			continue
		}
		first := byID[l.id][0]
		want := map[letterKind]string{request: ticket.EventTicketed, reply: ticket.EventReplied, poison: ticket.EventQuarantined}[l.kind]
		if first.Outcome != want {
			o.say("I2: <%s> is a %s and was first %s", l.id, l.kind, first.Outcome)
		}
	}
	if o.book.office == nil {
		return
	}
	inbox, done := o.book.office.Messages(mailboxAddress, "INBOX"), o.book.office.Messages(mailboxAddress, "Procesados")
	for _, l := range o.book.boxed {
		mark := []byte("\r\nMessage-ID: <" + l.id + ">\r\n")
		left, moved := 0, 0
		for _, m := range inbox {
			if bytes.Contains(m.Raw, mark) {
				left++
			}
		}
		for _, m := range done {
			if !bytes.Contains(m.Raw, mark) {
				continue
			}
			moved++
			if o.sums[sha256.Sum256(m.Raw)] == nil {
				o.say("I6: <%s> was moved and its bytes are not in the archive", l.id)
			}
		}
		if left+moved == 0 {
			o.say("I6: <%s> is in no folder any more", l.id)
		}
	}
}

// effects are the outcomes that do something.
var effects = map[string]bool{
	ticket.EventTicketed: true, ticket.EventReplied: true, ticket.EventAnswered: true, ticket.EventNoted: true,
	ticket.EventQuarantined: true, ticket.EventHeld: true, ticket.EventVariant: true,
}

// checkOnce looks for what was done twice (I2), and counts.
func (o *oracle) checkOnce() {
	identities, transports := map[string]int{}, map[string]int{}
	opened := 0
	for _, row := range o.rows {
		transports[row.Transport]++
		if transports[row.Transport] == 2 {
			o.say("I2: one delivery of <%s> was recorded twice", row.MessageID)
		}
		switch row.Outcome {
		case ticket.EventTicketed:
			opened++
		case ticket.EventDuplicate:
			o.duplicates++
		case ticket.EventQuarantined:
			o.quarantined++
		}
		if effects[row.Outcome] {
			if identities[row.Identity]++; identities[row.Identity] == 2 {
				o.say("I2: <%s> took effect twice", row.MessageID)
			}
		}
		if o.journal[row.Outcome][row.ID] == 0 && !o.inJournal(row) {
			o.say("I4: message %d (%s) is not in the journal", row.ID, row.Outcome)
		}
	}
	if opened != o.tickets {
		o.say("I2: %d messages opened a ticket and there are %d tickets", opened, o.tickets)
	}
}

// inJournal tells whether the journal knows of a message whose event names
// another row: the copied message, or the row of the quarantine.
func (o *oracle) inJournal(row *store.MessageRow) bool {
	switch row.Outcome {
	case ticket.EventDuplicate, ticket.EventVariant, ticket.EventQuarantined, ticket.EventHeld, ticket.EventIgnored:
		return len(o.journal[row.Outcome]) > 0
	}
	return false
}

// checkOutbox looks whether every effect has its mail, and every mail was sent
// that is said to be (I3).
func (o *oracle) checkOutbox() {
	received := map[string]int{}
	for _, d := range o.host.kept() {
		received[d.id]++
	}
	known := map[string]bool{}
	for _, out := range o.outgoing {
		known[out.MessageID] = true
		switch out.State {
		case ticket.OutgoingSent:
			o.sent++
			if received[out.MessageID] == 0 {
				o.say("I3: mail %d (%s to %s) is recorded as sent and never arrived", out.ID, out.Class, out.To)
			}
		case ticket.OutgoingWaiting:
			o.waiting++
		case ticket.OutgoingFailed:
			o.failed++
		case ticket.OutgoingDropped:
			o.folded++
			if out.FoldedInto == 0 || o.journal[ticket.EventFolded][out.ID] != 1 {
				o.say("I3: mail %d was dropped and is folded into none", out.ID)
			}
			if received[out.MessageID] > 0 {
				o.say("I3: mail %d was folded into %d, and arrived", out.ID, out.FoldedInto)
			}
		default:
			o.say("I3: mail %d is %s", out.ID, out.State)
		}
		if n := o.journal[ticket.EventQueued][out.ID]; n != 1 {
			o.say("I3: mail %d was queued %d times, says the journal", out.ID, n)
		}
		want := 0
		if out.State == ticket.OutgoingSent {
			want = 1
		}
		if n := o.journal[ticket.EventSent][out.ID]; n != want {
			o.say("I3: mail %d is %s and was sent %d times, says the journal", out.ID, out.State, n)
		}
	}
	o.queued = len(o.outgoing)
	for id := range received {
		if !known[id] {
			o.say("I3: a mail <%s> arrived that is in no outbox", id)
		}
	}
	referrals := o.book.referrals
	defer func() {
		if referrals > 0 {
			o.say("I3: %d topics were not told of a message that came to them as well", referrals)
		}
	}()
	for _, row := range o.rows {
		var want []ticket.Class
		switch row.Outcome {
		case ticket.EventTicketed:
			want = []ticket.Class{ticket.ClassConfirmation, ticket.ClassNotification}
		case ticket.EventReplied:
			want = []ticket.Class{ticket.ClassNotification}
		default:
			if n := len(o.causes[row.Correlation]); row.Outcome == ticket.EventDuplicate && n == 1 && referrals > 0 {
				referrals--
			} else if n > 0 {
				o.say("I2: message %d is %s and caused %d mails", row.ID, row.Outcome, n)
			}
			continue
		}
		if row.Envelope.Backlog {
			continue
		}
		for _, class := range want {
			n := 0
			for _, out := range o.causes[row.Correlation] {
				if out.Class == class {
					n++
				}
			}
			if n != 1 {
				o.say("I3: message %d (%s) caused %d mails of class %s", row.ID, row.Outcome, n, class)
			}
		}
	}
	o.checkTold()
	_, unfounded := o.host.repeats()
	o.found = append(o.found, unfounded...)
}

// checkTold looks whether each request and each reply is told of in one mail to its
// agent, folded or not (I3).
func (o *oracle) checkTold() {
	type entry struct {
		ticket ticket.ID
		seq    uint32
	}
	told := map[entry]int{}
	for _, out := range o.outgoing {
		if out.State == ticket.OutgoingDropped {
			continue
		}
		for _, seq := range out.Tells {
			told[entry{out.Ticket, seq}]++
		}
	}
	for _, row := range o.rows {
		if row.Outcome != ticket.EventTicketed && row.Outcome != ticket.EventReplied || row.Envelope.Backlog {
			continue
		}
		if n := told[entry{row.Ticket, row.Entry}]; n != 1 {
			o.say("I3: message %d (%s) is told of in %d mails", row.ID, row.Outcome, n)
		}
	}
}

// verdict fails the test for all that the oracle found.
func (o *oracle) verdict(t testing.TB, dir string) {
	t.Helper()
	if found := o.audit(dir); len(found) > 0 {
		t.Errorf("after the restart:\n  %s", strings.Join(found, "\n  "))
	}
}
