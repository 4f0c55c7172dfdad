package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"buzon/ticket"
)

// Ticket returns a ticket, or ErrNotFound.
func (tx *Tx) Ticket(id ticket.ID) (*ticket.Ticket, error) {
	t := new(ticket.Ticket)
	if err := tx.load(bucketTickets, id[:], t); err != nil {
		return nil, fmt.Errorf("reading ticket %s: %w", id, err)
	}
	return t, nil
}

// HasTicket tells whether there is a ticket with this ID.
func (tx *Tx) HasTicket(id ticket.ID) bool { return tx.get(bucketTickets, id[:]) != nil }

// TicketRevision returns the Revision of a ticket, or ErrNotFound, and reads no more of
// it than that.
func (tx *Tx) TicketRevision(id ticket.ID) (uint64, error) {
	var row struct {
		Revision uint64 `json:"revision"`
	}
	if err := tx.load(bucketTickets, id[:], &row); err != nil {
		return 0, fmt.Errorf("reading the revision of ticket %s: %w", id, err)
	}
	return row.Revision, nil
}

// TicketNumbered returns the id of the ticket with a number; ok is false when there is
// none.
func (tx *Tx) TicketNumbered(n ticket.Number) (id ticket.ID, ok bool) {
	raw := tx.get(bucketTicketNumber, be64(uint64(n)))
	if raw == nil {
		return id, false
	}
	return ticket.ID(raw), true
}

// TicketByNumber returns a ticket, or ErrNotFound.
func (tx *Tx) TicketByNumber(n ticket.Number) (*ticket.Ticket, error) {
	id, ok := tx.TicketNumbered(n)
	if !ok {
		return nil, fmt.Errorf("reading ticket %s: %w", n.Tag(), ErrNotFound)
	}
	return tx.Ticket(id)
}

// PutTicket stores a ticket, new or changed, and raises its Revision. It needs
// an ID, a Number that no other ticket has, and a Status. It returns ErrStale
// when the stored ticket has another Revision than t, that is when it was
// changed since t was read.
func (tx *Tx) PutTicket(t *ticket.Ticket) error {
	if err := tx.putTicket(t); err != nil {
		return fmt.Errorf("storing ticket %s: %w", t.Number.Tag(), err)
	}
	return nil
}

func (tx *Tx) putTicket(t *ticket.Ticket) error {
	switch {
	case t.ID.IsZero() || t.Number == 0:
		return errors.New("it has no ID or no number")
	case !slices.Contains(ticket.Statuses, t.Status):
		return fmt.Errorf("it has no such status as %q", t.Status)
	}
	if id := tx.get(bucketTicketNumber, be64(uint64(t.Number))); id != nil && !bytes.Equal(id, t.ID[:]) {
		return fmt.Errorf("another ticket, %x, has its number", id)
	}
	var revision uint64
	var before []indexKey
	var counted string
	old, err := tx.Ticket(t.ID)
	switch {
	case errors.Is(err, ErrNotFound):
		old = nil
	case err == nil:
		if old.Revision != t.Revision {
			return fmt.Errorf("%w: revision %d, and %d is stored", ErrStale, t.Revision, old.Revision)
		}
		revision, before, counted = old.Revision, ticketIndex(old), ticketCounter(old.Status)
	default:
		return err
	}
	t.Revision = revision + 1
	reworded := old != nil && (old.Subject != t.Subject || old.Requester != t.Requester || old.IsHidden() != t.IsHidden())
	if err := tx.save(bucketTickets, t.ID[:], t); err != nil {
		return err
	}
	if err := tx.reindex(before, ticketIndex(t)); err != nil {
		return err
	}
	if err := tx.recount(counted, ticketCounter(t.Status)); err != nil {
		return err
	}
	switch {
	case reworded:
		return tx.rewords(t)
	case old == nil && !t.IsHidden():
		return tx.noteWords(t.Number, 0, wordsOfTicket(tx, t))
	}
	return nil
}

func ticketCounter(s ticket.Status) string { return "tickets/" + string(s) }

// ticketIndex lists the index rows of a ticket.
func ticketIndex(t *ticket.Ticket) []indexKey {
	n, id := string(be64(uint64(t.Number))), string(t.ID[:])
	keys := []indexKey{
		{bucketTicketNumber, n, id},
		{bucketTicketStatus, textKey(string(t.Status)) + n, id},
		{bucketTicketTopic, textKey(t.Topic) + n, id},
		{bucketTicketAssignee, textKey(t.Assignee) + n, id},
		{bucketTicketAsker, personKey(t.Requester) + n, id},
	}
	if !t.RemindAt.IsZero() {
		keys = append(keys, indexKey{bucketTicketDue, string(timeKey(t.RemindAt)) + n, id})
	}
	return keys
}

