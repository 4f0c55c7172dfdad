package ticket

import (
	"crypto/hmac"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Purpose says where a token stands. One made for one place is refused in another.
type Purpose byte

const (
	PurposeReply     Purpose = 1 // in the reply address
	PurposeMessageID Purpose = 2 // in our Message-IDs
	PurposeSeparator Purpose = 3 // in the separator line of our mails
	PurposeBounce    Purpose = 4 // in the envelope sender
	PurposeConfirm   Purpose = 7 // behind a command that needs a second word

	// The next two stand wherever the mail that asks a question has a token, and
	// are bound to the question instead of a ticket: whatever answers such a mail
	// can only ever be an answer to that question.
	PurposeRelease Purpose = 5 // "was this mail yours?"
	PurposeAddress Purpose = 6 // "is this address yours?"

	// PurposeCanary stands in a mail that the desk sends to itself, and is bound to
	// that mail instead of a ticket.
	PurposeCanary Purpose = 15
)

// The purposes of the tokens of mails whose reply stays inside: a reply to an
// internal note is a note, however relays have treated its headers.
const (
	PurposeInsideReply     = inside + PurposeReply
	PurposeInsideMessageID = inside + PurposeMessageID
	PurposeInsideSeparator = inside + PurposeSeparator

	inside Purpose = 8
)

// Inside is the purpose for the same place in a mail whose reply stays inside.
func (p Purpose) Inside() Purpose { return p | inside }

// Token is what a signed token says: who it was sent to, about which ticket.
// It identifies a person and grants nothing: their present role does that.
type Token struct {
	Ticket  ID // or the question's
	Person  PersonID
	Purpose Purpose
	Expires time.Time // in whole days, UTC
}

// Errors of Keyring.Check.
var (
	ErrNotToken     = errors.New("not a token")
	ErrForgedToken  = errors.New("token signature does not match")
	ErrExpiredToken = errors.New("token has expired")
)

const (
	macBytes     = 10 // 80 bits of HMAC-SHA256 (RFC 2104, section 5 allows truncation to half or 80 bits)
	payloadBytes = 1 + len(ID{}) + 4 + 2
	// TokenLength is a token's length in characters: 25 octets in base32.
	TokenLength = (payloadBytes + macBytes) * 8 / 5
)

var (
	tokenEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
	tokenEpoch    = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	tokenShape    = regexp.MustCompile(`(?i)[a-z2-7]{40,}`)
)

// MaxKeys is how many signing keys a ring may hold, the current one included.
const MaxKeys = 16

// Key is one signing key. Its ID, below MaxKeys, is part of each token.
type Key struct {
	ID      byte      `json:"id"`
	Secret  []byte    `json:"secret"` // 32 octets
	Created time.Time `json:"created"`
	// Until is when the last token that it signed has expired; zero while it signs.
	Until time.Time `json:"until,omitzero"`
}

// ErrTooManyKeys means that a ring is full until its oldest key can be dropped.
var ErrTooManyKeys = errors.New("there are as many signing keys as there may be")

// RotateKeys adds a fresh key, which signs from now on, to those of a ring. The
// one that signed so far goes on verifying for lifetime, which is how long a token
// is good, and a day for the rounding of expiries. Keys that are past their time
// are left out. It returns ErrTooManyKeys when there would be more than MaxKeys.
func RotateKeys(random io.Reader, keys []Key, now time.Time, lifetime time.Duration) ([]Key, error) {
	kept := LiveKeys(keys, now)
	if len(kept) >= MaxKeys {
		return nil, ErrTooManyKeys
	}
	if n := len(kept); n > 0 {
		kept[n-1].Until = now.UTC().Add(lifetime + 24*time.Hour)
	}
	id := byte(0)
	for slices.ContainsFunc(kept, func(k Key) bool { return k.ID == id }) {
		id++
	}
	key, err := NewKey(random, id, now)
	return append(kept, key), err
}

// LiveKeys returns a copy of the keys without those that are past their time.
func LiveKeys(keys []Key, now time.Time) []Key {
	return slices.DeleteFunc(slices.Clone(keys), func(k Key) bool { return !k.Until.IsZero() && now.After(k.Until) })
}

// NewKey reads a fresh key from random.
func NewKey(random io.Reader, id byte, now time.Time) (Key, error) {
	key := Key{ID: id % MaxKeys, Secret: make([]byte, 32), Created: now.UTC()}
	_, err := io.ReadFull(random, key.Secret)
	return key, err
}

// Keyring mints tokens with its newest key and checks them with any. It is
// immutable, so it is safe for concurrent use.
type Keyring struct {
	keys    map[byte]*MAC
	current byte
}

// NewKeyring makes a ring of keys, of which the last one signs. It returns an
// error when there is none, or when two have the same ID.
func NewKeyring(keys []Key) (*Keyring, error) {
	if len(keys) == 0 {
		return nil, errors.New("no signing key")
	}
	ring := &Keyring{keys: make(map[byte]*MAC, len(keys))}
	for _, k := range keys {
		if _, ok := ring.keys[k.ID]; ok || k.ID >= MaxKeys || len(k.Secret) < 16 {
			return nil, fmt.Errorf("signing key %d is doubled, too short or numbered too high", k.ID)
		}
		ring.keys[k.ID] = NewMAC(k.Secret)
		ring.current = k.ID
	}
	return ring, nil
}

// Len is how many keys the ring holds.
func (r *Keyring) Len() int { return len(r.keys) }

// Mint makes a token of TokenLength lower-case letters and digits.
func (r *Keyring) Mint(t Token) string {
	var raw [payloadBytes + macBytes]byte
	raw[0] = byte(t.Purpose)<<4 | r.current
	copy(raw[1:], t.Ticket[:])
	binary.BigEndian.PutUint32(raw[9:], uint32(t.Person))
	days := t.Expires.UTC().Sub(tokenEpoch) / (24 * time.Hour)
	binary.BigEndian.PutUint16(raw[13:], uint16(min(max(days, 0), 1<<16-1)))
	code := sign(r.keys[r.current], raw[:payloadBytes])
	copy(raw[payloadBytes:], code[:])
	var token [TokenLength]byte
	tokenEncoding.Encode(token[:], raw[:])
	return string(token[:])
}

// Check reads a token, whatever its case. It returns ErrNotToken for what does
// not look like one, ErrForgedToken for one that none of the ring's keys made
// or that stands in the wrong place, and ErrExpiredToken, together with the
// token, for one that was good once.
func (r *Keyring) Check(s string, purpose Purpose, now time.Time) (Token, error) {
	if len(s) != TokenLength {
		return Token{}, ErrNotToken
	}
	var letters [TokenLength]byte
	for i := range letters {
		letters[i] = lowerLetter(s[i])
	}
	var raw [payloadBytes + macBytes]byte
	// The decoder skips line ends.
	if n, err := tokenEncoding.Decode(raw[:], letters[:]); err != nil || n != len(raw) {
		return Token{}, ErrNotToken
	}
	key, ok := r.keys[raw[0]&0x0f]
	if !ok || Purpose(raw[0]>>4) != purpose { // which anybody can read; the signature costs more
		return Token{}, ErrForgedToken
	}
	if code := sign(key, raw[:payloadBytes]); !hmac.Equal(raw[payloadBytes:], code[:]) {
		return Token{}, ErrForgedToken
	}
	t := Token{
		Person:  PersonID(binary.BigEndian.Uint32(raw[9:])),
		Purpose: purpose,
		Expires: tokenEpoch.Add(time.Duration(binary.BigEndian.Uint16(raw[13:])) * 24 * time.Hour),
	}
	copy(t.Ticket[:], raw[1:])
	if now.After(t.Expires) {
		return t, ErrExpiredToken
	}
	return t, nil
}

func sign(key *MAC, payload []byte) [macBytes]byte {
	sum := key.Sum("buzon token v1\x00", string(payload))
	return [macBytes]byte(sum[:])
}

// lowerLetter is an ASCII letter in lower case, or any other octet as it is.
func lowerLetter(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// LooksLikeToken tells whether s has a token's length and alphabet. It proves
// nothing; it is for deciding what to keep from other people's eyes.
func LooksLikeToken(s string) bool {
	if len(s) != TokenLength {
		return false
	}
	for i := range len(s) {
		if c := lowerLetter(s[i]); (c < 'a' || c > 'z') && (c < '2' || c > '7') {
			return false
		}
	}
	return true
}

// longRun tells whether there are as many octets in a row, that may be a token's, as
// tokenShape wants at least. It is a great deal faster than looking for one.
func longRun(text string) bool {
	n := 0
	for i := range len(text) {
		c := text[i]
		if c|0x20 < 'a' || c|0x20 > 'z' {
			if c < '2' || c > '7' && c < utf8.RuneSelf {
				n = 0
				continue
			}
		}
		if n++; n == 40 {
			return true
		}
	}
	return false
}

// StripTokens replaces everything in text that has a token's shape, so that what
// was sent to one person can be quoted to another. Tokens in quoted mail stand
// in addresses, Message-IDs and the separator line.
func StripTokens(text string) string {
	if !longRun(text) {
		return text
	}
	return tokenShape.ReplaceAllStringFunc(text, func(s string) string {
		if len(s) != TokenLength {
			return s
		}
		return "…"
	})
}

// SeparatorMark opens the token in our separator line: {buzon:TOKEN}.
const SeparatorMark = "{buzon:"

// SeparatorToken writes a token the way it stands in the separator line.
func SeparatorToken(token string) string { return SeparatorMark + token + "}" }

// SeparatorTokens finds the tokens of our separator lines in a text, in order.
// At most 20 are returned.
func SeparatorTokens(text string) []string {
	var found []string
	for rest := text; len(found) < 20; {
		_, after, ok := strings.Cut(rest, SeparatorMark)
		if !ok {
			break
		}
		rest = after
		if len(after) > TokenLength && after[TokenLength] == '}' && LooksLikeToken(after[:TokenLength]) {
			found = append(found, strings.ToLower(after[:TokenLength]))
		}
	}
	return found
}

// MessageID makes one of our Message-IDs, without angle brackets: the token, a
// nonce that makes it unique, and our domain (RFC 5322, section 3.6.4).
func MessageID(token, nonce, domain string) string { return token + "." + nonce + "@" + domain }

// MessageIDToken returns the token in a Message-ID that may be one of ours.
func MessageIDToken(id string) (string, bool) {
	id = strings.Trim(id, "<> \t")
	if len(id) <= TokenLength || id[TokenLength] != '.' || !LooksLikeToken(id[:TokenLength]) {
		return "", false
	}
	return strings.ToLower(id[:TokenLength]), true
}
