package store

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"buzon/ticket"
)

func TestVerifyClean(t *testing.T) {
	dir := filledFolder(t)
	r := verified(t, dir)
	want := &Report{Tickets: 5, Entries: 5, People: 5, Messages: 7, Outgoing: 5, Journal: 12, Segments: 1, Archived: 8, Unreferenced: 1,
		Octets: r.Octets, Differences: []string{}}
	if diff := gocmp.Diff(want, r); diff != "" {
		t.Error(diff)
	}
	if r.Octets < 3*pieceSize {
		t.Errorf("%d octets", r.Octets)
	}
	list, err := os.ReadDir(dir)
	if err != nil || len(list) != 2 {
		t.Errorf("the folder holds %v (%v)", list, err)
	}
}

// tamper changes a file of the folder behind the store's back.
func tamper(t testing.TB, path string, fn func(*bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(fn); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// change rewrites a row that is JSON.
func change[T any](bucket string, key []byte, fn func(*T)) func(*bbolt.Tx) error {
	return func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(bucket))
		row := new(T)
		if err := json.Unmarshal(b.Get(key), row); err != nil {
			return err
		}
		fn(row)
		raw, err := json.Marshal(row)
		if err != nil {
			return err
		}
		return b.Put(key, raw)
	}
}

// put writes a row as it is.
func putRaw(bucket string, key, value []byte) func(*bbolt.Tx) error {
	return func(tx *bbolt.Tx) error { return tx.Bucket([]byte(bucket)).Put(key, value) }
}

func deleteRow(bucket string, key []byte) func(*bbolt.Tx) error {
	return func(tx *bbolt.Tx) error { return tx.Bucket([]byte(bucket)).Delete(key) }
}

func idBytes(n int) []byte { id := idOf(n); return id[:] }

