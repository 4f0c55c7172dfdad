package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"buzon/desk"
	"buzon/routing"
	"buzon/ticket"
)

const (
	notifyWithin = 30 * time.Second // for one try by one way
	notifyTries  = 3
	notifyPause  = 10 * time.Second // between tries
	notifyQueue  = 64
)

// notification is what a command and a webhook get, as JSON.
type notification struct {
	Desk  string `json:"desk"`
	State string `json:"state"` // desk.AlarmRaised or -Over
	desk.Alarm
}

// notifier tells alarms by other ways than mail, one after the other, and says
// that the desk is well while it is. Nothing here holds the desk up.
type notifier struct {
	config func() routing.Config // asked anew each time, for a reload
	well   func() bool
	log    *slog.Logger
	client *http.Client
	within time.Duration
	pause  time.Duration
	queue  chan notification
}

func newNotifier(config func() routing.Config, well func() bool, log *slog.Logger) *notifier {
	return &notifier{
		config: config, well: well, log: log, client: &http.Client{}, within: notifyWithin, pause: notifyPause,
		queue: make(chan notification, notifyQueue),
	}
}

// Notify takes an alarm to be told; see desk.Notifier.
func (n *notifier) Notify(a desk.Alarm, state string) {
	c := n.config()
	if len(c.Alarm.Command) == 0 && c.Alarm.Webhook == "" {
		return
	}
	select {
	case n.queue <- notification{c.Desk.Name, state, a}:
	default:
		n.log.Error("too many alarms at once; one was told by mail only", "about", a.Key)
	}
}

// Run tells alarms until ctx ends.
func (n *notifier) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case a := <-n.queue:
			c := n.config().Alarm
			if len(c.Command) > 0 {
				n.try(ctx, "command", a, func(ctx context.Context) error { return runCommand(ctx, c.Command, a) })
			}
			if c.Webhook != "" {
				n.try(ctx, "webhook", a, func(ctx context.Context) error { return n.post(ctx, c.Webhook, a) })
			}
		}
	}
}

// try tells an alarm by one way, up to three times.
func (n *notifier) try(ctx context.Context, way string, a notification, tell func(context.Context) error) {
	for attempt := 1; ; attempt++ {
		limited, cancel := context.WithTimeout(ctx, n.within)
		err := tell(limited)
		cancel()
		if err == nil {
			n.log.Info("alarm told", "way", way, "about", a.Key, "state", a.State)
			return
		}
		n.log.Error("alarm not told", "way", way, "about", a.Key, ticket.LogAttempts, attempt, ticket.LogError, err)
		if attempt == notifyTries {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(n.pause):
		}
	}
}

// inherited are the variables of our own that a command gets: others may hold
// secrets.
var inherited = []string{"PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR"}

// runCommand runs a program with the alarm, and ends it with all that it started
// when ctx does.
func runCommand(ctx context.Context, command []string, a notification) error {
	text, err := json.Marshal(a)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdin = bytes.NewReader(append(text, '\n'))
	for _, name := range inherited {
		if value, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	for _, pair := range [][2]string{
		{"KEY", a.Key}, {"STATE", a.State}, {"WHAT", a.What}, {"TRY", a.Try},
		{"SINCE", a.Since.Format(time.RFC3339)}, {"COUNT", fmt.Sprint(a.Count)},
	} {
		cmd.Env = append(cmd.Env, "BUZON_ALARM_"+pair[0]+"="+strings.ReplaceAll(pair[1], "\x00", ""))
	}
	var said limitedBuffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 2 * time.Second
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("running %s: %w: %s", command[0], err, oneLongLine(said.String()))
	}
	return nil
}

// limitedBuffer keeps the first octets of what is written to it.
type limitedBuffer struct{ bytes.Buffer }

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if room := 1000 - b.Len(); room > 0 {
		b.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

// post sends the alarm to a webhook.
func (n *notifier) post(ctx context.Context, to string, a notification) error {
	text, err := json.Marshal(a)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(text))
	if err != nil {
		return hidden(err, to)
	}
	req.Header.Set("Content-Type", "application/json")
	return n.send(req)
}

// send makes a request; only an answer of success is one.
func (n *notifier) send(req *http.Request) error {
	req.Header.Set("User-Agent", "buzon/"+version)
	res, err := n.client.Do(req)
	if err != nil {
		return hidden(err, req.URL.String())
	}
	defer res.Body.Close()
	io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return fmt.Errorf("the server answered %s", res.Status)
	}
	return nil
}

// hidden leaves an address, which is a secret, out of an error.
func hidden(err error, address string) error {
	return fmt.Errorf("%s", strings.ReplaceAll(err.Error(), address, "(the address)"))
}

// Beat fetches the dead man's address while the desk is well, until ctx ends.
// Whoever watches that address gives the alarm when this stops.
func (n *notifier) Beat(ctx context.Context) {
	failing := false
	for {
		c := n.config().Alarm
		if c.DeadMan != "" && n.well() {
			err := n.beat(ctx, c.DeadMan)
			if err != nil && !failing && ctx.Err() == nil {
				n.log.Error("dead man's address not reached", ticket.LogError, err)
			}
			failing = err != nil
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(c.DeadManEvery)):
		}
	}
}

func (n *notifier) beat(ctx context.Context, to string) error {
	ctx, cancel := context.WithTimeout(ctx, n.within)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, to, nil)
	if err != nil {
		return hidden(err, to)
	}
	return n.send(req)
}
