package torture

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"buzon/store"
)

// subKilled runs a sub-command that is to be killed at a point, and tells whether
// it was.
func (d *desk) subKilled(plan string, args ...string) {
	d.tb.Helper()
	file := filepath.Join(d.dir, "tool")
	if err := os.WriteFile(file, []byte(plan), 0o600); err != nil {
		d.tb.Fatal(err)
	}
	cmd := exec.Command(d.program, append(args, "--config", d.config)...)
	cmd.Dir = d.dir
	cmd.Env = append(os.Environ(), "BUZON_FAILPOINTS="+file)
	out, err := cmd.CombinedOutput()
	if !killed(err) {
		d.tb.Fatalf("buzon %s was not killed at %s: %v\n%s", strings.Join(args, " "), plan, err, out)
	}
}

// must runs a sub-command that has to succeed.
func (d *desk) must(args ...string) {
	d.tb.Helper()
	if text, code := d.sub(args...); code != 0 {
		d.tb.Fatalf("buzon %s: exit code %d\n%s", strings.Join(args, " "), code, text)
	}
}

// verify has the store compare everything in a data folder.
func verify(t *testing.T, dir string) *store.Report {
	t.Helper()
	report, err := store.Verify(context.Background(), dir)
	if err != nil {
		t.Fatalf("verifying %s: %v", dir, err)
	}
	for _, d := range report.Differences {
		t.Errorf("%s differs: %v", dir, d)
	}
	return report
}

// Crash points 22 and 27, backup and restore: a backup that was killed leaves the
// one before it usable, and can be made again; a restore that was killed leaves
// no folder that a desk could be started on without noticing.
func TestCrashedBackup(t *testing.T) {
	t.Parallel()
	r := newRig(t, program(t), settings{})
	r.start()
	mail := func() {
		r.mail()
		r.sending.Wait()
		r.drain(r.book)
	}
	mail()
	backup := filepath.Join(r.dir, "backup")
	r.must("backup", backup)
	messages := r.status().Figures.Messages
	for i, plan := range []string{"backupBegun", "backupMidway", "backupUncounted", "backupUnswept"} {
		mail()
		r.subKilled(plan, "backup", backup)
		restored := filepath.Join(r.dir, fmt.Sprintf("restored-%d", i))
		r.must("restore", backup, "--data", restored)
		want := messages
		if plan == "backupUnswept" {
			want = r.status().Figures.Messages
		}
		if report := verify(t, restored); report.Messages != want {
			t.Errorf("after a kill at %s the backup has %d messages, want %d", plan, report.Messages, want)
		}
		r.must("backup", backup)
		messages = r.status().Figures.Messages
		t.Logf("crash point 22: %s, hit once", plan)
	}
	for _, plan := range []string{"restoreBegun", "restoreMidway", "restoreUnnamed"} {
		half := filepath.Join(r.dir, plan)
		r.subKilled(plan, "restore", backup, "--data", half)
		if text, code := r.sub("restore", backup, "--data", half); code == 0 {
			t.Errorf("after a kill at %s a restore went over what was there: %s", plan, text)
		}
		if _, err := store.Open(half, store.Options{}); err == nil && plan != "restoreBegun" {
			t.Errorf("after a kill at %s the folder opens as if it were whole", plan)
		}
		whole := half + "-again"
		r.must("restore", backup, "--data", whole)
		if report := verify(t, whole); report.Messages != messages {
			t.Errorf("restored %d messages of %d", report.Messages, messages)
		}
		t.Logf("crash point 27: %s, hit once", plan)
	}
	r.stop()
	r.oracle().verdict(t, r.data)
}

// Crash point 22, compaction: at any moment the folder is whole, old or new.
func TestCrashedCompaction(t *testing.T) {
	t.Parallel()
	r := newRig(t, program(t), settings{})
	for _, plan := range []string{"compactBegun", "compactUnswapped", "compactSwapped", "compactUnswapped:2", "compactSwapped:2"} {
		r.start()
		r.mail()
		r.sending.Wait()
		r.drain(r.book)
		r.stop()
		r.subKilled(plan, "compact")
		verify(t, r.data)
		t.Logf("crash point 22: %s, hit once", plan)
	}
	r.must("compact")
	r.finish()
	r.oracle().verdict(t, r.data)
}