func TestVerifyFindsWhatIsWrong(t *testing.T) {
	id := idOf(2)
	first := ticket.ArchiveRef{Segment: "2026-11", Seq: 1}
	for name, tt := range map[string]struct {
		fn   func(*bbolt.Tx) error
		want string
	}{
		"a row that is no JSON":        {putRaw(bucketTickets, id[:], []byte("{")), "tickets: row"},
		"a ticket under another id":    {change(bucketTickets, id[:], func(x *ticket.Ticket) { x.ID = idOf(9) }), "calls itself"},
		"a number given twice":         {change(bucketTickets, id[:], func(x *ticket.Ticket) { x.Number = 1 }), "the same key in ticket_number"},
		"too few entries":              {change(bucketTickets, id[:], func(x *ticket.Ticket) { x.Entries = 2 }), "has 1 of 2"},
		"a status without its index":   {change(bucketTickets, id[:], func(x *ticket.Ticket) { x.Status = ticket.StatusClosed }), "ticket_status: closed 0000000000000002 is missing"},
		"a requester who is not there": {change(bucketTickets, id[:], func(x *ticket.Ticket) { x.Requester = 99 }), "refers to 99 of people"},
		"a linked ticket that isn't":   {change(bucketTickets, id[:], func(x *ticket.Ticket) { x.Linked = []ticket.ID{idOf(77)} }), "of tickets, which is missing"},
		"an entry that is missing":     {deleteRow(bucketEntries, entryKey(id, 1)), "has 0 of 1"},
		"a gap in a thread":            {putRaw(bucketEntries, entryKey(id, 3), []byte("{}")), "entry 2 of ticket [#000002] is missing"},
		"an entry without ticket":      {putRaw(bucketEntries, entryKey(idOf(66), 1), []byte(`{"ticket":"`+idOf(66).String()+`","seq":1}`)), "of tickets, which is missing"},
		"an entry's bytes are none":    {change(bucketEntries, entryKey(id, 1), func(x *ticket.Entry) { x.Archive.Seq = 500 }), "that are no message's"},
		"a person under another id":    {change(bucketPeople, []byte(personKey(2)), func(x *ticket.Person) { x.ID = 3 }), "calls itself 3"},
		"an address of two":            {change(bucketPeople, []byte(personKey(2)), func(x *ticket.Person) { x.Address.Addr = "p1@example.org" }), "the same key in person_address"},
		"a message under another id":   {change(bucketMessages, be64(2), func(x *MessageRow) { x.ID = 9 }), "it stands at"},
		"a message's bytes missing":    {change(bucketMessages, be64(2), func(x *MessageRow) { x.Archive.Seq = 500 }), "archive: 2026-11/500, the bytes of message 2, is missing"},
		"a segment missing":            {change(bucketMessages, be64(2), func(x *MessageRow) { x.Archive.Segment = "2026-10" }), "segment 2026-10 is missing"},
		"bytes of two messages":        {change(bucketMessages, be64(2), func(x *MessageRow) { x.Archive = first }), "are those of message 1 as well"},
		"a message of another size":    {change(bucketMessages, be64(2), func(x *MessageRow) { x.Size++ }), "octets, and message 2 has"},
		"a message with other content": {change(bucketMessages, be64(2), func(x *MessageRow) { x.Digest = strings.Repeat("0", 64) }), "it has changed since it was taken"},
		"a message of no entry":        {change(bucketMessages, be64(2), func(x *MessageRow) { x.Entry = 8 }), "of entries, which is missing"},
		"a message key":                {change(bucketMessages, be64(2), func(x *MessageRow) { x.Identity = "other" }), "message_identity"},
		"mail that nobody queued":      {putRaw(bucketOutbox, be64(9), []byte(`{"id":9,"state":"sent"}`)), "no event of the journal has queued it"},
		"mail without bytes":           {deleteRow(bucketOutboxChunks, be64(2)), "its bytes are missing"},
		"mail beyond its attachment":   {putRaw(bucketOutboxChunks, be64(2), []byte(`[{"archive":{"segment":"2026-11","seq":1},"offset":1000000,"length":6}]`)), "it takes octets"},
		"bytes of no mail":             {putRaw(bucketOutboxChunks, be64(99), []byte(`[]`)), "of outbox, which is missing"},
		"mail of another state":        {change(bucketOutbox, be64(2), func(x *ticket.Outgoing) { x.State = ticket.OutgoingFailed }), "outbox_state"},
		"mail that is gone":            {deleteRow(bucketOutbox, be64(2)), "queued: it refers to 2 of outbox"},
		"quarantine without message":   {change(bucketQuarantine, be64(1), func(x *QuarantineRow) { x.Message = 88 }), "refers to 88 of messages"},
		"quarantine of other bytes":    {change(bucketQuarantine, be64(1), func(x *QuarantineRow) { x.Archive = first }), "and those of its message"},
		"a held state miscounted":      {change(bucketHeld, be64(1), func(x *HeldRow) { x.State = HeldDropped }), "counts: held/dropped is missing"},
		"a held row gone":              {deleteRow(bucketHeld, be64(1)), "held: it refers to 1 of held"},
		"the ledger's message":         {putRaw(bucketLedger, ledgerKey("soporte", "INBOX", 7, 4), ledgerRow(77, false)), "refers to 77 of messages"},
		"a ledger row of odd length":   {putRaw(bucketLedger, ledgerKey("soporte", "INBOX", 7, 4), []byte("x")), "has 1 octets"},
		"a ledger row settled":         {putRaw(bucketLedger, ledgerKey("soporte", "INBOX", 7, 4), ledgerRow(4, true)), "ledger_unsettled"},
		"a mailbox unreadable":         {putRaw(bucketMailboxes, mailboxKey("soporte", "INBOX"), []byte("x")), "mailboxes: row"},
		"an event changed":             {change(bucketJournal, be64(3), func(x *ticket.Event) { x.Detail = "other" }), "event 4 of the journal does not follow"},
		"an event missing":             {deleteRow(bucketJournal, be64(3)), "event 3 of the journal is missing"},
		"the journal cut short":        {deleteRow(bucketJournal, be64(12)), "ends with event 11 of 12"},
		"a counter":                    {putRaw(bucketCounts, []byte(countMessages), be64(70)), "counts: messages is 70 and should be 7"},
		"the next number":              {putRaw(bucketMeta, []byte(keyLastNumber), be64(2)), "would get the number 3"},
		"the next message":             {func(tx *bbolt.Tx) error { return tx.Bucket([]byte(bucketMessages)).SetSequence(1) }, "would get the number 2"},
		"a bucket missing":             {func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte(bucketTicketDue)) }, "ticket_due: the bucket is missing"},
		"a further address of two":     {change(bucketPeople, []byte(personKey(2)), func(x *ticket.Person) { x.Also = []ticket.AlsoAddress{{Addr: "also1@example.org"}} }), "the same key in person_also"},
		"a question under another id":  {change(bucketQuestions, idBytes(90), func(x *Question) { x.ID = idOf(9) }), "it stands at"},
		"a question about nothing":     {change(bucketQuestions, idBytes(90), func(x *Question) { x.Held = 9 }), "refers to 9 of held"},
		"a question to nobody":         {change(bucketQuestions, idBytes(90), func(x *Question) { x.Person = 99 }), "refers to 99 of people"},
		"an automatic key":             {putRaw(bucketAutomaticAge, []byte("short"), nil), "automatic_age: row"},
		"a footer's key":               {putRaw(bucketFooters, []byte("short"), make([]byte, 9)), "footers: row"},
		"a footer's sightings":         {putRaw(bucketFooters, make([]byte, 24), make([]byte, 10)), "footers: row"},
		"a footer not counted":         {putRaw(bucketFooters, []byte(strings.Repeat("9", 24)), make([]byte, 9)), "counts: footers is 2 and should be 3"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filledFolder(t)
			tamper(t, filepath.Join(dir, stateFile), tt.fn)
			r := verified(t, dir)
			if text := strings.Join(r.Differences, "\n"); !strings.Contains(text, tt.want) {
				t.Errorf("want %q, got:\n%s", tt.want, text)
			}
		})
	}
}

