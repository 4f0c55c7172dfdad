package store

import "fmt"

// keyReport is the name, in bucketMeta, of the time up to which reports were mailed.
const keyReport = "report"

// LastReport returns the time on the wall, as 2026-11-24T07:00:00, up to which reports
// were mailed; empty: none was asked for yet.
func (tx *Tx) LastReport() string { return string(tx.get(bucketMeta, []byte(keyReport))) }

// SetLastReport records it.
func (tx *Tx) SetLastReport(at string) error {
	if err := tx.put(bucketMeta, []byte(keyReport), []byte(at)); err != nil {
		return fmt.Errorf("recording that reports were mailed: %w", err)
	}
	return nil
}
