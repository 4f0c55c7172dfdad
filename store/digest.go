package store

import "fmt"

// keyDigest begins the names, in bucketMeta, of the days of agents' last digests.
const keyDigest = "digest/"

// LastDigest returns the day, as 2026-11-24, of the last digest of an agent, by
// the agent's id in the configuration; empty: there was none.
func (tx *Tx) LastDigest(agent string) string {
	return string(tx.get(bucketMeta, []byte(keyDigest+agent)))
}

// SetLastDigest records the day of an agent's digest.
func (tx *Tx) SetLastDigest(agent, day string) error {
	if err := tx.put(bucketMeta, []byte(keyDigest+agent), []byte(day)); err != nil {
		return fmt.Errorf("recording the digest of %s: %w", agent, err)
	}
	return nil
}
