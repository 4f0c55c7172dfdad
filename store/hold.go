package store

import (
	"errors"
	"fmt"
	"time"
)

// Hold says that outgoing mail is held back until an operator releases it.
type Hold struct {
	Since  time.Time `json:"since"`
	Backup time.Time `json:"backup"` // when the backup was made that this folder was restored from
}

// OutgoingHold returns why outgoing mail is held, or nil. While it is,
// DueOutgoing lists nothing.
func (tx *Tx) OutgoingHold() (*Hold, error) {
	h := new(Hold)
	err := tx.load(bucketMeta, []byte(keyHold), h)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("reading whether outgoing mail is held: %w", err)
	}
	return h, nil
}

// HoldOutgoing holds back all outgoing mail, across restarts.
func (tx *Tx) HoldOutgoing(h Hold) error { return tx.save(bucketMeta, []byte(keyHold), h) }

// ReleaseOutgoing ends HoldOutgoing. It returns ErrNotFound when nothing is held.
func (tx *Tx) ReleaseOutgoing() error {
	if tx.get(bucketMeta, []byte(keyHold)) == nil {
		return fmt.Errorf("outgoing mail is not held: %w", ErrNotFound)
	}
	return tx.del(bucketMeta, []byte(keyHold))
}

// skip moves on all numbers that are counted up, by n. What they named after the
// backup was made may still be in people's mail.
func (tx *Tx) skip(n uint64) error {
	last := fromBE64(tx.get(bucketMeta, []byte(keyLastNumber)))
	if err := tx.put(bucketMeta, []byte(keyLastNumber), be64(last+n)); err != nil {
		return err
	}
	for _, name := range counted {
		b := tx.bucket(name)
		if err := b.SetSequence(b.Sequence() + n); err != nil {
			return fmt.Errorf("moving on the numbers of %s: %w", name, err)
		}
	}
	return nil
}
