package realservers

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// PostfixOptions says what a Postfix delivers and relays.
type PostfixOptions struct {
	// Users are the addresses with a mailbox here. Their domains are local:
	// other addresses in them are refused. address+detail reaches address.
	Users []string
	// Mail holds the mailboxes; nil: new ones.
	Mail *Mailboxes
	// Relay says where mail for a domain goes: smtp:[127.0.0.1]:PORT or
	// lmtp:unix:/PATH.
	Relay map[string]string
	// SizeLimit of a message in octets; 0: 50 MB.
	SizeLimit int64
}

// Postfix is an SMTP server on a loopback port that delivers to mailboxes,
// relays some domains, takes mail for anyone from loopback, and returns what it
// can't deliver to its sender.
type Postfix struct {
	*Mailboxes
	SMTPAddr string // host:port
	Host     string
	Port     int
	Hostname string // its name in greetings and Received

	dir    string
	tools  string // folder of postqueue and the like
	daemon *daemon
}

// StartPostfix starts an SMTP server for the length of a test. Postfix's master
// must be started by root: for others the test is skipped like one whose servers
// are not installed.
func StartPostfix(tb testing.TB, o PostfixOptions) *Postfix {
	tb.Helper()
	program := Program(tb, "postfix", "postfix")
	if os.Geteuid() != 0 {
		missing(tb, "Postfix can only be started by root", "run it by root, for instance: sudo -E make e2e")
	}
	if o.Mail == nil {
		o.Mail = NewMailboxes(tb)
	}
	if o.SizeLimit == 0 {
		o.SizeLimit = 50 << 20
	}
	p := &Postfix{
		Mailboxes: o.Mail, Host: "127.0.0.1", Port: FreePort(tb), Hostname: "mx.uni.test",
		dir: folder(tb, "postfix"), tools: filepath.Dir(program),
	}
	p.SMTPAddr = net.JoinHostPort(p.Host, strconv.Itoa(p.Port))

	var domains []string
	var mailboxes strings.Builder
	for _, address := range o.Users {
		o.Mail.Add(tb, address)
		_, domain, _ := strings.Cut(address, "@")
		domains = append(domains, domain)
		fmt.Fprintf(&mailboxes, "%s %s/\n", address, address)
	}
	slices.Sort(domains)
	etc := filepath.Join(p.dir, "etc")
	mkdir(tb, 0, 0, 0o755, etc)
	p.folders(tb)
	p.write(tb, "mailboxes", mailboxes.String())
	p.write(tb, "transport", transportMap(o.Relay))
	settings := struct {
		account
		Dir, Mail, Hostname, Domains string
		Port, NobodyPort             int
		SizeLimit                    int64
	}{o.Mail.owner, p.dir, o.Mail.Root, p.Hostname, strings.Join(slices.Compact(domains), " "), p.Port, FreePort(tb), o.SizeLimit}
	render(tb, filepath.Join(etc, "main.cf"), "main.cf.tmpl", settings)
	render(tb, filepath.Join(etc, "master.cf"), "master.cf.tmpl", settings)

	// The master in person, not "postfix start": it then stays our child. It
	// makes itself a session leader, which gives it a process group; it must
	// not lead one before, or it would fork away.
	cmd := exec.Command(p.master(tb), "-c", etc, "-s")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "MAIL_CONFIG=" + etc}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	p.daemon = launch(tb, "Postfix", filepath.Join(p.dir, "postfix.log"), cmd)
	p.daemon.await(tb, p.SMTPAddr, "220 ")
	return p
}

// master finds Postfix's master program, which is in no one's PATH.
func (p *Postfix) master(tb testing.TB) string {
	tb.Helper()
	out, err := exec.Command(filepath.Join(p.tools, "postconf"), "-c", filepath.Join(p.dir, "etc"), "-h", "daemon_directory").Output()
	if err != nil {
		tb.Fatalf("asking postconf where Postfix keeps its programs: %v", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "master")
}

// folders makes the queue as the post-install script of Postfix would.
func (p *Postfix) folders(tb testing.TB) {
	tb.Helper()
	owner, err := user.Lookup("postfix")
	if err != nil {
		tb.Fatalf("Postfix's user: %v", err)
	}
	group, err := user.LookupGroup("postdrop")
	if err != nil {
		tb.Fatalf("Postfix's group: %v", err)
	}
	uid, _ := strconv.Atoi(owner.Uid)
	gid, _ := strconv.Atoi(owner.Gid)
	drop, _ := strconv.Atoi(group.Gid)
	queue := filepath.Join(p.dir, "queue")
	mkdir(tb, 0, 0, 0o755, queue, filepath.Join(queue, "pid"))
	mkdir(tb, uid, gid, 0o700, filepath.Join(p.dir, "data"))
	for _, name := range []string{"active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace"} {
		mkdir(tb, uid, gid, 0o700, filepath.Join(queue, name))
	}
	mkdir(tb, uid, drop, 0o730|os.ModeSticky, filepath.Join(queue, "maildrop"))
	mkdir(tb, uid, drop, 0o710|os.ModeSetgid, filepath.Join(queue, "public"))
}

func (p *Postfix) write(tb testing.TB, name, content string) {
	tb.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(content), 0o644); err != nil {
		tb.Fatal(err)
	}
}

func transportMap(relay map[string]string) string {
	var b strings.Builder
	for domain, hop := range relay {
		fmt.Fprintf(&b, "%s %s\n", domain, hop)
	}
	return b.String()
}

// SetRelay replaces where mail for domains goes, and reloads.
func (p *Postfix) SetRelay(tb testing.TB, relay map[string]string) {
	tb.Helper()
	p.write(tb, "transport", transportMap(relay))
	if err := p.daemon.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		tb.Fatalf("reloading Postfix: %v", err)
	}
	p.Flush(tb)
}

// Flush has Postfix try everything in its queue at once.
func (p *Postfix) Flush(tb testing.TB) {
	tb.Helper()
	p.tool(tb, "postqueue", "-f")
}

// Queued returns what Postfix has not got rid of, one JSON object a line, as
// postqueue -j prints it; empty when nothing waits.
func (p *Postfix) Queued(tb testing.TB) string {
	tb.Helper()
	return p.tool(tb, "postqueue", "-j")
}

func (p *Postfix) tool(tb testing.TB, name string, args ...string) string {
	tb.Helper()
	cmd := exec.Command(filepath.Join(p.tools, name), append([]string{"-c", filepath.Join(p.dir, "etc")}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		tb.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// Log returns the last lines of Postfix's log.
func (p *Postfix) Log() string { return tail(p.daemon.logFile, 200) }

// Stop ends the server. What it had queued is gone with it at the end of the test.
func (p *Postfix) Stop() { p.daemon.stop() }

// SocketFolder makes a folder for sockets that Postfix may connect to: a socket
// made there belongs to Postfix's group, as the bit for that on the folder says.
// A path in it fits an lmtp:unix: transport.
func (p *Postfix) SocketFolder(tb testing.TB) string {
	tb.Helper()
	owner, err := user.Lookup("postfix")
	if err != nil {
		tb.Fatalf("Postfix's user: %v", err)
	}
	gid, err := strconv.Atoi(owner.Gid)
	if err != nil {
		tb.Fatal(err)
	}
	dir := folder(tb, "sockets")
	mkdir(tb, os.Getuid(), gid, 0o750|os.ModeSetgid, dir)
	return dir
}
