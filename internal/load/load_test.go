package load

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"buzon/internal/stream"
	"buzon/ticket"
)

func TestPercentiles(t *testing.T) {
	var times []time.Duration
	for i := range 1000 {
		times = append(times, time.Duration(1000-i)*time.Millisecond)
	}
	want := Percentiles{500 * time.Millisecond, 990 * time.Millisecond, 999 * time.Millisecond}
	if got := PercentilesOf(times); got != want {
		t.Errorf("%v, want %v", got, want)
	}
	if got := PercentilesOf([]time.Duration{7}); got != (Percentiles{7, 7, 7}) {
		t.Errorf("of one: %v", got)
	}
}

// Every way in which a message can go wrong is noticed.
func TestAccount(t *testing.T) {
	sink, err := NewSink("127.0.0.1:0", "agents.test")
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	for _, id := range []string{"good", "lost", "double"} {
		sink.confirmed[id] = &Confirmed{Times: 1}
	}
	sink.confirmed["double"].Times = 2
	messages := []*stream.Message{
		{Kind: stream.Request, MessageID: "good"}, {Kind: stream.Request, MessageID: "lost"},
		{Kind: stream.Request, MessageID: "double"}, {Kind: stream.Request, MessageID: "silent"},
		{Kind: stream.Reply, MessageID: "r1", Parent: "good", Text: "yes"},
		{Kind: stream.Reply, MessageID: "r2", Parent: "good", Text: "no"},
		{Kind: stream.Reply, MessageID: "r3", Parent: "good", Text: "well"},
		{Kind: stream.Automatic, MessageID: "a1"},
	}
	found := []Found{
		{"good", 1, true, ""}, {"double", 2, true, ""}, {"double", 3, true, ""}, {"silent", 4, true, ""},
		{"r1", 1, false, "yes"}, {"r2", 2, false, "no"}, {"r3", 1, false, "wel"}, {"a1", ticket.Number(5), true, ""},
	}
	a := NewAccount(messages, found, sink)
	for name, c := range map[string]struct{ got, want []string }{
		"missing": {a.Missing, []string{" lost"}}, "twice": {a.Twice, []string{" double"}}, "astray": {a.Astray, []string{" r2", " a1"}},
		"miscut": {a.Miscut, []string{" r3"}}, "unconfirmed": {a.Unconfirmed, []string{" silent"}},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s: %q, want %q", name, c.got, c.want)
		}
	}
	if err := a.Err(); err == nil || !strings.Contains(err.Error(), "1 mails to requesters were too many") {
		t.Errorf("it says %v", err)
	}
	if a := NewAccount(messages[:1], nil, &Sink{confirmed: map[string]*Confirmed{"good": {Times: 1}}}); a.Err() != nil {
		t.Error(a.Err())
	}
}

func TestProcess(t *testing.T) {
	stop := WatchMemory(os.Getpid())
	before, err := CPUTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for after := before; after < before+30*time.Millisecond; {
		if after, err = CPUTime(os.Getpid()); err != nil {
			t.Fatal(err)
		}
	}
	if m := stop(); m.Peak < m.End || m.End < 1<<20 {
		t.Errorf("this process holds %+v", m)
	}
	if _, err := CPUTime(0); err == nil {
		t.Error("process 0 was read")
	}
}
