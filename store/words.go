package store

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/bits"
	"slices"
	"strings"

	"go.etcd.io/bbolt"

	"buzon/ticket"
)

// The index of words. A row says in which tickets of a block of 2,048 numbers a word
// stands: key is block and word, the value the numbers less the block's first, in
// order, two octets each, or where it is shorter a set of 2,048 bits. A block's rows
// lie together.
//
// A message has some fifty words. To put each in its place would be to change as many
// pages; instead they are noted in one row, and when wordsGathered of these are there
// they are put in their places together, which is then a few dozen milliseconds' work.
const (
	blockTickets  = 2048
	wordsGathered = 512

	maxWords     = 400      // different words of one entry
	maxWordsText = 64 << 10 // octets of an entry's text that are looked at
)

// wordSet is the tickets of a block, by their numbers less the block's first.
type wordSet [blockTickets / 64]uint64

// wordSetSize is how many octets a set of bits has. A list of as many may be none.
const wordSetSize = blockTickets / 8

func (s *wordSet) add(low uint16)    { s[low>>6] |= 1 << (low & 63) }
func (s *wordSet) remove(low uint16) { s[low>>6] &^= 1 << (low & 63) }

func (s *wordSet) has(low uint16) bool { return s[low>>6]>>(low&63)&1 == 1 }

func (s *wordSet) merge(o *wordSet) {
	for i := range s {
		s[i] |= o[i]
	}
}

// upTo is the highest member that is not above low; false: there is none.
func (s *wordSet) upTo(low uint16) (uint16, bool) {
	i := int(low >> 6)
	for rest := s[i] << (63 - low&63) >> (63 - low&63); ; rest = s[i] {
		if rest != 0 {
			return uint16(i<<6 + bits.Len64(rest) - 1), true
		}
		if i--; i < 0 {
			return 0, false
		}
	}
}

// encode is the value of a row; nil: the set is empty.
func (s *wordSet) encode() []byte {
	n := 0
	for _, word := range s {
		n += bits.OnesCount64(word)
	}
	switch {
	case n == 0:
		return nil
	case 2*n >= wordSetSize:
		out := make([]byte, 0, wordSetSize)
		for _, word := range s {
			out = binary.BigEndian.AppendUint64(out, word)
		}
		return out
	}
	out := make([]byte, 0, 2*n)
	for i, word := range s {
		for ; word != 0; word &= word - 1 {
			out = binary.BigEndian.AppendUint16(out, uint16(i<<6+bits.TrailingZeros64(word)))
		}
	}
	return out
}

// join adds the members of a row's value.
func (s *wordSet) join(raw []byte) {
	if len(raw) == wordSetSize {
		for i := range s {
			s[i] |= binary.BigEndian.Uint64(raw[8*i:])
		}
		return
	}
	for ; len(raw) >= 2; raw = raw[2:] {
		if low := binary.BigEndian.Uint16(raw); low < blockTickets {
			s.add(low)
		}
	}
}

func decodeWordSet(raw []byte) (s wordSet) {
	s.join(raw)
	return s
}

func blockKey(block uint64) []byte { return binary.BigEndian.AppendUint32(nil, uint32(block)) }

// words gathers the different words of texts.
type words struct {
	list map[string]struct{}
}

func (w *words) add(text string) {
	if w.list == nil {
		w.list = make(map[string]struct{}, 64)
	}
	ticket.Words(text[:min(len(text), maxWordsText)], func(word []byte) bool {
		if _, ok := w.list[string(word)]; !ok {
			w.list[string(word)] = struct{}{}
		}
		return len(w.list) < maxWords
	})
}

// encode joins the words, in order, each ended by NUL.
func (w *words) encode() []byte {
	list := make([]string, 0, len(w.list))
	size := 0
	for word := range w.list {
		list = append(list, word)
		size += len(word) + 1
	}
	slices.Sort(list)
	out := make([]byte, 0, size)
	for _, word := range list {
		out = append(append(out, word...), 0)
	}
	return out
}

// wordsOfEntry are those by which an entry is found.
func wordsOfEntry(e *ticket.Entry) (w words) {
	if e.Kind == ticket.EntryRequest || e.Kind == ticket.EntryReply {
		w.add(e.AuthorName)
	}
	w.add(e.Text)
	return w
}

