package realservers

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// DovecotOptions says what a Dovecot offers.
type DovecotOptions struct {
	// Users are the login names with their passwords. A name with an empty
	// password can only log in with a token.
	Users map[string]string
	// Mail holds the mailboxes; nil: new ones.
	Mail *Mailboxes
	// Tokens, if set, makes XOAUTH2 and OAUTHBEARER available.
	Tokens *Tokens
	// Folders are made in every account beside INBOX; nil: Procesados.
	Folders []string
}

// Dovecot is an IMAP server without TLS on a loopback port.
type Dovecot struct {
	*Mailboxes
	Addr string // host:port
	Host string
	Port int

	daemon *daemon
	start  func(testing.TB)
}

// StartDovecot starts an IMAP server for the length of a test. It runs as nobody
// when the test is root's, otherwise as the caller.
func StartDovecot(tb testing.TB, o DovecotOptions) *Dovecot {
	tb.Helper()
	program := Program(tb, "dovecot", "dovecot-imapd")
	if o.Mail == nil {
		o.Mail = NewMailboxes(tb)
	}
	if o.Folders == nil {
		o.Folders = []string{"Procesados"}
	}
	who := o.Mail.owner
	dir := folder(tb, "dovecot")
	mkdir(tb, who.UID, who.GID, 0o755, dir, filepath.Join(dir, "run"), filepath.Join(dir, "state"))

	d := &Dovecot{Mailboxes: o.Mail, Host: "127.0.0.1", Port: FreePort(tb)}
	d.Addr = net.JoinHostPort(d.Host, strconv.Itoa(d.Port))
	settings := struct {
		account
		Dir, Mail, OAuth string
		Port             int
		Folders          []string
	}{account: who, Dir: dir, Mail: o.Mail.Root, Port: d.Port, Folders: o.Folders}
	if o.Tokens != nil {
		settings.OAuth = o.Tokens.introspectURL
		render(tb, filepath.Join(dir, "oauth2.conf"), "dovecot-oauth2.conf.tmpl", settings)
	}
	conf := filepath.Join(dir, "dovecot.conf")
	render(tb, conf, "dovecot.conf.tmpl", settings)
	var passwd strings.Builder
	for name, password := range o.Users {
		o.Mail.Add(tb, name)
		if password != "" {
			fmt.Fprintf(&passwd, "%s:%s\n", name, password)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "passwd"), []byte(passwd.String()), 0o644); err != nil {
		tb.Fatal(err)
	}

	d.start = func(tb testing.TB) {
		tb.Helper()
		cmd := exec.Command(program, "-F", "-c", conf)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
		// A group of its own, so that the end reaches the children too; and an
		// end by the kernel should the test process die.
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
		if os.Geteuid() == 0 {
			cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(who.UID), Gid: uint32(who.GID)}
		}
		d.daemon = launch(tb, "Dovecot", filepath.Join(dir, "dovecot.log"), cmd)
		d.daemon.await(tb, d.Addr, "* OK")
	}
	d.start(tb)
	return d
}

// Stop ends the server and every connection to it. The mail stays.
func (d *Dovecot) Stop() { d.daemon.stop() }

// Restart starts a stopped server again, on the same port.
func (d *Dovecot) Restart(tb testing.TB) {
	tb.Helper()
	d.Stop()
	d.start(tb)
}
