// Package world is what stands around a desk in end-to-end tests: real Dovecot
// and Postfix servers, people with mailboxes who reply as mail clients do, and
// the program itself as a process of its own, driven by its configuration file,
// its command line and signals alone.
package world

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"buzon/internal/realservers"
)

// The people. Agents have their mail at a domain that no requester may ever see.
const (
	Maria = "maria@uni.test"    // a requester
	Pedro = "pedro@uni.test"    // another one
	Ana   = "ana@private.test"  // an agent
	Luis  = "luis@private.test" // an agent, and the operator

	AnaPassword = "clave de ana"
	// PrivateDomain is what must not leak.
	PrivateDomain = "private.test"
	// RelayDomain is the domain that Postfix relays to the desk.
	RelayDomain = "desk.test"
	// MailboxDomain is the domain whose mailboxes the desk reads by IMAP.
	MailboxDomain = "imap.test"
)

// World is the servers and the mailboxes.
type World struct {
	*realservers.Mailboxes
	Postfix *realservers.Postfix
	Dovecot *realservers.Dovecot // nil without accounts
	// DeskAddr is where Postfix relays RelayDomain to, host:port.
	DeskAddr string

	tb testing.TB
}

// Options of a world.
type Options struct {
	// Accounts are the mailboxes at MailboxDomain with their passwords. The
	// people's mailboxes are there anyway.
	Accounts map[string]string
	// Tokens, if set, lets accounts log in with tokens.
	Tokens *realservers.Tokens
	// IMAP starts Dovecot even without accounts.
	IMAP bool
	// SizeLimit of a message at Postfix, in octets; 0: 50 MB.
	SizeLimit int64
	// Users are more addresses with a mailbox at Postfix.
	Users []string
}

// New starts the servers for the length of a test.
func New(tb testing.TB, o Options) *World {
	tb.Helper()
	port := realservers.FreePort(tb)
	w := &World{Mailboxes: realservers.NewMailboxes(tb), DeskAddr: fmt.Sprintf("127.0.0.1:%d", port), tb: tb}
	users := append([]string{Maria, Pedro, Ana, Luis}, o.Users...)
	logins := map[string]string{Ana: AnaPassword}
	for name, password := range o.Accounts {
		users = append(users, name)
		logins[name] = password
	}
	w.Postfix = realservers.StartPostfix(tb, realservers.PostfixOptions{
		Users: users, Mail: w.Mailboxes, SizeLimit: o.SizeLimit,
		Relay: map[string]string{RelayDomain: fmt.Sprintf("smtp:[127.0.0.1]:%d", port)},
	})
	if o.IMAP || len(o.Accounts) > 0 {
		w.Dovecot = realservers.StartDovecot(tb, realservers.DovecotOptions{
			Users: logins, Mail: w.Mailboxes, Tokens: o.Tokens,
		})
	}
	return w
}

// Send hands a message to Postfix as a client does, and fails the test when it is
// refused.
func (w *World) Send(from, to string, raw []byte) {
	w.tb.Helper()
	if err := realservers.Send(w.Postfix.SMTPAddr, from, []string{to}, raw); err != nil {
		w.tb.Fatalf("sending from %s to %s: %v", from, to, err)
	}
}

// Inbox is what is in a person's INBOX, oldest first.
func (w *World) Inbox(user string) []realservers.Mail {
	w.tb.Helper()
	return w.Mail(w.tb, user, "INBOX")
}

// Await waits for the first message of a person that matches.
func (w *World) Await(user, what string, match func(realservers.Mail) bool) realservers.Mail {
	w.tb.Helper()
	return w.Wait(w.tb, user, what, match)
}

// AwaitText waits for the first message of a person that says something.
func (w *World) AwaitText(user, text string) realservers.Mail {
	w.tb.Helper()
	return w.Await(user, fmt.Sprintf("a mail with %q", text), func(m realservers.Mail) bool {
		return strings.Contains(m.Text(), text)
	})
}

// program is the built program.
var program = struct {
	sync.Once
	dir, path string
	err       error
}{}

// BuildFlagsVariable holds more flags for go build, such as -race.
const BuildFlagsVariable = "BUZON_BUILD_FLAGS"

// Program builds the program, once for all tests of a package, and returns its
// path.
func Program(tb testing.TB) string {
	tb.Helper()
	program.Do(func() {
		if program.dir, program.err = os.MkdirTemp("", "buzon-e2e-"); program.err != nil {
			return
		}
		program.path = filepath.Join(program.dir, "buzon")
		args := append([]string{"build", "-o", program.path}, strings.Fields(os.Getenv(BuildFlagsVariable))...)
		out, err := exec.Command("go", append(args, "buzon/cmd/buzon")...).CombinedOutput()
		if err != nil {
			program.err = fmt.Errorf("building the program: %w\n%s", err, out)
		}
	})
	if program.err != nil {
		tb.Fatal(program.err)
	}
	return program.path
}

// Main runs a package's tests and removes the program afterwards. Call it from
// TestMain.
func Main(m *testing.M) {
	code := m.Run()
	if program.dir != "" {
		os.RemoveAll(program.dir)
	}
	os.Exit(code)
}
