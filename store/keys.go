package store

import (
	"fmt"

	"buzon/ticket"
)

// Keyring returns the token keys, of which the first was made at the first start.
func (s *Store) Keyring() (ring *ticket.Keyring, err error) {
	err = s.View(func(tx *Tx) error {
		keys, err := tx.Keys()
		if err == nil {
			ring, err = ticket.NewKeyring(keys)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the signing keys: %w", err)
	}
	return ring, nil
}

// Keys returns the signing keys, of which the last one signs.
func (tx *Tx) Keys() ([]ticket.Key, error) {
	var keys []ticket.Key
	err := tx.load(bucketMeta, []byte(keyKeys), &keys)
	return keys, err
}

// PutKeys replaces the signing keys. It refuses what makes no ring.
func (tx *Tx) PutKeys(keys []ticket.Key) error {
	if _, err := ticket.NewKeyring(keys); err != nil {
		return fmt.Errorf("storing the signing keys: %w", err)
	}
	return tx.save(bucketMeta, []byte(keyKeys), keys)
}
