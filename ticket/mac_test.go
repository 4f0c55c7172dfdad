package ticket

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync"
	"testing"
)

// RFC 4231, section 4.3.
func TestMACOfTheRFC(t *testing.T) {
	sum := NewMAC([]byte("Jefe")).Sum("what do ya want ", "for nothing?")
	if got, want := hex.EncodeToString(sum[:]), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestMACKeepsItsKey(t *testing.T) {
	key := []byte("a key of its own")
	m := NewMAC(key)
	before := m.Sum("x")
	clear(key)
	if m.Sum("x") != before || NewMAC(key).Sum("x") == before {
		t.Error("the code has changed with the caller's bytes")
	}
}

func TestMACForManyAtOnce(t *testing.T) {
	key := []byte(strings.Repeat("k", 100)) // longer than a block
	m := NewMAC(key)
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for i := range 200 {
				text := strings.Repeat("t", i*n*8) // some beyond the room that is kept
				mac := hmac.New(sha256.New, key)
				mac.Write([]byte(text))
				if got := m.Sum(text); string(got[:]) != string(mac.Sum(nil)) {
					t.Errorf("wrong code of %d octets", len(text))
				}
			}
		})
	}
	all.Wait()
}
