package store

import (
	"bytes"
	"encoding/binary"

	"go.etcd.io/bbolt"

	"buzon/ticket"
)

// maxSearchWords bounds the words of one search; further ones are not looked at.
const maxSearchWords = 10

// walker goes down through the tickets that have something in common.
type walker interface {
	// upTo returns the highest number among them that is not above n. The id may
	// be zero where it is not at hand.
	upTo(n uint64) (uint64, ticket.ID, bool)
}

// wordWalk goes down through the tickets that have a word which begins so.
type wordWalk struct {
	cursor *bbolt.Cursor
	prefix []byte
	noted  map[uint64]*wordSet // by block, what is not in the index's places yet

	block uint64 // that found is of
	have  bool
	found wordSet
	empty bool
}

// wordWalks begins a walk for each word of a search. searched tells whether there
// are any.
func (tx *Tx) wordWalks(text string) (walks []walker, searched bool) {
	ticket.Words(text, func(word []byte) bool {
		w := &wordWalk{cursor: tx.bucket(bucketWords).Cursor(), prefix: bytes.Clone(word), noted: map[uint64]*wordSet{}}
		for k, row := range tx.ascend(bucketWordsNoted, nil, nil) {
			if !bytes.HasPrefix(row, word) && !bytes.Contains(row, append([]byte{0}, word...)) {
				continue
			}
			n := fromBE64(k)
			set := w.noted[n/blockTickets]
			if set == nil {
				set = new(wordSet)
				w.noted[n/blockTickets] = set
			}
			set.add(uint16(n % blockTickets))
		}
		walks = append(walks, w)
		return len(walks) < maxSearchWords
	})
	return walks, len(walks) > 0
}

func (w *wordWalk) upTo(n uint64) (uint64, ticket.ID, bool) {
	last := w.lastBlock()
	block, low := n/blockTickets, uint16(n%blockTickets)
	if block > last {
		block, low = last, blockTickets-1
	}
	for {
		w.load(block)
		if at, ok := w.found.upTo(low); ok && !w.empty {
			return block*blockTickets + uint64(at), ticket.ID{}, true
		}
		if block == 0 {
			return 0, ticket.ID{}, false
		}
		block, low = block-1, blockTickets-1
	}
}

// lastBlock is the last one of the index.
func (w *wordWalk) lastBlock() uint64 {
	last := uint64(0)
	if k, _ := w.cursor.Last(); k != nil {
		last = uint64(binary.BigEndian.Uint32(k))
	}
	for block := range w.noted {
		last = max(last, block)
	}
	return last
}

// load finds the tickets of a block.
func (w *wordWalk) load(block uint64) {
	if w.have && w.block == block {
		return
	}
	w.block, w.have, w.empty, w.found = block, true, true, wordSet{}
	if set := w.noted[block]; set != nil {
		w.found, w.empty = *set, false
	}
	prefix := append(blockKey(block), w.prefix...)
	for k, v := w.cursor.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = w.cursor.Next() {
		w.found.join(v)
		w.empty = false
	}
}
