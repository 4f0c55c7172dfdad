package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"buzon/internal/load"
)

// program builds the desk.
func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "buzon")
	if out, err := exec.Command("go", "build", "-o", path, "buzon/cmd/buzon").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// A desk of its own takes everything, by either kind of reply, and every message is
// found.
func TestLoad(t *testing.T) {
	buzon := program(t)
	for name, o := range map[string]options{
		"flat out":  {Count: 120, Connections: 4},
		"answering": {Count: 60, Connections: 2, Rate: 60, Answering: true},
		"one size":  {Count: 20, Connections: 1, Size: 4096},
	} {
		t.Run(name, func(t *testing.T) {
			o.Buzon, o.Seed, o.Requesters, o.To, o.Agents, o.Sink, o.Wait = buzon, 1, 50, "soporte@desk.test", "private.test", "127.0.0.1:0", 20*time.Second
			var out strings.Builder
			if err := o.run(context.Background(), &out); err != nil {
				t.Fatalf("%v\n%s", err, &out)
			}
			t.Log(out.String())
			for _, want := range []string{"a second", "final dot to the answer: p50", "at the smarthost: p50", "CPU of process", "missing: 0, with two effects: 0"} {
				if !strings.Contains(out.String(), want) {
					t.Errorf("the report lacks %q", want)
				}
			}
		})
	}
}

// Each size gets a row: an empty desk, a filled one, and again the filled one.
func TestGrowth(t *testing.T) {
	buzon := program(t)
	data := filepath.Join(t.TempDir(), "grown")
	o := options{Buzon: buzon, Data: data, Growth: []int{0, 60, 60}, Count: 60, Connections: 2, Requesters: 50,
		To: "soporte@desk.test", Agents: "private.test", Wait: 20 * time.Second}
	var out strings.Builder
	if err := o.run(context.Background(), &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	t.Log(out.String())
	var tickets []int
	for line := range strings.Lines(out.String()) {
		var n int
		if _, err := fmt.Sscanf(line, "| %d |", &n); err == nil {
			tickets = append(tickets, n)
			if got := strings.Count(line, " | "); got != strings.Count(growthHead, "---|")-1 {
				t.Errorf("%d columns: %s", got+1, line)
			}
		}
	}
	if len(tickets) != 3 || tickets[0] != 0 || tickets[1] < 60 || tickets[2] <= tickets[1] {
		t.Errorf("rows of %d tickets", tickets)
	}
	o.Data = ""
	if err := o.run(context.Background(), &out); err == nil {
		t.Error("it fills nowhere")
	}
}

// As JSON the figures are what the text says.
func TestJSON(t *testing.T) {
	server, err := newBlackHole()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	o := options{Count: 10, Connections: 2, Seed: 1, Requesters: 5, To: "soporte@desk.test", SMTP: server.Addr(), NoSink: true, JSON: true}
	var out strings.Builder
	if err := o.run(context.Background(), &out); err != nil {
		t.Fatal(err)
	}
	var f figures
	if err := json.Unmarshal([]byte(out.String()), &f); err != nil {
		t.Fatalf("%v: %s", err, &out)
	}
	if f.Messages != 10 || f.Took <= 0 || f.Accepted.P50 <= 0 || f.AcceptedRate() <= 0 {
		t.Errorf("%+v", f)
	}
}

// What a desk loses is said: a server that only takes mail confirms none of it.
func TestLoadMissesConfirmations(t *testing.T) {
	var first, second strings.Builder
	o := options{Count: 10, Connections: 2, Seed: 1, Requesters: 5, To: "soporte@desk.test", Agents: "private.test", Wait: 100 * time.Millisecond}
	// A sink is a mail server too.
	sink := o
	sink.Sink, sink.NoSink = "127.0.0.1:0", false
	server, err := newBlackHole()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	sink.SMTP = server.Addr()
	if err := sink.run(context.Background(), &first); err == nil || !strings.Contains(err.Error(), "unconfirmed") {
		t.Errorf("confirmations are missing, and it says %v", err)
	}
	o.SMTP, o.NoSink = server.Addr(), true
	if err := o.run(context.Background(), &second); err != nil {
		t.Error(err)
	}
}

func newBlackHole() (*load.Sink, error) { return load.NewSink("127.0.0.1:0", "nobody.test") }
