package store

import (
	"encoding/binary"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"
)

// Buckets of the state. Ids are big-endian, so that keys sort as they count; an
// index key is what is looked for, then the id or number that it leads to.
const (
	bucketMeta   = "meta"   // name → value
	bucketCounts = "counts" // name → uint64

	bucketTickets        = "tickets"          // id → Ticket
	bucketTicketNumber   = "ticket_number"    // number → id
	bucketTicketStatus   = "ticket_status"    // status NUL number → id
	bucketTicketTopic    = "ticket_topic"     // topic NUL number → id
	bucketTicketAssignee = "ticket_assignee"  // agent NUL number → id
	bucketTicketAsker    = "ticket_requester" // person number → id
	bucketTicketDue      = "ticket_due"       // time number → id
	bucketEntries        = "entries"          // ticket seq → Entry

	bucketWords      = "words"       // block of ticket numbers, word → which of them
	bucketWordsNoted = "words_noted" // number, entry → words that are not in their places yet

	bucketPeople        = "people"         // id → Person
	bucketPersonAddress = "person_address" // hash of the registered address → id
	bucketPersonAlso    = "person_also"    // hash of a further address → id
	bucketQuestions     = "questions"      // id → Question

	bucketMessages         = "messages"          // id → MessageRow
	bucketMessageTransport = "message_transport" // hash of key → id
	bucketMessageIdentity  = "message_identity"
	bucketMessageVariant   = "message_variant"
	bucketMessageIDs       = "message_ids" // hash of Message-ID, ticket, entry, person → nothing

	bucketOutbox         = "outbox"            // id → Outgoing
	bucketOutboxChunks   = "outbox_chunks"     // id → chunks; see encodeChunks
	bucketOutboxID       = "outbox_message_id" // hash of Message-ID → id
	bucketOutboxState    = "outbox_state"      // state NUL id → nothing
	bucketOutboxDue      = "outbox_due"        // class time id → nothing
	bucketOutboxFinished = "outbox_finished"   // time id → nothing, while there are chunks

	bucketErasures = "erasures" // id → Erasure

	bucketQuarantine = "quarantine" // id → QuarantineRow
	bucketHeld       = "held"       // id → HeldRow

	bucketMailboxes       = "mailboxes"        // account NUL mailbox → MailboxState
	bucketLedger          = "ledger"           // account NUL mailbox NUL validity uid → message id, settled
	bucketLedgerUnsettled = "ledger_unsettled" // the same → nothing

	bucketJournal       = "journal"        // seq → Event
	bucketJournalTicket = "journal_ticket" // ticket seq → nothing

	bucketAutomaticAge = "automatic_age" // time, hash of address, n → nothing
	bucketAutomatic    = "automatic"     // hash of address, time, n → nothing

	bucketIndexNoted = "index_noted" // seq → rows of indexes that are not in their places yet

	bucketTurns = "turns" // team → agent who got its last ticket

	bucketFooters = "footers" // hash of domain, hash of text in it → footerRow
)

var buckets = []string{
	bucketMeta, bucketCounts,
	bucketTickets, bucketTicketNumber, bucketTicketStatus, bucketTicketTopic, bucketTicketAssignee,
	bucketTicketAsker, bucketTicketDue, bucketEntries,
	bucketWords, bucketWordsNoted,
	bucketPeople, bucketPersonAddress, bucketPersonAlso, bucketQuestions,
	bucketMessages, bucketMessageTransport, bucketMessageIdentity, bucketMessageVariant, bucketMessageIDs,
	bucketOutbox, bucketOutboxChunks, bucketOutboxID, bucketOutboxState, bucketOutboxDue, bucketOutboxFinished,
	bucketErasures, bucketQuarantine, bucketHeld,
	bucketMailboxes, bucketLedger, bucketLedgerUnsettled,
	bucketJournal, bucketJournalTicket,
	bucketAutomatic, bucketAutomaticAge,
	bucketFooters,
	bucketTurns,
	bucketIndexNoted,
}

// Names in bucketMeta.
const (
	keyVersion    = "version"     // uint64
	keySalt       = "salt"        // 32 octets
	keyKeys       = "keys"        // []ticket.Key
	keyLastNumber = "last_number" // uint64
	keyHold       = "hold"        // Hold; absent: outgoing mail is not held
)

