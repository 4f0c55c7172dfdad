package main

import (
	"fmt"
	"strings"
	"time"

	"buzon/internal/load"
)

// figures are what a run measured. Times are in nanoseconds when written as JSON.
type figures struct {
	Messages    int
	Octets      int // of all messages
	Connections int
	Rate        float64       // wanted, a second; 0: flat out
	Took        time.Duration // until the last message was answered
	Late        time.Duration // by how much one was sent late at most
	Sink        bool          // there was a smarthost; else there are no confirmations
	Through     time.Duration // until the last request was confirmed
	Accepted    load.Percentiles
	Confirmed   load.Percentiles
	PID         int           // the daemon's; 0: not known, and the following are zero
	CPU         time.Duration // of the daemon, a message
	Memory      load.Memory
}

// AcceptedRate is how many messages were answered a second.
func (f *figures) AcceptedRate() float64 { return float64(f.Messages) / f.Took.Seconds() }

// String tells the figures, in lines.
func (f *figures) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d messages, %d kB each on average, on %d connections in %.2f s: %.0f a second\n",
		f.Messages, f.Octets/f.Messages>>10, f.Connections, f.Took.Seconds(), f.AcceptedRate())
	if f.Rate > 0 {
		fmt.Fprintf(&b, "at %g a second; sent late by up to %d ms\n", f.Rate, f.Late.Milliseconds())
	}
	if f.Sink {
		fmt.Fprintf(&b, "all confirmed after %.2f s: %.0f a second\n", f.Through.Seconds(), float64(f.Messages)/f.Through.Seconds())
	}
	fmt.Fprintf(&b, "final dot to the answer: %s\n", f.Accepted)
	if f.Sink {
		fmt.Fprintf(&b, "final dot to the confirmation at the smarthost: %s\n", f.Confirmed)
	}
	if f.PID != 0 {
		fmt.Fprintf(&b, "CPU of process %d: %.3f ms a message; RssAnon: %d MiB at the beginning, %d MiB at its peak, %d MiB at the end\n",
			f.PID, ms(f.CPU), f.Memory.Begin>>20, f.Memory.Peak>>20, f.Memory.End>>20)
	}
	return b.String()
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
