package store

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"buzon/ticket"
)

// classOrder is the order in which mail leaves when not all can.
var classOrder = []ticket.Class{
	ticket.ClassAnswer, ticket.ClassConfirmation, ticket.ClassNotification, ticket.ClassReminder, ticket.ClassNotice,
}

var outgoingStates = []ticket.OutgoingState{
	ticket.OutgoingWaiting, ticket.OutgoingSent, ticket.OutgoingFailed, ticket.OutgoingDropped,
}

// classRank is a class's place in the order; an unknown one comes last.
func classRank(c ticket.Class) byte {
	if i := slices.Index(classOrder, c); i >= 0 {
		return byte(i)
	}
	return byte(len(classOrder))
}

// Enqueue puts a mail with its chunks into the outbox, waiting. It sets o.ID,
// o.State, and where they are zero Created (now), NextTry (Created) and Size.
func (tx *Tx) Enqueue(o *ticket.Outgoing) error {
	if err := tx.enqueue(o); err != nil {
		return fmt.Errorf("putting mail into the outbox: %w", err)
	}
	return nil
}

func (tx *Tx) enqueue(o *ticket.Outgoing) (err error) {
	if len(o.Chunks) == 0 {
		return errors.New("it has no bytes")
	}
	if o.ID, err = tx.next(bucketOutbox); err != nil {
		return err
	}
	o.State, o.Finished = ticket.OutgoingWaiting, time.Time{}
	if o.Created.IsZero() {
		o.Created = tx.now().UTC()
	}
	if o.NextTry.IsZero() {
		o.NextTry = o.Created
	}
	if o.Size == 0 {
		for _, c := range o.Chunks {
			o.Size += int64(len(c.Literal)) + c.Length
		}
	}
	chunks, err := encodeChunks(o.Chunks)
	if err != nil {
		return err
	}
	if err := tx.put(bucketOutboxChunks, be64(o.ID), chunks); err != nil {
		return err
	}
	if err := tx.save(bucketOutbox, be64(o.ID), o); err != nil {
		return err
	}
	if err := tx.reindex(nil, outgoingIndex(o, true)); err != nil {
		return err
	}
	return tx.count(outgoingCounter(o.State), 1)
}

func outgoingCounter(s ticket.OutgoingState) string { return "outgoing/" + string(s) }

// outgoingIndex lists the index rows of a row of the outbox.
func outgoingIndex(o *ticket.Outgoing, hasChunks bool) []indexKey {
	id := string(be64(o.ID))
	keys := []indexKey{{bucketOutboxState, textKey(string(o.State)) + id, ""}}
	if m := trimMessageID(o.MessageID); m != "" {
		keys = append(keys, indexKey{bucketOutboxID, string(hashKey(m)), id})
	}
	switch {
	case o.State == ticket.OutgoingWaiting:
		keys = append(keys, indexKey{bucketOutboxDue, string(classRank(o.Class)) + string(timeKey(o.NextTry)) + id, o.Smarthost})
	case hasChunks:
		keys = append(keys, indexKey{bucketOutboxFinished, string(timeKey(o.Finished)) + id, ""})
	}
	return keys
}

// Outgoing returns a row of the outbox without its chunks, or ErrNotFound.
func (tx *Tx) Outgoing(id uint64) (*ticket.Outgoing, error) {
	o := new(ticket.Outgoing)
	if err := tx.load(bucketOutbox, be64(id), o); err != nil {
		return nil, fmt.Errorf("reading row %d of the outbox: %w", id, err)
	}
	return o, nil
}

// OutgoingByMessageID returns the id of the row that was sent with a Message-ID
// of ours, or ErrNotFound.
func (tx *Tx) OutgoingByMessageID(messageID string) (uint64, error) {
	id := tx.get(bucketOutboxID, hashKey(trimMessageID(messageID)))
	if id == nil {
		return 0, fmt.Errorf("looking for a row of the outbox by Message-ID: %w", ErrNotFound)
	}
	return fromBE64(id), nil
}

// OutgoingChunks returns the bytes of a row of the outbox. It returns
// ErrNotFound when there is no such row, or when PruneSent has dropped them.
func (tx *Tx) OutgoingChunks(id uint64) ([]ticket.Chunk, error) {
	var chunks []ticket.Chunk
	err := ErrNotFound
	if raw := tx.get(bucketOutboxChunks, be64(id)); raw != nil {
		chunks, err = decodeChunks(raw)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the bytes of row %d of the outbox: %w", id, err)
	}
	return chunks, nil
}

// PutOutgoing stores a changed row; its chunks can't be changed and o.Chunks is
// not looked at. It keeps o.Finished in step with o.State: zero while waiting,
// else now where it is zero. It returns ErrNotFound when there is no such row,
// and when it shall wait again although its bytes were dropped.
func (tx *Tx) PutOutgoing(o *ticket.Outgoing) error {
	if err := tx.putOutgoing(o); err != nil {
		return fmt.Errorf("storing row %d of the outbox: %w", o.ID, err)
	}
	return nil
}

func (tx *Tx) putOutgoing(o *ticket.Outgoing) error {
	old, err := tx.Outgoing(o.ID)
	if err != nil {
		return err
	}
	if !slices.Contains(outgoingStates, o.State) {
		return fmt.Errorf("there is no such state as %q", o.State)
	}
	hasChunks := tx.get(bucketOutboxChunks, be64(o.ID)) != nil
	switch {
	case o.State != ticket.OutgoingWaiting:
		if o.Finished.IsZero() {
			o.Finished = tx.now().UTC()
		}
	case !hasChunks:
		return fmt.Errorf("its bytes: %w", ErrNotFound)
	default:
		o.Finished = time.Time{}
	}
	if err := tx.save(bucketOutbox, be64(o.ID), o); err != nil {
		return err
	}
	if err := tx.reindex(outgoingIndex(old, hasChunks), outgoingIndex(o, hasChunks)); err != nil {
		return err
	}
	return tx.recount(outgoingCounter(old.State), outgoingCounter(o.State))
}

