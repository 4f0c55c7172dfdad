package torture

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"buzon/internal/realservers"
)

// A disk that takes its time has clients wait, each for its own sync and those
// that were under way, and none is refused or cut off.
func TestSlowSync(t *testing.T) {
	t.Parallel()
	r := newRig(t, program(t), settings{})
	r.start()
	end := r.inject(t, "fdatasync:delay_enter=100000") // µs
	var senders sync.WaitGroup
	var longest atomic.Int64
	for range 8 {
		senders.Go(func() {
			began := time.Now()
			r.book.send(t, r.smtp, newLetter("", listenAddress, longText(20)))
			for took := int64(time.Since(began)); ; {
				most := longest.Load()
				if took <= most || longest.CompareAndSwap(most, took) {
					break
				}
			}
		})
	}
	for range 2 {
		r.book.post(t, newLetter("", mailboxAddress, "Una."))
	}
	senders.Wait()
	r.drain(r.book)
	end()
	if r.book.refusals > 0 || r.book.lost > 0 {
		t.Errorf("%d refused, %d cut off", r.book.refusals, r.book.lost)
	}
	t.Logf("each sync took 100 ms more; of 8 messages by 8 senders, the longest wait was %s", time.Duration(longest.Load()).Round(time.Millisecond))
	r.end(10, 10)
}

// Without file descriptors nobody new is let in, and those who are in are served;
// when there are some again all goes on.
func TestNoDescriptors(t *testing.T) {
	t.Parallel()
	r := newRig(t, program(t), settings{})
	r.start()
	r.book.send(t, r.smtp, newLetter("", listenAddress, "Antes."))
	r.drain(r.book)
	pid := r.cmd.Process.Pid
	inside, err := net.Dial("tcp", r.smtp)
	if err != nil {
		t.Fatal(err)
	}
	defer inside.Close()
	if !stall(inside) { // which is inside a message from here on
		t.Fatal("no DATA")
	}

	var before unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &before); err != nil {
		t.Fatal(err)
	}
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: before.Max}, nil); err != nil {
		t.Fatal(err)
	}
	const waiting = 4
	for range waiting {
		r.later(newLetter("", listenAddress, "Que espera."))
	}
	r.proxy.outage(true)
	r.proxy.outage(false)
	r.book.post(t, newLetter("", mailboxAddress, "Que espera."))
	r.eventually("the desk to want for descriptors", func() bool {
		return strings.Count(r.log(), "too many open files") > 10 && strings.Contains(r.log(), "not accepting")
	})
	l := newLetter("", listenAddress, "Desde dentro.")
	fmt.Fprintf(inside, "%s.\r\n", l.raw())
	answer := make([]byte, 512)
	inside.SetReadDeadline(time.Now().Add(patience))
	if n, err := inside.Read(answer); err != nil || !bytes.HasPrefix(answer, []byte("250 ")) {
		t.Fatalf("who was inside got %q, %v", answer[:n], err)
	}
	r.book.sent = append(r.book.sent, l)
	if r.book.answers > 1 || r.gone() {
		t.Errorf("%d were let in without descriptors, the desk is gone: %v", r.book.answers-1, r.gone())
	}

	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &before, nil); err != nil {
		t.Fatal(err)
	}
	r.sending.Wait()
	r.drain(r.book)
	if r.book.refusals > 0 || r.cmd.Process.Pid != pid {
		t.Errorf("%d were refused", r.book.refusals)
	}
	r.end(waiting+3, waiting+3)
}

// ext4Disk mounts a file system in a file, which can fail as one on a disk does.
func ext4Disk(t *testing.T) (dir string, remount func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, "a disk can be mounted by root only")
	}
	base, err := os.MkdirTemp("", "buzon-ext4-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	image, dir := filepath.Join(base, "image"), filepath.Join(base, "disk")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 64<<20); err != nil {
		t.Fatal(err)
	}
	mkfs, mount := realservers.Program(t, "mkfs.ext4", "e2fsprogs"), realservers.Program(t, "mount", "mount")
	for _, command := range [][]string{{mkfs, "-q", "-F", image}, {mount, "-o", "loop", image, dir}} {
		if _, err := run("", command[0], command[1:]...); err != nil {
			missing(t, fmt.Sprintf("no file system of our own: %v", err))
		}
	}
	unmount := func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmounting: %v", err)
		}
	}
	t.Cleanup(unmount)
	return dir, func() {
		t.Helper()
		unmount()
		// As after any error of the disk: looked at, then mounted again.
		exec.Command("fsck.ext4", "-p", image).Run()
		if _, err := run("", mount, "-o", "loop", image, dir); err != nil {
			t.Fatal(err)
		}
	}
}

