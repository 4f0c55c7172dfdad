package load

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"buzon/e2e/world"
	"buzon/internal/load"
	"buzon/internal/realservers"
)

// BenchmarkPostfix hands the same streams, over 16 connections as fast as they are
// taken, to a Postfix that delivers into a Maildir and to the desk, in turn: MSGS
// messages of 4 KiB, and MSGS of the mixed stream. The desk is buzonload's, with a
// sink for its mail. Run it with -benchtime 1x; make beside does.
func BenchmarkPostfix(b *testing.B) {
	n := int(setting(b, "MSGS", 5000))
	const address = "soporte@desk.test"
	program := filepath.Join(b.TempDir(), "buzonload")
	if out, err := exec.Command("go", "build", "-o", program, "buzon/cmd/buzonload").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	buzon := world.Program(b)
	postfix := realservers.StartPostfix(b, realservers.PostfixOptions{Users: []string{address}})
	measure := func(args ...string) (f struct {
		Messages      int
		Took, Through time.Duration
		Accepted      load.Percentiles
		CPU           time.Duration
	}) {
		b.Helper()
		args = append([]string{"--json", "--connections", "16", "--requesters", "2000", "--count", fmt.Sprint(n), "--to", address}, args...)
		out, err := exec.Command(program, args...).Output()
		if err == nil {
			err = json.Unmarshal(out, &f)
		}
		if err != nil {
			said := ""
			if failed, ok := err.(*exec.ExitError); ok {
				said = string(failed.Stderr)
			}
			b.Fatalf("buzonload %s: %v\n%s", strings.Join(args, " "), err, said)
		}
		return f
	}
	b.ResetTimer()
	delivered := 0
	for _, kind := range []struct {
		name string
		args []string
	}{{"4 KiB", []string{"--size", "4096"}}, {"mixed", nil}} {
		// Its files are made anew each time, as those of a desk are.
		start := time.Now()
		p := measure(append(kind.args, "--smtp", postfix.SMTPAddr, "--no-sink")...)
		delivered += n
		for postfix.Count(b, address) < delivered {
			if time.Since(start) > p.Took+10*realservers.Patience {
				b.Fatalf("Postfix delivered %d of %d messages", postfix.Count(b, address), delivered)
			}
			time.Sleep(20 * time.Millisecond)
		}
		there := time.Since(start)
		d := measure(append(kind.args, "--buzon", buzon)...)
		rate := func(took time.Duration) float64 { return float64(n) / took.Seconds() }
		fmt.Printf("\n%s, %d messages, 16 connections\n", kind.name, n)
		fmt.Printf("Postfix: %.0f a second accepted (%s), all in the Maildir at %.0f a second\n", rate(p.Took), p.Accepted, rate(there))
		fmt.Printf("buzon:   %.0f a second accepted (%s), all confirmed at %.0f a second; %.2f ms of CPU a message\n", rate(d.Took), d.Accepted, rate(d.Through), d.CPU.Seconds()*1000)
		fmt.Printf("buzon accepts %.2f times as fast\n", rate(d.Took)/rate(p.Took))
		b.ReportMetric(rate(d.Took)/rate(p.Took), strings.ReplaceAll(kind.name, " ", "")+"-times-Postfix")
	}
}
