package world

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"buzon/control"
	"buzon/internal/realservers"
	"buzon/ticket"
)

// Settings of a desk's configuration.
type Settings struct {
	// Smarthost is host:port without TLS; empty: the world's Postfix.
	Smarthost string
	// LMTP is a socket to listen at besides SMTP.
	LMTP string
	// Desk and SMTP are more lines of these sections.
	Desk, SMTP string
	// More is appended: accounts, grants, topics.
	More string
}

// Desk is the program with a configuration and a data folder.
type Desk struct {
	Dir      string
	Config   string // path of its file
	SMTPAddr string
	LMTP     string

	tb      testing.TB
	world   *World
	program string
	web     string
	log     string // path; every run of the process appends
	process *exec.Cmd
	exited  chan struct{}
	exitErr error
}

const configuration = `# A desk for one test.
[desk]
name = "Mesa de ayuda"
hostname = "desk.test"
data = "data"
operators = ["luis"]
notice = "Tratamos sus datos conforme a la Ley 1581 de 2012."
%s
[smtp]
listen = [%q]
%s
[outgoing]
host = %q
port = %s
tls = "plain"
[web]
listen = %q
[log]
level = "info"

[[topic]]
id = "soporte"
name = "Soporte"
addresses = ["soporte@desk.test"]
agent = "ana"
signature = "Oficina de Soporte"
catch_all = true

[[agent]]
id = "ana"
name = "Ana Rojas"
addresses = ["ana@private.test"]

[[agent]]
id = "luis"
name = "Luis Peña"
addresses = ["luis@private.test"]

%s`

// NewDesk writes the configuration of a desk with the topic soporte@desk.test of
// agent Ana, at the address that Postfix relays desk.test to. It is not started
// yet.
func (w *World) NewDesk(s Settings) *Desk {
	w.tb.Helper()
	dir, err := os.MkdirTemp("", "buzon-desk-")
	if err != nil {
		w.tb.Fatal(err)
	}
	w.tb.Cleanup(func() { os.RemoveAll(dir) })
	if s.Smarthost == "" {
		s.Smarthost = w.Postfix.SMTPAddr
	}
	d := &Desk{
		Dir: dir, Config: filepath.Join(dir, "buzon.toml"), tb: w.tb, world: w, program: Program(w.tb), LMTP: s.LMTP,
		SMTPAddr: w.DeskAddr,
		web:      fmt.Sprintf("127.0.0.1:%d", realservers.FreePort(w.tb)),
		log:      filepath.Join(dir, "log"),
	}
	if s.LMTP != "" {
		s.SMTP += fmt.Sprintf("\nlmtp = %q\n", s.LMTP)
	}
	host, hostPort, _ := strings.Cut(s.Smarthost, ":")
	text := fmt.Sprintf(configuration, s.Desk, d.SMTPAddr, s.SMTP, host, hostPort, d.web, s.More)
	if err := os.WriteFile(d.Config, []byte(text), 0o600); err != nil {
		w.tb.Fatal(err)
	}
	w.tb.Cleanup(func() {
		d.Stop()
		if w.tb.Failed() {
			w.tb.Logf("desk log:\n%s", d.Log())
		}
	})
	return d
}

// Secret writes a file that the configuration can name, and returns its name.
func (d *Desk) Secret(name, value string) string {
	d.tb.Helper()
	if err := os.WriteFile(filepath.Join(d.Dir, name), []byte(value+"\n"), 0o600); err != nil {
		d.tb.Fatal(err)
	}
	return name
}

// Append adds text to the configuration.
func (d *Desk) Append(text string) {
	d.tb.Helper()
	have, err := os.ReadFile(d.Config)
	if err == nil {
		err = os.WriteFile(d.Config, append(have, text...), 0o600)
	}
	if err != nil {
		d.tb.Fatal(err)
	}
}

// Start runs the daemon and returns when it answers.
func (d *Desk) Start() {
	d.tb.Helper()
	log, err := os.OpenFile(d.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		d.tb.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(d.program, "serve", "--config", d.Config)
	cmd.Dir = d.Dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		d.tb.Fatal(err)
	}
	exited := make(chan struct{})
	d.process, d.exited = cmd, exited
	go func() {
		d.exitErr = cmd.Wait()
		close(exited)
	}()
	d.Eventually("the desk to answer", func() bool {
		select {
		case <-exited:
			d.process = nil
			d.tb.Fatalf("the desk stopped while starting: %v", d.exitErr)
		default:
		}
		response, err := http.Get("http://" + d.web + "/healthz")
		if err != nil {
			return false
		}
		response.Body.Close()
		return true
	})
}

// PID is the daemon's process id.
func (d *Desk) PID() int { return d.process.Process.Pid }

// Stop ends the daemon as a supervisor does, and fails the test unless it ends
// well and in time.
func (d *Desk) Stop() {
	d.tb.Helper()
	if d.process == nil {
		return
	}
	d.process.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.exited:
		if d.exitErr != nil {
			d.tb.Errorf("the desk ended with %v", d.exitErr)
		}
	case <-time.After(realservers.Patience):
		d.process.Process.Kill()
		<-d.exited
		d.tb.Errorf("the desk did not end within %s of SIGTERM", realservers.Patience)
	}
	d.process = nil
}