// counted are the buckets whose sequence numbers their rows.
var counted = []string{bucketErasures, bucketPeople, bucketMessages, bucketOutbox, bucketQuarantine, bucketHeld}

// growing are the buckets to which rows are added at their end, nearly always: their
// pages are left as full as growingFill says and not half empty, which is the engine's
// way of leaving room for rows in between.
var growing = map[string]bool{
	bucketTicketNumber: true, bucketTickets: true, bucketEntries: true, bucketMessages: true, bucketOutbox: true, bucketOutboxChunks: true,
	bucketOutboxFinished: true, bucketJournal: true, bucketIndexNoted: true,
}

const growingFill = 1.0

// derived are the buckets that can be worked out from the others.
var derived = []string{
	bucketCounts,
	bucketTicketNumber, bucketTicketStatus, bucketTicketTopic, bucketTicketAssignee, bucketTicketAsker, bucketTicketDue,
	bucketWords, bucketWordsNoted,
	bucketPersonAddress, bucketPersonAlso,
	bucketMessageTransport, bucketMessageIdentity, bucketMessageVariant, bucketMessageIDs,
	bucketOutboxID, bucketOutboxState, bucketOutboxDue, bucketOutboxFinished,
	bucketLedgerUnsettled, bucketJournalTicket, bucketAutomatic,
	bucketIndexNoted,
}

// migration brings the state from one schema version to the next.
type migration func(*bbolt.Tx) error

// migrations holds, in order, the steps from version 1 upwards. Steps are only
// ever added, at the end.
var migrations = []migration{
	addBuckets("person_also", "questions"),
	addBuckets("footers"),
	addBuckets("turns"),
	addWords,
	nothing,
	addBuckets("erasures"),
	addBuckets("index_noted"),
}

// nothing is the step to a version that reads what there is, and writes what the
// version before can't read: chunks of outgoing mail that are not JSON.
func nothing(*bbolt.Tx) error { return nil }

// addBuckets makes buckets that earlier versions did not have.
func addBuckets(names ...string) migration {
	return func(tx *bbolt.Tx) error {
		for _, name := range names {
			if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
				return err
			}
		}
		return nil
	}
}

// schemaVersion is the version that the steps lead to.
func schemaVersion(steps []migration) uint64 { return uint64(1 + len(steps)) }

// migrate brings the state to the present schema, in one transaction. A state of
// a newer schema is refused with ErrNewer and one without its buckets with
// ErrCorrupt, before anything is written.
func migrate(db *bbolt.DB, path string, steps []migration) error {
	var version uint64
	err := db.View(func(tx *bbolt.Tx) error {
		meta := tx.Bucket([]byte(bucketMeta))
		if meta == nil {
			return corrupt(path, errors.New("it is not a state of buzon"))
		}
		raw := meta.Get([]byte(keyVersion))
		if len(raw) != 8 || binary.BigEndian.Uint64(raw) == 0 {
			return corrupt(path, errors.New("it has no schema version"))
		}
		version = binary.BigEndian.Uint64(raw)
		if version > schemaVersion(steps) {
			return fmt.Errorf("%w: %s has schema %d and this program knows %d; install the version that wrote it, or type: buzon restore BACKUP",
				ErrNewer, path, version, schemaVersion(steps))
		}
		return nil
	})
	if err != nil {
		return err
	}
	if version < schemaVersion(steps) {
		err = db.Update(func(tx *bbolt.Tx) error {
			if err := placeAll(tx); err != nil {
				return err
			}
			for ; version < schemaVersion(steps); version++ {
				if err := steps[version-1](tx); err != nil {
					return fmt.Errorf("from schema %d to %d: %w", version, version+1, err)
				}
				// gofail: var migrateHalfway struct{}
			}
			return tx.Bucket([]byte(bucketMeta)).Put([]byte(keyVersion), be64(version))
		})
		if err != nil {
			return fmt.Errorf("migrating %s: %w", path, err)
		}
	}
	return db.View(func(tx *bbolt.Tx) error {
		for _, name := range buckets {
			if tx.Bucket([]byte(name)) == nil {
				return corrupt(path, fmt.Errorf("it has no bucket %q", name))
			}
		}
		return nil
	})
}