// NextNumber takes the next ticket number: the one after the last that was
// taken, but not below first.
func (tx *Tx) NextNumber(first ticket.Number) (ticket.Number, error) {
	last := fromBE64(tx.get(bucketMeta, []byte(keyLastNumber)))
	n := max(last+1, uint64(first))
	if err := tx.put(bucketMeta, []byte(keyLastNumber), be64(n)); err != nil {
		return 0, fmt.Errorf("taking a ticket number: %w", err)
	}
	return ticket.Number(n), nil
}

// TicketFilter says which tickets are wanted: those that match all of its
// fields that are not zero.
type TicketFilter struct {
	Status    ticket.Status
	Topic     string
	Assignee  string
	Requester ticket.PersonID
	// Text is words that stand in the ticket's subject or thread, or in its
	// requester's name or address, all of them, each as it is or begun, without
	// regard to case and accents.
	Text string
	// Shown leaves out those that were deleted.
	Shown bool
}

// Tickets lists tickets that match, the newest first. Its cost depends on what
// the rarest of the wanted values matches, and not on how many tickets there are.
func (tx *Tx) Tickets(f TicketFilter, limit int) ([]*ticket.Ticket, error) {
	var found []*ticket.Ticket
	err := tx.eachTicket(f, func(t *ticket.Ticket) bool {
		found = append(found, t)
		return !full(len(found), limit)
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// FirstTicket is the first of Tickets that is wanted; nil: none is. Those behind it are
// not read.
func (tx *Tx) FirstTicket(f TicketFilter, limit int, wanted func(*ticket.Ticket) bool) (first *ticket.Ticket, err error) {
	n := 0
	err = tx.eachTicket(f, func(t *ticket.Ticket) bool {
		if n++; wanted(t) {
			first = t
		}
		return first == nil && !full(n, limit)
	})
	if err != nil {
		return nil, err
	}
	return first, nil
}

// eachTicket gives tickets that match, the newest first, as long as more are wanted.
func (tx *Tx) eachTicket(f TicketFilter, more func(*ticket.Ticket) bool) error {
	walks := tx.walks(f)
	for at := uint64(math.MaxUint64); ; at-- {
		n, id, ok := common(walks, at)
		if !ok {
			return nil
		}
		t, err := tx.numbered(n, id)
		if err != nil {
			return fmt.Errorf("listing tickets: %w", err)
		}
		if (!f.Shown || t.Deleted.IsZero()) && !more(t) {
			return nil
		}
		at = n
	}
}

// walks are the indexes that a filter goes through; none when nothing can match.
func (tx *Tx) walks(f TicketFilter) []walker {
	walks := []walker{tx.walk(bucketTicketNumber, "")}
	if f.Status != "" {
		walks = append(walks, tx.walk(bucketTicketStatus, textKey(string(f.Status))))
	}
	if f.Topic != "" {
		walks = append(walks, tx.walk(bucketTicketTopic, textKey(f.Topic)))
	}
	if f.Assignee != "" {
		walks = append(walks, tx.walk(bucketTicketAssignee, textKey(f.Assignee)))
	}
	if f.Requester != 0 {
		walks = append(walks, tx.walk(bucketTicketAsker, personKey(f.Requester)))
	}
	if f.Text != "" {
		searched, ok := tx.wordWalks(f.Text)
		if !ok {
			return nil
		}
		walks = append(walks, searched...)
	}
	if len(walks) > 1 {
		walks = walks[1:]
	}
	return walks
}

// numbered returns a ticket by its id, or by its number when that is zero.
func (tx *Tx) numbered(n uint64, id ticket.ID) (*ticket.Ticket, error) {
	if id.IsZero() {
		return tx.TicketByNumber(ticket.Number(n))
	}
	return tx.Ticket(id)
}

// Assignees lists the agents who have or had tickets that are still theirs, each
// once, sorted. Its cost depends on how many agents there are.
func (tx *Tx) Assignees() []string {
	var found []string
	for from := []byte{}; from != nil; {
		next := from
		from = nil
		for k := range tx.rowsUp(bucketTicketAssignee, next) {
			name, _, _ := bytes.Cut(k, []byte{0})
			if len(name) > 0 {
				found = append(found, string(name))
			}
			from = append(bytes.Clone(name), 1) // past all of the name's: ids hold no such octet
			break
		}
	}
	return found
}

// walk goes down through the tickets that an index lists under one value.
type walk struct {
	tx     *Tx
	bucket string
	prefix []byte
}

func (tx *Tx) walk(bucket, prefix string) *walk { return &walk{tx, bucket, []byte(prefix)} }

// upTo returns the highest number in the walk that is not above n.
func (w *walk) upTo(n uint64) (uint64, ticket.ID, bool) {
	for k, v := range w.tx.rowsDown(w.bucket, binary.BigEndian.AppendUint64(slices.Clone(w.prefix), n)) {
		if !bytes.HasPrefix(k, w.prefix) || len(k) != len(w.prefix)+8 {
			break
		}
		return fromBE64(k[len(w.prefix):]), ticket.ID(v), true
	}
	return 0, ticket.ID{}, false
}

// common returns the highest number not above n that all walks have: each in
// turn leaps down to where the others are.
func common(walks []walker, n uint64) (uint64, ticket.ID, bool) {
	for agreed := 0; len(walks) > 0; {
		for _, w := range walks {
			m, id, ok := w.upTo(n)
			if !ok {
				return 0, ticket.ID{}, false
			}
			if m < n {
				n, agreed = m, 0
			}
			if agreed++; agreed == len(walks) {
				return n, id, true
			}
		}
	}
	return 0, ticket.ID{}, false
}

// DueTickets lists tickets whose RemindAt is not after before, the longest overdue
// first.
func (tx *Tx) DueTickets(before time.Time, limit int) ([]*ticket.Ticket, error) {
	var found []*ticket.Ticket
	until := timeKey(before)
	for k, id := range tx.ascend(bucketTicketDue, nil, nil) {
		if bytes.Compare(k[:8], until) > 0 || full(len(found), limit) {
			break
		}
		t, err := tx.Ticket(ticket.ID(id))
		if err != nil {
			return nil, fmt.Errorf("listing tickets that are due: %w", err)
		}
		found = append(found, t)
	}
	return found, nil
}

// AddEntry adds an entry to the end of a ticket's thread: it raises t.Entries
// and sets e.Ticket and e.Seq. The caller stores t afterwards. It returns an
// error when t does not know of all entries that there are.
func (tx *Tx) AddEntry(t *ticket.Ticket, e *ticket.Entry) error {
	if tx.get(bucketEntries, entryKey(t.ID, t.Entries+1)) != nil ||
		t.Entries > 0 && tx.get(bucketEntries, entryKey(t.ID, t.Entries)) == nil {
		return fmt.Errorf("adding an entry to ticket %s: %w: it is said to have %d entries", t.Number.Tag(), ErrStale, t.Entries)
	}
	t.Entries++
	e.Ticket, e.Seq = t.ID, t.Entries
	if err := tx.save(bucketEntries, entryKey(t.ID, e.Seq), e); err != nil {
		return fmt.Errorf("adding entry %d to ticket %s: %w", e.Seq, t.Number.Tag(), err)
	}
	if !t.IsHidden() {
		if err := tx.noteWords(t.Number, e.Seq, wordsOfEntry(e)); err != nil {
			return err
		}
	}
	return tx.count(countEntries, 1)
}

func entryKey(id ticket.ID, seq uint32) []byte {
	return binary.BigEndian.AppendUint32(id[:len(id):len(id)], seq)
}

// Entries lists a ticket's thread, the oldest first.
func (tx *Tx) Entries(id ticket.ID) ([]*ticket.Entry, error) {
	var found []*ticket.Entry
	for _, raw := range tx.ascend(bucketEntries, id[:], nil) {
		e := new(ticket.Entry)
		if err := decode(bucketEntries, raw, e); err != nil {
			return nil, fmt.Errorf("listing the entries of ticket %s: %w", id, err)
		}
		found = append(found, e)
	}
	return found, nil
}

// Entry returns one item of a ticket's thread, or ErrNotFound.
func (tx *Tx) Entry(id ticket.ID, seq uint32) (*ticket.Entry, error) {
	e := new(ticket.Entry)
	if err := tx.load(bucketEntries, entryKey(id, seq), e); err != nil {
		return nil, fmt.Errorf("reading entry %d of ticket %s: %w", seq, id, err)
	}
	return e, nil
}
