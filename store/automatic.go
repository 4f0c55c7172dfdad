package store

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"buzon/ticket"
)

const (
	// automaticMemory is how long automatic mail to an address is remembered.
	automaticMemory = 7 * 24 * time.Hour
	// automaticPrune bounds how much each note forgets. It is above one, so
	// that forgetting keeps up.
	automaticPrune = 8

	addressHash = 16 // octets
)

// automaticKey is an address without the address: who it was is not kept.
func (tx *Tx) automaticKey(addr string) []byte {
	return tx.salted([]byte(ticket.AddressKey(addr)))[:addressHash:addressHash]
}

// CountAutomatic tells how many automatic mails to an address were noted at or
// after a time, which may lie up to seven days back.
func (tx *Tx) CountAutomatic(addr string, since time.Time) (int, error) {
	n := 0
	key := tx.automaticKey(addr)
	for range tx.ascend(bucketAutomatic, key, append(key, timeKey(since)...)) {
		n++
	}
	return n, nil
}

// NoteAutomatic notes an automatic mail to an address, and forgets some of what
// is older than seven days before it.
func (tx *Tx) NoteAutomatic(addr string, at time.Time) error {
	if err := tx.noteAutomatic(addr, at); err != nil {
		return fmt.Errorf("noting an automatic mail: %w", err)
	}
	return nil
}

func (tx *Tx) noteAutomatic(addr string, at time.Time) error {
	n, err := tx.next(bucketAutomaticAge)
	if err != nil {
		return err
	}
	who, when, seq := tx.automaticKey(addr), timeKey(at), be64(n)
	if err := errors.Join(
		tx.put(bucketAutomatic, bytes.Join([][]byte{who, when, seq}, nil), nil),
		tx.put(bucketAutomaticAge, bytes.Join([][]byte{when, who, seq}, nil), nil),
	); err != nil {
		return err
	}
	var old [][]byte
	until := timeKey(at.Add(-automaticMemory))
	for k := range tx.ascend(bucketAutomaticAge, nil, nil) {
		if bytes.Compare(k[:8], until) >= 0 || len(old) == automaticPrune {
			break
		}
		old = append(old, bytes.Clone(k))
	}
	for _, k := range old {
		when, who, seq := k[:8], k[8:8+addressHash], k[8+addressHash:]
		if err := errors.Join(
			tx.del(bucketAutomaticAge, k),
			tx.del(bucketAutomatic, bytes.Join([][]byte{who, when, seq}, nil)),
		); err != nil {
			return err
		}
	}
	return nil
}
