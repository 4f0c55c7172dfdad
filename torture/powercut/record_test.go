package powercut

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	gosync "sync"
	"syscall"
	"testing"
	"time"

	"buzon/internal/postoffice"
	"buzon/internal/realservers"
	"buzon/store"
)

const (
	mailbox = "aula@imap.test"
	agent   = "ana@private.test"
)

const configuration = `[desk]
name = "Mesa de ayuda"
hostname = "desk.test"
data = %q
operators = ["ana"]
automatic_per_hour = 1000
quiet = "0"
disk_floor = "1 MB"
[smtp]
listen = [%q]
[outgoing]
host = %q
port = %s
tls = "plain"
[web]
listen = %q
[[account]]
name = "aula"
host = %q
port = %s
tls = "plain"
username = %q
password_file = "password"
after = "move"
move_to = "Procesados"
[[topic]]
id = "soporte"
name = "Soporte"
addresses = ["soporte@desk.test", %q]
agent = "ana"
catch_all = true
[[agent]]
id = "ana"
name = "Ana Rojas"
addresses = [%q]
`

// recorder runs a desk under strace and plays the world around it.
type recorder struct {
	tb      testing.TB
	strace  string
	program string
	dir     string // of the configuration
	root    string // what is recorded; the data folder is two below it
	smtp    string // host:port of the desk
	web     string
	office  *postoffice.Office // smarthost and mailboxes

	log  Log
	runs int

	mu       gosync.Mutex
	promises []Promise
}

// hasty writes an overlay for building a program that brings index rows to their
// places all the time, few at once, so that a cut comes in the midst of that, too.
func hasty(dir string) (overlay string, err error) {
	source, err := filepath.Abs("../../store/notes.go")
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(source)
	if err != nil {
		return "", err
	}
	for old, now := range map[string]string{"notesGathered = 32768": "notesGathered = 100", "placedAtLeast = 64": "placedAtLeast = 4"} {
		if !bytes.Contains(text, []byte(old)) {
			return "", fmt.Errorf("%s has no %q", source, old)
		}
		text = bytes.ReplaceAll(text, []byte(old), []byte(now))
	}
	changed := filepath.Join(dir, "notes.go")
	overlay = filepath.Join(dir, "overlay.json")
	list, err := json.Marshal(map[string]map[string]string{"Replace": {source: changed}})
	if err != nil {
		return "", err
	}
	return overlay, errors.Join(os.WriteFile(changed, text, 0o600), os.WriteFile(overlay, list, 0o600))
}

func newRecorder(tb testing.TB) *recorder {
	tb.Helper()
	r := &recorder{tb: tb, strace: realservers.Program(tb, "strace", "strace"), dir: tb.TempDir()}
	r.root, r.program = filepath.Join(r.dir, "disk"), filepath.Join(r.dir, "buzon")
	overlay, err := hasty(r.dir)
	if err != nil {
		tb.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-overlay", overlay, "-o", r.program, "buzon/cmd/buzon").CombinedOutput(); err != nil {
		tb.Fatalf("building the program: %v\n%s", err, out)
	}
	r.office, err = postoffice.New(postoffice.Options{Intercept: r.sent})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { r.office.Close() })
	r.office.AddUser(mailbox, "secreto")
	r.smtp, r.web = freeAddress(tb), freeAddress(tb)
	smartHost, smartPort, _ := net.SplitHostPort(r.office.SMTPAddr())
	imapHost, imapPort, _ := net.SplitHostPort(r.office.IMAPAddr())
	text := fmt.Sprintf(configuration, r.data(), r.smtp, smartHost, smartPort, r.web, imapHost, imapPort, mailbox, mailbox, agent)
	for name, content := range map[string]string{"buzon.toml": text, "password": "secreto\n"} {
		if err := os.WriteFile(filepath.Join(r.dir, name), []byte(content), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	if err := os.Mkdir(r.root, 0o700); err != nil {
		tb.Fatal(err)
	}
	return r
}

func (r *recorder) data() string { return filepath.Join(r.root, "desk", "data") }

func freeAddress(tb testing.TB) string {
	return "127.0.0.1:" + strconv.Itoa(realservers.FreePort(tb))
}

// promise notes what the outside knows by now.
func (r *recorder) promise(p Promise) {
	p.At = time.Now()
	r.mu.Lock()
	r.promises = append(r.promises, p)
	r.mu.Unlock()
}

// sent takes mail that the desk sends.
func (r *recorder) sent(_, to string, raw []byte) bool {
	if to == mailbox {
		return false
	}
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		r.tb.Errorf("the desk sent what is no mail: %v", err)
		return true
	}
	r.promise(Promise{Sent: strings.Trim(m.Header.Get("Message-Id"), "<>")})
	return true
}

// run is one life of the daemon.
type run struct {
	r      *recorder
	trace  string
	cmd    *exec.Cmd
	output bytes.Buffer
	exited chan struct{}
}

