// Package runtime stands in for the package of this name of go.etcd.io/gofail in
// programs that are built to be killed. gofail's own can only panic, sleep or
// return something, and a panic runs deferred calls and is caught by whoever
// guards against one. Here a point ends the process as a power switch would: by
// SIGKILL from inside, with nothing run any more.
//
// The environment variable BUZON_FAILPOINTS names a file with the plan, which is
// read at the start and again at each SIGUSR1. A plan is a chain of points such as
//
//	archiveWritten>beforeSyncDataPages:2
//
// which ends the process at the second passage of beforeSyncDataPages after a
// passage of archiveWritten. What was read and reached is added to the file of
// that name with .log at its end. The file of that name with .clock, if there is
// one, says by how much the desk's clock is wrong, as a duration.
package runtime

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

var errOff = errors.New("the point does nothing")

// plan is what remains to be passed; the last step kills.
var plan struct {
	sync.Mutex
	armed atomic.Bool
	file  string
	steps []step
}

type step struct {
	name string
	left int // passages until it is done
}

func init() {
	plan.file = os.Getenv("BUZON_FAILPOINTS")
	if plan.file == "" {
		return
	}
	load()
	again := make(chan os.Signal, 1)
	signal.Notify(again, syscall.SIGUSR1)
	go func() {
		for range again {
			load()
		}
	}()
}

// skew is how wrong the clock is, in nanoseconds.
var skew atomic.Int64

// Now is the clock of a desk that is built to be killed.
func Now() time.Time { return time.Now().Add(time.Duration(skew.Load())) }

func load() {
	plan.Lock()
	defer plan.Unlock()
	if clock, err := os.ReadFile(plan.file + ".clock"); err == nil {
		wrong, err := time.ParseDuration(string(clock))
		if err != nil {
			panic(err)
		}
		skew.Store(int64(wrong))
	} else if !errors.Is(err, os.ErrNotExist) {
		panic(err)
	}
	text, err := os.ReadFile(plan.file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		panic(err)
	}
	plan.steps = nil
	for _, part := range strings.FieldsFunc(strings.TrimSpace(string(text)), func(r rune) bool { return r == '>' }) {
		name, count, counted := strings.Cut(part, ":")
		s := step{name: name, left: 1}
		if counted {
			if s.left, err = strconv.Atoi(count); err != nil {
				panic(err)
			}
		}
		plan.steps = append(plan.steps, s)
	}
	plan.armed.Store(len(plan.steps) > 0)
	note("armed %s", strings.TrimSpace(string(text)))
}

// note needs no sync: what a killed process has written the system still has.
func note(format string, args ...any) {
	f, err := os.OpenFile(plan.file+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	fmt.Fprintf(f, format+"\n", args...)
	f.Close()
}

// Failpoint is a named point of the program.
type Failpoint struct{ name string }

// NewFailpoint makes a point; gofail writes the calls.
func NewFailpoint(name string) *Failpoint { return &Failpoint{name} }

// Acquire is called at each passage.
func (f *Failpoint) Acquire() (any, error) {
	if plan.armed.Load() {
		f.pass()
	}
	return nil, errOff
}

func (f *Failpoint) pass() {
	plan.Lock()
	defer plan.Unlock()
	if len(plan.steps) == 0 || plan.steps[0].name != f.name {
		return
	}
	plan.steps[0].left--
	if plan.steps[0].left > 0 {
		return
	}
	note("passed %s", f.name)
	if plan.steps = plan.steps[1:]; len(plan.steps) > 0 {
		return
	}
	syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // the signal is on its way; this goroutine goes no further, and holds the lock
}

// BadType is called by what gofail writes, for points that give a value. These don't.
func (f *Failpoint) BadType(any, string) {}
