package main

import (
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"buzon/routing"
	"buzon/ticket"
)

type serveCmd struct {
	where
}

const (
	// garbage is how much may gather before it is collected, in percent of what is in
	// use. That is some ten megabytes, so that the usual 100 would have a collection
	// every few dozen messages: a fifth of the CPU time of each.
	garbage = 400
	// heapLimit is where it is collected more often instead, in octets.
	heapLimit = 320 << 20
)

// collectLess trades memory for CPU time, unless the environment says otherwise.
func collectLess() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(heapLimit)
	}
}

// Run is the daemon: it starts everything, waits, and stops everything.
func (c *serveCmd) Run(e *env) error {
	collectLess()
	table, err := c.table()
	if err != nil {
		return err
	}
	log := newLog(e.stderr, table.Config.Log)
	log.Info("configuration", "file", c.Config, "version", table.Version)
	log.Debug("configuration in effect", "values", table.Redacted())
	for _, w := range table.Warnings() {
		log.Warn("configuration", ticket.LogReason, w.Error())
	}
	d, err := startDaemon(e.ctx, daemonOptions{
		table: table, data: c.data(table), log: log,
		load: c.table, file: c.Config,
	})
	if err != nil {
		return err
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-hangup:
			d.tryReload()
		case <-e.ctx.Done():
			log.Info("stopping")
			return d.stop()
		case <-d.store.Failed():
			// Whether the last commit took place is unknown. Starting again
			// finds out: every effect is idempotent.
			d.stop()
			return fmt.Errorf("a write to the data folder failed, and its outcome is unknown; stopping so that the next start looks what is there (look at the disk, then start again)")
		}
	}
}

func newLog(w interface{ Write([]byte) (int, error) }, c routing.LogConfig) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo
	}
	opt := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, opt))
	}
	return slog.New(slog.NewTextHandler(w, opt))
}
