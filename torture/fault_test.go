package torture

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"buzon/internal/realservers"
)

// missing ends a test that this machine can't run: skipped, or failed where the
// tests must run.
func missing(t *testing.T, why string) {
	t.Helper()
	if realservers.Required() {
		t.Fatalf("%s (CI or %s is set)", why, realservers.RequireVariable)
	}
	t.Skipf("DID NOT RUN: %s", why)
}

// smallDisk mounts a file system in memory of so many MiB.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "buzon-disk-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(dir) })
	if os.Geteuid() != 0 {
		missing(t, "a small disk can be mounted by root only")
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", size)); err != nil {
		missing(t, fmt.Sprintf("a small disk can't be mounted: %v", err))
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmounting the small disk: %v", err)
		}
	})
	return dir
}

// ballast writes a file that leaves so many octets of the disk free.
func ballast(t *testing.T, dir string, free int64) (path string) {
	t.Helper()
	path = filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 64<<10)
	for {
		var st syscall.Statfs_t
		if err := syscall.Statfs(dir, &st); err != nil {
			t.Fatal(err)
		}
		have := int64(st.Bavail) * st.Bsize
		if have <= free {
			return path
		}
		if _, err := f.Write(block[:min(int64(len(block)), have-free)]); err != nil {
			t.Fatal(err)
		}
	}
}

// A full disk has the desk refuse mail for a while, by SMTP with 452 and by
// leaving it in the mailbox, and go on by itself when there is room again.
func TestFullDisk(t *testing.T) {
	for _, c := range []struct {
		name  string
		floor string
		free  int64
	}{
		{"below the floor", "8 MB", 4 << 20},
		{"no room at all", "0", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			disk := smallDisk(t, 32)
			r := newRig(t, program(t), settings{data: filepath.Join(disk, "data"), diskFloor: c.floor})
			r.start()
			pid := r.cmd.Process.Pid
			r.book.send(t, r.smtp, newLetter("", listenAddress, "Antes."))
			r.drain(r.book)
			full := ballast(t, disk, c.free)
			refusal := newLetter("", listenAddress, longText(100))
			before := 1
			r.eventually("452", func() bool {
				// What is known of the disk may be a second old.
				l := newLetter("", listenAddress, "Todavía.")
				switch got, err := hand(r.smtp, l.from, l.to, l.raw()); {
				case got == taken:
					r.book.sent = append(r.book.sent, l)
					before++
				case got == broken:
					t.Fatalf("with a full disk: %v, want a reply", err)
				default:
					return isReply(err, 452)
				}
				return false
			})
			r.book.post(t, newLetter("", mailboxAddress, longText(100)))
			for range 20 { // it stays so, and the desk stays up
				if _, err := hand(r.smtp, refusal.from, refusal.to, refusal.raw()); !isReply(err, 452) {
					t.Fatalf("with a full disk: %v, want 452", err)
				}
			}
			if r.book.settled() {
				t.Error("a message was taken from the mailbox although there is no room")
			}
			if !r.status().Figures.Full {
				t.Error("status does not say that the disk is full")
			}
			if err := os.Remove(full); err != nil {
				t.Fatal(err)
			}
			r.book.send(t, r.smtp, refusal, newLetter("", listenAddress, "Después."))
			r.drain(r.book)
			if r.gone() || r.cmd.Process.Pid != pid {
				t.Error("the desk did not live through it")
			}
			r.end(before+3, before+3)
		})
	}
}

func isReply(err error, code int) bool {
	var reply *smtp.SMTPError
	return errors.As(err, &reply) && reply.Code == code
}

// A disk that fails to sync ends the desk, since nobody knows what is on it; what
// was acknowledged before is there after the next start, and nothing twice.
func TestSyncFails(t *testing.T) {
	for name, fault := range map[string]string{
		"every sync":        "fdatasync:error=EIO",
		"every second sync": "fdatasync:error=EIO:when=2+2",
		"a write":           "pwrite64:error=EIO:when=3+3",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, program(t), settings{})
			r.start()
			r.book.send(t, r.smtp, newLetter("", listenAddress, "Antes."))
			r.drain(r.book)
			r.inject(t, fault)
			r.book.post(t, newLetter("", mailboxAddress, "Una."))
			r.later(newLetter("", listenAddress, "Una."), newLetter("", listenAddress, longText(50)))
			if code := r.exit(); code <= 0 {
				t.Errorf("the desk ended with exit code %d", code)
			}
			r.host.deskDied(t)
			r.finish()
			r.oracle().verdict(t, r.data)
		})
	}
}

