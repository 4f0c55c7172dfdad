package torture

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// mutant is a desk in which one ordering is undone that the safety of mail rests
// on, and what is done to it so that this shows.
type mutant struct {
	number string // crash points that the ordering guards
	name   string // what it does
	mutation
	point
	// scenario is run in the place of the point; whole says that there is nothing
	// to be finished after it.
	scenario func(*rig)
	whole    bool
	want     string // what the oracle or the scenario must say begins so
}

func oneLetter(r *rig) { r.later(newLetter("", listenAddress, "Una.")) }

func oneMail(r *rig) { r.book.post(r.t, newLetter("", mailboxAddress, "Una.")) }

// forgotten sends a letter whose sender is gone before the answer and never comes
// back: what is archived next may get the place of its bytes.
func forgotten(r *rig) {
	r.sending.Go(func() { r.book.vanish(r.smtp, newLetter("", listenAddress, "De quien no vuelve.")) })
}

// answered has a committer answer before it commits, so many milliseconds.
func answered(what string, early int) mutation {
	const commit = "\ttxid, path := tx.ID(), db.Path()\n"
	return mutation{{"store/commit.go", commit,
		fmt.Sprintf("if c.what == %q {\nfor _, j := range jobs {\nj.result <- nil\n}\ntime.Sleep(%d * time.Millisecond)\n}\n", what, early) + commit}}
}

