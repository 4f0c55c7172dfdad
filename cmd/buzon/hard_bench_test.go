package main

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"buzon/internal/load"
	"buzon/internal/stream"
	"buzon/mailpipe"
	"buzon/ticket"
)

// BenchmarkHard takes each message that strains a reader whole: archived, read,
// applied, synced. cpu-ms is of the message alone, and read-cpu-ms of reading it.
// The aims: 50 ms for what may be sent in earnest and has less than a megabyte, 200
// for bombs.
func BenchmarkHard(b *testing.B) {
	for _, hard := range stream.Hards() {
		b.Run(hard.Name, func(b *testing.B) {
			d := newBenchDesk(b, "2526")
			var whole, reading time.Duration
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				b.StopTimer()
				raw := fmt.Appendf(nil, "Message-ID: <%d.%s@mail.uni.test>\r\n%s", i, hard.Name, hard.Rest)
				runtime.GC()
				before := load.OwnCPUTime()
				if m := mailpipe.Understand(raw, readingOf(d.desk)); (m.Quarantine != "") != hard.Quarantined {
					b.Fatalf("quarantine: %q", m.Quarantine)
				}
				reading += load.OwnCPUTime() - before
				runtime.GC()
				before = load.OwnCPUTime()
				b.StartTimer()
				out, err := d.pipe.Take(context.Background(), ticket.Envelope{
					Account: "smtp", MailFrom: "ana@uni.test", Recipients: []string{"soporte@desk.test"}, Received: time.Now(),
				}, raw)
				if err != nil {
					b.Fatal(err)
				}
				whole += load.OwnCPUTime() - before
				if (out.Event == ticket.EventQuarantined) != hard.Quarantined {
					b.Fatalf("it became %s", out.Event)
				}
			}
			b.ReportMetric(float64(whole.Microseconds())/1000/float64(b.N), "cpu-ms/op")
			b.ReportMetric(float64(reading.Microseconds())/1000/float64(b.N), "read-cpu-ms/op")
		})
	}
}