// inject has system calls of the running desk fail or dawdle, as strace's option
// inject says, until the function that it returns is called.
func (r *rig) inject(t *testing.T, faults ...string) (end func()) {
	t.Helper()
	strace := realservers.Program(t, "strace", "strace")
	args := []string{"-f", "-qq", "-o", filepath.Join(r.dir, "trace"), "-p", fmt.Sprint(r.cmd.Process.Pid)}
	for _, fault := range faults {
		calls, _, _ := strings.Cut(fault, ":")
		args = append(args, "-e", "trace="+calls, "-e", "inject="+fault)
	}
	tracer := exec.Command(strace, args...)
	var said bytes.Buffer
	tracer.Stderr = &said
	tracer.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := tracer.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { tracer.Wait(); close(done) }()
	end = func() { tracer.Process.Signal(syscall.SIGTERM); <-done }
	t.Cleanup(end)
	r.eventually("strace to be attached", func() bool {
		select {
		case <-done:
			missing(t, "strace can't attach: "+said.String())
		default:
		}
		return allTraced(r.cmd.Process.Pid)
	})
	return end
}

// allTraced tells whether every thread of a process has a tracer.
func allTraced(pid int) bool {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if err == nil && bytes.Contains(text, []byte("\nTracerPid:\t0\n")) {
			return false
		}
	}
	return len(tasks) > 0
}

// A second desk on the same folder says so and goes, and the first one is none
// the worse.
func TestLockHeld(t *testing.T) {
	t.Parallel()
	r := newRig(t, program(t), settings{})
	r.start()
	second := newDesk(t, r.program, settings{smarthost: r.host.addr, data: r.data})
	second.launch()
	if code := second.exit(); code <= 0 {
		t.Errorf("the second desk ended with exit code %d", code)
	}
	if text := second.log(); !strings.Contains(text, "in use") || !strings.Contains(text, "buzon status") {
		t.Errorf("the second desk said %q", text)
	}
	r.book.send(t, r.smtp, newLetter("", listenAddress, "Una."))
	r.drain(r.book)
	r.end(1, 1)
}

// A damaged state is refused with the command that helps, and left as it is; the
// undamaged one is taken again.
func TestDamagedState(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(b []byte) []byte
	}{
		// Of the pages in use: the engine makes the file longer than it needs.
		{"cut in half", func(b []byte) []byte { return b[:len(bytes.TrimRight(b, "\x00"))/2] }},
		{"cut inside the first page", func(b []byte) []byte { return b[:1000] }},
		{"empty", func([]byte) []byte { return nil }},
		{"a bit of each meta page", func(b []byte) []byte { b[60] ^= 4; b[os.Getpagesize()+60] ^= 4; return b }},
		{"a bit of one meta page", func(b []byte) []byte { b[60] ^= 4; return b }},
		{"not a state", func(b []byte) []byte { return bytes.Repeat([]byte("buzon"), len(b)/5) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, program(t), settings{})
			r.start()
			r.book.send(t, r.smtp, newLetter("", listenAddress, "Una."))
			r.drain(r.book)
			r.stop()
			state := filepath.Join(r.data, "state.db")
			good, err := os.ReadFile(state)
			if err != nil {
				t.Fatal(err)
			}
			bad := c.damage(bytes.Clone(good))
			if err := os.WriteFile(state, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			r.launch()
			if code := r.exit(); code <= 0 {
				t.Errorf("exit code %d", code)
			}
			if text := r.log(); !strings.Contains(text, "buzon restore") {
				t.Errorf("the desk does not say what to type:\n%s", text)
			}
			if now, err := os.ReadFile(state); err != nil || !bytes.Equal(now, bad) {
				t.Errorf("the damaged state was changed (%v)", err)
			}
			if err := os.WriteFile(state, good, 0o600); err != nil {
				t.Fatal(err)
			}
			r.finish()
			r.oracle().verdict(t, r.data)
		})
	}
}

