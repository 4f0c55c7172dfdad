package torture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"buzon/control"
	"buzon/internal/realservers"
)

// patience is how long anything is waited for before the test fails. It is no
// measure of speed.
const patience = 60 * time.Second

// mailboxAddress is who owns the mailbox that the desk reads, and listenAddress
// is a topic that is written to by SMTP.
const (
	mailboxAddress = "aula@imap.test"
	listenAddress  = "soporte@desk.test"
	password       = "secreto"
)

// settings of a desk's configuration.
type settings struct {
	smarthost   string   // host:port
	imap        string   // host:port; empty: no account
	hide        []string // capabilities of the IMAP server
	after       string   // of the account; default: move
	folders     []string // of the account; default: INBOX
	replyWithin string   // default 2d
	diskFloor   string   // default 1 MB
	quiet       string   // default 0: each message is told by itself
	data        string   // the data folder; default: in the desk's own
	smtp        string   // more lines of [smtp]
	more        string   // appended
}

// desk is the program, run as a process with a configuration and a data folder.
type desk struct {
	dir, data string
	config    string
	smtp      string // host:port
	watched   int    // mailboxes
	// program is what is run, and wrapper what it is run by, such as strace.
	program string
	wrapper []string

	tb     testing.TB
	cmd    *exec.Cmd
	exited chan struct{}
	err    error
}

const configuration = `[desk]
name = "Mesa de ayuda"
hostname = "desk.test"
data = %q
operators = ["luis"]
automatic_per_hour = 1000
quiet = %q
disk_floor = %q
[smtp]
listen = [%q]
%s
[outgoing]
host = %q
port = %s
tls = "plain"
connections = %d
[web]
listen = "off"
[log]
level = "info"
[reminder]
warn = 0
scan = "* * * * *"
repeat = "0s"

[[topic]]
id = "soporte"
name = "Soporte"
addresses = [%q]
agent = "ana"
reply_within = %q
catch_all = true

[[topic]]
id = "aula"
name = "Aula"
addresses = [%q]
agent = "luis"

[[agent]]
id = "ana"
name = "Ana Rojas"
addresses = ["ana@private.test"]

[[agent]]
id = "luis"
name = "Luis Peña"
addresses = ["luis@private.test"]

%s`

// account is the section of a mailbox.
func account(name, imap, username, after string) string {
	host, port, _ := net.SplitHostPort(imap)
	text := fmt.Sprintf("[[account]]\nname = %q\nhost = %q\nport = %s\ntls = \"plain\"\nusername = %q\npassword_file = \"password\"\npoll = \"5s\"\nafter = %q\n",
		name, host, port, username, after)
	if after == "move" {
		text += "move_to = \"Procesados\"\n"
	}
	return text
}

// connections is how many the desk opens to its smarthost.
const connections = 2

func newDesk(tb testing.TB, program string, s settings) *desk {
	tb.Helper()
	dir, err := os.MkdirTemp("", "buzon-desk-")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	d := &desk{dir: dir, data: s.data, config: filepath.Join(dir, "buzon.toml"), program: program, tb: tb,
		smtp: ownAddress(tb)}
	if d.data == "" {
		d.data = filepath.Join(dir, "data")
	}
	d.configure(s)
	tb.Cleanup(func() {
		if d.cmd != nil {
			d.kill()
		}
		if tb.Failed() {
			tb.Logf("desk log:\n%s", d.log())
		}
	})
	return d
}

var addresses atomic.Int64

// ownAddress is where a desk listens in all of its runs. Each has an address of
// this machine to itself: on a shared one, a client might be given the port for
// its end of a connection while the desk is down.
func ownAddress(tb testing.TB) string {
	n := addresses.Add(1)
	return fmt.Sprintf("127.77.%d.%d:%d", n/250, 1+n%250, realservers.FreePort(tb))
}

// configure writes the configuration.
func (d *desk) configure(s settings) {
	d.tb.Helper()
	host, port, _ := net.SplitHostPort(s.smarthost)
	defer func() { d.watched = strings.Count(s.more, "[[account]]") + max(0, len(s.folders)-1) }()
	for value, fallback := range map[*string]string{&s.after: "move", &s.replyWithin: "2d", &s.diskFloor: "1 MB", &s.quiet: "0"} {
		if *value == "" {
			*value = fallback
		}
	}
	if s.imap != "" {
		s.more += account("aula", s.imap, mailboxAddress, s.after)
		if s.folders != nil {
			s.more += fmt.Sprintf("folders = [\"%s\"]\n", strings.Join(s.folders, `", "`))
		}
	}
	text := fmt.Sprintf(configuration, d.data, s.quiet, s.diskFloor, d.smtp, s.smtp, host, port, connections, listenAddress, s.replyWithin, mailboxAddress, s.more)
	for name, content := range map[string]string{d.config: text, filepath.Join(d.dir, "password"): password + "\n"} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			d.tb.Fatal(err)
		}
	}
}

// launch runs the daemon, without waiting for anything.
func (d *desk) launch() {
	d.tb.Helper()
	log, err := os.OpenFile(filepath.Join(d.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		d.tb.Fatal(err)
	}
	defer log.Close()
	args := append(d.wrapper[:len(d.wrapper):len(d.wrapper)], d.program, "serve", "--config", d.config)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = d.dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), "BUZON_FAILPOINTS="+d.plan())
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		d.tb.Fatal(err)
	}
	exited := make(chan struct{})
	d.cmd, d.exited = cmd, exited
	go func() {
		d.err = cmd.Wait()
		close(exited)
	}()
}

