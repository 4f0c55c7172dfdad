package desk_test

import (
	"context"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"buzon/desk"
	"buzon/store"
	"buzon/ticket"
)

// traces of a requester: name, address, subject, words, a file's name and bytes.
var (
	canaryFile = "quimera-" + strings.Repeat("zafiro ", 9)
	traces     = []string{
		"Perséfone", "persefone@cliente.example", "persefone", "Ornitorrinco", "murciélago", "hipogrifo.pdf",
		base64.StdEncoding.EncodeToString([]byte(canaryFile))[:40], "colibrí", "canario-1@cliente.example",
	}
)

// found counts the traces that stand in any file of a folder, as they are or in one
// of the encodings of mail.
func found(t testing.TB, dir string) (list []string) {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		all.Write(raw)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ToLower(all.String())
	for _, c := range traces {
		for _, form := range []string{c, strings.ReplaceAll(c, "é", "=C3=A9"), strings.ReplaceAll(c, "í", "=C3=AD")} {
			if strings.Contains(text, strings.ToLower(form)) {
				list = append(list, c)
				break
			}
		}
	}
	return list
}

const canaryMIME = "--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nUn murciélago en el aula.\r\n--b\r\nContent-Type: application/pdf; name=hipogrifo.pdf\r\n" +
	"Content-Disposition: attachment; filename=hipogrifo.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"

// persephone writes a request with an attachment, and gets an answer that closes it.
// It returns the ticket and its confirmation.
func persephone(o *office) (ticket.Number, mail) {
	o.t.Helper()
	out := o.send(letter{from: "Perséfone Vega <persefone@cliente.example>", to: "pregrado@virtual.example", subject: "Ornitorrinco", id: "canario-1@cliente.example",
		contentType: "multipart/mixed; boundary=b", text: canaryMIME + base64.StdEncoding.EncodeToString([]byte(canaryFile)) + "\r\n--b--"})
	mails := o.sent()
	l := reply(o.only(mails, "ana@privada.example"), ana, "/cerrar\n\nEl colibrí ya vuela.")
	l.headers = append(l.headers, anaPass)
	l.envelope = ticket.Envelope{Account: "soporte", Mailbox: "INBOX", UIDValidity: 1, UID: 1}
	o.send(l)
	o.sent()
	return out.Number, o.only(mails, "persefone@cliente.example")
}

// deliver marks all that waits as sent.
func (o *office) deliver() {
	o.t.Helper()
	err := o.store.Update(context.Background(), func(tx *store.Tx) error {
		rows, err := tx.OutgoingList(ticket.OutgoingWaiting, 0)
		for _, r := range rows {
			r.State = ticket.OutgoingSent
			err = errors.Join(err, tx.PutOutgoing(r))
		}
		return err
	})
	if err != nil {
		o.t.Fatal(err)
	}
}

func TestErasePersonLeavesNothing(t *testing.T) {
	o := open(t)
	n, _ := persephone(o)
	o.send(letter{from: "Otra <otra@cliente.example>", to: "pregrado@virtual.example", subject: "Ajeno", text: "Nada de eso."})
	if got := found(t, o.data); len(got) != len(traces) {
		t.Fatalf("before, the search finds %q of %q", got, traces)
	}
	if tk, _ := o.ticket(n); tk.Status != ticket.StatusClosed {
		t.Fatalf("the ticket is %s", tk.Status)
	}
	ctx := context.Background()
	r, err := o.desk.ErasePerson(ctx, "persefone@cliente.example")
	if err != nil || r.Whole || len(r.Kept) != 1 || r.Kept[0].Why != store.SparedWaiting || r.Gone.Messages > 0 {
		t.Fatalf("while mail waits: %+v %v", r, err)
	}
	o.deliver()
	r, err = o.desk.ErasePerson(ctx, "persefone@cliente.example")
	if err != nil || !r.Whole || r.Purged.IsZero() || len(r.Tickets) != 1 || r.Gone.People != 1 || len(r.Kept) > 0 {
		t.Fatalf("%+v %v", r, err)
	}
	if strings.Join(r.MailedTo, " ") != "ana@privada.example persefone@cliente.example" || strings.Join(r.Mailboxes, " ") != "soporte/INBOX" {
		t.Errorf("copies: %q %q", r.MailedTo, r.Mailboxes)
	}
	tk, entries := o.ticket(n)
	if tk.Erased == nil || tk.Topic != "pregrado" || tk.Closed.IsZero() || len(entries) != int(tk.Entries) {
		t.Errorf("what is left of the ticket: %+v", tk)
	}
	o.shut()
	if _, _, err := store.Compact(ctx, o.data); err != nil {
		t.Fatal(err)
	}
	if got := found(t, o.data); len(got) > 0 {
		t.Errorf("found after all: %q", got)
	}
}

// What was erased and is answered, or sent again, has no effect on what it was.
func TestErasedTicketIsNone(t *testing.T) {
	o := open(t)
	n, confirmation := persephone(o)
	o.deliver()
	if _, err := o.desk.ErasePerson(context.Background(), "persefone@cliente.example"); err != nil {
		t.Fatal(err)
	}
	before, _ := o.ticket(n)
	out := o.send(reply(confirmation, "persefone@cliente.example", "¿Y?"))
	if out.Event != ticket.EventTicketed || out.Number == n {
		t.Errorf("a reply to it: %+v", out)
	}
	if after, _ := o.ticket(n); after.Revision != before.Revision {
		t.Error("the erased ticket was changed")
	}
	if _, err := o.desk.ErasePerson(context.Background(), "ana@privada.example"); !errors.Is(err, desk.ErrAgent) {
		t.Errorf("an agent: %v", err)
	}
	if _, err := o.desk.ErasePerson(context.Background(), "nadie@cliente.example"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}
}

