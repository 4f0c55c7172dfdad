package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"buzon/ticket"
)

const (
	// maxJobs bounds how many writes share a commit.
	maxJobs = 256
	// patience is how long a write that nobody waits for lets pass for another one to
	// share its commit, and company with how many of its like it waits no longer.
	patience = 10 * time.Millisecond
	company  = 12
)

// failure remembers the first commit error, after which nothing is written any
// more: what such a commit did is unknown, and only reading the file anew tells.
// A damaged page that is met does the same.
type failure struct {
	log    *slog.Logger
	closed chan struct{}

	mu    sync.Mutex
	cause error
}

func (f *failure) set(what string, cause error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cause == nil {
		f.cause = fmt.Errorf("%w: committing to the %s failed and nobody knows what was kept: %w", ticket.ErrStopping, what, cause)
		f.log.Error("a commit failed, nothing is taken any more", ticket.LogError, cause, ticket.LogHint, "start buzon again: it reads the files anew")
		close(f.closed)
	}
}

// damaged stops everything because a file was found damaged.
func (f *failure) damaged(what string, cause error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cause == nil {
		f.cause = fmt.Errorf("%w: the %s: %w", ticket.ErrStopping, what, cause)
		f.log.Error("a damaged page was met, nothing is taken any more", ticket.LogError, cause,
			ticket.LogHint, "buzon verify, then buzon rebuild or buzon restore")
		close(f.closed)
	}
}

func (f *failure) err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cause
}

// job is one caller's share of a commit.
type job struct {
	fn     func(*bbolt.Tx) error
	size   int       // octets, for bounding a batch
	begin  time.Time // when it is begun at the latest, if no other is; zero: at once
	result chan error
}

// committer is the only writer of a file. It takes all jobs that are waiting
// into one transaction; while that is being synced the next ones gather, so that
// batches form by themselves, and a single caller never waits for company unless it
// has the patience.
type committer struct {
	what     string // "state" or "archive", for errors
	maxJobs  int
	maxBytes int // 0: no bound
	failure  *failure
	disk     *disk
	file     func() (*bbolt.DB, error) // asked before each batch
	begin    func(*bbolt.Tx) error     // called before a transaction's jobs and
	finish   func(*bbolt.Tx) error     // after them; nil: there is nothing to do
	patience time.Duration

	began atomic.Int64 // when the transaction under way was begun, in Unix nanoseconds; 0: none is

	mu      sync.Mutex
	arrived sync.Cond
	queue   []*job
	stopped bool
	done    chan struct{}
}

func newCommitter(what string, maxJobs, maxBytes int, f *failure, d *disk, file func() (*bbolt.DB, error)) *committer {
	c := &committer{what: what, maxJobs: maxJobs, maxBytes: maxBytes, failure: f, disk: d, file: file, patience: patience, done: make(chan struct{})}
	c.arrived.L = &c.mu
	go c.run()
	return c
}

// do has fn run in a transaction and returns when that is durable. ctx is heeded
// until fn starts.
func (c *committer) do(ctx context.Context, size int, fn func(*bbolt.Tx) error) error {
	return c.wait(ctx, &job{fn: fn, size: size, result: make(chan error, 1)})
}

// doPatiently is do for a caller in no hurry.
func (c *committer) doPatiently(ctx context.Context, fn func(*bbolt.Tx) error) error {
	j := &job{fn: fn, begin: time.Now().Add(c.patience), result: make(chan error, 1)}
	late := time.AfterFunc(c.patience, func() { // not before j.begin
		c.mu.Lock()
		defer c.mu.Unlock()
		c.arrived.Signal()
	})
	defer late.Stop()
	return c.wait(ctx, j)
}

func (c *committer) wait(ctx context.Context, j *job) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := c.enqueue(j); err != nil {
		return err
	}
	select {
	case err := <-j.result:
		return err
	case <-ctx.Done():
		if c.withdraw(j) {
			return ctx.Err()
		}
		return <-j.result
	}
}

func (c *committer) enqueue(j *job) error {
	if err := c.failure.err(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return fmt.Errorf("%w: the %s is closed", ticket.ErrStopping, c.what)
	}
	c.queue = append(c.queue, j)
	c.arrived.Signal()
	return nil
}

