package powercut

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Calls are the system calls that a recording must hold: all by which a file or
// folder can be changed or synced, but for write and writev, which also serve
// sockets, and for memory that is shared with a file. Whether something was
// changed by these is found out afterwards, by comparing Disk.Live with the
// folder.
const Calls = "open,openat,creat,pwrite64,pwritev,pwritev2,ftruncate,truncate,fallocate,fsync,fdatasync," +
	"sync_file_range,rename,renameat,renameat2,unlink,unlinkat,link,linkat,symlinkat,mkdir,mkdirat,rmdir"

// TraceArguments are the arguments of strace, 6.1 or newer, that make it write a
// recording which Parse reads into the file out. With --seccomp-bpf besides it is
// faster, and injects no signals.
func TraceArguments(out string) []string {
	return []string{
		"-f", "-qq", "-y", "-xx", "-s", strconv.Itoa(64 << 20),
		"--absolute-timestamps=format:unix,precision:ns", "-e", "signal=none", "-e", "trace=" + Calls, "-o", out,
	}
}

// kind is what a call does.
type kind int

const (
	write kind = iota
	resize
	sync
	create
	makeFolder
	rename
	remove
)

// call is a system call that took effect, or may have.
type call struct {
	kind   kind
	path   string // below the root
	to     string // of rename
	data   []byte // of write
	offset int64  // of write; the new size, of resize
	cut    bool   // the process was killed within the call
}

// event is the beginning or the end of a call.
type event struct {
	at   int64 // ns since 1970, not later than when it happened
	call *call
	end  bool
}

// Log is the recorded history of a folder.
type Log struct{ events []event }

// Parse reads what strace wrote, adds it to the log, and leaves out what
// happened outside of root. It is to be called when the process has ended and
// before another changes root: of calls in which the process was killed, the
// folder tells whether they took effect.
func (l *Log) Parse(r io.Reader, root string) error {
	p := &parser{log: l, root: filepath.Clean(root) + "/", open: map[string]*pendingCall{}}
	lines := bufio.NewReaderSize(r, 1<<20)
	for n := 1; ; n++ {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return p.finish()
		}
		if err == nil {
			err = p.line(strings.TrimSuffix(line, "\n"))
		}
		if err != nil {
			return fmt.Errorf("reading line %d of the recording: %w", n, err)
		}
	}
}

// pendingCall is a call whose end has not been seen.
type pendingCall struct {
	text  string
	event int // index of its beginning
}

type parser struct {
	log  *Log
	root string
	open map[string]*pendingCall // by thread
}

func (p *parser) line(line string) error {
	thread, rest, ok := strings.Cut(line, " ")
	if !ok {
		return errors.New("it has no thread")
	}
	stamp, text, ok := strings.Cut(strings.TrimLeft(rest, " "), " ")
	if !ok {
		return errors.New("it has no time")
	}
	if strings.HasPrefix(text, "+++") || strings.HasPrefix(text, "---") {
		return nil
	}
	at, err := parseTime(stamp)
	if err != nil {
		return err
	}
	// What strace writes of calls in which the process was killed.
	if strings.HasPrefix(text, "???(") {
		return nil
	}
	text = strings.Replace(text, " <unfinished ...>) = ?", ") = ?", 1)
	text = strings.Replace(text, " <detached ...>", " <unfinished ...>", 1)
	if begun, ok := strings.CutSuffix(text, " <unfinished ...>"); ok {
		if p.open[thread] != nil {
			return fmt.Errorf("thread %s begins a call within another", thread)
		}
		p.open[thread] = &pendingCall{begun, len(p.log.events)}
		p.log.events = append(p.log.events, event{at: at})
		return nil
	}
	begin := len(p.log.events)
	if rest, ok := strings.CutPrefix(text, "<... "); ok {
		begun := p.open[thread]
		_, tail, found := strings.Cut(rest, " resumed>")
		if begun == nil || !found {
			return fmt.Errorf("thread %s resumes what it didn't begin", thread)
		}
		delete(p.open, thread)
		text, begin = begun.text+tail, begun.event
	} else {
		p.log.events = append(p.log.events, event{at: at})
	}
	c, err := p.call(text)
	if c == nil || err != nil {
		return err // the event stays empty, as a mark of time
	}
	if c.cut && !c.done() {
		return nil
	}
	p.log.events[begin].call = c
	p.log.events = append(p.log.events, event{at: at, call: c, end: true})
	return nil
}

// done tells whether a call took effect in which the process was killed. To say
// no of a sync is to take nothing for granted.
func (c *call) done() bool {
	there := func(path string) bool {
		_, err := os.Lstat(path)
		return err == nil
	}
	switch c.kind {
	case write:
		content, err := os.ReadFile(c.path)
		end := c.offset + int64(len(c.data))
		return err == nil && int64(len(content)) >= end && bytes.Equal(content[c.offset:end], c.data)
	case resize:
		info, err := os.Stat(c.path)
		return err == nil && info.Size() == c.offset
	case create, makeFolder:
		return there(c.path)
	case rename:
		return there(c.to) && !there(c.path)
	case remove:
		return !there(c.path)
	}
	return false
}

