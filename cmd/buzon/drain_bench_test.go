package main

import (
	"context"
	"net"
	"testing"
	"time"

	"buzon/internal/load"
	"buzon/mailpipe"
)

// BenchmarkDrain is the outbox on its way out: what messages of the stream have
// caused is sent to a sink, each mail reported and synced..
func BenchmarkDrain(b *testing.B) {
	sink, err := load.NewSink("127.0.0.1:0", "private.test")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { sink.Close() })
	_, port, err := net.SplitHostPort(sink.Addr())
	if err != nil {
		b.Fatal(err)
	}
	d := newBenchDesk(b, port)
	// Each request is confirmed and told to an agent; three of five are requests.
	for _, list := range mixed(b.N) {
		for _, m := range list {
			if _, err := d.pipe.Take(context.Background(), envelopeOf(m), m.Raw); err != nil {
				b.Fatal(err)
			}
		}
	}
	figures, err := d.desk.Figures()
	if err != nil {
		b.Fatal(err)
	}
	config := d.table.Config.Outgoing
	settings, err := newServers(d.table.Config, d.log).smarthost(config)
	if err != nil {
		b.Fatal(err)
	}
	sender := mailpipe.NewSender(settings, d.desk.Outbox(""), func(mailpipe.SenderStatus) {}, d.log, time.Now)
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan struct{})
	b.ReportAllocs()
	cpu := load.OwnCPUTime()
	b.ResetTimer()
	go func() { defer close(ended); sender.Run(ctx) }()
	for {
		now, err := d.desk.Figures()
		if err != nil {
			b.Fatal(err)
		}
		if now.Waiting == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	b.StopTimer()
	used := load.OwnCPUTime() - cpu
	stop()
	<-ended
	b.ReportMetric(float64(used)/float64(figures.Waiting)/1000, "cpu-µs/mail")
	b.ReportMetric(float64(figures.Waiting)/b.Elapsed().Seconds(), "mails/s")
}
