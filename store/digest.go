package store

import "fmt"

// Beginnings of names in bucketMeta.
const (
	keyDigest = "digest/" // the days of agents' last digests
	keySpam   = "spam/"   // the days on which accounts' spam folders were counted last
)

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

// LastSpam returns the day, as 2026-11-24, on which the spam folder of an account was
// counted last; empty: it never was.
func (tx *Tx) LastSpam(account string) string {
	return string(tx.get(bucketMeta, []byte(keySpam+account)))
}

// SetLastSpam records the day of a count of an account's spam folder.
func (tx *Tx) SetLastSpam(account, day string) error {
	if err := tx.put(bucketMeta, []byte(keySpam+account), []byte(day)); err != nil {
		return fmt.Errorf("recording the count of the spam folder of %s: %w", account, err)
	}
	return nil
}
