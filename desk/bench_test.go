package desk_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"buzon/routing"
	"buzon/ticket"
)

// BenchmarkReceive is what the desk does with a message that has been read: a new
// request, and a reply to one that is told of with those before it. The archive and
// the commit, which many share, are included.
func BenchmarkReceive(b *testing.B) {
	b.Run("request", func(b *testing.B) {
		o := open(b)
		benchmark(b, o, func(i int64) letter {
			return letter{from: fmt.Sprintf("p%d@estudiantes.example", i), to: "pregrado@virtual.example", subject: "Ayuda", text: "No abre."}
		})
	})
	for _, quiet := range []time.Duration{0, 2 * time.Minute} {
		b.Run(fmt.Sprintf("reply/quiet=%s", quiet), func(b *testing.B) {
			o := open(b)
			o.desk.Table().Config.Desk.Quiet = routing.Duration(quiet)
			var confirmations []mail
			for i := range 64 {
				o.send(letter{from: fmt.Sprintf("p%d@estudiantes.example", i), to: "pregrado@virtual.example", subject: "Ayuda", text: "No abre."})
				for _, m := range o.sent() {
					if m.row.Class == ticket.ClassConfirmation {
						confirmations = append(confirmations, m)
					}
				}
			}
			o.leave()
			benchmark(b, o, func(i int64) letter {
				c := confirmations[i%int64(len(confirmations))]
				return reply(c, c.row.To, "Y otra cosa más.")
			})
		})
	}
}

// benchmark has letters received by 16 senders at a time.
func benchmark(b *testing.B, o *office, write func(i int64) letter) {
	var n atomic.Int64
	b.SetParallelism(16)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := n.Add(1)
			l := write(i)
			l.id = fmt.Sprintf("b%d@cliente.example", i)
			m := o.message(o.raw(l), ticket.Envelope{Account: "smtp", MailFrom: "x@cliente.example", Recipients: []string{l.to}})
			if _, err := o.desk.Receive(context.Background(), m); err != nil {
				b.Fatal(err)
			}
		}
	})
}
