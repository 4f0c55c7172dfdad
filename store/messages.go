package store

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"buzon/ticket"
)

// MessageRow is what is kept of every message that was taken. The text of a
// message is in the entry that came of it, its bytes are in the archive.
type MessageRow struct {
	ID          uint64            `json:"id"`
	Correlation string            `json:"correlation"` // Message.ID, of the log
	At          time.Time         `json:"at"`
	Archive     ticket.ArchiveRef `json:"archive"`
	Envelope    ticket.Envelope   `json:"envelope"`
	Transport   string            `json:"transport"` // Envelope.TransportKey
	Identity    string            `json:"identity"`
	Variant     string            `json:"variant,omitempty"`
	MessageID   string            `json:"message_id,omitempty"`
	From        string            `json:"from,omitempty"` // address key
	Kind        ticket.Kind       `json:"kind,omitempty"`
	Outcome     string            `json:"outcome"` // an Event constant
	Ticket      ticket.ID         `json:"ticket,omitzero"`
	Entry       uint32            `json:"entry,omitempty"`
	Size        int64             `json:"size"` // octets
	// Digest is the SHA-256 of the raw bytes, in hexadecimal; empty when it was
	// not recorded.
	Digest string `json:"digest,omitempty"`
	// Erased: the bytes at Archive are gone, or will be as soon as nothing reads
	// them; of the keys there are salted digests.
	Erased *ticket.Erased `json:"erased,omitempty"`
}

// MessageRef is a place in a ticket's thread that a Message-ID belongs to, and
// the person whose it is.
type MessageRef struct {
	Ticket ticket.ID
	Entry  uint32
	Person ticket.PersonID
}

// AddMessage stores a new message: it sets m.ID, and m.At when that is zero. Its
// three keys lead to the first message that has them, until one comes that has a
// ticket: a message that was held or kept in quarantine comes again when it is
// released, and what counts from then on is what became of it. Of a message that was
// erased and comes again, nothing is stored but that.
func (tx *Tx) AddMessage(m *MessageRow) error {
	if err := tx.addMessage(m); err != nil {
		return fmt.Errorf("storing message %s: %w", m.Correlation, err)
	}
	return nil
}

func (tx *Tx) addMessage(m *MessageRow) (err error) {
	if m.ID, err = tx.next(bucketMessages); err != nil {
		return err
	}
	if m.At.IsZero() {
		m.At = tx.now().UTC()
	}
	if err := tx.entombCopy(m); err != nil {
		return err
	}
	if err := tx.save(bucketMessages, be64(m.ID), m); err != nil {
		return err
	}
	if err := tx.count(countMessages, 1); err != nil {
		return err
	}
	for _, k := range messageKeys(m) {
		if err := tx.indexMessage(k, m); err != nil {
			return err
		}
	}
	return nil
}

type messageKey struct{ bucket, key string }

// messageKeys lists the keys that a message has.
func messageKeys(m *MessageRow) []messageKey {
	return slices.DeleteFunc([]messageKey{
		{bucketMessageTransport, m.Transport}, {bucketMessageIdentity, m.Identity}, {bucketMessageVariant, m.Variant},
	}, func(k messageKey) bool { return k.key == "" })
}

// Message returns a message, or ErrNotFound.
func (tx *Tx) Message(id uint64) (*MessageRow, error) {
	m := new(MessageRow)
	if err := tx.load(bucketMessages, be64(id), m); err != nil {
		return nil, fmt.Errorf("reading message %d: %w", id, err)
	}
	return m, nil
}

