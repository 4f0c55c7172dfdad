package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"buzon/ticket"
)

// mailboxKey names a mailbox. Mailbox names of IMAP can't hold NUL (RFC 3501,
// section 9), account names are the configuration's.
func mailboxKey(account, mailbox string) []byte { return []byte(textKey(account) + textKey(mailbox)) }

func ledgerKey(account, mailbox string, validity, uid uint32) []byte {
	key := binary.BigEndian.AppendUint32(mailboxKey(account, mailbox), validity)
	return binary.BigEndian.AppendUint32(key, uid)
}

// LedgerTake records, in the transaction that applies a message, that it was
// taken from a mailbox. It is unsettled until LedgerSave says that it was moved
// or flagged. Taking it again changes nothing.
func (tx *Tx) LedgerTake(account, mailbox string, validity, uid uint32, message uint64) error {
	key := ledgerKey(account, mailbox, validity, uid)
	if tx.get(bucketLedger, key) != nil {
		return nil
	}
	if err := errors.Join(tx.put(bucketLedger, key, ledgerRow(message, false)), tx.put(bucketLedgerUnsettled, key, nil)); err != nil {
		return fmt.Errorf("recording UID %d of %s/%s as taken: %w", uid, account, mailbox, err)
	}
	return nil
}

// ledgerRow is a row of the ledger: the message, and whether it is settled.
func ledgerRow(message uint64, settled bool) []byte {
	row := append(be64(message), 0)
	if settled {
		row[8] = 1
	}
	return row
}

// LedgerTaken tells whether a message was taken from a mailbox, which one it
// became, and whether it is settled.
func (tx *Tx) LedgerTaken(account, mailbox string, validity, uid uint32) (message uint64, settled, ok bool) {
	row := tx.get(bucketLedger, ledgerKey(account, mailbox, validity, uid))
	if len(row) != 9 {
		return 0, false, false
	}
	return fromBE64(row), row[8] == 1, true
}

// LedgerLoad returns how far the desk has come with a mailbox (the zero value
// when it has never looked at it), and the UIDs, in order, that were taken under
// its UIDVALIDITY and are not settled.
func (tx *Tx) LedgerLoad(account, mailbox string) (state ticket.MailboxState, unsettled []uint32, err error) {
	key := mailboxKey(account, mailbox)
	err = tx.load(bucketMailboxes, key, &state)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return state, nil, fmt.Errorf("reading the ledger of %s/%s: %w", account, mailbox, err)
	}
	for k := range tx.ascend(bucketLedgerUnsettled, binary.BigEndian.AppendUint32(slices.Clip(key), state.UIDValidity), nil) {
		unsettled = append(unsettled, binary.BigEndian.Uint32(k[len(k)-4:]))
	}
	return state, unsettled, nil
}

// LedgerSave stores how far the desk has come with a mailbox, and marks UIDs
// under its UIDVALIDITY as settled. UIDs that were not taken are left out.
func (tx *Tx) LedgerSave(account, mailbox string, state ticket.MailboxState, settled []uint32) error {
	if err := tx.ledgerSave(account, mailbox, state, settled); err != nil {
		return fmt.Errorf("writing the ledger of %s/%s: %w", account, mailbox, err)
	}
	return nil
}

func (tx *Tx) ledgerSave(account, mailbox string, state ticket.MailboxState, settled []uint32) error {
	if err := tx.save(bucketMailboxes, mailboxKey(account, mailbox), state); err != nil {
		return err
	}
	for _, uid := range settled {
		key := ledgerKey(account, mailbox, state.UIDValidity, uid)
		row := tx.get(bucketLedger, key)
		if row == nil {
			continue
		}
		if err := errors.Join(tx.put(bucketLedger, key, ledgerRow(fromBE64(row), true)), tx.del(bucketLedgerUnsettled, key)); err != nil {
			return err
		}
	}
	return tx.pruneLedger(account, mailbox, state)
}

// ledgerPrune bounds how many rows each save looks at, to forget them.
const ledgerPrune = 256

// pruneLedger forgets settled rows that nobody will ask for again: those below
// the cursor, and those of an earlier UIDVALIDITY. That a message was taken is
// in its MessageRow.
func (tx *Tx) pruneLedger(account, mailbox string, state ticket.MailboxState) error {
	var old [][]byte
	seen := 0
	prefix := mailboxKey(account, mailbox)
	for k, row := range tx.ascend(bucketLedger, prefix, nil) {
		if seen++; seen > ledgerPrune {
			break
		}
		if len(row) != 9 || row[8] != 1 || len(k) != len(prefix)+8 {
			continue
		}
		validity, uid := binary.BigEndian.Uint32(k[len(prefix):]), binary.BigEndian.Uint32(k[len(prefix)+4:])
		if validity != state.UIDValidity || uid < state.Next {
			old = append(old, slices.Clone(k))
		}
	}
	for _, k := range old {
		if err := tx.del(bucketLedger, k); err != nil {
			return err
		}
	}
	return nil
}