const retention = "[retention]\nat = \"0 3 * * *\"\nkeep = \"365d\"\ndeleted = \"30d\"\n"

func TestRetention(t *testing.T) {
	o := openWith(t, configuration+retention)
	n, _ := persephone(o)
	o.deliver()
	o.send(letter{from: "Otra <otra@cliente.example>", to: "pregrado@virtual.example", subject: "Abierta", text: "Sigue abierta."})
	o.deliver()
	ctx := context.Background()
	retain := func(want int, why string) {
		t.Helper()
		if got, err := o.desk.Retain(ctx); got != want || err != nil {
			t.Errorf("%s: %d tickets went (%v)", why, got, err)
		}
	}
	retain(0, "at once")
	o.pass(366 * 24 * time.Hour)
	if err := o.desk.Hold(ctx, n, "proceso 12"); err != nil {
		t.Fatal(err)
	}
	retain(0, "under a hold")
	if err := o.desk.Hold(ctx, n, ""); err != nil {
		t.Fatal(err)
	}
	retain(1, "in its time")
	retain(0, "again")
	err := o.store.View(func(tx *store.Tx) error {
		if _, err := tx.PersonByAddress("persefone@cliente.example"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the person: %v", err)
		}
		_, err := tx.PersonByAddress("otra@cliente.example")
		return err
	})
	if err != nil {
		t.Errorf("the other one: %v", err)
	}
}

// A deleted ticket goes after its grace, whatever its topic says.
func TestRetentionOfDeleted(t *testing.T) {
	o := openWith(t, configuration+strings.Replace(retention, "365d", "0", 1))
	n, _ := persephone(o)
	o.deliver()
	err := o.store.Update(context.Background(), func(tx *store.Tx) error {
		tk, err := tx.TicketByNumber(n)
		if err != nil {
			return err
		}
		tk.Deleted = o.clock()
		return tx.PutTicket(tk)
	})
	if err != nil {
		t.Fatal(err)
	}
	for want, wait := range []time.Duration{29 * 24 * time.Hour, 2 * 24 * time.Hour} {
		o.pass(wait)
		if got, err := o.desk.Retain(context.Background()); got != want || err != nil {
			t.Errorf("%d tickets went, want %d (%v)", got, want, err)
		}
	}
}

// Out of tickets of others goes what the person wrote, and where they are named.
func TestEraseOutOfOthersTickets(t *testing.T) {
	o := open(t)
	n, _, notification := o.opened()
	o.send(reply(notification, ana, "/copia persefone@cliente.example\n\nLe escribo también a persefone@cliente.example."))
	copied := o.sent()
	var hers mail
	for _, m := range copied {
		if m.row.To == "persefone@cliente.example" {
			hers = m
		}
	}
	if hers.row.ID == 0 {
		t.Fatalf("no mail to her: %v", addressees(copied))
	}
	o.send(reply(hers, "Perséfone Vega <persefone@cliente.example>", "El murciélago también."))
	o.sent()
	o.deliver()
	ctx := context.Background()
	r, err := o.desk.ErasePerson(ctx, "persefone@cliente.example")
	if err != nil || r.Whole || len(r.Kept) != 1 || r.Kept[0] != (desk.KeptTicket{Number: n, Why: store.SparedOpen}) {
		t.Fatalf("an open ticket of another: %+v %v", r, err)
	}
	o.send(reply(notification, ana, "/cerrar\n\nListo."))
	o.deliver()
	r, err = o.desk.ErasePerson(ctx, "persefone@cliente.example")
	if err != nil || !r.Whole || len(r.Parts) != 1 || r.Gone.Tickets != 0 || r.Gone.Messages != 1 || r.Gone.People != 1 {
		t.Fatalf("a closed ticket of another: %+v %v", r, err)
	}
	tk, entries := o.ticket(n)
	if tk.Erased != nil || tk.Subject == "" || len(tk.Participants) != 2 {
		t.Errorf("the other's ticket: %+v", tk)
	}
	bare := 0
	for _, e := range entries {
		if e.IsBare() {
			bare++
		}
		for _, word := range []string{"persefone@", "murciélago", "Perséfone"} {
			if strings.Contains(e.Text+e.Quoted+e.AuthorName, word) {
				t.Errorf("entry %d still has %q: %+v", e.Seq, word, e)
			}
		}
	}
	if bare != 1 || !strings.Contains(entries[0].Text, "Cálculo") {
		t.Errorf("%d entries are bare, and the first says %q", bare, entries[0].Text)
	}
	err = o.store.View(func(tx *store.Tx) error {
		for word, want := range map[string]int{"murciélago": 0, "Cálculo": 1} {
			if list, err := tx.Tickets(store.TicketFilter{Text: word}, 0); err != nil || len(list) != want {
				t.Errorf("a search for %s finds %d (%v)", word, len(list), err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