// Each row of each index that is taken away, and each that is put there, is found.
func TestVerifyFindsEveryIndexRow(t *testing.T) {
	dir := filledFolder(t)
	path := filepath.Join(dir, stateFile)
	tamper(t, path, placeAll)
	original, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, bucket := range derived {
		if bucket == bucketWords || bucket == bucketWordsNoted || bucket == bucketIndexNoted {
			continue // TestVerifyKnowsWords, TestVerifyFindsEveryNote
		}
		for _, what := range []string{"missing", "should not be there"} {
			t.Run(bucket+" "+what, func(t *testing.T) {
				if err := os.WriteFile(path, original, 0o600); err != nil {
					t.Fatal(err)
				}
				tamper(t, path, func(tx *bbolt.Tx) error {
					b := tx.Bucket([]byte(bucket))
					k, v := b.Cursor().First()
					if k == nil {
						t.Fatal("there is no row to take away")
					}
					if what == "missing" {
						return b.Delete(k)
					}
					return b.Put(append(append([]byte(nil), k...), 1), append([]byte(nil), v...))
				})
				r := verified(t, dir)
				if text := strings.Join(r.Differences, "\n"); !strings.Contains(text, bucket+": ") || !strings.Contains(text, what) {
					t.Errorf("got:\n%s", text)
				}
			})
		}
	}
}

func TestVerifyFindsDamagedArchive(t *testing.T) {
	segment := func(dir string) string { return filepath.Join(dir, archiveFolder, "2026-11.db") }
	for name, tt := range map[string]struct {
		fn   func(*bbolt.Tx) error
		want string
	}{
		"an octet changed":  {putRaw(bucketRaw, pieceKey(3, 0), []byte("Message-ID: <m4@x>\r\n\r\n3")), "it has changed since it was taken as message 3"},
		"a message missing": {deleteRow(bucketRaw, pieceKey(3, 0)), "2026-11/3, the bytes of message 3, is missing"},
		"a piece missing":   {deleteRow(bucketRaw, pieceKey(2, 0)), "piece 0 is missing or cut short"},
		"a piece too short": {putRaw(bucketRaw, pieceKey(2, 0), []byte("x")), "piece 1 is missing or cut short"},
		"no bucket":         {func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte(bucketRaw)) }, "no messages' bucket"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filledFolder(t)
			tamper(t, segment(dir), tt.fn)
			if text := strings.Join(verified(t, dir).Differences, "\n"); !strings.Contains(text, tt.want) {
				t.Errorf("want %q, got:\n%s", tt.want, text)
			}
		})
	}
	for name, fn := range map[string]func(raw []byte, used int) []byte{
		"cut short":      func(raw []byte, used int) []byte { return raw[:used/2] },
		"pages of zeros": func(raw []byte, used int) []byte { clear(raw[3*4096 : used-4096]); return raw },
	} {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{"state.db", "archive/2026-11.db"} {
				dir := filledFolder(t)
				path := filepath.Join(dir, path)
				raw, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				meta, err := readMeta(path)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, fn(raw, int(meta.Pages)*int(meta.PageSize)), 0o600); err != nil {
					t.Fatal(err)
				}
				if verified(t, dir).Clean() {
					t.Errorf("%s: nothing was found", path)
				}
			}
		})
	}
}

func TestVerifyRefuses(t *testing.T) {
	s := newStore(t)
	if _, err := Verify(t.Context(), s.dir); err == nil || !strings.Contains(err.Error(), "held by another process") {
		t.Errorf("a folder in use: %v", err)
	}
	if _, err := Verify(t.Context(), t.TempDir()); err == nil {
		t.Error("an empty folder was verified")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Verify(ctx, filledFolder(t)); err == nil {
		t.Error("it went on after its context had ended")
	}
}
