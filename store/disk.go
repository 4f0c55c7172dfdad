package store

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"buzon/ticket"
)

// diskAge is how long an answer about free space is good.
const diskAge = time.Second

// disk watches free space.
type disk struct {
	dir   string
	floor int64
	now   func() time.Time
	log   *slog.Logger

	mu      sync.Mutex
	checked time.Time
	isFull  bool
	cause   error  // why the last write was refused; nil: it was not
	file    string // to what: "state" or "archive"
}

func (d *disk) free() (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(d.dir, &st); err != nil {
		return 0, fmt.Errorf("asking for the free space of %s: %w", d.dir, err)
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}

func (d *disk) full() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	if age := now.Sub(d.checked); !d.checked.IsZero() && age >= 0 && age < diskAge {
		return d.isFull
	}
	was := d.isFull
	d.checked, d.isFull = now, false
	if d.floor > 0 {
		free, err := d.free()
		if err != nil {
			d.log.Error("free space unknown", ticket.LogError, err)
		}
		d.isFull = err == nil && free < d.floor
		if d.isFull && !was {
			d.log.Error("the disk is nearly full, no mail is taken", "free", free, "floor", d.floor, ticket.LogHint, "free some space")
		}
	}
	return d.isFull
}

// refusals are the errors by which a file system takes nothing more and harms
// nothing that it has: it is full, a quota is, or it was made read-only, as ext4
// is after an error of the disk.
var refusals = []unix.Errno{unix.ENOSPC, unix.EDQUOT, unix.EROFS}

func isRefusal(err error) bool {
	return slices.ContainsFunc(refusals, func(e unix.Errno) bool { return errors.Is(err, e) })
}

// found notes that the disk refused a write. The next one is let through a second
// later, so that the desk goes on by itself when there is room again.
func (d *disk) found(file string, cause error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cause == nil {
		what, hint := "the disk is full, no mail is taken", "free some space"
		if errors.Is(cause, unix.EROFS) {
			what, hint = "the disk is read-only, no mail is taken", "look at the disk and the kernel's log, and mount it for writing again"
		}
		d.log.Error(what, ticket.LogError, cause, ticket.LogHint, hint)
	}
	d.checked, d.isFull, d.cause, d.file = d.now(), true, cause, file
}

// wrote notes that the disk took a write to a file. Another file may still need
// room that there is not.
func (d *disk) wrote(file string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.file == file {
		d.cause = nil
	}
}

// refused tells why the last write was refused; nil: it was not. Nobody may be
// writing any more, so it tries.
func (d *disk) refused() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cause == nil {
		return nil
	}
	if now := d.now(); now.Sub(d.checked) >= diskAge || now.Before(d.checked) {
		d.checked = now
		if err := d.try(); err == nil {
			d.cause, d.isFull = nil, false
		} else if isRefusal(err) {
			d.cause, d.isFull = err, true
		}
	}
	return d.cause
}

// trial is how much refused tries to write, in octets.
const trial = 1 << 20

// try writes a file, as a leftover by its name, and removes it.
func (d *disk) try() error {
	path := filepath.Join(d.dir, "trial"+leftoverSuffix)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(path)
	_, err = f.Write(make([]byte, trial))
	return errors.Join(err, f.Sync(), f.Close())
}
