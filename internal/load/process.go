package load

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ticksPerSecond is the unit of times in /proc/PID/stat on Linux (USER_HZ).
const ticksPerSecond = 100

// CPUTime is how long a process has computed since it began, user and system
// together, to ten milliseconds.
func CPUTime(pid int) (time.Duration, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The name, in parentheses, may hold anything; what follows it does not.
	at := bytes.LastIndexByte(raw, ')')
	fields := strings.Fields(string(raw[at+1:]))
	if at < 0 || len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat can't be read", pid)
	}
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	if err := errors.Join(err1, err2); err != nil {
		return 0, err
	}
	return time.Duration(user+system) * time.Second / ticksPerSecond, nil
}

// AnonymousMemory is a process's RssAnon in octets: what it holds in memory that no
// file backs.
func AnonymousMemory(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			var kb int64
			_, err := fmt.Sscan(value, &kb)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no RssAnon", pid)
}

// Memory is what a process held while it was watched, in octets.
type Memory struct{ Begin, Peak, End int64 }

// WatchMemory looks at a process's anonymous memory fifty times a second until stop
// is called. What can't be read counts as nothing.
func WatchMemory(pid int) (stop func() Memory) {
	var m Memory
	quit := make(chan struct{})
	var done sync.WaitGroup
	look := func() {
		if n, err := AnonymousMemory(pid); err == nil {
			if m.Peak == 0 {
				m.Begin = n
			}
			m.End, m.Peak = n, max(m.Peak, n)
		}
	}
	done.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			look()
			select {
			case <-quit:
				return
			case <-tick.C:
			}
		}
	})
	return func() Memory {
		close(quit)
		done.Wait()
		look()
		return m
	}
}

// OwnCPUTime is how long this process has computed since it began, user and system
// together, to a microsecond.
func OwnCPUTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0 // it fails for wrong arguments only
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
