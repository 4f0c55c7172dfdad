package powercut

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"buzon/store"
	"buzon/ticket"
)

// Digest is a message's SHA-256.
type Digest = [sha256.Size]byte

// Promise is what the outside was told, and when it knew at the latest.
type Promise struct {
	At time.Time
	// Message is of a message that got 250, or left its mailbox; the zero value:
	// none.
	Message Digest
	Name    string // what it is, for people
	// Sent is the Message-ID of a mail that the desk handed to its smarthost.
	Sent string
}

// Book is what a data folder holds, as far as it never changes: of two books of
// one desk the earlier is the beginning of the later.
type Book struct {
	Messages []*store.MessageRow
	Digests  []Digest // of Messages
	Outbox   map[string][]string
	Sent     map[string]bool // Message-IDs of the outbox
	Tickets  map[ticket.ID]ticket.Number
}

// Read reads all of a data folder, and returns an error when it doesn't hang
// together.
func Read(s *store.Store) (*Book, error) {
	if err := s.VerifyJournal(context.Background()); err != nil {
		return nil, err
	}
	b := &Book{Outbox: map[string][]string{}, Sent: map[string]bool{}, Tickets: map[ticket.ID]ticket.Number{}}
	var bytes []ticket.Chunk
	err := s.View(func(tx *store.Tx) error {
		counts, err := tx.Counts()
		if err != nil {
			return err
		}
		if err := b.tickets(tx, counts); err != nil {
			return err
		}
		for id := range counts.Messages {
			m, err := tx.Message(uint64(id + 1))
			if err != nil {
				return err
			}
			if err := b.message(tx, m); err != nil {
				return fmt.Errorf("message %d, %s: %w", m.ID, m.Outcome, err)
			}
		}
		outgoing, err := tx.OutgoingList("", 0)
		if err != nil {
			return err
		}
		for _, o := range outgoing {
			chunks, err := tx.OutgoingChunks(o.ID)
			if err != nil {
				return err
			}
			bytes = append(bytes, chunks...)
			b.Sent[o.MessageID] = true
			b.Outbox[o.Cause] = append(b.Outbox[o.Cause], o.To+" "+o.MessageID)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, m := range b.Messages {
		raw, err := s.Raw(m.Archive)
		if err != nil {
			return nil, fmt.Errorf("message %d: %w", m.ID, err)
		}
		b.Digests = append(b.Digests, sha256.Sum256(raw))
	}
	for _, c := range bytes {
		if c.Literal != nil {
			continue
		}
		if _, err := s.ReadAt(c.Archive, c.Offset, c.Length); err != nil {
			return nil, fmt.Errorf("mail in the outbox: %w", err)
		}
	}
	return b, nil
}

// tickets looks whether every number stands for one ticket.
func (b *Book) tickets(tx *store.Tx, counts store.Counts) error {
	list, err := tx.Tickets(store.TicketFilter{}, 0)
	if err != nil {
		return err
	}
	numbers := map[ticket.Number]bool{}
	for _, t := range list {
		if numbers[t.Number] || b.Tickets[t.ID] != 0 {
			return fmt.Errorf("ticket %s is there twice", t.Number.Tag())
		}
		numbers[t.Number], b.Tickets[t.ID] = true, t.Number
		entries, err := tx.Entries(t.ID)
		if err != nil {
			return err
		}
		if len(entries) != int(t.Entries) {
			return fmt.Errorf("ticket %s has %d entries of %d", t.Number.Tag(), len(entries), t.Entries)
		}
	}
	total := 0
	for _, n := range counts.Tickets {
		total += n
	}
	if total != len(list) {
		return fmt.Errorf("%d tickets of %d", len(list), total)
	}
	return nil
}

// effects are the outcomes that a message may have once.
var effects = []string{
	ticket.EventTicketed, ticket.EventReplied, ticket.EventAnswered, ticket.EventNoted,
	ticket.EventIgnored, ticket.EventHeld, ticket.EventQuarantined, ticket.EventBounced,
}

// message looks whether a message's row has what belongs to it.
func (b *Book) message(tx *store.Tx, m *store.MessageRow) error {
	if slices.Contains(effects, m.Outcome) {
		for _, other := range b.Messages {
			if other.Identity == m.Identity && slices.Contains(effects, other.Outcome) {
				return fmt.Errorf("message %d, %s, is the same", other.ID, other.Outcome)
			}
		}
	}
	b.Messages = append(b.Messages, m)
	if !m.Ticket.IsZero() {
		if _, err := tx.Ticket(m.Ticket); err != nil {
			return err
		}
		if m.Entry > 0 {
			if _, err := tx.Entry(m.Ticket, m.Entry); err != nil {
				return err
			}
		}
	}
	if m.Outcome == ticket.EventTicketed {
		events, err := tx.JournalOf(m.Ticket)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(events, func(e ticket.Event) bool { return e.Kind == m.Outcome && e.Object == m.ID }) {
			return errors.New("it is not in the journal")
		}
	}
	if e := m.Envelope; e.FromIMAP() {
		state, _, err := tx.LedgerLoad(e.Account, e.Mailbox)
		if err != nil {
			return err
		}
		passed := state.UIDValidity == e.UIDValidity && e.UID < state.Next
		if id, _, ok := tx.LedgerTaken(e.Account, e.Mailbox, e.UIDValidity, e.UID); !ok && !passed || id > m.ID {
			return fmt.Errorf("the ledger has message %d for it", id)
		}
	}
	return nil
}

// Check opens the data folder that a power cut at a moment left, and returns
// what is wrong with it. last is the book at the end of the recording. applied
// tells how many messages are in it. lying says that the disk heeded not all syncs:
// then segments are looked through first, because the desk doesn't, and one whose
// pages lead round in a circle is never at an end; and nothing is written.
func Check(dir string, cut time.Time, promises []Promise, last *Book, lying bool) (applied int, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	if lying {
		segments, err := filepath.Glob(filepath.Join(dir, "archive", "*.db"))
		if err != nil {
			return 0, err
		}
		for _, path := range segments {
			if err := store.CheckFile(path); err != nil {
				return 0, err
			}
		}
	}
	s, err := store.Open(dir, store.Options{Now: func() time.Time { return cut }})
	if err != nil {
		return 0, err
	}
	defer s.Close()
	b, err := Read(s)
	if err != nil {
		return 0, err
	}
	if err := b.compare(cut, promises, last); err != nil {
		return 0, err
	}
	if lying {
		return len(b.Messages), nil
	}
	if err := errors.Join(goesOn(s), s.Close()); err != nil {
		return len(b.Messages), err
	}
	return len(b.Messages), checkPages(dir)
}

// compare looks whether a book is the beginning of the last one, and has all
// that was promised before the cut.
func (b *Book) compare(cut time.Time, promises []Promise, last *Book) error {
	if len(b.Messages) > len(last.Messages) {
		return fmt.Errorf("%d messages, and there never were more than %d", len(b.Messages), len(last.Messages))
	}
	have := map[Digest]bool{}
	for i, m := range b.Messages {
		if !reflect.DeepEqual(m, last.Messages[i]) || b.Digests[i] != last.Digests[i] {
			return fmt.Errorf("message %d is not what it was in the end", m.ID)
		}
		have[b.Digests[i]] = true
		if !slices.Equal(b.Outbox[m.Correlation], last.Outbox[m.Correlation]) {
			return fmt.Errorf("message %d has other mail in the outbox, %q, than in the end, %q", m.ID, b.Outbox[m.Correlation], last.Outbox[m.Correlation])
		}
	}
	for id, n := range b.Tickets {
		if last.Tickets[id] != n {
			return fmt.Errorf("ticket %s had another number in the end", n.Tag())
		}
	}
	for i, p := range promises {
		switch {
		case !p.At.Before(cut):
		case p.Sent != "" && !b.Sent[p.Sent]:
			return fmt.Errorf("LOST: mail %s was sent, and is not in the outbox", p.Sent)
		case p.Message != Digest{} && !have[p.Message]:
			return fmt.Errorf("LOST: message %d, %s, was acknowledged %s before the cut; there are %d messages", i, p.Name, cut.Sub(p.At), len(b.Messages))
		}
	}
	return nil
}

// goesOn writes to a store.
func goesOn(s *store.Store) error {
	raw := []byte("Subject: after the power cut\r\n\r\n")
	ref, err := s.Put(context.Background(), raw)
	if err != nil {
		return err
	}
	back, err := s.Raw(ref)
	if err != nil || string(back) != string(raw) {
		return fmt.Errorf("%q comes back as %q, %w", raw, back, err)
	}
	return s.Update(context.Background(), func(tx *store.Tx) error {
		return tx.Append(&ticket.Event{Kind: ticket.EventIgnored})
	})
}

// checkPages runs the engine's own check over the files of a closed data folder.
func checkPages(dir string) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if strings.HasSuffix(path, ".new") {
			return fmt.Errorf("%s was left behind", path)
		}
		if !strings.HasSuffix(path, ".db") {
			return nil
		}
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: time.Second})
		if err != nil {
			return fmt.Errorf("opening %s: %w", path, err)
		}
		defer db.Close()
		return db.View(func(tx *bbolt.Tx) error {
			var found error
			for err := range tx.Check() {
				found = errors.Join(found, err)
			}
			if found != nil {
				return fmt.Errorf("checking %s: %w", path, found)
			}
			return nil
		})
	})
}

// WriteTo makes the image's files and folders below dir, which must not be there
// yet.
func (i Image) WriteTo(dir string) error {
	for _, path := range slices.Sorted(maps.Keys(i)) {
		at := filepath.Join(dir, path)
		var err error
		if content := i[path]; content == nil {
			err = os.MkdirAll(at, 0o700)
		} else {
			err = os.WriteFile(at, content, 0o600)
		}
		if err != nil {
			return fmt.Errorf("making an image: %w", err)
		}
	}
	return nil
}
