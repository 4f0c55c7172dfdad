package store

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A text is a footer of a domain once it has ended footerMails mails, of
// footerSenders senders, footerRepeaters of whom have sent it under more than one
// text. A letter that goes round and that many send once each is none.
const (
	footerMails     = 5
	footerSenders   = 3
	footerRepeaters = 2
	footerPerSender = 3  // mails of one sender that count
	footerSightings = 24 // that are kept while it is not learned, the latest

	// footersPerDomain and footersInAll bound the texts that are remembered. What
	// was not seen for longest gives way, what is not learned first.
	footersPerDomain = 2_000
	footersInAll     = 20_000

	// FooterMemory is how long a text is remembered after it was last seen.
	FooterMemory = 90 * 24 * time.Hour
)

const (
	footerDomain   = 8  // octets of the digest of a domain
	footerText     = 16 // and of a text
	footerSighting = 16 // of a sender and of how the mail began
)

// FooterID names a text at the end of a domain's mails: salted digests of the
// domain and of the text in it.
type FooterID [footerDomain + footerText]byte

// FooterSighting is one mail that ends with a text: salted digests of its sender
// and of how it begins.
type FooterSighting [footerSighting]byte

func (s FooterSighting) sender() [footerSighting / 2]byte { return [footerSighting / 2]byte(s[:]) }

// footerRow is a remembered text.
type footerRow struct {
	seen      []byte // time key
	learned   bool
	sightings []FooterSighting // the oldest first; none once it is learned
}

// count is the counter of all texts.
const countFooters = "footers"

func (r *footerRow) encode() []byte {
	out := append(bytes.Clone(r.seen), 0)
	if r.learned {
		out[8] = 1
	}
	for _, s := range r.sightings {
		out = append(out, s[:]...)
	}
	return out
}

func decodeFooter(key, raw []byte) (*footerRow, error) {
	if len(key) != len(FooterID{}) || len(raw) < 9 || (len(raw)-9)%footerSighting != 0 {
		return nil, fmt.Errorf("%w: a row of %s has a key of %d octets and a value of %d", ErrCorrupt, bucketFooters, len(key), len(raw))
	}
	r := &footerRow{seen: bytes.Clone(raw[:8]), learned: raw[8] == 1}
	for s := range slices.Chunk(raw[9:], footerSighting) {
		r.sightings = append(r.sightings, FooterSighting(s))
	}
	return r, nil
}

// add notes a sighting that is new, as long as its sender has not had enough.
func (r *footerRow) add(s FooterSighting) {
	if slices.Contains(r.sightings, s) {
		return
	}
	n := 0
	for _, other := range r.sightings {
		if other.sender() == s.sender() {
			n++
		}
	}
	if n >= footerPerSender {
		return
	}
	if len(r.sightings) == footerSightings {
		r.sightings = r.sightings[1:]
	}
	r.sightings = append(r.sightings, s)
}

// enough tells whether the sightings show a footer.
func (r *footerRow) enough() bool {
	senders := map[[footerSighting / 2]byte]int{}
	repeaters := 0
	for _, s := range r.sightings {
		senders[s.sender()]++
		if senders[s.sender()] == 2 {
			repeaters++
		}
	}
	return len(r.sightings) >= footerMails && len(senders) >= footerSenders && repeaters >= footerRepeaters
}

// NoteFooter notes that mails end with a text, and tells whether it is known as
// a footer now. Other texts may be forgotten to make room.
func (tx *Tx) NoteFooter(id FooterID, sightings []FooterSighting, at time.Time) (learned bool, err error) {
	row := &footerRow{}
	if raw := tx.get(bucketFooters, id[:]); raw != nil {
		if row, err = decodeFooter(id[:], raw); err != nil {
			return false, err
		}
	} else if err := tx.addFooter(id); err != nil {
		return false, fmt.Errorf("noting a footer: %w", err)
	}
	row.seen = timeKey(at)
	if !row.learned {
		for _, s := range sightings {
			row.add(s)
		}
		if row.enough() {
			row.learned, row.sightings = true, nil
		}
	}
	return row.learned, tx.put(bucketFooters, id[:], row.encode())
}

// addFooter counts one more text, and makes room for it.
func (tx *Tx) addFooter(id FooterID) error {
	if err := tx.makeRoom(id[:footerDomain], footersPerDomain); err != nil {
		return err
	}
	if tx.counted(countFooters) >= footersInAll {
		if err := tx.makeRoom(nil, footersInAll); err != nil {
			return err
		}
	}
	return tx.count(countFooters, 1)
}

// makeRoom forgets a tenth of the texts with a prefix when they have reached a
// limit, so that it seldom has to.
func (tx *Tx) makeRoom(prefix []byte, limit int) error {
	type candidate struct {
		key     []byte
		seen    []byte
		learned bool
	}
	n := 0
	for range tx.ascend(bucketFooters, prefix, nil) {
		n++
	}
	if n < limit {
		return nil
	}
	list := make([]candidate, 0, n)
	for k, raw := range tx.ascend(bucketFooters, prefix, nil) {
		row, err := decodeFooter(k, raw)
		if err != nil {
			return err
		}
		list = append(list, candidate{bytes.Clone(k), row.seen, row.learned})
	}
	slices.SortFunc(list, func(a, b candidate) int {
		if a.learned != b.learned {
			if b.learned {
				return -1
			}
			return 1
		}
		return bytes.Compare(a.seen, b.seen)
	})
	for _, c := range list[:n-limit+limit/10] {
		if err := tx.forgetFooter(c.key); err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) forgetFooter(key []byte) error {
	return errors.Join(tx.del(bucketFooters, key), tx.count(countFooters, -1))
}

// Footers returns the texts that are known as footers, and when each was last
// noted.
func (tx *Tx) Footers() (map[FooterID]time.Time, error) {
	known := map[FooterID]time.Time{}
	for k, raw := range tx.ascend(bucketFooters, nil, nil) {
		row, err := decodeFooter(k, raw)
		if err != nil {
			return nil, err
		}
		if row.learned {
			known[FooterID(k)] = time.Unix(0, int64(fromBE64(row.seen))).UTC()
		}
	}
	return known, nil
}

// PruneFooters forgets texts that were last noted before a time, and tells how
// many.
func (tx *Tx) PruneFooters(before time.Time) (int, error) {
	var old [][]byte
	until := timeKey(before)
	for k, raw := range tx.ascend(bucketFooters, nil, nil) {
		row, err := decodeFooter(k, raw)
		if err != nil {
			return 0, err
		}
		if bytes.Compare(row.seen, until) < 0 {
			old = append(old, bytes.Clone(k))
		}
	}
	for _, k := range old {
		if err := tx.forgetFooter(k); err != nil {
			return 0, fmt.Errorf("forgetting a footer: %w", err)
		}
	}
	return len(old), nil
}