// OutgoingList lists rows without their chunks, the newest first; those of one
// state, or all when it is empty.
func (tx *Tx) OutgoingList(state ticket.OutgoingState, limit int) ([]*ticket.Outgoing, error) {
	var found []*ticket.Outgoing
	bucket, prefix := bucketOutbox, ""
	if state != "" {
		bucket, prefix = bucketOutboxState, textKey(string(state))
	}
	for k := range tx.descend(bucket, []byte(prefix)) {
		if full(len(found), limit) {
			break
		}
		o, err := tx.Outgoing(fromBE64(k[len(prefix):]))
		if err != nil {
			return nil, fmt.Errorf("listing the outbox: %w", err)
		}
		found = append(found, o)
	}
	return found, nil
}

// DueRow is what the index of waiting mail knows of a row.
type DueRow struct {
	ID        uint64
	Class     ticket.Class
	Smarthost string // its name; empty: the first one
}

// DueOutgoing lists waiting rows whose NextTry is not after now, with their
// chunks: answers, confirmations, notifications, reminders, notices, and in each
// class those that have been due longest first. Rows that skip tells true of are
// left out; skip may be nil. While outgoing mail is held there are none.
//
// A row that shall wait longer than ticket.MaxRetryDelay was written by a clock
// that was ahead, and is due as well: else it would wait as long as that was wrong.
func (tx *Tx) DueOutgoing(now time.Time, limit int, skip func(DueRow) bool) ([]*ticket.Outgoing, error) {
	var found []*ticket.Outgoing
	if hold, err := tx.OutgoingHold(); hold != nil || err != nil {
		return nil, err
	}
	until, never := timeKey(now), timeKey(now.Add(ticket.MaxRetryDelay))
	add := func(k, smarthost []byte) error {
		row := dueRow(k, smarthost)
		if skip != nil && skip(row) {
			return nil
		}
		o, err := tx.Outgoing(row.ID)
		if err == nil {
			o.Chunks, err = tx.OutgoingChunks(row.ID)
		}
		if err != nil {
			return fmt.Errorf("looking for mail to send: %w", err)
		}
		found = append(found, o)
		return nil
	}
	for rank := range byte(len(classOrder) + 1) {
		for k, smarthost := range tx.ascend(bucketOutboxDue, []byte{rank}, nil) {
			if bytes.Compare(k[1:9], until) > 0 || full(len(found), limit) {
				break
			}
			if err := add(k, smarthost); err != nil {
				return nil, err
			}
		}
		for k, smarthost := range tx.descend(bucketOutboxDue, []byte{rank}) {
			if bytes.Compare(k[1:9], never) <= 0 || full(len(found), limit) {
				break
			}
			if err := add(k, smarthost); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

func dueRow(key, smarthost []byte) DueRow {
	row := DueRow{ID: fromBE64(key[9:]), Smarthost: string(smarthost)}
	if rank := int(key[0]); rank < len(classOrder) {
		row.Class = classOrder[rank]
	}
	return row
}

// NextOutgoing tells when the first of the waiting rows that are not due yet
// falls due; zero: there is none. Rows that skip tells true of are left out.
func (tx *Tx) NextOutgoing(now time.Time, skip func(DueRow) bool) time.Time {
	var next time.Time
	for rank := range byte(len(classOrder) + 1) {
		for k, smarthost := range tx.ascend(bucketOutboxDue, []byte{rank}, append([]byte{rank}, timeKey(now.Add(1))...)) {
			at := keyTime(k[1:9])
			if !next.IsZero() && !at.Before(next) {
				break
			}
			if skip == nil || !skip(dueRow(k, smarthost)) {
				next = at
				break
			}
		}
	}
	return next
}

// OutgoingCounts tells how many rows are in each state, and when the oldest that
// is waiting was made (zero: none waits).
func (tx *Tx) OutgoingCounts() (counts map[ticket.OutgoingState]int, oldest time.Time, err error) {
	counts = make(map[ticket.OutgoingState]int, len(outgoingStates))
	for _, s := range outgoingStates {
		counts[s] = tx.counted(outgoingCounter(s))
	}
	prefix := textKey(string(ticket.OutgoingWaiting))
	for k := range tx.ascend(bucketOutboxState, []byte(prefix), nil) {
		o, err := tx.Outgoing(fromBE64(k[len(prefix):]))
		if err != nil {
			return nil, oldest, fmt.Errorf("counting the outbox: %w", err)
		}
		return counts, o.Created, nil
	}
	return counts, oldest, nil
}

// PruneSent drops the chunks of rows that were finished (sent, failed or
// dropped) before a time, and returns of how many. The rows stay. To do it all,
// call it in transactions of their own until it returns less than limit.
func (tx *Tx) PruneSent(before time.Time, limit int) (int, error) {
	var old [][]byte
	until := timeKey(before)
	for k := range tx.ascend(bucketOutboxFinished, nil, nil) {
		if bytes.Compare(k[:8], until) >= 0 || full(len(old), limit) {
			break
		}
		old = append(old, bytes.Clone(k))
	}
	for _, k := range old {
		if err := errors.Join(tx.del(bucketOutboxChunks, k[8:]), tx.del(bucketOutboxFinished, k)); err != nil {
			return 0, fmt.Errorf("pruning the outbox: %w", err)
		}
	}
	return len(old), nil
}
