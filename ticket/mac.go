package ticket

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"sync"
)

// MAC computes HMAC-SHA256 (RFC 2104) under one key. What the key alone decides is
// worked out once, and not again for each sum. It is safe for concurrent use.
type MAC struct{ states sync.Pool }

// NewMAC returns a MAC under a key, of which it keeps a copy.
func NewMAC(key []byte) *MAC {
	key = append([]byte(nil), key...)
	m := new(MAC)
	m.states.New = func() any { return &macState{Hash: hmac.New(sha256.New, key)} }
	return m
}

// macState is a keyed hash with room for what goes in and comes out, which would
// otherwise be allocated for each sum.
type macState struct {
	hash.Hash
	text []byte
	sum  [sha256.Size]byte
}

// maxMACText is how many octets of room are kept for the next sum.
const maxMACText = 4 << 10

// Sum returns the code of the parts, one after the other.
func (m *MAC) Sum(parts ...string) [sha256.Size]byte {
	s := m.states.Get().(*macState)
	defer m.states.Put(s)
	s.Reset()
	s.text = s.text[:0]
	for _, p := range parts {
		s.text = append(s.text, p...)
	}
	s.Write(s.text)
	s.Hash.Sum(s.sum[:0])
	if cap(s.text) > maxMACText {
		s.text = nil
	}
	return s.sum
}
