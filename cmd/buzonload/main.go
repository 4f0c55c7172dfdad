// Command buzonload measures a help desk under load. It feeds it a deterministic
// stream of mail by SMTP or into an IMAP mailbox, is the smarthost that it sends to,
// and says how fast it took and confirmed every message, and whether all are there.
//
// With --buzon it starts a desk of its own beside itself:
//
//	buzonload --buzon ./buzon --count 10000 --connections 16
//
// Otherwise it needs a desk, or any mail server, whose smarthost is --sink:
//
//	buzonload --smtp HOST:PORT --to ADDRESS --sink 127.0.0.1:2526 --pid PID --data DIR
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"buzon/internal/load"
	"buzon/internal/stream"
)

type options struct {
	Count       int     `help:"How many messages." default:"1000"`
	Connections int     `help:"How many connections hand them in." default:"1"`
	Rate        float64 `help:"Messages a second; 0: as fast as they are taken."`
	Seed        int64   `help:"Of the stream." default:"1"`
	Size        int     `help:"Instead of the mixed stream, plain requests of so many octets."`
	Large       int     `help:"Instead of the mixed stream, requests with an attachment of so many octets in all, each in the memory of this program."`
	Requesters  int     `help:"How many people write, on each connection." default:"200"`
	Answering   bool    `help:"Replies answer the confirmation that came, and wait for it. Otherwise they add to the person's own mail, and all messages are made beforehand."`

	SMTP     string `name:"smtp" help:"Hand mail in here, host:port." placeholder:"ADDRESS" xor:"way"`
	IMAP     string `name:"imap" help:"Put mail into a mailbox here, host:port." placeholder:"ADDRESS" xor:"way"`
	TLS      bool   `name:"tls" help:"IMAP over TLS, with any certificate."`
	User     string `help:"Of the IMAP server."`
	Password string `help:"Of the IMAP server." env:"BUZONLOAD_PASSWORD"`
	Mailbox  string `help:"Of the IMAP server." default:"INBOX"`

	To     string        `help:"Address that is written to." default:"soporte@desk.test"`
	Agents string        `help:"Domain of the agents' addresses, which confirmations don't go to." default:"private.test"`
	Sink   string        `help:"Listen here as the smarthost." default:"127.0.0.1:0"`
	NoSink bool          `help:"No smarthost: only the way in is measured, as with a server that is not a desk."`
	Wait   time.Duration `help:"Give up when nothing more happens for so long." default:"30s"`

	PID         int    `name:"pid" help:"The daemon's process: tells its CPU time and memory."`
	Data        string `help:"The desk's data folder: asks it for every message. With --buzon, the folder to run on; absent, one for this run." placeholder:"DIR" type:"path"`
	WriteConfig string `help:"Only write the configuration that --buzon runs with, for filling a folder for it: buzon demo --tickets N --config FILE --data DIR." placeholder:"FILE" type:"path"`
	JSON        bool   `name:"json" help:"The figures as one JSON object; times in nanoseconds."`
	Growth      []int  `help:"With --buzon: how the desk does with so many tickets, one row of a table each. --data is the folder for the filled ones, which are made where they are missing, and used again." placeholder:"N,…"`
	Buzon       string `help:"Start this program as a desk with a configuration of its own." placeholder:"PROGRAM" type:"path" xor:"way"`
}

func main() {
	var o options
	kong.Parse(&o, kong.Name("buzonload"), kong.Description("Measures a help desk under load."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := o.run(ctx, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "buzonload:", err)
		os.Exit(1)
	}
}

// run does everything, and returns an error when messages are missing.
func (o *options) run(ctx context.Context, out io.Writer) (err error) {
	if o.WriteConfig != "" {
		return os.WriteFile(o.WriteConfig, o.config("data", "127.0.0.1:2525", "127.0.0.1", "2526"), 0o600)
	}
	if len(o.Growth) > 0 {
		return o.growth(ctx, out)
	}
	var sink *load.Sink
	if !o.NoSink {
		if sink, err = load.NewSink(o.Sink, o.Agents); err != nil {
			return err
		}
		defer sink.Close()
	}
	if o.Buzon != "" {
		if sink == nil {
			return errors.New("a desk needs a smarthost: leave out --no-sink")
		}
		d, err := startDesk(ctx, o, sink.Addr())
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, d.stop()) }()
		o.of(d)
	}
	f, account, err := o.measure(ctx, sink)
	if err != nil {
		return err
	}
	if o.JSON {
		if err := json.NewEncoder(out).Encode(f); err != nil {
			return err
		}
	} else {
		fmt.Fprint(out, f)
	}
	if account == nil {
		return nil
	}
	if !o.JSON {
		fmt.Fprint(out, account)
	}
	return account.Err()
}

