package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"buzon/control"
	"buzon/internal/load"
	"buzon/internal/stream"
	"buzon/ticket"
)

// configuration is a desk whose limits a load generator on one address does not meet.
const configuration = `[desk]
name = "Mesa de ayuda"
hostname = "desk.test"
data = %q
automatic_per_hour = 1000
operators = ["ana"]
quiet = "0"
notice = "Tratamos sus datos conforme a la Ley 1581 de 2012."
[smtp]
listen = [%q]
max_per_address = 200
[outgoing]
host = %q
port = %s
tls = "plain"
connections = 16
[web]
listen = "off"
[log]
level = "info"
[[topic]]
id = "soporte"
name = "Soporte"
addresses = [%q]
agent = "ana"
signature = "Oficina de Soporte"
catch_all = true
[[agent]]
id = "ana"
name = "Ana Rojas"
addresses = [%q]
`

func (o *options) config(data, listen, host, port string) []byte {
	return fmt.Appendf(nil, configuration, data, listen, host, port, o.To, "ana@"+o.Agents)
}

// stopWithin is how long a desk may take to end before it is killed.
const stopWithin = 30 * time.Second

// ownDesk is a desk that was started for this run.
type ownDesk struct {
	process    *exec.Cmd
	took       time.Duration // from the start of the program until it took mail
	ended      chan error
	data, smtp string
	folder     string // made for this run; empty: none
	log        *os.File
}

// startDesk starts a desk and returns when it takes mail.
func startDesk(ctx context.Context, o *options, smarthost string) (_ *ownDesk, err error) {
	d := &ownDesk{data: o.Data, ended: make(chan error, 1)}
	if d.folder, err = os.MkdirTemp("", "buzonload-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.stop())
		}
	}()
	if d.data == "" {
		d.data = filepath.Join(d.folder, "data")
	}
	if d.smtp, err = freeAddress(); err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(smarthost)
	if err != nil {
		return nil, err
	}
	config := filepath.Join(d.folder, "buzon.toml")
	if err := os.WriteFile(config, o.config(d.data, d.smtp, host, port), 0o600); err != nil {
		return nil, err
	}
	if d.log, err = os.Create(filepath.Join(d.folder, "log")); err != nil {
		return nil, err
	}
	d.process = exec.Command(o.Buzon, "serve", "--config", config)
	d.process.Stdout, d.process.Stderr = d.log, d.log
	d.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	begun := time.Now()
	if err := d.process.Start(); err != nil {
		d.process = nil
		return nil, err
	}
	go func() { d.ended <- d.process.Wait() }()
	for {
		way, err := load.DialSMTP(d.smtp)
		if err == nil {
			d.took = time.Since(begun)
			return d, way.Close()
		}
		select {
		case err := <-d.ended:
			d.process = nil
			said, _ := os.ReadFile(d.log.Name())
			return nil, fmt.Errorf("the desk did not start: %v\n%s", err, said)
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func (d *ownDesk) pid() int { return d.process.Process.Pid }

// kill ends the desk as a power cut of the process would, and removes what was made
// for it.
func (d *ownDesk) kill() error {
	d.process.Process.Kill()
	<-d.ended
	d.process = nil
	return d.stop()
}

// stop ends the desk and removes what was made for it.
func (d *ownDesk) stop() error {
	var err error
	if d.process != nil {
		d.process.Process.Signal(syscall.SIGTERM)
		select {
		case err = <-d.ended:
		case <-time.After(stopWithin):
			d.process.Process.Kill()
			err = fmt.Errorf("the desk did not end within %s: %w", stopWithin, <-d.ended)
		}
	}
	if d.log != nil {
		err = errors.Join(err, d.log.Close())
	}
	return errors.Join(err, os.RemoveAll(d.folder))
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// account says what became of the messages. With a data folder the desk is asked for
// each of them.
func (o *options) account(ctx context.Context, sent []load.Sent, sink *load.Sink) (*load.Account, error) {
	var messages []*stream.Message
	for _, m := range sent {
		messages = append(messages, m.Message)
	}
	var found []load.Found
	if o.Data != "" {
		caller, err := control.Dial(o.Data)
		if err != nil {
			return nil, err
		}
		var list []control.Ticket
		// What was there before is older than any of these: no more than one
		// ticket can have come of each message.
		if err := caller.Call(ctx, "ticket list", control.Which{Limit: len(sent)}, &list); err != nil {
			return nil, err
		}
		found = []load.Found{}
		for _, t := range list {
			var shown control.Ticket
			if err := caller.Call(ctx, "ticket show", control.Which{Number: t.Number}, &shown); err != nil {
				return nil, err
			}
			for _, e := range shown.Entries {
				found = append(found, load.Found{MessageID: e.MessageID, Ticket: t.Number, Opened: e.Kind == ticket.EntryRequest, Text: e.Text})
			}
		}
	}
	return load.NewAccount(messages, found, sink), nil
}