// wordsOfTicket are those by which a ticket is found, whatever its thread says.
func wordsOfTicket(tx *Tx, t *ticket.Ticket) (w words) {
	w.add(t.Subject)
	if person, err := tx.Person(t.Requester); err == nil {
		w.add(person.Address.Addr)
	}
	return w
}

// noteWords has the index know words of a ticket: those of an entry, or with 0 the
// ticket's own.
func (tx *Tx) noteWords(n ticket.Number, entry uint32, w words) error {
	if len(w.list) == 0 {
		return nil
	}
	key := binary.BigEndian.AppendUint32(be64(uint64(n)), entry)
	if err := tx.put(bucketWordsNoted, key, w.encode()); err != nil {
		return err
	}
	// The bucket's own count is how many were noted since they were placed.
	noted, err := tx.next(bucketWordsNoted)
	if err != nil || noted < wordsGathered {
		return err
	}
	return tx.placeWords()
}

// placeWords brings all noted words to their places.
func (tx *Tx) placeWords() error {
	for key, set := range noted(tx).rows() {
		set.join(tx.get(bucketWords, key))
		if err := tx.put(bucketWords, key, set.encode()); err != nil {
			return err
		}
	}
	var keys [][]byte
	for k := range tx.ascend(bucketWordsNoted, nil, nil) {
		keys = append(keys, bytes.Clone(k))
	}
	for _, k := range keys {
		if err := tx.del(bucketWordsNoted, k); err != nil {
			return err
		}
	}
	return tx.bucket(bucketWordsNoted).SetSequence(0)
}

// place is where a row of the index is.
type place struct {
	block uint64
	word  string
}

func (p place) compare(o place) int {
	return cmp.Or(cmp.Compare(p.block, o.block), cmp.Compare(p.word, o.word))
}

func (p place) key() []byte { return append(blockKey(p.block), p.word...) }

// placing is what rows of the index will hold: the tickets of each.
type placing map[place][]uint16

// add adds the words of a row of bucketWordsNoted.
func (p placing) add(n uint64, row []byte) {
	for rest := string(row); rest != ""; {
		word, more, _ := strings.Cut(rest, "\x00")
		at := place{n / blockTickets, word}
		p[at] = append(p[at], uint16(n%blockTickets))
		rest = more
	}
}

// rows yields them in the order of their keys. The set is good until it goes on.
func (p placing) rows() iter.Seq2[[]byte, *wordSet] {
	return func(yield func([]byte, *wordSet) bool) {
		for _, at := range slices.SortedFunc(maps.Keys(p), place.compare) {
			var set wordSet
			for _, low := range p[at] {
				set.add(low)
			}
			if !yield(at.key(), &set) {
				return
			}
		}
	}
}

// noted are the words that are not in their places yet.
func noted(tx *Tx) placing {
	p := placing{}
	for k, row := range tx.ascend(bucketWordsNoted, nil, nil) {
		p.add(fromBE64(k), row)
	}
	return p
}

// rewords has the index forget a ticket, and know it again unless it is deleted.
func (tx *Tx) rewords(t *ticket.Ticket) error {
	n := uint64(t.Number)
	var gone [][]byte
	for k := range tx.ascend(bucketWordsNoted, be64(n), nil) {
		gone = append(gone, bytes.Clone(k))
	}
	for _, k := range gone {
		if err := tx.del(bucketWordsNoted, k); err != nil {
			return err
		}
	}
	low := uint16(n % blockTickets)
	rows := map[string][]byte{}
	for k, raw := range tx.ascend(bucketWords, blockKey(n/blockTickets), nil) {
		if set := decodeWordSet(raw); set.has(low) {
			set.remove(low)
			rows[string(k)] = set.encode()
		}
	}
	for k, raw := range rows {
		var err error
		if raw != nil {
			err = tx.put(bucketWords, []byte(k), raw)
		} else {
			err = tx.del(bucketWords, []byte(k))
		}
		if err != nil {
			return err
		}
	}
	if t.IsHidden() {
		return nil
	}
	return allWords(tx, t, func(entry uint32, w words) error { return tx.noteWords(t.Number, entry, w) })
}