// of aims at a desk that was started.
func (o *options) of(d *ownDesk) { o.PID, o.Data, o.SMTP = d.pid(), d.data, d.smtp }

// measure hands the messages in and waits for what comes of them. The account, of
// which there is none without a sink, says what is missing.
func (o *options) measure(ctx context.Context, sink *load.Sink) (*figures, *load.Account, error) {
	dial, err := o.way()
	if err != nil {
		return nil, nil, err
	}
	feed := &load.Feed{Dial: dial, Connections: o.Connections, Rate: o.Rate, Count: o.Count, Next: o.messages(sink)}
	f := &figures{Connections: o.Connections, Rate: o.Rate, PID: o.PID, Sink: sink != nil}
	stopWatch := func() load.Memory { return load.Memory{} }
	var cpu time.Duration
	if o.PID != 0 {
		if cpu, err = load.CPUTime(o.PID); err != nil {
			return nil, nil, err
		}
		stopWatch = load.WatchMemory(o.PID)
	}
	start := time.Now()
	sent, late, err := feed.Run(ctx)
	f.Took, f.Late = time.Since(start), late
	if err == nil && sink != nil {
		err = o.await(ctx, sent, sink)
		f.Through = time.Since(start)
	}
	f.Memory = stopWatch()
	if err != nil {
		return nil, nil, err
	}
	if o.PID != 0 {
		now, err := load.CPUTime(o.PID)
		if err != nil {
			return nil, nil, err
		}
		f.CPU = (now - cpu) / time.Duration(len(sent))
	}
	f.Messages = len(sent)
	for _, m := range sent {
		f.Octets += len(m.Raw)
	}
	if sink == nil {
		f.Accepted, _ = load.Latencies(sent, new(load.Sink))
		return f, nil, nil
	}
	f.Accepted, f.Confirmed = load.Latencies(sent, sink)
	account, err := o.account(ctx, sent, sink)
	return f, account, err
}

// way says how each connection is opened.
func (o *options) way() (func() (load.Way, error), error) {
	switch {
	case o.SMTP != "":
		return func() (load.Way, error) { return load.DialSMTP(o.SMTP) }, nil
	case o.IMAP != "":
		login := load.Login{Addr: o.IMAP, TLS: o.TLS, Insecure: true, Username: o.User, Password: o.Password, Mailbox: o.Mailbox}
		return func() (load.Way, error) { return load.DialIMAP(login) }, nil
	}
	return nil, errors.New("say where mail goes: --smtp, --imap or --buzon")
}

// messages makes the messages of each connection: a stream each, with people of its
// own, so that a reply is never handed in before what it answers.
func (o *options) messages(sink *load.Sink) func(connection int) *stream.Message {
	streams := make([]*stream.Stream, o.Connections)
	for i := range streams {
		s := stream.Options{Domain: fmt.Sprintf("c%d.uni.test", i), Topics: []string{o.To}, Requesters: o.Requesters, Start: time.Now().Add(-24 * time.Hour)}
		if o.Answering && sink != nil {
			s.Confirmation = func(request string) (stream.Confirmation, bool) {
				c, ok := sink.Wait(request, o.Wait)
				return c.Read(), ok
			}
		}
		streams[i] = stream.New(o.Seed<<16+int64(i), s)
	}
	next := func(c int) *stream.Message {
		if o.Large > 0 {
			return streams[c].Large(o.Large)
		}
		if o.Size > 0 {
			return streams[c].Plain(o.Size)
		}
		return streams[c].Next()
	}
	if o.Answering {
		return next
	}
	made := make([][]*stream.Message, o.Connections)
	for c := range made {
		for range (o.Count - c + o.Connections - 1) / o.Connections {
			made[c] = append(made[c], next(c))
		}
	}
	return func(c int) *stream.Message {
		m := made[c][0]
		made[c] = made[c][1:]
		return m
	}
}

// await returns when every request is confirmed, or nothing more comes.
func (o *options) await(ctx context.Context, sent []load.Sent, sink *load.Sink) error {
	last, moved := sink.Taken(), time.Now()
	for _, m := range sent {
		for m.Kind == stream.Request {
			if _, ok := sink.Wait(m.MessageID, time.Second); ok {
				break
			}
			if now := sink.Taken(); now != last {
				last, moved = now, time.Now()
			}
			if time.Since(moved) > o.Wait {
				return nil // the account says what is missing
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	return nil
}
