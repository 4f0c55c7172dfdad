package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/robfig/cron/v3"

	"buzon/desk"
	"buzon/mailpipe"
	"buzon/routing"
	"buzon/ticket"
)

// clock wakes what is to be done by the hour. It only wakes: what is due is
// worked out from the state, so a missed or doubled tick does no harm.
type clock struct {
	ctx  context.Context
	desk *desk.Desk
	data string // folder
	log  *slog.Logger
	// look counts what has come into the spam folder of an account since a look before.
	look lookFunc

	mu   sync.Mutex
	cron *cron.Cron
	jobs []cron.EntryID // those that the configuration sets the hour of
}

type lookFunc func(ctx context.Context, a routing.AccountConfig, since ticket.MailboxState) (ticket.Arrivals, error)

// startClock starts it.
func startClock(ctx context.Context, d *desk.Desk, data string, look lookFunc, log *slog.Logger) (*clock, error) {
	c := &clock{ctx: ctx, desk: d, data: data, look: look, log: log, cron: cron.New(
		cron.WithLocation(d.Table().Zone), cron.WithChain(cron.SkipIfStillRunning(cron.DiscardLogger)))}
	if err := c.reschedule(d.Table().Config); err != nil {
		return nil, err
	}
	for _, job := range []struct {
		line string
		run  func()
	}{
		{"@every 10s", c.watchDisk},
		{"@every 5s", c.canary},
		{"@hourly", c.prune},
		{"@hourly", c.erasures},
		{"@every 5m", c.spam}, // what could not be looked at, or was put off
	} {
		if _, err := c.cron.AddFunc(job.line, job.run); err != nil {
			return nil, fmt.Errorf("scheduling %q: %w", job.line, err)
		}
	}
	c.cron.Start()
	go c.overdue() // what fell due while the desk was down
	go c.canary()
	go c.spam()
	go c.erasures() // one may have been cut off
	return c, nil
}

// reschedule sets when overdue work is looked for and digests are sent. With the
// former goes a look for digests and reports that a stop or a change of the clocks has put off.
func (c *clock) reschedule(conf *routing.Config) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var jobs []cron.EntryID
	for _, job := range []struct {
		key, line string
		run       func()
	}{
		{"reminder.scan", conf.Reminder.Scan, c.overdue},
		{"digest.at", conf.Digest.At, c.digest},
		{"report.at", conf.Report.At, c.report},
		{"spam.at", conf.Spam.At, c.spam},
		{"backup.at", conf.Backup.At, c.backup},
		{"retention.at", conf.Retention.At, c.retain},
	} {
		if job.line == "" {
			continue
		}
		id, err := c.cron.AddFunc(job.line, job.run)
		if err != nil {
			return fmt.Errorf("%s %q: %w", job.key, job.line, err)
		}
		jobs = append(jobs, id)
	}
	for _, id := range c.jobs {
		c.cron.Remove(id)
	}
	c.jobs = jobs
	return nil
}

func (c *clock) stop() { <-c.cron.Stop().Done() }

func (c *clock) overdue() {
	start := time.Now()
	n, err := c.desk.Remind(c.ctx)
	if err != nil && c.ctx.Err() == nil {
		c.log.Error("looking for overdue work", ticket.LogError, err)
	}
	if n > 0 {
		c.log.Info("reminders queued", "count", n, ticket.LogTook, time.Since(start))
	}
	c.digest()
	c.report()
}

// report has the reports mailed whose hour has come.
func (c *clock) report() {
	n, err := c.desk.MailReports(c.ctx)
	if err != nil && c.ctx.Err() == nil {
		c.log.Error("mailing reports", ticket.LogError, err)
	}
	if n > 0 {
		c.log.Info("reports queued", "count", n)
	}
}

// spam has the spam folders looked at whose hour has come. A folder that can't be
// opened is an alarm; what passes, such as a server that is down, is tried again.
func (c *clock) spam() {
	err := c.desk.CountSpam(c.ctx, func(ctx context.Context, a routing.AccountConfig, since ticket.MailboxState) (ticket.Arrivals, error) {
		seen, err := c.look(ctx, a, since)
		var known *mailpipe.AccountError
		if errors.As(err, &known) && known.Permanent {
			c.desk.Raise(desk.Alarm{Key: desk.SpamAlarm(a.Name), What: fmt.Sprintf("the spam folder can't be looked at: %v", err), Try: known.Hint})
		} else if err == nil {
			c.desk.Clear(desk.SpamAlarm(a.Name))
		}
		return seen, err
	})
	if err != nil && c.ctx.Err() == nil {
		c.log.Warn("counting what is in spam folders", ticket.LogError, err)
	}
}