// allWords calls fn with the words of a ticket and of each of its entries.
func allWords(tx *Tx, t *ticket.Ticket, fn func(entry uint32, w words) error) error {
	entries, err := tx.Entries(t.ID)
	if err != nil {
		return err
	}
	if err := fn(0, wordsOfTicket(tx, t)); err != nil {
		return err
	}
	for _, e := range entries {
		if err := fn(e.Seq, wordsOfEntry(e)); err != nil {
			return err
		}
	}
	return nil
}

// deriveWords puts the rows of the whole index in order, worked out from tickets and
// entries. numbers is asked where ticket numbers are looked up. A row that can't be
// read is left out; it is said elsewhere.
func deriveWords(tx *Tx, numbers func() *Tx, put func(key, value []byte) error) error {
	for next := uint64(0); ; next += blockTickets {
		var ids []ticket.ID
		for k, id := range numbers().ascend(bucketTicketNumber, nil, be64(next)) {
			n := fromBE64(k)
			if len(ids) == 0 {
				next = n - n%blockTickets
			} else if n >= next+blockTickets {
				break
			}
			ids = append(ids, ticket.ID(id))
		}
		if len(ids) == 0 {
			return nil
		}
		rows := placing{}
		for _, id := range ids {
			t, err := tx.Ticket(id)
			if err != nil || t.IsHidden() {
				continue
			}
			n := uint64(t.Number)
			err = allWords(tx, t, func(_ uint32, w words) error {
				rows.add(n, w.encode())
				return nil
			})
			if err != nil && !errors.Is(err, ErrCorrupt) {
				return err
			}
		}
		for k, set := range rows.rows() {
			if err := put(k, set.encode()); err != nil {
				return err
			}
		}
	}
}

// addWords makes the index of a state that had none.
func addWords(b *bbolt.Tx) error {
	if err := addBuckets(bucketWords, bucketWordsNoted)(b); err != nil {
		return err
	}
	tx := &Tx{tx: b}
	return deriveWords(tx, func() *Tx { return tx }, func(k, v []byte) error { return tx.put(bucketWords, k, v) })
}

// compareWords tells each difference between the index, noted words included, and
// what it should be.
func compareWords(is, should *Tx, differ func(string)) {
	if is.bucket(bucketWords) == nil || is.bucket(bucketWordsNoted) == nil {
		return // said already
	}
	next, stop := iter.Pull2(should.ascend(bucketWords, nil, nil))
	defer stop()
	want, wanted, ok := next()
	missing := func(until func(k []byte) bool) {
		for ; ok && until(want); want, wanted, ok = next() {
			differ(fmt.Sprintf("%s: %s is missing", bucketWords, shownWord(want)))
		}
	}
	for k, set := range allPlaces(is) {
		missing(func(want []byte) bool { return bytes.Compare(want, k) < 0 })
		if !ok || !bytes.Equal(want, k) {
			differ(fmt.Sprintf("%s: %s should not be there", bucketWords, shownWord(k)))
			continue
		}
		if set != decodeWordSet(wanted) {
			differ(fmt.Sprintf("%s: %s leads to other tickets than it should", bucketWords, shownWord(k)))
		}
		want, wanted, ok = next()
	}
	missing(func([]byte) bool { return true })
}

// allPlaces yields the rows of the index as they would be if nothing were noted.
func allPlaces(tx *Tx) iter.Seq2[[]byte, wordSet] {
	return func(yield func([]byte, wordSet) bool) {
		next, stop := iter.Pull2(noted(tx).rows())
		defer stop()
		more, extra, ok := next()
		for k, raw := range tx.ascend(bucketWords, nil, nil) {
			for ; ok && bytes.Compare(more, k) < 0; more, extra, ok = next() {
				if !yield(more, *extra) {
					return
				}
			}
			set := decodeWordSet(raw)
			if ok && bytes.Equal(more, k) {
				set.merge(extra)
				more, extra, ok = next()
			}
			if !yield(k, set) {
				return
			}
		}
		for ; ok; more, extra, ok = next() {
			if !yield(more, *extra) {
				return
			}
		}
	}
}

func shownWord(k []byte) string {
	if len(k) < 4 {
		return shownKey(k)
	}
	return fmt.Sprintf("%d %s", binary.BigEndian.Uint32(k), shownKey(k[4:]))
}
