package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"time"

	buzon "buzon"
	"buzon/internal/postoffice"
	"buzon/routing"
)

type demoCmd struct {
	Data string `help:"Keep the state in this folder; without it, it is gone at the end." placeholder:"DIR" type:"path"`
	Once bool   `help:"End after the story."`

	Explain bool `help:"Start nothing: tell what is decided about each of the demo's messages, and why."`

	Tickets int    `help:"No story: fill the folder of --data with so many tickets, as they come of mail, for trying out at scale." placeholder:"N"`
	Config  string `help:"With --tickets: fill it for this configuration instead of the example's." placeholder:"FILE" type:"path"`
}

// People of the demo. Everyone's password is the same.
const (
	demoPassword = "demo"
	demoSupport  = "soporte@virtual.example"
	demoStudent  = "laura.rojas@estudiantes.example"
	demoTeacher  = "carlos.mejia@docentes.example"
	demoOther    = "diana.pardo@estudiantes.example"
)

// Run starts the desk on the embedded example configuration beside a post office
// in memory, and plays the story.
func (c *demoCmd) Run(e *env) error {
	if c.Tickets > 0 {
		return c.fill(e)
	}
	if c.Explain {
		return explainDemo(e.stdout, time.Now())
	}
	table, err := routing.Parse("config.example.toml", buzon.ExampleConfig)
	if err != nil {
		return err
	}
	data := c.Data
	if data == "" {
		if data, err = os.MkdirTemp("", "buzon-demo-"); err != nil {
			return err
		}
		defer os.RemoveAll(data)
	}
	office, err := openOffice(table)
	if err != nil {
		return err
	}
	defer office.Close()
	if err := pointAt(table.Config, office); err != nil {
		return err
	}
	say := &narrator{out: e.stdout}
	d, err := startDaemon(e.ctx, daemonOptions{
		table: table, data: data, log: slog.New(say),
		load:   func() (*routing.Table, error) { return nil, errors.New("the demo's configuration is fixed") },
		secret: func(string, string) (string, error) { return demoPassword, nil },
	})
	if err != nil {
		return err
	}
	defer d.stop()

	s := &story{ctx: e.ctx, desk: d, office: office, say: say}
	s.welcome()
	if err := s.tell(); err != nil {
		return fmt.Errorf("the story broke off: %w", err)
	}
	if c.Once {
		return d.stop()
	}
	s.invite(c.Data)
	<-e.ctx.Done()
	fmt.Fprintln(e.stdout)
	return d.stop()
}

// openOffice makes the mailboxes: the support account, which gets whatever no
// one else in its domains gets, the agents, and a few people who write.
func openOffice(table *routing.Table) (*postoffice.Office, error) {
	office, err := postoffice.New(postoffice.Options{
		IMAPAddr: free("127.0.0.1:1143"), SMTPAddr: free("127.0.0.1:1587"), Fallback: demoSupport,
	})
	if err != nil {
		return nil, err
	}
	office.AddUser(demoSupport, demoPassword)
	for _, t := range table.Topics {
		office.AddUser(demoSupport, demoPassword, t.Addresses...)
	}
	for _, a := range table.Agents {
		office.AddUser(a.Addresses[0], demoPassword, a.Addresses...)
	}
	for _, person := range []string{demoStudent, demoTeacher, demoOther} {
		office.AddUser(person, demoPassword)
	}
	return office, nil
}

// pointAt makes the configuration's servers those of the post office.
func pointAt(c *routing.Config, office *postoffice.Office) error {
	at := func(address string, host *string, port *int, l *routing.Login, user string) error {
		h, p, err := net.SplitHostPort(address)
		if err != nil {
			return err
		}
		*host = h
		*port, err = strconv.Atoi(p)
		*l = routing.Login{TLS: "plain", Auth: "password", Username: user}
		return err
	}
	for i := range c.Accounts {
		a := &c.Accounts[i]
		a.AuthservID = "" // the post office writes no Authentication-Results
		a.Poll = routing.Duration(2 * time.Second)
		if err := at(office.IMAPAddr(), &a.Host, &a.Port, &a.Login, demoSupport); err != nil {
			return err
		}
	}
	c.Desk.Quiet = 0 // the story is too short to wait for it
	c.SMTP.Listen = []string{free("127.0.0.1:2525")}
	c.SMTP.LMTP = ""
	c.Web.Listen = free("127.0.0.1:8025")
	return at(office.SMTPAddr(), &c.Outgoing.Host, &c.Outgoing.Port, &c.Outgoing.Login, demoSupport)
}

// free returns the address, or one with another port when that one is taken.
func free(address string) string {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return "127.0.0.1:0"
	}
	ln.Close()
	return address
}

// narrator tells a terminal what the desk's log says, a line a fact.
type narrator struct {
	out   io.Writer
	attrs []slog.Attr
}

// Enabled leaves out what is for debugging.
func (n *narrator) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }

// WithGroup is not used by the desk.
func (n *narrator) WithGroup(string) slog.Handler { return n }

// WithAttrs remembers what holds for all of a message's facts.
func (n *narrator) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &narrator{n.out, append(append([]slog.Attr{}, n.attrs...), attrs...)}
}