func (c *clock) digest() {
	start := time.Now()
	n, err := c.desk.Digest(c.ctx)
	if err != nil && c.ctx.Err() == nil {
		c.log.Error("making digests", ticket.LogError, err)
	}
	if n > 0 {
		c.log.Info("digests queued", "count", n, ticket.LogTook, time.Since(start))
	}
}

// canary has the mails sent that are due to the desk itself, and sees whether the
// earlier ones are back.
func (c *clock) canary() {
	if _, err := c.desk.Canary(c.ctx); err != nil && c.ctx.Err() == nil {
		c.log.Error("canary", ticket.LogError, err)
	}
}

// backupWithin bounds a backup that the desk makes by itself.
const backupWithin = 6 * time.Hour

// backup has this program back the data folder up, in a process of its own, as an
// operator would: what a damaged file does to it, it does not do to the desk.
func (c *clock) backup() {
	folder := c.desk.Table().Config.Backup.Folder
	ctx, cancel := context.WithTimeout(c.ctx, backupWithin)
	defer cancel()
	start := time.Now()
	program, err := os.Executable()
	if err == nil {
		cmd := exec.CommandContext(ctx, program, "backup", "--data", c.data, folder)
		cmd.Args[0] = "buzon"
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
		cmd.WaitDelay = stopWithin / 2
		var out []byte
		if out, err = cmd.CombinedOutput(); err != nil {
			err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
		}
	}
	if c.ctx.Err() != nil {
		return // the desk stops
	}
	if err != nil {
		c.desk.Raise(desk.Alarm{Key: "backup", What: fmt.Sprintf("the backup to %s failed: %v", folder, err), Try: "buzon backup --config FILE " + folder})
		return
	}
	c.desk.Clear("backup")
	c.log.Info("backed up", "folder", folder, ticket.LogTook, time.Since(start))
}

// retain erases what need not be kept any more.
func (c *clock) retain() {
	start := time.Now()
	n, err := c.desk.Retain(c.ctx)
	if err != nil && c.ctx.Err() == nil {
		c.log.Error("erasing what need not be kept", ticket.LogError, err)
	}
	if n > 0 {
		c.log.Info("tickets erased", "count", n, ticket.LogTook, time.Since(start), ticket.LogHint, "buzon compact takes the last of them out of the files")
	}
}

// erasures goes on with those that were cut off, or had to wait.
func (c *clock) erasures() {
	if err := c.desk.FinishErasures(c.ctx); err != nil && c.ctx.Err() == nil {
		c.log.Error("going on with an erasure", ticket.LogError, err)
	}
}

// tryDisk is what to do when the disk takes no writes.
const tryDisk = "make room, or look why it is read-only (dmesg) and mount it for writing; buzon goes on by itself when the mount stayed, else start it again"

// watchDisk raises the alarm of a disk that is nearly full, or that refuses to be
// written to, and ends it.
func (c *clock) watchDisk() {
	switch cause := c.desk.Store.Refused(); {
	case cause != nil:
		c.desk.Raise(desk.Alarm{Key: "disk", Try: tryDisk,
			What: fmt.Sprintf("the data folder can't be written to; mail is refused and not fetched until it can: %v", cause)})
		return
	case !c.desk.Store.Full():
		c.desk.Clear("disk")
		return
	}
	free, _ := c.desk.Store.FreeSpace()
	c.desk.Raise(desk.Alarm{
		Key:  "disk",
		What: fmt.Sprintf("only %d MB are free where the data folder is; mail is refused and not fetched until there is more", free>>20),
		Try:  "make room, or lower desk.disk_floor",
	})
}

func (c *clock) prune() {
	if _, err := c.desk.Prune(c.ctx); err != nil && c.ctx.Err() == nil {
		c.log.Error("pruning sent mail", ticket.LogError, err)
	}
	if err := c.desk.DropKeys(c.ctx); err != nil && c.ctx.Err() == nil {
		c.log.Error("dropping old signing keys", ticket.LogError, err)
	}
}
