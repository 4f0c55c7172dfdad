package store

import (
	"encoding/binary"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// sightingOf is a mail of a sender that begins in one of several ways.
func sightingOf(sender, opening int) (s FooterSighting) {
	binary.BigEndian.PutUint64(s[:], uint64(sender))
	binary.BigEndian.PutUint64(s[8:], uint64(opening))
	return s
}

func footerOf(domain, text int) (id FooterID) {
	binary.BigEndian.PutUint64(id[:], uint64(domain))
	binary.BigEndian.PutUint64(id[8:], uint64(text))
	return id
}

// Five mails of three senders, two of whom wrote more than once, make a footer.
func TestFooterLearned(t *testing.T) {
	type mail struct{ sender, opening int }
	for name, tt := range map[string]struct {
		mails []mail
		want  int // the mail with which it is learned; -1: never
	}{
		"five mails of three":        {[]mail{{1, 1}, {2, 2}, {1, 3}, {3, 4}, {2, 5}}, 4},
		"two senders":                {[]mail{{1, 1}, {2, 2}, {1, 3}, {2, 4}, {1, 5}, {2, 6}, {1, 7}, {2, 8}}, -1},
		"a third after the two":      {[]mail{{1, 1}, {1, 2}, {1, 3}, {1, 4}, {1, 5}, {2, 6}, {2, 7}, {3, 8}}, 7},
		"one writes a lot":           {[]mail{{1, 1}, {1, 2}, {1, 3}, {1, 4}, {1, 5}, {1, 6}, {2, 7}, {3, 8}}, -1},
		"a letter that goes round":   {[]mail{{1, 1}, {2, 1}, {3, 1}, {4, 2}, {5, 1}, {6, 3}, {7, 1}}, -1},
		"and is sent again":          {[]mail{{1, 1}, {2, 1}, {3, 1}, {1, 1}, {2, 1}, {3, 1}, {1, 1}, {2, 1}}, -1},
		"a letter, and then answers": {[]mail{{1, 1}, {2, 1}, {3, 1}, {4, 1}, {5, 1}, {1, 2}, {2, 3}}, 6},
	} {
		s := newStore(t)
		got := -1
		for i, m := range tt.mails {
			update(t, s, func(tx *Tx) error {
				learned, err := tx.NoteFooter(footerOf(1, 1), []FooterSighting{sightingOf(m.sender, m.opening)}, noon)
				if learned && got < 0 {
					got = i
				}
				return err
			})
		}
		if got != tt.want {
			t.Errorf("%s: learned with mail %d, want %d", name, got, tt.want)
		}
		view(t, s, func(tx *Tx) error {
			known, err := tx.Footers()
			if seen, ok := known[footerOf(1, 1)]; ok != (tt.want >= 0) || ok && !seen.Equal(noon) {
				t.Errorf("%s: known %v", name, known)
			}
			return err
		})
	}
}

// A letter that thousands send takes no more room than any.
func TestFooterSightingsBounded(t *testing.T) {
	s := newStore(t)
	update(t, s, func(tx *Tx) error {
		for n := range 500 {
			if learned, err := tx.NoteFooter(footerOf(1, 1), []FooterSighting{sightingOf(n, n)}, noon); learned || err != nil {
				t.Fatal(learned, err)
			}
		}
		id := footerOf(1, 1)
		if n := len(tx.get(bucketFooters, id[:])); n != 9+footerSightings*footerSighting {
			t.Errorf("%d octets", n)
		}
		return nil
	})
}

// Within a domain, and in all, what is learned and what was seen of late stays.
func TestFootersBounded(t *testing.T) {
	s := newStore(t)
	update(t, s, func(tx *Tx) error {
		for m := range 5 { // learned, and the oldest of all
			if _, err := tx.NoteFooter(footerOf(0, 1), []FooterSighting{sightingOf(m%3, m)}, noon.Add(-time.Hour)); err != nil {
				return err
			}
		}
		at := noon
		note := func(domain, text int) error {
			at = at.Add(time.Second)
			_, err := tx.NoteFooter(footerOf(domain, text), []FooterSighting{sightingOf(1, 1)}, at)
			return err
		}
		for text := range footersPerDomain + 100 {
			if err := note(0, 10+text); err != nil {
				return err
			}
		}
		if n := tx.counted(countFooters); n > footersPerDomain || n < footersPerDomain*8/10 {
			t.Errorf("one domain has %d texts", n)
		}
		for domain := 1; domain <= 12; domain++ {
			for text := range footersPerDomain - 100 {
				if err := note(domain, text); err != nil {
					return err
				}
			}
		}
		if n := tx.counted(countFooters); n > footersInAll || n < footersInAll*8/10 {
			t.Errorf("%d texts in all", n)
		}
		known, err := tx.Footers()
		if _, ok := known[footerOf(0, 1)]; !ok || len(known) != 1 {
			t.Errorf("known: %v", known)
		}
		last := footerOf(12, footersPerDomain-101)
		if tx.get(bucketFooters, last[:]) == nil {
			t.Error("the latest text is forgotten")
		}
		return err
	})
}

func TestPruneFooters(t *testing.T) {
	s := newStore(t)
	update(t, s, func(tx *Tx) error {
		for n := range 10 {
			if _, err := tx.NoteFooter(footerOf(1, n), nil, noon.Add(time.Duration(n)*time.Hour)); err != nil {
				return err
			}
		}
		n, err := tx.PruneFooters(noon.Add(4 * time.Hour))
		if err != nil || n != 4 || tx.counted(countFooters) != 6 {
			t.Errorf("%d forgotten, %d left, %v", n, tx.counted(countFooters), err)
		}
		return nil
	})
}

// Footers are learned, and can't be worked out from anything else: rebuilding
// keeps them, and a state of before them gets an empty bucket.
func TestFootersKept(t *testing.T) {
	dir := filledFolder(t)
	if _, r, err := Rebuild(t.Context(), dir, noon); err != nil || !r.Clean() {
		t.Fatal(r, err)
	}
	s := openAt(t, dir, Options{})
	view(t, s, func(tx *Tx) error {
		known, err := tx.Footers()
		if len(known) != 1 || tx.counted(countFooters) != 2 {
			t.Errorf("known %v of %d", known, tx.counted(countFooters))
		}
		return err
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	tamper(t, filepath.Join(dir, stateFile), func(tx *bbolt.Tx) error {
		if err := tx.DeleteBucket([]byte(bucketFooters)); err != nil {
			return err
		}
		if err := tx.Bucket([]byte(bucketCounts)).Delete([]byte(countFooters)); err != nil {
			return err
		}
		return tx.Bucket([]byte(bucketMeta)).Put([]byte(keyVersion), be64(1))
	})
	s = openAt(t, dir, Options{})
	update(t, s, func(tx *Tx) error {
		_, err := tx.NoteFooter(footerOf(1, 1), nil, noon)
		return err
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if r := verified(t, dir); !r.Clean() {
		t.Error(r.Differences)
	}
}