var mutants = []mutant{
	{number: "3, 10", name: "250 before anything is done",
		mutation: mutation{
			{"mailpipe/listener_data.go", "\t\"sync\"\n", "\t\"sync\"\n\t\"time\"\n"},
			{"mailpipe/listener_data.go", "if _, err := s.l.take.Take(s.l.ctx, env, raw); err != nil {",
				"go func() {\ntime.Sleep(time.Second)\ns.l.take.Take(s.l.ctx, env, raw)\n}()\nif err := error(nil); err != nil {"}},
		point: point{plan: "insideParsing", trigger: oneLetter}, want: "I1: a message was acknowledged"},
	{number: "4, 5", name: "applied before the archive is committed", mutation: answered("archive", 2000),
		point: point{plan: "archiveWritten>takenUnanswered", trigger: forgotten}, want: "I1: "},
	{number: "6, 7, 8", name: "250 before the state is committed", mutation: answered("state", 300),
		point: point{plan: "applied>beforeSyncDataPages", trigger: oneLetter}, want: "I1: a message was acknowledged"},
	{number: "5", name: "250 while it is applied",
		mutation: mutation{{"mailpipe/listener_data.go", "if _, err := s.l.take.Take(s.l.ctx, env, raw); err != nil {",
			"go s.l.take.Take(s.l.ctx, env, raw)\nif err := error(nil); err != nil {"}},
		point: point{plan: "archivedUnapplied", trigger: oneLetter}, want: "I1: a message was acknowledged"},
	{number: "9", name: "what was seen is forgotten",
		mutation: mutation{
			{"desk/receive.go", "if m == nil {\n\t\treturn s, nil", "if true {\n\t\treturn s, nil"},
			{"desk/receive.go", "if m == nil {\n\t\treturn s == seen{}", "if true {\n\t\treturn s == seen{}"}},
		point: point{plan: "takenUnanswered", trigger: oneLetter}, want: "I2"},
	{number: "11", name: "a batch is answered that was rolled back",
		mutation: mutation{{"store/commit.go", "culprit, err := c.transact(batch)\n",
			"culprit, err := c.transact(batch)\nif culprit && len(batch) <= " + strconv.Itoa(spoilers) + " { // perhaps no message\nfor _, j := range batch {\n_, err := c.transact([]*job{j})\nj.result <- err\n}\nreturn\n}\nif culprit {\nfor _, j := range batch {\nj.result <- nil\n}\ntime.Sleep(2 * time.Second)\n}\n"}},
		point: point{plan: "runningSingly", trigger: spoilBatches}, want: "I1: a message was acknowledged"},
	{number: "6, 12", name: "mail is queued in a transaction of its own",
		mutation: mutation{
			{"desk/change.go", "for _, l := range c.letters {\n\t\tif err := c.queue", "for _, l := range c.letters[:0] {\n\t\tif err := c.queue"},
			{"desk/receive.go", "\td.log(done, m)\n\td.footers.learn(",
				"d.Store.Update(ctx, func(tx *store.Tx) error {\nfor _, l := range done.letters {\nif err := done.queue(tx, l, m); err != nil {\nreturn err\n}\n}\nreturn nil\n})\n\td.log(done, m)\n\td.footers.learn("}},
		point: point{plan: "committedUnwoken", trigger: oneLetter}, want: "I3: message"},
	{number: "13", name: "the cursor moves before messages are taken",
		mutation: mutation{{"mailpipe/imap.go", "\ttaken, takeErr := w.takeAll(ctx, page.mails)\n",
			"for _, uid := range uids {\nw.done[uid] = true\n}\nw.advance(found)\nif err := w.save(ctx, nil); err != nil {\nreturn nil, err\n}\n\ttaken, takeErr := w.takeAll(ctx, page.mails)\n"}},
		point: point{plan: "fetchedUntaken>insideParsing", trigger: oneMail}, want: "I7: nothing came"},
	{number: "14", name: "MOVE before messages are taken",
		mutation: mutation{{"mailpipe/imap.go", "\ttaken, takeErr := w.takeAll(ctx, page.mails)\n",
			"if err := w.settle(ctx, c, uids); err != nil {\nreturn nil, err\n}\n\ttaken, takeErr := w.takeAll(ctx, page.mails)\n"}},
		point: point{plan: "fetchedUntaken>settledUnsaved"}, want: "I6"},
	{number: "14", name: "the ledger is not in the transaction",
		mutation: mutation{{"desk/change.go", "if e := m.Envelope; e.FromIMAP() {", "if e := m.Envelope; false && e.FromIMAP() {"}},
		point:    point{plan: "takenUnsettled", trigger: oneMail}, want: "C4: <"},
	{number: "15", name: "COPY is not recorded",
		mutation: mutation{{"mailpipe/imap_settle.go", "\t\tif err := w.save(ctx, nil); err != nil {", "\t\tif err := error(nil); err != nil {"}},
		point:    point{plan: "copiedUnexpunged", noMove: true, trigger: oneMail, check: copiedOnce}, want: "C4: <"},
	{number: "15, 16", name: "the settling is recorded before it is done",
		mutation: mutation{{"mailpipe/imap_settle.go", "\t\terr := w.settleOne(ctx, c, batch)\n",
			"if err := w.save(ctx, batch); err != nil {\nreturn err\n}\n\t\terr := w.settleOne(ctx, c, batch)\n"}},
		point: point{plan: "copiedUnsaved", noMove: true, trigger: oneMail}, want: "C4: <"},
	{number: "17", name: "after a new UIDVALIDITY the cursor is at the end",
		mutation: mutation{{"mailpipe/imap.go", "Next: 1, Since: state.Since, RescanBelow: next", "Next: next, Since: state.Since, RescanBelow: next"}},
		point:    point{plan: "rescanBegun", before: fillMailbox, trigger: renumberMailbox}, want: "I7: nothing came"},
	{number: "18", name: "mail is recorded as sent before the connection",
		mutation: mutation{{"mailpipe/send.go", "\t\tif *link == nil {\n",
			"s.box.Report(soft, row.ID, ticket.Result{Sent: true}, time.Time{})\n\t\tif *link == nil {\n"}},
		point: point{plan: "claimedUnconnected", fresh: true}, want: "I3: mail"},
	{number: "19", name: "mail is recorded as sent before it is",
		mutation: mutation{{"mailpipe/send.go", "result, usable := (*link).send(hard, row, s.box)",
			"s.box.Report(soft, row.ID, ticket.Result{Sent: true}, time.Time{})\nresult, usable := (*link).send(hard, row, s.box)"}},
		point: point{trigger: killedWhenOffering}, want: "I3"},
	{number: "20", name: "other bytes at each try",
		mutation: mutation{{"mailpipe/send_mail.go", "\tif err := writeChunks(body, row.Chunks, box); err != nil {",
			"\tfmt.Fprintf(body, \"X-Try: %d\\r\\n\", time.Now().UnixNano())\n\tif err := writeChunks(body, row.Chunks, box); err != nil {"}},
		point: point{plan: "sentUnrecorded"}, want: "I3: mail <"},
	{number: "21", name: "a reminder is counted after it is queued",
		mutation: mutation{
			{"desk/remind.go", "\t\treturn c, r.write()\n", "\t\tfor _, side := range c.sides {\n\t\t\tside.ticket.Reminded, side.ticket.RemindAt = 0, c.now.Add(-time.Minute)\n\t\t}\n\t\treturn c, r.write()\n"},
			{"desk/remind.go", "\tr.event(ticket.Event{Kind: ticket.EventReminded, Ticket: t.ID, Detail: what})\n", ""},
			{"desk/remind.go", "\treturn len(done.letters), nil",
				"\td.Store.Update(ctx, func(tx *store.Tx) error {\n\t\tfor _, id := range due {\n\t\t\tt, err := tx.Ticket(id)\n\t\t\tif err != nil {\n\t\t\t\treturn err\n\t\t\t}\n\t\t\tt.RemindAt = time.Time{}\n\t\t\tif err := tx.PutTicket(t); err != nil {\n\t\t\t\treturn err\n\t\t\t}\n\t\t}\n\t\treturn nil\n\t})\n\treturn len(done.letters), nil"}},
		point: point{plan: "reminderDue>committedUnwoken", restart: true, set: settings{replyWithin: "1s"}, after: remindedOnce}, want: "I2: ticket"},
	{number: "22", name: "the last backup's state goes before the new one counts",
		mutation: mutation{{"store/backup.go", "\tif err := syncFolder(filepath.Join(b.to, archiveFolder)); err != nil {",
			"\tif old := b.before.file(nameState); old != nil && old.File != b.result.Files[0].File {\n\t\tos.Remove(filepath.Join(b.to, old.File))\n\t}\n\tif err := syncFolder(filepath.Join(b.to, archiveFolder)); err != nil {"}},
		scenario: crashedBackup, whole: true, want: "buzon restore"},
	{number: "22", name: "compaction removes the old file first",
		mutation: mutation{{"store/rebuild.go", "\tshrunk, err := os.Stat(temp)\n", "\tos.Remove(path)\n\tshrunk, err := os.Stat(temp)\n"}},
		scenario: func(r *rig) { crashedTool(r, "compact", "compactUnswapped") }, whole: true, want: "verifying"},
	{number: "22", name: "rebuilding moves the old state away first",
		mutation: mutation{{"store/rebuild.go", "os.Link(path, kept)", "os.Rename(path, kept)"}},
		scenario: func(r *rig) { crashedTool(r, "rebuild", "rebuildUnswapped") }, whole: true, want: "verifying"},
	{number: "22", name: "an erasure is over before it is done",
		mutation: mutation{{"store/erase.go", "w.questions, w.nameless}", "w.questions}"},
			{"store/erase.go", "[]func() error{w.close,", "[]func() error{w.nameless, w.close,"}},
		scenario: func(r *rig) { crashedErasure(r, "eraseHalfway") }, whole: true, want: "erasure: "},
	{number: "23", name: "the version is written before the migration",
		mutation: append(mutation{{"store/schema.go", "\t\terr = db.Update(func(tx *bbolt.Tx) error {\n\t\t\tif err := placeAll(tx)",
			"\t\tif err := db.Update(func(tx *bbolt.Tx) error {\n\t\t\treturn tx.Bucket([]byte(bucketMeta)).Put([]byte(keyVersion), be64(schemaVersion(steps)))\n\t\t}); err != nil {\n\t\t\treturn err\n\t\t}\n\t\terr = db.Update(func(tx *bbolt.Tx) error {\n\t\t\tif err := placeAll(tx)"}},
			nextSchema...),
		scenario: func(r *rig) {
			next := r.program
			r.program = program(r.t)
			crashedMigration(r, next, "migrateHalfway")
		}, whole: true, want: "migration: "},
	{number: "25", name: "a stop cuts messages off",
		mutation: mutation{{"cmd/buzon/daemon.go", "\t\t\terrs = append(errs, d.listener.Close(ctx))",
			"\t\t\tover, end := context.WithCancel(ctx)\n\t\t\tend()\n\t\t\td.listener.Close(over)"}},
		scenario: stoppedInsideData, whole: true, want: "the message was answered with"},
	{number: "27", name: "restoring begins with the state",
		mutation: mutation{{"store/restore.go", "\tfor _, f := range m.Files[1:] {",
			"\tif err := m.Files[0].restore(ctx, from, filepath.Join(to, stateFile)); err != nil {\n\t\treturn m, err\n\t}\n\tfor _, f := range m.Files[1:] {"}},
		scenario: func(r *rig) {
			r.start()
			r.exchange()
			crashedRestore(r, "restoreMidway")
		}, whole: true, want: "after a kill at restoreMidway the folder opens"},
}