// MessagesBefore lists messages with an id below one, 0 meaning all, that were taken
// at or after a time, the newest first.
func (tx *Tx) MessagesBefore(id uint64, since time.Time, limit int) ([]*MessageRow, error) {
	var found []*MessageRow
	c := tx.bucket(bucketMessages).Cursor()
	k, raw := c.Last()
	if id > 0 {
		if k, raw = c.Seek(be64(id)); k == nil {
			k, raw = c.Last()
		}
		for k != nil && fromBE64(k) >= id {
			k, raw = c.Prev()
		}
	}
	for ; k != nil && !full(len(found), limit); k, raw = c.Prev() {
		m := new(MessageRow)
		if err := decode(bucketMessages, raw, m); err != nil {
			return nil, fmt.Errorf("listing messages: %w", err)
		}
		if m.At.Before(since) {
			break
		}
		found = append(found, m)
	}
	return found, nil
}

// MessageByTransport returns the message of one delivery, or ErrNotFound.
func (tx *Tx) MessageByTransport(key string) (*MessageRow, error) {
	return tx.messageBy(bucketMessageTransport, key)
}

// MessageByIdentity returns the message of which a copy came, or ErrNotFound.
func (tx *Tx) MessageByIdentity(key string) (*MessageRow, error) {
	return tx.messageBy(bucketMessageIdentity, key)
}

// MessageByVariant returns the message of which a copy with other content came,
// or ErrNotFound.
func (tx *Tx) MessageByVariant(key string) (*MessageRow, error) {
	return tx.messageBy(bucketMessageVariant, key)
}

func (tx *Tx) messageBy(bucket, key string) (*MessageRow, error) {
	id := tx.keyed(bucket, key)
	if id == nil {
		return nil, errNoMessage
	}
	return tx.Message(fromBE64(id))
}

// errNoMessage is made once: nearly every message that comes is a new one, and is
// looked for by three keys.
var errNoMessage = fmt.Errorf("looking for a message by a key of it: %w", ErrNotFound)

// keyed is the id of the first message with a key, erased or not; nil: there is none.
func (tx *Tx) keyed(bucket, key string) []byte {
	if key == "" {
		return nil
	}
	id := tx.get(bucket, hashKey(key))
	if id == nil && tx.anyErased() {
		id = tx.get(bucket, hashKey(tx.blind(key)))
	}
	return id
}

// Seen tells whether MessageByTransport, MessageByIdentity and MessageByVariant would
// find a message, without reading it.
func (tx *Tx) Seen(transport, identity, variant string) (delivery, same, other bool) {
	return tx.keyed(bucketMessageTransport, transport) != nil,
		tx.keyed(bucketMessageIdentity, identity) != nil,
		tx.keyed(bucketMessageVariant, variant) != nil
}

// IndexMessageID notes that a Message-ID, ours or theirs, belongs to a place in
// a ticket. An id may belong to several. An empty one is left out.
func (tx *Tx) IndexMessageID(messageID string, ref MessageRef) error {
	id := trimMessageID(messageID)
	if id == "" {
		return nil
	}
	if err := tx.put(bucketMessageIDs, messageIDKey(id, ref), nil); err != nil {
		return fmt.Errorf("noting a Message-ID of ticket %s: %w", ref.Ticket, err)
	}
	return nil
}

// messageIDKey is the key of a trimmed Message-ID's place.
func messageIDKey(id string, ref MessageRef) []byte {
	key := append(hashKey(id), ref.Ticket[:]...)
	key = binary.BigEndian.AppendUint32(key, ref.Entry)
	return binary.BigEndian.AppendUint32(key, uint32(ref.Person))
}

// TicketsByMessageID lists the places that a Message-ID belongs to, by ticket
// and then by entry.
func (tx *Tx) TicketsByMessageID(messageID string) ([]MessageRef, error) {
	var refs []MessageRef
	id := trimMessageID(messageID)
	if id == "" {
		return nil, nil
	}
	for k := range tx.ascend(bucketMessageIDs, hashKey(id), nil) {
		k = k[len(k)-16:]
		refs = append(refs, MessageRef{
			Ticket: ticket.ID(k[:8]),
			Entry:  binary.BigEndian.Uint32(k[8:]),
			Person: ticket.PersonID(binary.BigEndian.Uint32(k[12:])),
		})
	}
	return refs, nil
}

func trimMessageID(id string) string { return strings.Trim(id, "<> \t") }