// finish takes in the calls in which the process was killed.
func (p *parser) finish() error {
	for _, begun := range p.open {
		c, err := p.call(begun.text + ") = ?")
		if err != nil {
			return err
		}
		if c != nil && c.done() {
			last := p.log.events[len(p.log.events)-1].at
			p.log.events[begun.event].call = c
			p.log.events = append(p.log.events, event{at: last, call: c, end: true})
		}
	}
	return nil
}

func parseTime(s string) (int64, error) {
	seconds, fraction, _ := strings.Cut(s, ".")
	n, err := strconv.ParseInt(seconds+(fraction + "000000000")[:9], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("reading the time %q: %w", s, err)
	}
	return n, nil
}

// call reads a whole call; nil when it failed or doesn't concern the folder.
func (p *parser) call(text string) (*call, error) {
	name, rest, ok := strings.Cut(text, "(")
	end := strings.LastIndex(rest, ") ")
	if !ok || end < 0 {
		return nil, fmt.Errorf("not a call: %.80s", text)
	}
	result := strings.TrimLeft(rest[end+2:], " ")
	result, ok = strings.CutPrefix(result, "= ")
	if !ok {
		return nil, fmt.Errorf("a call without a result: %.80s", text)
	}
	if strings.HasPrefix(result, "-1 ") {
		return nil, nil
	}
	a := strings.Split(rest[:end], ", ")
	c := &call{cut: strings.HasPrefix(result, "?")}
	var err error
	number := func(s string) int64 {
		n, e := strconv.ParseInt(s, 10, 64)
		err = errors.Join(err, e)
		return n
	}
	switch name {
	case "pwrite64":
		c.kind, c.path, c.offset = write, handle(a[0]), number(a[3])
		if c.path = handle(a[0]); !p.inside(c.path) {
			return nil, nil
		}
		if c.data, err = literal(a[1]); err == nil && !c.cut && int64(len(c.data)) != number(result) {
			return nil, fmt.Errorf("a write of %d octets that ended with %s", len(c.data), result)
		}
	case "ftruncate":
		c.kind, c.path, c.offset = resize, handle(a[0]), number(a[1])
	case "fsync", "fdatasync":
		c.kind, c.path = sync, handle(a[0])
	case "open", "openat":
		if name == "openat" {
			a = a[1:]
		}
		c.kind, c.path = create, named(a[0])
		switch {
		case strings.Contains(a[1], "O_TRUNC") && p.inside(c.path):
			return nil, fmt.Errorf("%s is emptied when it is opened, which is not modelled", c.path)
		case !strings.Contains(a[1], "O_CREAT"):
			return nil, nil
		}
	case "mkdir":
		c.kind, c.path = makeFolder, named(a[0])
	case "mkdirat":
		c.kind, c.path = makeFolder, named(a[1])
	case "rename":
		c.kind, c.path, c.to = rename, named(a[0]), named(a[1])
	case "renameat", "renameat2":
		c.kind, c.path, c.to = rename, named(a[1]), named(a[3])
	case "unlink":
		c.kind, c.path = remove, named(a[0])
	case "unlinkat":
		c.kind, c.path = remove, named(a[1])
	default:
		if strings.Contains(text, escape(p.root)) {
			return nil, fmt.Errorf("%s is not modelled", name)
		}
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading a call of %s: %w", name, err)
	}
	if !p.inside(c.path) {
		return nil, nil
	}
	return c, nil
}

// inside tells whether a path is the root or below it.
func (p *parser) inside(path string) bool { return strings.HasPrefix(path+"/", p.root) }

// handle is the path of a file descriptor, such as 3<\x2f\x61>.
func handle(s string) string {
	_, path, _ := strings.Cut(s, "<")
	raw, _ := unescape(strings.TrimSuffix(path, ">"))
	return string(raw)
}

// named is a path given as a string. A relative one is not looked for: the data
// folder is given as an absolute path.
func named(s string) string {
	raw, _ := literal(s)
	return string(raw)
}

// literal is a whole string, such as "\x2f\x61".
func literal(s string) ([]byte, error) {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return nil, fmt.Errorf("a string that is not whole: %.40s", s)
	}
	return unescape(s[1 : len(s)-1])
}

func unescape(s string) ([]byte, error) {
	out := make([]byte, 0, len(s)/4)
	for ; len(s) >= 4 && s[:2] == `\x`; s = s[4:] {
		high, low := nibble(s[2]), nibble(s[3])
		if high|low > 15 {
			break
		}
		out = append(out, high<<4|low)
	}
	if s != "" {
		return nil, fmt.Errorf("not in hexadecimal: %.40s", s)
	}
	return out, nil
}

func nibble(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	}
	return math.MaxUint8
}

// escape writes a path as strace does.
func escape(path string) string {
	var b strings.Builder
	for _, c := range []byte(path) {
		fmt.Fprintf(&b, `\x%02x`, c)
	}
	return b.String()
}
