package store

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// damage is the error for what was met while a file was in use: a page that the
// engine can't make sense of, or that lies outside the file.
type damage struct{ cause any }

func (d *damage) Error() string {
	return fmt.Sprintf("%v: a page can't be read: %v; see how much is wrong with: buzon verify", ErrCorrupt, d.cause)
}

func (d *damage) Unwrap() error { return ErrCorrupt }

func isDamage(err error) bool {
	var d *damage
	return errors.As(err, &d)
}

// Damage tells whether a panic came of a damaged file, and then returns an error
// that wraps ErrCorrupt; otherwise nil. Call it in the deferred function that
// recovered p, because it looks where the panic began.
func Damage(p any) error {
	if _, ok := p.(interface{ Addr() uintptr }); ok {
		return &damage{p} // memory that the file does not reach to
	}
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	for panicking := false; ; {
		f, more := frames.Next()
		inRuntime := strings.HasPrefix(f.Function, "runtime.")
		switch {
		case inRuntime:
			panicking = true
		case panicking && strings.HasPrefix(f.Function, "go.etcd.io/bbolt"):
			return &damage{p}
		case panicking:
			// A row whose key is too short for what it should be.
			if _, ok := p.(runtime.Error); ok && strings.HasPrefix(f.Function, "buzon/store.") {
				return &damage{p}
			}
			return nil
		}
		if !more {
			return nil
		}
	}
}

// undamaged runs fn, which reads a file. Where that is damaged the error wraps
// ErrCorrupt, instead of a panic or the end of the process.
func undamaged(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			if err = Damage(p); err == nil {
				panic(p)
			}
		}
	}()
	return fn()
}
