// Package realservers runs Dovecot and Postfix for tests: private instances on
// loopback ports, each in a folder of its own that is removed at the end. They
// are the real servers of the operating system, so what a test shows with them
// holds in production. Debian 12 has the versions that the configuration is
// written for: Dovecot 2.3 and Postfix 3.7.
package realservers

import (
	"bufio"
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"
)

//go:embed *.tmpl
var templateFiles embed.FS

var templates = template.Must(template.New("").Option("missingkey=error").ParseFS(templateFiles, "*.tmpl"))

// Patience is how long the package waits for anything before it fails the test.
// It is no measure of speed: whatever is slower than this is broken.
const Patience = 60 * time.Second

// RequireVariable is the environment variable that turns "the servers are not
// here" from a reason to skip into a failure. CI does the same.
const RequireVariable = "BUZON_REQUIRE_SERVERS"

// Required tells whether a test must fail when it can't have its servers.
func Required() bool { return os.Getenv("CI") != "" || os.Getenv(RequireVariable) != "" }

// missing ends a test that can't have its servers: skipped, or failed when the
// servers are required.
func missing(tb testing.TB, why, how string) {
	tb.Helper()
	if Required() {
		tb.Fatalf("%s (CI or %s is set); %s", why, RequireVariable, how)
	}
	tb.Skipf("DID NOT RUN: %s; %s", why, how)
}

// Program finds a program in PATH or in the folders of system programs. Without
// it the test is skipped, or fails when the servers are required; Debian's
// package of that name has it.
func Program(tb testing.TB, name, debianPackage string) string {
	tb.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/lib/postfix/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	missing(tb, name+" is not installed",
		"on Debian: apt-get install --no-install-recommends "+debianPackage)
	return ""
}

// account is the unprivileged user that servers and mail belong to: nobody when
// the test runs as root, otherwise the caller.
type account struct {
	User, Group string
	UID, GID    int
}

func unprivileged(tb testing.TB) account {
	tb.Helper()
	u, err := user.Current()
	if os.Geteuid() == 0 {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		tb.Fatalf("looking up the user to run servers as: %v", err)
	}
	g, err := user.LookupGroupId(u.Gid)
	if err != nil {
		tb.Fatalf("looking up the group of %s: %v", u.Username, err)
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	if err := errors.Join(err1, err2); err != nil {
		tb.Fatalf("user %s: %v", u.Username, err)
	}
	return account{User: u.Username, Group: g.Name, UID: uid, GID: gid}
}

// folder makes a folder that other users may enter, and removes it at the end.
// Its path is short, because the servers make unix sockets below it and those
// are limited to 107 octets; that rules out tb.TempDir.
func folder(tb testing.TB, name string) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "buzon-"+name+"-")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Errorf("removing %s: %v", dir, err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// mkdir makes folders below dir that belong to uid and gid.
func mkdir(tb testing.TB, uid, gid int, mode os.FileMode, paths ...string) {
	tb.Helper()
	for _, path := range paths {
		if err := os.MkdirAll(path, mode); err != nil {
			tb.Fatal(err)
		}
		if os.Geteuid() == 0 {
			if err := os.Chown(path, uid, gid); err != nil {
				tb.Fatal(err)
			}
		}
		// The mask of the process, and a change of owner, take bits away.
		if err := os.Chmod(path, mode); err != nil {
			tb.Fatal(err)
		}
	}
}

// render writes a configuration file from its template.
func render(tb testing.TB, path, name string, data any) {
	tb.Helper()
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, data); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		tb.Fatal(err)
	}
}

// FreePort returns a loopback port that nobody listens on.
func FreePort(tb testing.TB) int {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("finding a free port: %v", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// daemon is a running server with all of its children.
type daemon struct {
	name    string
	cmd     *exec.Cmd
	exited  chan struct{} // closed when the parent process is gone
	err     error         // valid once exited is closed
	logFile string
	outFile string // what it wrote beside its log
}

// launch starts a server in the foreground. At the end of the test it is stopped
// if it still runs, and its log is shown if the test failed.
func launch(tb testing.TB, name, logFile string, cmd *exec.Cmd) *daemon {
	tb.Helper()
	d := &daemon{name: name, cmd: cmd, exited: make(chan struct{}), logFile: logFile, outFile: logFile + ".out"}
	// A file, not a pipe: the children inherit it, and waiting for the parent
	// must not mean waiting for them.
	output, err := os.Create(d.outFile)
	if err != nil {
		tb.Fatal(err)
	}
	defer output.Close()
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		tb.Fatalf("starting %s: %v", name, err)
	}
	go func() {
		d.err = cmd.Wait()
		close(d.exited)
	}()
	tb.Cleanup(func() {
		d.stop()
		if tb.Failed() {
			tb.Logf("%s log:\n%s%s", name, tail(d.logFile, 120), tail(d.outFile, 20))
		}
	})
	return d
}

// stop ends the server and every process of its group. Calling it again does
// nothing.
func (d *daemon) stop() {
	pid := d.cmd.Process.Pid
	select {
	case <-d.exited:
	default:
		d.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-d.exited:
		case <-time.After(10 * time.Second):
			d.cmd.Process.Kill()
			<-d.exited
		}
	}
	// What is left of the group has lost its parent.
	syscall.Kill(-pid, syscall.SIGKILL)
}

// await returns when the server greets on a port. It fails the test when the
// server exits first or Patience ends.
func (d *daemon) await(tb testing.TB, addr, greeting string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), Patience)
	defer cancel()
	var err error
	for {
		if err = greets(ctx, addr, greeting); err == nil {
			return
		}
		select {
		case <-d.exited:
			tb.Fatalf("%s stopped while starting: %v", d.name, d.err)
		case <-ctx.Done():
			tb.Fatalf("%s does not answer on %s: %v", d.name, addr, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func greets(ctx context.Context, addr, greeting string) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err
	}
	if !strings.HasPrefix(line, greeting) {
		return fmt.Errorf("greeting %q", line)
	}
	return nil
}

// tail returns the last n lines of a file, or why it can't.
func tail(path string, n int) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error() + "\n"
	}
	lines := strings.SplitAfter(string(b), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "")
}

// poll waits until something holds, and fails the test after Patience.
func poll(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), Patience)
	defer cancel()
	for !holds() {
		select {
		case <-ctx.Done():
			tb.Fatalf("waited %s in vain for %s", Patience, what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