// withdraw takes a job back, unless it was begun.
func (c *committer) withdraw(j *job) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.queue, j)
	if i >= 0 {
		c.queue = slices.Delete(c.queue, i, i+1)
	}
	return i >= 0
}

// stop refuses new jobs, finishes those that wait, and returns when all is done.
func (c *committer) stop() {
	c.mu.Lock()
	c.stopped = true
	c.arrived.Signal()
	c.mu.Unlock()
	<-c.done
}

// urgent tells whether a job is to be begun now, even alone.
func (j *job) urgent() bool { return j.begin.IsZero() || !time.Now().Before(j.begin) }

// take waits for jobs. It returns none when the committer was stopped.
func (c *committer) take() []*job {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.stopped && len(c.queue) < company && !slices.ContainsFunc(c.queue, (*job).urgent) {
		c.arrived.Wait()
	}
	n, bytes := 0, 0
	for n < len(c.queue) && n < c.maxJobs {
		bytes += c.queue[n].size
		if n > 0 && c.maxBytes > 0 && bytes > c.maxBytes {
			break
		}
		n++
	}
	batch := slices.Clone(c.queue[:n])
	c.queue = slices.Delete(c.queue, 0, n)
	return batch
}

// heldUp tells whether the transaction under way has lasted longer than d.
func (c *committer) heldUp(d time.Duration) bool {
	began := c.began.Load()
	return began != 0 && time.Since(time.Unix(0, began)) > d
}

func (c *committer) run() {
	defer close(c.done)
	for {
		batch := c.take()
		if len(batch) == 0 {
			return
		}
		c.commit(batch)
	}
}

// commit commits a batch and answers its jobs. If one of them fails, all are
// rolled back and run one by one, so that only the culprit gets its error.
func (c *committer) commit(batch []*job) {
	if len(batch) > 1 && c.failure.err() == nil {
		culprit, err := c.transact(batch)
		if !culprit {
			for _, j := range batch {
				j.result <- err
			}
			return
		}
		// gofail: var runningSingly struct{}
	}
	for _, j := range batch {
		_, err := c.transact([]*job{j})
		j.result <- err
	}
}

// transact runs jobs in one transaction. culprit says that the error is a job's
// own, and nothing was written.
func (c *committer) transact(jobs []*job) (culprit bool, err error) {
	if err := c.failure.err(); err != nil {
		return false, err
	}
	c.began.Store(time.Now().UnixNano())
	defer c.began.Store(0)
	db, err := c.file()
	if isRefusal(err) {
		c.disk.found(c.what, err)
		return false, fmt.Errorf("%w: %w", ticket.ErrFull, err)
	} else if err != nil {
		return false, err
	}
	tx, err := db.Begin(true)
	if err != nil {
		c.failure.set(c.what, err)
		return false, c.failure.err()
	}
	defer tx.Rollback() // does nothing after a commit
	err = shielded(func() error {
		if c.begin != nil {
			if err := c.begin(tx); err != nil {
				return err
			}
		}
		culprit = true
		for _, j := range jobs {
			if err := j.fn(tx); err != nil {
				return err
			}
		}
		culprit = false
		if c.finish != nil {
			return c.finish(tx)
		}
		return nil
	})
	switch {
	case isDamage(err):
		c.failure.damaged(c.what, err)
		return false, c.failure.err()
	case culprit:
		return true, err
	case err != nil:
		c.failure.set(c.what, err)
		return false, c.failure.err()
	}
	txid, path := tx.ID(), db.Path()
	err = shielded(tx.Commit)
	switch {
	case err == nil:
		c.disk.wrote(c.what)
		return false, nil
	case undone(err, path, txid):
		c.disk.found(c.what, err)
		return false, fmt.Errorf("%w: writing to the %s: %w", ticket.ErrFull, c.what, err)
	}
	c.failure.set(c.what, err)
	return false, c.failure.err()
}

// shielded makes an error of a panic, and of a job that ends the goroutine,
// which all other jobs depend on.
func shielded(fn func() error) (err error) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
		defer func() {
			if p := recover(); p != nil {
				if err = Damage(p); err == nil {
					err = fmt.Errorf("panic in a transaction: %v\n%s", p, debug.Stack())
				}
			}
		}()
		err = errors.New("a transaction ended its goroutine")
		err = fn()
	}()
	<-ended
	return err
}