// quiet waits until nothing has been written for a while.
func (r *rig) quiet() {
	r.t.Helper()
	var last time.Time
	since := time.Now()
	r.eventually("the desk to write nothing", func() bool {
		info, err := os.Stat(filepath.Join(r.data, "state.db"))
		if err != nil {
			r.t.Fatal(err)
		}
		if info.ModTime() != last {
			last, since = info.ModTime(), time.Now()
		}
		return time.Since(since) > 300*time.Millisecond
	})
}

// A file system that becomes read-only, as ext4 does after an error of its disk,
// is like a full one: the peer sees 452, the mailbox is left alone, the operator
// sees an alarm that says what to do, all that was taken is there, and the desk
// runs on. One that is read-only from the start is no reason to make anything.
func TestReadOnlyDisk(t *testing.T) {
	t.Parallel()
	disk, remount := ext4Disk(t)
	r := newRig(t, program(t), settings{data: filepath.Join(disk, "data")})
	r.start()
	pid := r.cmd.Process.Pid
	r.book.send(t, r.smtp, newLetter("", listenAddress, "Antes."))
	r.book.post(t, newLetter("", mailboxAddress, "Antes."))
	r.drain(r.book)
	r.quiet()
	if _, err := run("", "mount", "-o", "remount,abort", disk); err != nil {
		t.Fatal(err)
	}

	r.book.post(t, newLetter("", mailboxAddress, "Durante."))
	refused := newLetter("", listenAddress, "Durante.")
	for range 20 {
		if _, err := hand(r.smtp, refused.from, refused.to, refused.raw()); !isReply(err, 452) {
			t.Fatalf("on a read-only disk: %v, want 452", err)
		}
	}
	if r.book.settled() {
		t.Error("a message was taken from the mailbox although it can't be kept")
	}
	r.eventually("the alarm", func() bool {
		text, code := r.sub("status")
		return code == 1 && strings.Contains(text, "WRONG  disk") && strings.Contains(text, "read-only file system") && strings.Contains(text, "try: ")
	})
	r.eventually("the alarm in the log", func() bool { return strings.Contains(r.log(), "the data folder can't be written to") })
	if r.gone() || r.cmd.Process.Pid != pid {
		t.Fatal("the desk did not live through it")
	}
	r.stop()
	r.host.deskDied(t)
	r.launch()
	if code := r.exit(); code != 2 || !strings.Contains(r.log(), "read-only file system") {
		t.Errorf("on a read-only disk the desk ends with %d", code)
	}
	remount()
	r.start()
	r.book.send(t, r.smtp, refused)
	r.drain(r.book)
	r.end(4, 4)
}

// A clock that jumps by an hour and by a day, both ways, while mail comes: all is
// taken and sent, and each overdue ticket is reminded of once.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	r := newRig(t, program(t), settings{replyWithin: "30m"})
	r.start()
	jumps := []time.Duration{time.Hour, 0, -time.Hour, 24 * time.Hour, 0, -24 * time.Hour, time.Hour, 0}
	for i, wrong := range jumps {
		r.setClock(wrong)
		r.book.send(t, r.smtp, newLetter("", listenAddress, "Una."))
		r.book.post(t, newLetter("", mailboxAddress, "Una."))
		r.drain(r.book)
		if i%2 == 1 { // which looks for overdue work
			r.stop()
			r.start()
		}
	}
	for _, wrong := range []time.Duration{80 * time.Hour, 0, 80*time.Hour + 10*time.Minute} {
		r.stop()
		r.setClock(wrong)
		r.start()
		r.drain(r.book)
	}
	r.eventually("a reminder of each ticket", func() bool { return len(r.reminders()) == 2*len(jumps) })
	r.drain(r.book)
	for id, n := range r.reminders() {
		if n != 1 {
			t.Errorf("I2: ticket %s was reminded of %d times", id, n)
		}
	}
	r.end(2*len(jumps), 2*len(jumps))
}
