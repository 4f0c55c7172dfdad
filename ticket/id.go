package ticket

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// ID names a ticket for ever. It is what tokens are bound to: a ticket restored under
// another number keeps its ID, and one that is lost leaves its ID to no other. It is no
// secret; what is bound to it is signed.
type ID [8]byte

// idRandom is how many bits of an ID are random.
const idRandom = 22

// NewID makes a fresh ID: the time in milliseconds, until the year 2109, and 22 bits
// from random, which is crypto/rand.Reader outside tests. New tickets stand together
// in the store that way. Of two IDs of the same millisecond, one in four million is
// the same: who stores a ticket has to look.
func NewID(random io.Reader, now time.Time) (ID, error) {
	var id ID
	if _, err := io.ReadFull(random, id[:]); err != nil {
		return id, err
	}
	bits := binary.BigEndian.Uint64(id[:]) & (1<<idRandom - 1)
	binary.BigEndian.PutUint64(id[:], uint64(now.UnixMilli())<<idRandom|bits)
	return id, nil
}

// IsZero tells whether the ID names no ticket.
func (id ID) IsZero() bool { return id == ID{} }

func (id ID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText writes the ID in lower-case hexadecimal; the zero ID is empty.
func (id ID) MarshalText() ([]byte, error) {
	if id.IsZero() {
		return nil, nil
	}
	return []byte(id.String()), nil
}

// UnmarshalText reads what MarshalText wrote.
func (id *ID) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*id = ID{}
		return nil
	}
	if len(text) != 2*len(id) {
		return errors.New("a ticket ID has 16 hexadecimal digits")
	}
	_, err := hex.Decode(id[:], text)
	return err
}

// Number is the number that people see, counted up without regard to topics.
type Number uint64

// String writes the number in at least six digits: 000123.
func (n Number) String() string { return fmt.Sprintf("%06d", uint64(n)) }

// Tag is the number as it stands in a subject: [#000123].
func (n Number) Tag() string { return "[#" + n.String() + "]" }

// ParseNumber reads a number as people type it: 123, #123, 000123 or [#000123].
func ParseNumber(s string) (Number, error) {
	digits := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(s), "["), "#"), "]")
	n, ok := parseDigits(digits)
	if !ok {
		return 0, fmt.Errorf("%q is not a ticket number; write it like 123 or #000123", s)
	}
	return n, nil
}

// maxDigits keeps numbers inside 10^12: more digits are some other desk's.
const maxDigits = 12

func parseDigits(s string) (Number, bool) {
	if s == "" || len(s) > maxDigits {
		return 0, false
	}
	var n Number
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + Number(c-'0')
	}
	return n, n > 0
}

// Tags returns the numbers of all tags [#n] in a subject, in order, each once.
// At most 20 are returned.
func Tags(subject string) []Number {
	var found []Number
	for rest := subject; len(found) < 20; {
		_, after, ok := strings.Cut(rest, "[#")
		if !ok {
			break
		}
		rest = after
		digits, _, ok := strings.Cut(after, "]")
		if !ok {
			break
		}
		n, ok := parseDigits(strings.TrimSpace(digits))
		if ok && !contains(found, n) {
			found = append(found, n)
		}
	}
	return found
}

func contains(list []Number, n Number) bool {
	for _, x := range list {
		if x == n {
			return true
		}
	}
	return false
}

// WithoutTags removes every tag [#n] from a subject and folds white space.
func WithoutTags(subject string) string {
	var b strings.Builder
	rest := subject
	for {
		before, after, ok := strings.Cut(rest, "[#")
		if !ok {
			break
		}
		digits, tail, closed := strings.Cut(after, "]")
		if _, isTag := parseDigits(strings.TrimSpace(digits)); closed && isTag {
			b.WriteString(before)
			rest = tail
			continue
		}
		b.WriteString(before)
		b.WriteString("[#")
		rest = after
	}
	b.WriteString(rest)
	return strings.Join(strings.Fields(b.String()), " ")
}