// start runs the daemon and returns when it answers, and has the mailboxes open.
func (d *desk) start() {
	d.tb.Helper()
	d.launch()
	d.eventually("the desk to be ready", func() bool {
		if d.gone() {
			d.tb.Fatalf("the desk stopped while starting: %v\n%s", d.err, d.log())
		}
		var st control.Status
		if d.call("status", control.Which{}, &st) != nil {
			return false
		}
		for _, a := range st.Health.Accounts {
			if !a.Connected {
				return false
			}
		}
		return len(st.Health.Accounts) == d.watched
	})
}

// gone tells whether the process has ended.
func (d *desk) gone() bool {
	select {
	case <-d.exited:
		return true
	default:
		return false
	}
}

// call runs an operation through the control socket.
func (d *desk) call(operation string, in control.Which, out any) error {
	caller, err := control.Dial(d.data)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return caller.Call(ctx, operation, in, out)
}

func (d *desk) status() control.Status {
	d.tb.Helper()
	var st control.Status
	if err := d.call("status", control.Which{}, &st); err != nil {
		d.tb.Fatalf("status: %v", err)
	}
	return st
}

// plan is the file that says at which point the process ends.
func (d *desk) plan() string { return filepath.Join(d.dir, "plan") }

// arm has the process end at a point; a running one from now on.
func (d *desk) arm(plan string) {
	d.tb.Helper()
	os.Remove(d.plan() + ".log")
	if err := os.WriteFile(d.plan(), []byte(plan), 0o600); err != nil {
		d.tb.Fatal(err)
	}
	d.read()
}

// setClock has the desk's clock be wrong by so much, from now on and in later runs.
func (d *desk) setClock(wrong time.Duration) {
	d.tb.Helper()
	os.Remove(d.plan() + ".log")
	if err := os.WriteFile(d.plan()+".clock", []byte(wrong.String()), 0o600); err != nil {
		d.tb.Fatal(err)
	}
	d.read()
}

// read has a running desk read its plan.
func (d *desk) read() {
	d.tb.Helper()
	if d.cmd == nil {
		return
	}
	d.cmd.Process.Signal(syscall.SIGUSR1)
	d.eventually("the plan to be read", func() bool { return len(d.passed()) > 0 })
}

// passed is what the armed points noted: first that they are armed, and then each
// step that was passed.
func (d *desk) passed() []string {
	text, _ := os.ReadFile(d.plan() + ".log")
	return strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' })
}

// died waits until the process has ended itself at the point that its plan ends
// with, and returns how often that was passed.
func (d *desk) died() (hits int) {
	d.tb.Helper()
	select {
	case <-d.exited:
	case <-time.After(limit(d.tb)):
		d.tb.Fatalf("the point was not reached within %s; passed: %q", limit(d.tb), d.passed())
	}
	if !killed(d.err) {
		d.tb.Fatalf("the desk ended by itself: %v\n%s", d.err, d.log())
	}
	d.cmd = nil
	passed := d.passed()
	for _, line := range passed {
		if line == passed[len(passed)-1] && strings.HasPrefix(line, "passed ") {
			hits++
		}
	}
	if err := os.Remove(d.plan()); err != nil {
		d.tb.Fatal(err)
	}
	return hits
}

// kill ends the process from outside.
func (d *desk) kill() {
	d.cmd.Process.Kill()
	<-d.exited
	d.cmd = nil
}

// killed tells whether a process was ended by SIGKILL.
func killed(err error) bool {
	var ended *exec.ExitError
	return errors.As(err, &ended) && ended.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
}

// stop ends the daemon as a supervisor does.
func (d *desk) stop() {
	d.tb.Helper()
	d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.exited:
		if d.err != nil {
			d.tb.Errorf("the desk ended with %v", d.err)
		}
	case <-time.After(patience):
		d.cmd.Process.Kill()
		<-d.exited
		d.tb.Errorf("the desk did not end within %s of SIGTERM", patience)
	}
	d.cmd = nil
}

// exit waits for the daemon to end by itself, and returns its exit code.
func (d *desk) exit() int {
	d.tb.Helper()
	select {
	case <-d.exited:
	case <-time.After(patience):
		d.tb.Fatalf("the desk did not end within %s\n%s", patience, d.log())
	}
	code := d.cmd.ProcessState.ExitCode()
	d.cmd = nil
	return code
}

// sub runs a sub-command, and returns what it printed and its exit code.
func (d *desk) sub(args ...string) (text string, code int) {
	d.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, d.program, append(args, "--config", d.config)...)
	cmd.Dir = d.dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		d.tb.Fatalf("buzon %s: %v", strings.Join(args, " "), err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

func (d *desk) log() string {
	text, err := os.ReadFile(filepath.Join(d.dir, "log"))
	if err != nil {
		return err.Error()
	}
	const most = 20_000
	return string(text[max(0, len(text)-most):])
}

// limit is how long a test waits for anything.
func limit(tb testing.TB) time.Duration {
	if _, ok := tb.(*witness); ok {
		return 10 * time.Second // what is waited for may never come
	}
	return patience
}

func (d *desk) eventually(what string, holds func() bool) {
	d.tb.Helper()
	eventually(d.tb, what, holds)
}

// eventually polls until something holds, and fails the test when it never does.
func eventually(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	for end := time.Now().Add(limit(tb)); !holds(); time.Sleep(15 * time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("waited %s in vain for %s", limit(tb), what)
		}
	}
}