// TestMutants undoes one ordering at a time, and shows that the test of the crash
// points which it guards sees that. MUTANTS is how many (4), which SEED chooses; 0:
// all.
func TestMutants(t *testing.T) {
	chosen := random(uint64(number(t, "SEED", 1))).Perm(len(mutants))
	if n := number(t, "MUTANTS", 4); n > 0 {
		chosen = chosen[:min(n, len(chosen))]
	}
	for _, i := range chosen {
		m := mutants[i]
		t.Run(m.number+" "+m.name, func(t *testing.T) {
			path := built(t, fmt.Sprintf("mutant-%d", i), m.mutation)
			t.Parallel()
			found := m.examine(t, path)
			for _, line := range found {
				if strings.HasPrefix(line, m.want) {
					t.Logf("seen: %s", strings.ReplaceAll(line, "\n", " "))
					return
				}
			}
			t.Errorf("it was not seen; what was found: %q", found)
		})
	}
}

// examine runs the mutant into its point, has it start again and go on as far as
// it does, and returns all that was found wrong.
func (m mutant) examine(t *testing.T, path string) []string {
	w := &witness{TB: t}
	if m.noMove {
		m.set.hide = []string{"MOVE"}
	}
	r := newRig(w, path, m.set)
	if m.scenario != nil {
		w.watch(func() { m.scenario(r) })
	} else if w.watch(func() { m.crash(r) }); len(w.said()) > 0 {
		t.Errorf("it did not come so far")
		return w.said()
	}
	r.host.behave(nil, nil)
	if !m.whole {
		w.watch(func() {
			if m.after == nil {
				r.finish()
				return
			}
			r.start()
			r.sending.Wait()
			m.after(r)
		})
	}
	if r.cmd != nil {
		r.kill()
	}
	r.sending.Wait()
	if m.whole {
		return w.said()
	}
	if m.check != nil {
		m.check(r)
	}
	o := r.oracle()
	o.audit(r.data)
	for _, left := range r.book.office.Messages(mailboxAddress, "INBOX") {
		if o.sums[sha256.Sum256(left.Raw)] != nil {
			_, id, _ := bytes.Cut(left.Raw, []byte("\r\nMessage-ID: "))
			id, _, _ = bytes.Cut(id, []byte("\r\n"))
			o.say("C4: %s was taken, and lies in the mailbox still", id)
		}
	}
	return append(w.said(), o.found...)
}

// witness takes down what a test finds wrong, instead of failing for it.
type witness struct {
	testing.TB
	mu    sync.Mutex
	found []string
}

// watch runs a part of a test, which may end itself.
func (w *witness) watch(part func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		part()
	}()
	<-done
}

func (w *witness) said() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.found[:len(w.found):len(w.found)]
}

func (w *witness) Errorf(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.found = append(w.found, fmt.Sprintf(format, args...))
}

func (w *witness) Error(args ...any) { w.Errorf("%s", fmt.Sprint(args...)) }

func (w *witness) Fatalf(format string, args ...any) {
	w.Errorf(format, args...)
	runtime.Goexit()
}

func (w *witness) Fatal(args ...any) { w.Fatalf("%s", fmt.Sprint(args...)) }