// Kill ends the daemon at once, in the midst of whatever it does.
func (d *Desk) Kill() {
	d.tb.Helper()
	if err := d.process.Process.Kill(); err != nil {
		d.tb.Fatal(err)
	}
	<-d.exited
	var ended *exec.ExitError
	if !errors.As(d.exitErr, &ended) || ended.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		d.tb.Fatalf("the desk was gone before it was killed: %v", d.exitErr)
	}
	d.process = nil
}

// Log is what the daemon wrote, in all of its runs.
func (d *Desk) Log() string {
	text, err := os.ReadFile(d.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Run runs a sub-command with --config, and returns what it printed and its exit
// code.
func (d *Desk) Run(args ...string) (stdout, stderr string, code int) {
	d.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), realservers.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, d.program, append(args, "--config", d.Config)...)
	cmd.Dir = d.Dir
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	err := cmd.Run()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		d.tb.Fatalf("buzon %s: %v", strings.Join(args, " "), err)
	}
	return out.String(), problems.String(), cmd.ProcessState.ExitCode()
}

// decode runs a sub-command with --json and reads its answer into out. Exit code
// 1, the answer no, is left to the caller's judgement of the content.
func (d *Desk) decode(out any, args ...string) {
	d.tb.Helper()
	text, problems, code := d.Run(append(args, "--json")...)
	if code > 1 {
		d.tb.Fatalf("buzon %s: exit code %d: %s", strings.Join(args, " "), code, problems)
	}
	if err := json.Unmarshal([]byte(text), out); err != nil {
		d.tb.Fatalf("buzon %s: %v in %q; %s", strings.Join(args, " "), err, text, problems)
	}
}

// Tickets lists all tickets, newest first.
func (d *Desk) Tickets() []control.Ticket {
	d.tb.Helper()
	var list []control.Ticket
	d.decode(&list, "ticket", "list", "--limit", "100000")
	return list
}

// Ticket shows one ticket with its thread.
func (d *Desk) Ticket(n ticket.Number) control.Ticket {
	d.tb.Helper()
	var t control.Ticket
	d.decode(&t, "ticket", "show", n.String())
	return t
}

// Outbox lists all outgoing mail of a state; empty: of any.
func (d *Desk) Outbox(state ticket.OutgoingState) []ticket.Outgoing {
	d.tb.Helper()
	args := []string{"outbox", "list", "--limit", "100000"}
	if state != "" {
		args = append(args, "--state", string(state))
	}
	var list []ticket.Outgoing
	d.decode(&list, args...)
	return list
}

// Quarantine lists what could not be read.
func (d *Desk) Quarantine() []control.Kept {
	d.tb.Helper()
	var list []control.Kept
	d.decode(&list, "quarantine", "list")
	return list
}

// Status is what buzon status says.
func (d *Desk) Status() control.Status {
	d.tb.Helper()
	var st control.Status
	d.decode(&st, "status")
	return st
}

// AwaitConnected waits until the desk has a mailbox open. Mail that comes from
// then on is new to it.
func (d *Desk) AwaitConnected(accounts ...string) {
	d.tb.Helper()
	for _, name := range accounts {
		d.Eventually("account "+name+" to be connected", func() bool {
			for _, a := range d.Status().Health.Accounts {
				if a.Account == name && a.Connected {
					return true
				}
			}
			return false
		})
	}
}

// Settle waits until nothing is under way: Postfix has delivered all that it took,
// and so has the desk.
func (d *Desk) Settle() {
	d.tb.Helper()
	// The desk's mail passes through Postfix, whose mail may be for the desk:
	// both must be idle in one look.
	d.Eventually("all mail to be delivered", func() bool {
		return d.world.Postfix.Queued(d.tb) == "" && d.Status().Figures.Waiting == 0 && d.world.Postfix.Queued(d.tb) == ""
	})
}

// Eventually polls until something holds, and fails the test when it never does.
func (d *Desk) Eventually(what string, holds func() bool) {
	d.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), realservers.Patience)
	defer cancel()
	for !holds() {
		select {
		case <-ctx.Done():
			d.tb.Fatalf("waited %s in vain for %s", realservers.Patience, what)
		case <-time.After(30 * time.Millisecond):
		}
	}
}

// Call runs an operation in the running daemon through its control socket, as
// sub-commands do, for when there are too many to start a process for each.
func (d *Desk) Call(operation string, in control.Which, out any) {
	d.tb.Helper()
	caller, err := control.Dial(filepath.Join(d.Dir, "data"))
	if err == nil {
		err = caller.Call(context.Background(), operation, in, out)
	}
	if err != nil {
		d.tb.Fatalf("%s: %v", operation, err)
	}
}

// Metric sums the samples of a metric that have all of the labels, each written
// as name="value".
func (d *Desk) Metric(name string, labels ...string) float64 {
	d.tb.Helper()
	response, err := http.Get("http://" + d.web + "/metrics")
	if err != nil {
		d.tb.Fatal(err)
	}
	defer response.Body.Close()
	sum := 0.0
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		series, value, ok := strings.Cut(lines.Text(), " ")
		if !ok || series != name && !strings.HasPrefix(series, name+"{") {
			continue
		}
		if slices.ContainsFunc(labels, func(l string) bool { return !strings.Contains(series, l) }) {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			d.tb.Fatalf("metric %q: %v", lines.Text(), err)
		}
		sum += n
	}
	if err := lines.Err(); err != nil {
		d.tb.Fatal(err)
	}
	return sum
}
