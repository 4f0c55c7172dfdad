package store

import (
	"encoding/binary"
	"fmt"

	"buzon/ticket"
)

// chunksFormat begins a row of chunks. Rows that were written before there was one are
// JSON, which begins with a bracket. Octets of JSON are a third more, and most of the
// state is the bytes of what was sent.
//
// What follows is the chunks, one after the other. Each begins with a number (uvarint):
// of a literal, twice its length, and then the octets; of a range of an archived
// message, one more than twice the length of the segment's name, the name, and then
// sequence number, offset and length (uvarints).
const chunksFormat = 1

func encodeChunks(chunks []ticket.Chunk) ([]byte, error) {
	size := 1
	for _, c := range chunks {
		size += len(c.Literal) + len(c.Archive.Segment) + 4*binary.MaxVarintLen64
	}
	raw := append(make([]byte, 0, size), chunksFormat)
	for _, c := range chunks {
		if c.Archive.IsZero() {
			raw = binary.AppendUvarint(raw, uint64(len(c.Literal))<<1)
			raw = append(raw, c.Literal...)
			continue
		}
		if len(c.Literal) > 0 || c.Offset < 0 || c.Length < 0 {
			return nil, fmt.Errorf("a chunk is both, or octets %d to %d of message %s", c.Offset, c.Offset+c.Length, c.Archive)
		}
		raw = binary.AppendUvarint(raw, uint64(len(c.Archive.Segment))<<1|1)
		raw = append(raw, c.Archive.Segment...)
		for _, n := range []uint64{c.Archive.Seq, uint64(c.Offset), uint64(c.Length)} {
			raw = binary.AppendUvarint(raw, n)
		}
	}
	return raw, nil
}

// decodeChunks returns the chunks of a row, whose octets they don't share. An error
// wraps ErrCorrupt.
func decodeChunks(raw []byte) (chunks []ticket.Chunk, err error) {
	if len(raw) == 0 || raw[0] != chunksFormat {
		err = decode(bucketOutboxChunks, raw, &chunks)
		return chunks, err
	}
	r := chunkReader{rest: raw[1:]}
	for len(r.rest) > 0 {
		var c ticket.Chunk
		if n := r.number(); n&1 == 0 {
			c.Literal = []byte(r.octets(n >> 1))
		} else {
			c.Archive.Segment = r.octets(n >> 1)
			c.Archive.Seq, c.Offset, c.Length = r.number(), int64(r.number()), int64(r.number())
		}
		if r.cut {
			return nil, fmt.Errorf("%w: a row of %s is cut off", ErrCorrupt, bucketOutboxChunks)
		}
		chunks = append(chunks, c)
	}
	return chunks, nil
}

// chunkReader reads a row from its beginning. What is not there is zero.
type chunkReader struct {
	rest []byte
	cut  bool // something was not there
}

func (r *chunkReader) number() uint64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 {
		r.rest, r.cut = nil, true
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *chunkReader) octets(n uint64) string {
	if n > uint64(len(r.rest)) {
		r.rest, r.cut = nil, true
		return ""
	}
	octets := string(r.rest[:n])
	r.rest = r.rest[n:]
	return octets
}
