package mailpipe

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestBackoff(t *testing.T) {
	b := Backoff{Min: time.Second, Max: 5 * time.Minute, Rand: func() float64 { return 0 }}
	var got []time.Duration
	for range 11 {
		got = append(got, b.Next()/time.Second)
	}
	if want := []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300}; !slices.Equal(got, want) {
		t.Errorf("without jitter: %v, want %v", got, want)
	}
	b.Reset()
	if d := b.Next(); d != time.Second {
		t.Errorf("after Reset: %v", d)
	}
}

func TestBackoffJitter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		random := rapid.Float64Range(0, 0.999999)
		b := Backoff{Min: time.Second, Max: time.Minute, Rand: func() float64 { return random.Draw(t, "random") }}
		base := time.Second
		for range rapid.IntRange(1, 80).Draw(t, "tries") {
			if d := b.Next(); d < max(base/2, b.Min) || d > base {
				t.Fatalf("waits %v, want between %v and %v", d, base/2, base)
			}
			base = min(2*base, b.Max)
		}
	})
}