// A thousand clients that are slow on purpose, from one address and from fifty,
// don't keep an honest one from being served.
func TestSlowClients(t *testing.T) {
	const clients = 1000
	for _, c := range []struct {
		name      string
		addresses int
		smtp      string
	}{
		{"from one address", 1, ""},
		{"from fifty addresses", 50, "max_connections = 1100"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, program(t), settings{smtp: c.smtp})
			r.start()
			var open sync.WaitGroup
			var mu sync.Mutex
			inside, turnedAway := 0, 0
			end := make(chan struct{})
			for i := range clients {
				open.Go(func() {
					conn, err := from(net.IPv4(127, 0, 1, byte(1+i%c.addresses)), r.smtp)
					if err != nil {
						t.Errorf("slow client %d: %v", i, err)
						return
					}
					defer conn.Close()
					served := stall(conn)
					mu.Lock()
					if served {
						inside++
					} else {
						turnedAway++
					}
					mu.Unlock()
					for served {
						select {
						case <-end:
							return
						case <-time.After(time.Second):
							io.WriteString(conn, "x")
						}
					}
				})
			}
			r.eventually("all slow clients to be there", func() bool {
				mu.Lock()
				defer mu.Unlock()
				return inside+turnedAway == clients
			})
			for range 10 {
				r.book.send(t, r.smtp, newLetter("", listenAddress, longText(20)))
			}
			r.book.post(t, newLetter("", mailboxAddress, "Otra."))
			r.drain(r.book)
			if r.book.refusals > 0 || r.book.lost > 0 {
				t.Errorf("the honest client was refused %d times and cut off %d times", r.book.refusals, r.book.lost)
			}
			t.Logf("%d slow clients inside a message, %d turned away with 421, the honest one served 10 times", inside, turnedAway)
			close(end)
			open.Wait()
			r.end(11, 11)
		})
	}
}

// from connects from an address of this machine.
func from(ip net.IP, addr string) (net.Conn, error) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: ip}, Timeout: clientPatience}
	return dialer.Dial("tcp", addr)
}

// stall begins a message and stops inside it. It tells whether it came so far.
func stall(conn net.Conn) bool {
	conn.SetDeadline(time.Now().Add(2 * patience))
	c := textproto.NewReader(bufio.NewReader(conn))
	if _, _, err := c.ReadResponse(220); err != nil {
		return false
	}
	for _, step := range []struct {
		line string
		code int
	}{
		{"EHLO slow.test", 250}, {"MAIL FROM:<slow@uni.test>", 250}, {"RCPT TO:<" + listenAddress + ">", 250}, {"DATA", 354},
	} {
		if _, err := io.WriteString(conn, step.line+"\r\n"); err != nil {
			return false
		}
		if _, _, err := c.ReadResponse(step.code); err != nil {
			return false
		}
	}
	return true
}

// Crash point 25: SIGTERM comes inside a DATA, with an IDLE open. The message
// gets its answer, whatever it is, and the desk ends well.
func TestStoppedInsideData(t *testing.T) {
	t.Parallel()
	r := newRig(t, program(t), settings{})
	stoppedInsideData(r)
	r.start()
	r.sending.Wait()
	r.drain(r.book)
	r.stop()
	r.oracle().verdict(t, r.data)
}

func stoppedInsideData(r *rig) {
	t := r.t
	r.proxy.await = "IDLE"
	r.start()
	r.eventually("an IDLE", func() bool { return r.proxy.seen() })
	conn, err := net.DialTimeout("tcp", r.smtp, clientPatience)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if !stall(conn) {
		t.Fatal("no DATA")
	}
	l := newLetter("", listenAddress, longText(50))
	raw := l.raw()
	conn.Write(raw[:len(raw)/2])
	r.cmd.Process.Signal(syscall.SIGTERM)
	r.eventually("the desk to stop", func() bool { return strings.Contains(r.log(), "msg=stopping") })
	conn.Write(raw[len(raw)/2:])
	io.WriteString(conn, ".\r\n")
	code, text, err := textproto.NewReader(bufio.NewReader(conn)).ReadResponse(0)
	if err != nil || code != 250 && code/100 != 4 {
		t.Errorf("the message was answered with %d %s, %v", code, text, err)
	}
	t.Logf("the message was answered with %d %s", code, text)
	if code := r.exit(); code != 0 {
		t.Errorf("the desk ended with exit code %d", code)
	}
	r.host.deskDied(t)
	if code == 250 {
		r.book.sent = append(r.book.sent, l)
	} else {
		r.later(l)
	}
}
