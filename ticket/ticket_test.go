package ticket

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func ring(t testing.TB, ids ...byte) *Keyring {
	t.Helper()
	var keys []Key
	for _, id := range ids {
		key, err := NewKey(strings.NewReader(strings.Repeat(string(rune('a'+id)), 32)), id, noon)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	r, err := NewKeyring(keys)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestToken(t *testing.T) {
	old, both, other := ring(t, 1), ring(t, 1, 2), ring(t, 3)
	want := Token{Ticket: ID{1, 2, 3, 4, 5, 6, 7, 8}, Person: 77, Purpose: PurposeReply, Expires: noon.Truncate(24 * time.Hour).Add(48 * time.Hour)}
	for _, r := range []*Keyring{old, both} {
		s := r.Mint(want)
		if len(s) != TokenLength || !LooksLikeToken(s) {
			t.Fatalf("token %q of %d characters", s, len(s))
		}
		got, err := both.Check(strings.ToUpper(s), PurposeReply, noon)
		if err != nil || got != want {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
	}
	s := both.Mint(want)
	for name, c := range map[string]struct {
		ring    *Keyring
		token   string
		purpose Purpose
		now     time.Time
		err     error
	}{
		"another purpose": {both, s, PurposeBounce, noon, ErrForgedToken},
		"other keys":      {other, s, PurposeReply, noon, ErrForgedToken},
		"a retired key":   {ring(t, 2), old.Mint(want), PurposeReply, noon, ErrForgedToken},
		"expired":         {both, s, PurposeReply, noon.Add(72 * time.Hour), ErrExpiredToken},
		"too short":       {both, s[1:], PurposeReply, noon, ErrNotToken},
		"not base32":      {both, "0" + s[1:], PurposeReply, noon, ErrNotToken},
		"only line ends":  {both, strings.Repeat("\n", TokenLength), PurposeReply, noon, ErrNotToken},
		"empty":           {both, "", PurposeReply, noon, ErrNotToken},
	} {
		if _, err := c.ring.Check(c.token, c.purpose, c.now); !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", name, err, c.err)
		}
	}
	// Every single bit matters.
	raw, _ := tokenEncoding.DecodeString(s)
	for i := range len(raw) * 8 {
		bad := bytes.Clone(raw)
		bad[i/8] ^= 1 << (i % 8)
		if _, err := both.Check(tokenEncoding.EncodeToString(bad), PurposeReply, noon); err == nil {
			t.Errorf("a token with bit %d flipped is taken", i)
		}
	}
}

func TestTokensInText(t *testing.T) {
	s := ring(t, 1).Mint(Token{Ticket: ID{9}, Person: 1, Purpose: PurposeSeparator, Expires: noon})
	text := "-- Escriba encima -- " + SeparatorToken(s) + "\nsoporte+" + s + "@x.example y <" + MessageID(s, "n", "x.example") + ">"
	if got := SeparatorTokens(text); !slices.Equal(got, []string{s}) {
		t.Errorf("separators %q", got)
	}
	if got := StripTokens(text); strings.Contains(got, s) || !strings.Contains(got, "Escriba encima") {
		t.Errorf("stripped %q", got)
	}
	if got, ok := MessageIDToken("<" + MessageID(s, "n", "x.example") + ">"); !ok || got != s {
		t.Errorf("token %q, %v", got, ok)
	}
	for _, id := range []string{"", "<>", "a@b", s + "@x", strings.Repeat("a", 39) + ".x@y"} {
		if got, ok := MessageIDToken(id); ok {
			t.Errorf("%q has token %q", id, got)
		}
	}
	long := strings.Repeat("a", 41)
	if StripTokens(long) != long {
		t.Error("a longer word was taken for a token")
	}
}

func TestNumbersAndTags(t *testing.T) {
	if got := Number(3181).Tag(); got != "[#003181]" {
		t.Errorf("tag %q", got)
	}
	for in, want := range map[string]Number{"3181": 3181, "#003181": 3181, " [#003181] ": 3181, "1234567": 1234567} {
		if got, err := ParseNumber(in); err != nil || got != want {
			t.Errorf("%q: %d, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "0", "-1", "x", "12x", "9999999999999"} {
		if got, err := ParseNumber(in); err == nil {
			t.Errorf("%q is number %d", in, got)
		}
	}
	subject := "RV: [#3181] Re: [#000012] Aula [#x] [#] [#3181]"
	if got := Tags(subject); !slices.Equal(got, []Number{3181, 12}) {
		t.Errorf("tags %v", got)
	}
	if got := WithoutTags(subject); got != "RV: Re: Aula [#x] [#]" {
		t.Errorf("without tags %q", got)
	}
}

func TestAddresses(t *testing.T) {
	for in, want := range map[string][2]string{
		"Soporte+Abc@X.example": {"soporte@x.example", "abc"},
		"soporte@x.example":     {"soporte@x.example", ""},
		"a+b+c@x":               {"a@x", "b+c"},
		"+b@x":                  {"+b@x", ""},
		"nobody":                {"nobody", ""},
	} {
		if base, detail := SplitPlus(in); base != want[0] || detail != want[1] {
			t.Errorf("%q: %q, %q", in, base, detail)
		}
	}
	if got := WithPlus("soporte@x", strings.Repeat("a", 56)); len(got) != MaxLocalPart+2 {
		t.Errorf("%q", got)
	}
	if got := WithPlus("soporte@x", strings.Repeat("a", 57)); got != "" {
		t.Errorf("a local part that is too long: %q", got)
	}
}

func TestThreadIsBounded(t *testing.T) {
	var p Participant
	for i := range 100 {
		p.Note(fmt.Sprint(i))
		p.Note(fmt.Sprint(i))
	}
	if len(p.Thread) != maxThread || p.Thread[0] != "0" || p.Thread[maxThread-1] != "99" || p.Thread[1] != "89" {
		t.Errorf("thread %q", p.Thread)
	}
}

func TestStatus(t *testing.T) {
	for _, from := range Statuses {
		for _, to := range Statuses {
			tk := &Ticket{Status: from, Due: noon, RemindAt: noon}
			err := tk.SetStatus(to, noon)
			if allowed := from == to || slices.Contains(transitions[from], to); (err == nil) != allowed {
				t.Errorf("%s to %s: %v", from, to, err)
			}
			if err == nil && from != to && (tk.Closed.IsZero() == (to == StatusClosed) || tk.Due.IsZero() == (to == StatusOpen)) {
				t.Errorf("%s to %s: closed %v, due %v", from, to, tk.Closed, tk.Due)
			}
		}
	}
}

// What a delivery was known by once it must be known by for ever.
func TestTransportKeyOfADelivery(t *testing.T) {
	e := Envelope{MailFrom: "Ana@x.test", Recipients: []string{"b@y.test", " A@y.test"}}
	const want = "smtp\x00cd681b2a58f720bd3b4d732e384169212b7722cc6228ec856302c3582a19eb71"
	if got := e.TransportKey([32]byte{7}); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTransportKey(t *testing.T) {
	a := Envelope{MailFrom: "A@x", Recipients: []string{"b@x", "C@x"}}
	b := Envelope{MailFrom: "a@X", Recipients: []string{"c@x", "b@x"}}
	if a.TransportKey([32]byte{1}) != b.TransportKey([32]byte{1}) {
		t.Error("order or case of recipients makes another delivery")
	}
	if a.TransportKey([32]byte{1}) == a.TransportKey([32]byte{2}) {
		t.Error("other bytes are the same delivery")
	}
	i := Envelope{Account: "s", Mailbox: "INBOX", UIDValidity: 1, UID: 2}
	j := i
	j.UIDValidity = 2
	if i.TransportKey([32]byte{}) == j.TransportKey([32]byte{}) {
		t.Error("another UIDVALIDITY is the same delivery")
	}
}

func FuzzSplitCommands(f *testing.F) {
	for _, s := range []string{"/cerrar\nx", "//x", "/a/b", "\u00a0/cerrar", "/\n/\n/", ".cerrar", "...", ".net", "/no me sirvio\n\n/cerar"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		commands, rest := SplitCommands(s)
		if len(rest) > len(s) {
			t.Errorf("%q grew to %q", s, rest)
		}
		for _, c := range commands {
			if !strings.HasPrefix(c.Line, "/") && !strings.HasPrefix(c.Line, ".") {
				t.Errorf("command line %q", c.Line)
			}
			if fault := c.Fault(); (fault == FaultUnknown) != (c.Verb() == nil) {
				t.Errorf("%q: fault %q", c.Line, fault)
			}
		}
	})
}

func FuzzCheck(f *testing.F) {
	r := ring(f, 1, 2)
	f.Add(r.Mint(Token{Ticket: ID{9}, Person: 1, Purpose: PurposeReply, Expires: noon}))
	f.Fuzz(func(t *testing.T, s string) {
		if got, err := r.Check(s, PurposeReply, noon); err == nil && r.Mint(got) == "" {
			t.Error("minted nothing")
		}
		StripTokens(s)
		Tags(s)
		WithoutTags(s)
		SeparatorTokens(s)
	})
}

func TestNewID(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	seen := map[ID]bool{}
	var last string
	for n := range 1000 {
		id, err := NewID(rand.Reader, now.Add(time.Duration(n)*time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		if id.IsZero() || seen[id] || id.String() <= last {
			t.Fatalf("%s after %s", id, last)
		}
		seen[id], last = true, id.String()
	}
	same := map[ID]bool{}
	for range 100 {
		id, err := NewID(rand.Reader, now)
		if err != nil {
			t.Fatal(err)
		}
		same[id] = true
	}
	if len(same) < 98 {
		t.Errorf("of 100 IDs of one millisecond, %d are different", len(same))
	}
	if _, err := NewID(strings.NewReader("short"), now); err == nil {
		t.Error("an ID without randomness")
	}
}
