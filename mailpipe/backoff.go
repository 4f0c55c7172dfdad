package mailpipe

import (
	"math/rand/v2"
	"time"
)

// Backoff gives growing waiting times between attempts: Min at first, then the
// double each time up to Max, each shortened by up to a half at random, so that
// many clients of one server don't come back all at once. It is not safe for
// concurrent use.
type Backoff struct {
	Min, Max time.Duration
	// Rand gives numbers in [0,1); nil: math/rand/v2.
	Rand func() float64

	base time.Duration // of the last Next; zero after Reset
}

// Next returns how long to wait now, between Min and Max.
func (b *Backoff) Next() time.Duration {
	b.base = min(max(2*b.base, b.Min), b.Max)
	random := b.Rand
	if random == nil {
		random = rand.Float64
	}
	wait := b.base - time.Duration(random()*float64(b.base)/2)
	return min(max(wait, b.Min), b.Max)
}

// Reset starts again at Min; call it after a success.
func (b *Backoff) Reset() { b.base = 0 }