// start runs the daemon and returns when it answers or has ended. kill, if not
// empty, is at which call it is killed, as strace's option inject has it.
func (r *recorder) start(kill string) *run {
	r.tb.Helper()
	r.runs++
	u := &run{r: r, trace: filepath.Join(r.dir, fmt.Sprintf("trace.%d", r.runs)), exited: make(chan struct{})}
	args := append(TraceArguments(u.trace), "--seccomp-bpf")
	if kill != "" {
		args = append(TraceArguments(u.trace), "--inject="+kill)
	}
	u.cmd = exec.Command(r.strace, append(args, r.program, "serve", "--config", filepath.Join(r.dir, "buzon.toml"))...)
	u.cmd.Dir = r.dir
	u.cmd.Stdout, u.cmd.Stderr = &u.output, &u.output
	u.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := u.cmd.Start(); err != nil {
		r.tb.Fatal(err)
	}
	go func() {
		u.cmd.Wait()
		close(u.exited)
	}()
	r.tb.Cleanup(func() {
		// The group is strace and the daemon, and nothing else.
		if !u.ended() {
			syscall.Kill(-u.cmd.Process.Pid, syscall.SIGKILL)
			<-u.exited
		}
		if r.tb.Failed() {
			r.tb.Logf("what the daemon said in run %s:\n%s", filepath.Ext(u.trace)[1:], tail(u.output.String(), 1500))
		}
	})
	r.eventually("the desk to answer", func() bool {
		if u.ended() {
			return true
		}
		response, err := http.Get("http://" + r.web + "/healthz")
		if err != nil {
			return false
		}
		response.Body.Close()
		return true
	})
	return u
}

// looking waits until the desk has had its first look at the mailbox: what lies
// there before it stays there.
func (r *recorder) looking() {
	r.tb.Helper()
	r.eventually("the desk to look at its mailbox", func() bool {
		response, err := http.Get("http://" + r.web + "/metrics")
		if err != nil {
			return false
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		return err == nil && connected.Match(text)
	})
}

var connected = regexp.MustCompile(`(?m)^buzon_mailbox_connected\{.*\} 1$`)

func (u *run) ended() bool {
	select {
	case <-u.exited:
		return true
	default:
		return false
	}
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// stop ends the daemon with SIGTERM, which must do, and reads the recording.
func (u *run) stop() {
	u.r.tb.Helper()
	u.terminate()
	if code := u.cmd.ProcessState.ExitCode(); code != 0 {
		u.r.tb.Fatalf("the desk ended with %d\n%s", code, u.output.String())
	}
}

// terminate ends the daemon, unless it has ended, and reads the recording. It
// returns whether it was killed.
func (u *run) terminate() (killed bool) {
	u.r.tb.Helper()
	// strace itself passes no signals on. The daemon is what it traced first.
	trace, err := os.Open(u.trace)
	if err != nil {
		u.r.tb.Fatal(err)
	}
	var pid int
	_, err = fmt.Fscan(trace, &pid)
	trace.Close()
	if err == nil && !u.ended() {
		err = syscall.Kill(pid, syscall.SIGTERM)
	}
	if err != nil && !errors.Is(err, syscall.ESRCH) {
		u.r.tb.Fatalf("stopping the desk: %v\n%s", err, u.output.String())
	}
	u.finish()
	// strace ends by the signal that ended the daemon.
	status, ok := u.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// finish waits for the daemon's end and reads the recording.
func (u *run) finish() {
	u.r.tb.Helper()
	u.r.eventually("the desk to end", u.ended)
	trace, err := os.Open(u.trace)
	if err == nil {
		err = u.r.log.Parse(trace, u.r.root)
		err = errors.Join(err, trace.Close(), os.Remove(u.trace))
	}
	if err != nil {
		u.r.tb.Fatal(err)
	}
}

func (r *recorder) eventually(what string, holds func() bool) {
	r.tb.Helper()
	deadline := time.NewTimer(realservers.Patience)
	defer deadline.Stop()
	for !holds() {
		select {
		case <-deadline.C:
			r.tb.Fatalf("waited %s in vain for %s", realservers.Patience, what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// book reads the data folder as it is now, from a copy.
func (r *recorder) book() *Book {
	r.tb.Helper()
	dir := filepath.Join(r.tb.TempDir(), "data")
	if err := os.CopyFS(dir, dataFiles{os.DirFS(r.data())}); err != nil {
		r.tb.Fatal(err)
	}
	s, err := store.Open(dir, store.Options{})
	if err != nil {
		r.tb.Fatal(err)
	}
	defer s.Close()
	b, err := Read(s)
	if err != nil {
		r.tb.Fatal(err)
	}
	return b
}

// dataFiles leaves out sockets.
type dataFiles struct{ fs.FS }

func (d dataFiles) ReadDir(name string) ([]fs.DirEntry, error) {
	list, err := fs.ReadDir(d.FS, name)
	var kept []fs.DirEntry
	for _, e := range list {
		if e.IsDir() || e.Type().IsRegular() {
			kept = append(kept, e)
		}
	}
	return kept, err
}

// complete fails the test unless the log, replayed without a power cut, gives
// what is in the folder: then it holds all that was written, by whatever call.
func (r *recorder) complete() {
	r.tb.Helper()
	d := NewDisk(r.root)
	for _, e := range r.log.events {
		if err := d.step(e); err != nil {
			r.tb.Fatal(err)
		}
	}
	live := d.Live()
	files := 0
	err := filepath.WalkDir(r.root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !e.Type().IsRegular() {
			return err
		}
		files++
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(r.root, path)
		if !bytes.Equal(live[name], content) {
			return fmt.Errorf("the recording of %s is not complete: it gives %d octets, and the file has %d", name, len(live[name]), len(content))
		}
		return nil
	})
	if err == nil && files < 2 {
		err = fmt.Errorf("there are only %d files", files)
	}
	if err != nil {
		r.tb.Fatal(err)
	}
}
