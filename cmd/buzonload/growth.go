package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"buzon/control"
	"buzon/internal/load"
)

const (
	// asks is how often each list is asked for; the median counts.
	asks = 7
	// idle is how long a desk that was started has before its memory is looked at.
	idle = 3 * time.Second
	// topicOfDesk is the topic's id in the configuration.
	topicOfDesk = "soporte"
	// Words of the stream, and one that no ticket has.
	foundWords, noWord = "matricula icetex", "xyzzy"
)

const growthHead = `start: from the start of the program until it takes mail, as much of the files in memory as the page cache holds.
list, search: through the control socket, the median; in brackets by buzon ticket list, its start included.

| tickets | messages | state | start | after kill -9 | RssAnon idle / flat out | list of a person / topic | search found / none | mixed, 16 connections | p50 / p99 of the 250 | p50 / p99 of the confirmation | CPU a message | 4 KiB, 1 connection: p50 / p99 of the 250 |
|---|---|---|---|---|---|---|---|---|---|---|---|---|
`

// growth measures desks of several sizes, and prints a row of a table for each.
func (o *options) growth(ctx context.Context, out io.Writer) error {
	if o.Buzon == "" || o.Data == "" {
		return errors.New("growth needs --buzon PROGRAM, and --data DIR for the filled folders")
	}
	if err := os.MkdirAll(o.Data, 0o700); err != nil {
		return err
	}
	fmt.Fprint(out, growthHead)
	for _, n := range o.Growth {
		if err := o.grown(ctx, out, n); err != nil {
			return fmt.Errorf("with %d tickets: %w", n, err)
		}
	}
	return nil
}

// filled returns the folder with n tickets, filling it if it is not there. The one
// with none is always a new one.
func (o *options) filled(ctx context.Context, n int) (string, error) {
	dir := filepath.Join(o.Data, fmt.Sprint(n))
	if n == 0 {
		return dir, os.RemoveAll(dir)
	}
	if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
		return dir, err
	}
	config := dir + ".toml"
	if err := os.WriteFile(config, o.config(dir, "127.0.0.1:2525", "127.0.0.1", "2526"), 0o600); err != nil {
		return "", err
	}
	// Under another name until it is whole.
	made := dir + ".filling"
	if err := os.RemoveAll(made); err != nil {
		return "", err
	}
	fill := exec.CommandContext(ctx, o.Buzon, "demo", "--tickets", fmt.Sprint(n), "--config", config, "--data", made)
	fill.Stdout, fill.Stderr = os.Stderr, os.Stderr
	if err := fill.Run(); err != nil {
		return "", fmt.Errorf("filling %s: %w", made, err)
	}
	return dir, os.Rename(made, dir)
}

// grown measures one desk.
func (o *options) grown(ctx context.Context, out io.Writer, n int) (err error) {
	dir, err := o.filled(ctx, n)
	if err != nil {
		return err
	}
	sink, err := load.NewSink("127.0.0.1:0", o.Agents)
	if err != nil {
		return err
	}
	defer sink.Close()
	// The messages of an earlier run on the same folder would be copies to it.
	run := *o
	run.Data, run.Seed = dir, time.Now().Unix()
	d, err := startDesk(ctx, &run, sink.Addr())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	clean := d.took
	select {
	case <-time.After(idle):
	case <-ctx.Done():
		return ctx.Err()
	}
	atRest, err := load.AnonymousMemory(d.pid())
	if err != nil {
		return err
	}
	var status control.Status
	desk, err := control.Dial(dir)
	if err != nil {
		return err
	}
	if err := desk.Call(ctx, "status", control.Which{}, &status); err != nil {
		return err
	}
	tickets := 0
	for _, n := range status.Figures.Tickets {
		tickets += n
	}
	size, err := os.Stat(filepath.Join(dir, "state.db"))
	if err != nil {
		return err
	}
	lists, err := o.lists(ctx, desk, dir)
	if err != nil {
		return err
	}
	run.of(d)
	mixed, err := run.counted(ctx, sink)
	if err != nil {
		return err
	}
	single := run
	single.Connections, single.Size, single.Count, single.Seed = 1, 4096, max(o.Count/10, 1), run.Seed+1
	alone, err := single.counted(ctx, sink)
	if err != nil {
		return err
	}
	if err := d.kill(); err != nil {
		return err
	}
	again := *o
	again.Data = dir
	if d, err = startDesk(ctx, &again, sink.Addr()); err != nil {
		d = new(ownDesk) // nothing is left to stop
		return fmt.Errorf("after kill -9: %w", err)
	}
	fmt.Fprintf(out, "| %d | %d | %d MB | %.0f ms | %.0f ms | %d / %d MiB | %s / %s | %s / %s | %.0f a second | %.1f / %.1f ms | %.1f / %.1f ms | %.2f ms | %.1f / %.1f ms |\n",
		tickets, status.Figures.Messages, size.Size()>>20, ms(clean), ms(d.took), atRest>>20, max(mixed.Memory.Peak, alone.Memory.Peak)>>20,
		lists[0], lists[1], lists[2], lists[3],
		mixed.AcceptedRate(), ms(mixed.Accepted.P50), ms(mixed.Accepted.P99), ms(mixed.Confirmed.P50), ms(mixed.Confirmed.P99), ms(mixed.CPU),
		ms(alone.Accepted.P50), ms(alone.Accepted.P99))
	return nil
}

// counted measures, and fails when a message is missing.
func (o *options) counted(ctx context.Context, sink *load.Sink) (*figures, error) {
	f, account, err := o.measure(ctx, sink)
	if err != nil {
		return nil, err
	}
	return f, account.Err()
}

// lists times the lists that people ask for: of a person, of a topic, of words that
// tickets have, of a word that none has.
func (o *options) lists(ctx context.Context, desk control.Caller, dir string) (said []string, err error) {
	var newest []control.Ticket
	if err := desk.Call(ctx, "ticket list", control.Which{Limit: 1}, &newest); err != nil {
		return nil, err
	}
	person := "nobody@uni.test"
	if len(newest) > 0 {
		person = newest[0].Requester
	}
	for _, ask := range []struct {
		flag, value string
		which       control.Which
	}{
		{"--requester", person, control.Which{Requester: person}},
		{"--topic", topicOfDesk, control.Which{Topic: topicOfDesk}},
		{"--search", foundWords, control.Which{Search: foundWords}},
		{"--search", noWord, control.Which{Search: noWord}},
	} {
		socket, err := median(func() error {
			var list []control.Ticket
			return desk.Call(ctx, "ticket list", ask.which, &list)
		})
		if err != nil {
			return nil, err
		}
		program, err := median(func() error {
			got, err := exec.CommandContext(ctx, o.Buzon, "ticket", "list", ask.flag, ask.value, "--data", dir).CombinedOutput()
			if err != nil {
				return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(got)))
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		said = append(said, fmt.Sprintf("%.1f (%.0f) ms", ms(socket), ms(program)))
	}
	return said, nil
}

// median is how long something takes, of several times.
func median(do func() error) (time.Duration, error) {
	var took []time.Duration
	for range asks {
		start := time.Now()
		if err := do(); err != nil {
			return 0, err
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}
