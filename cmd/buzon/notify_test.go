package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"buzon/desk"
	"buzon/routing"
)

var sampleAlarm = desk.Alarm{
	Key: "smarthost", What: "connection refused", Try: "look at smtp.example", Since: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), Count: 3,
}

// telling runs a notifier with a configuration until the test ends.
func telling(t *testing.T, c routing.AlarmConfig, well func() bool) (*notifier, *strings.Builder) {
	t.Helper()
	log := new(strings.Builder)
	n := newNotifier(func() routing.Config {
		return routing.Config{Desk: routing.DeskConfig{Name: "Mesa"}, Alarm: c}
	}, well, slog.New(slog.NewTextHandler(log, nil)))
	n.pause = 0
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); n.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	return n, log
}

func TestAlarmCommand(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("BUZON_TEST_SECRET", "canary")
	out := filepath.Join(dir, "out")
	n, _ := telling(t, routing.AlarmConfig{Command: []string{"/bin/sh", "-c", `cat > "$1.part"; env >> "$1.part"; mv "$1.part" "$1"`, "x", out}}, nil)
	n.Notify(sampleAlarm, desk.AlarmRaised)
	text := waitFor(t, func() (string, bool) {
		text, err := os.ReadFile(out)
		return string(text), err == nil
	})
	line, env, _ := strings.Cut(text, "\n")
	var got notification
	if err := json.Unmarshal([]byte(line), &got); err != nil || got != (notification{"Mesa", desk.AlarmRaised, sampleAlarm}) {
		t.Errorf("%s: %v", line, err)
	}
	for _, want := range []string{"BUZON_ALARM_KEY=smarthost", "BUZON_ALARM_STATE=raised", "BUZON_ALARM_WHAT=connection refused",
		"BUZON_ALARM_TRY=look at smtp.example", "BUZON_ALARM_SINCE=2026-11-24T12:00:00Z", "BUZON_ALARM_COUNT=3", "PATH="} {
		if !strings.Contains(env, want) {
			t.Errorf("the environment has no %s:\n%s", want, env)
		}
	}
	if strings.Contains(env, "canary") {
		t.Error("the command sees the desk's secrets")
	}
}

func waitFor[T any](t *testing.T, look func() (T, bool)) T {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if v, ok := look(); ok {
			return v
		}
		if time.Now().After(deadline) {
			t.Fatal("it did not come")
		}
	}
}

// A command that hangs is ended with its children, and the next alarm is told.
func TestAlarmCommandHangs(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out := filepath.Join(t.TempDir(), "pid")
	ended := make(chan error, 1)
	go func() {
		ended <- runCommand(ctx, []string{"/bin/sh", "-c", `sleep 1000 & echo said; echo $! > "$0.part"; mv "$0.part" "$0"; wait`, out}, notification{Alarm: sampleAlarm})
	}()
	pid := waitFor(t, func() (string, bool) {
		pid, err := os.ReadFile(out)
		return strings.TrimSpace(string(pid)), err == nil
	})
	cancel()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "killed") || !strings.Contains(err.Error(), "said") {
		t.Errorf("got %v", err)
	}
	waitFor(t, func() (struct{}, bool) {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		return struct{}{}, err != nil || strings.Contains(string(stat), ") Z ")
	})
}

func TestAlarmWebhook(t *testing.T) {
	var tries atomic.Int32
	bodies := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if tries.Add(1) < 3 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || r.URL.Path != "/key" {
			t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
		}
		bodies <- string(body)
	}))
	defer server.Close()
	n, _ := telling(t, routing.AlarmConfig{Webhook: server.URL + "/key"}, nil)
	n.Notify(sampleAlarm, desk.AlarmOver)
	want := `{"desk":"Mesa","state":"over","key":"smarthost","what":"connection refused","try":"look at smtp.example","since":"2026-11-24T12:00:00Z","count":3}`
	if got := <-bodies; got != want || tries.Load() != 3 {
		t.Errorf("after %d tries: %s", tries.Load(), got)
	}
}

// An address is a secret: it stands in no log line.
func TestAlarmFailsQuietly(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	n, log := telling(t, routing.AlarmConfig{}, nil)
	n.try(t.Context(), "webhook", notification{Alarm: sampleAlarm}, func(ctx context.Context) error {
		return n.post(ctx, server.URL+"/canary", notification{Alarm: sampleAlarm})
	})
	if text := log.String(); strings.Count(text, "alarm not told") != notifyTries || strings.Contains(text, "canary") {
		t.Errorf("the log says:\n%s", text)
	}
	for range notifyQueue * 2 { // nothing is configured: nothing waits
		n.Notify(sampleAlarm, desk.AlarmRaised)
	}
	if len(n.queue) != 0 {
		t.Errorf("%d wait", len(n.queue))
	}
}

func TestDeadMan(t *testing.T) {
	var beats atomic.Int32
	var well atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || !well.Load() {
			t.Errorf("%s while well is %v", r.Method, well.Load())
		}
		beats.Add(1)
	}))
	defer server.Close()
	asked := make(chan struct{}, 1000)
	n, _ := telling(t, routing.AlarmConfig{DeadMan: server.URL, DeadManEvery: routing.Duration(time.Millisecond)}, func() bool {
		select {
		case asked <- struct{}{}:
		default:
		}
		return well.Load()
	})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); n.Beat(ctx) }()
	for range 5 {
		<-asked
	}
	if beats.Load() != 0 {
		t.Error("it said that all is well")
	}
	well.Store(true)
	waitFor(t, func() (struct{}, bool) { return struct{}{}, beats.Load() >= 3 })
	stop()
	<-done
}

// Every alarm that can be raised has a section in the manual.
func TestAlarmsAreExplained(t *testing.T) {
	manual, err := os.ReadFile("../../docs/alarms.md")
	if err != nil {
		t.Fatal(err)
	}
	var sections []string
	for _, m := range regexp.MustCompile("(?m)^## `([a-z]+)").FindAllStringSubmatch(string(manual), -1) {
		sections = append(sections, m[1])
	}
	key := regexp.MustCompile(`(?:Key:\s+|\bkey := |\badd\()"([a-z]+)`)
	found := 0
	for _, pattern := range []string{"*.go", "../../desk/*.go", "../../control/*.go", "../../mailpipe/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(file, "_test.go") || !strings.Contains(string(text), "Alarm") {
				continue
			}
			for _, m := range key.FindAllStringSubmatch(string(text), -1) {
				found++
				if !slices.Contains(sections, m[1]) {
					t.Errorf("%s: the alarm %q has no section in docs/alarms.md", file, m[1])
				}
			}
		}
	}
	if found < 8 {
		t.Errorf("only %d alarms were found", found)
	}
}
