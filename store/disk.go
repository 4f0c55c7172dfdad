package store

import (
	"fmt"
	"log/slog"
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

// found notes that a write found the disk full.
func (d *disk) found() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.isFull {
		d.log.Error("the disk is full, no mail is taken", ticket.LogHint, "free some space")
	}
	d.checked, d.isFull = d.now(), true
}
