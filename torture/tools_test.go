package torture

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

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
func verify(t testing.TB, dir string) *store.Report {
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
	crashedBackup(r)
	crashedRestore(r, "restoreBegun", "restoreMidway", "restoreUnnamed")
	r.stop()
	r.oracle().verdict(t, r.data)
}

// exchange sends mail both ways, and waits until it is done with.
func (r *rig) exchange() {
	r.t.Helper()
	r.mail()
	r.sending.Wait()
	r.drain(r.book)
}

func crashedBackup(r *rig) {
	t := r.t
	r.start()
	r.exchange()
	backup := filepath.Join(r.dir, "backup")
	r.must("backup", backup)
	messages := r.status().Figures.Messages
	for i, plan := range []string{"backupBegun", "backupMidway", "backupUncounted", "backupUnswept"} {
		r.exchange()
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
}

func crashedRestore(r *rig, plans ...string) {
	t := r.t
	backup := filepath.Join(r.dir, "backup")
	r.must("backup", backup)
	messages := r.status().Figures.Messages
	for _, plan := range plans {
		half := filepath.Join(r.dir, plan)
		r.subKilled(plan, "restore", backup, "--data", half)
		if text, code := r.sub("restore", backup, "--data", half); code == 0 {
			t.Errorf("after a kill at %s a restore went over what was there: %s", plan, text)
		}
		if st, err := store.Open(half, store.Options{}); err == nil {
			st.Close()
			if plan != "restoreBegun" {
				t.Errorf("after a kill at %s the folder opens as if it were whole", plan)
			}
		}
		whole := half + "-again"
		r.must("restore", backup, "--data", whole)
		if report := verify(t, whole); report.Messages != messages {
			t.Errorf("restored %d messages of %d", report.Messages, messages)
		}
		t.Logf("crash point 27: %s, hit once", plan)
	}
}

// Crash point 22, compaction and rebuilding: at any moment the folder is whole,
// old or new.
func TestCrashedCompaction(t *testing.T) {
	t.Parallel()
	r := newRig(t, program(t), settings{})
	crashedTool(r, "compact", "compactBegun", "compactBegun>beforeWriteMetaError", "compactUnswapped", "compactSwapped", "compactUnswapped:2", "compactSwapped:2")
	r.must("compact")
	r.finish()
	r.oracle().verdict(t, r.data)
}

func TestCrashedRebuild(t *testing.T) {
	t.Parallel()
	r := newRig(t, program(t), settings{})
	crashedTool(r, "rebuild", "rebuildBegun", "rebuildBegun>beforeWriteMetaError", "rebuildUnswapped", "rebuildSwapped")
	r.must("rebuild")
	r.finish()
	r.oracle().verdict(t, r.data)
}

// crashedTool kills a tool that needs the desk to stand still at each of the points.
func crashedTool(r *rig, tool string, plans ...string) {
	for _, plan := range plans {
		r.start()
		r.exchange()
		r.stop()
		r.subKilled(plan, tool)
		verify(r.t, r.data)
		r.t.Logf("crash point 22: %s, hit once", plan)
	}
}

// nextSchema gives the program a format of its own of the state, in which each
// ticket's row is there twice.
var nextSchema = mutation{{"store/schema.go", "	addBuckets(\"index_noted\"),\n}", `	addBuckets("index_noted"),
	func(tx *bbolt.Tx) error {
		twice, err := tx.CreateBucket([]byte("tickets_twice"))
		if err != nil {
			return err
		}
		return tx.Bucket([]byte(bucketTickets)).ForEach(twice.Put)
	},
}`}}

// nextVersion is one more than the store's own schema version has.
const nextVersion = 9

// Crash point 23: a state of an older format is brought to the next one whole or
// not at all, and what is not brought there still serves the version that wrote
// it.
func TestCrashedMigration(t *testing.T) {
	t.Parallel()
	r := newRig(t, program(t), settings{})
	crashedMigration(r, built(t, "next-schema", nextSchema),
		"migrateHalfway", "migrateHalfway>beforeSyncDataPages", "migrateHalfway>beforeWriteMetaError", "migrateHalfway>beforeSyncMetaPage")
	backToPresentSchema(t, r.data)
	r.oracle().verdict(t, r.data)
}

func crashedMigration(r *rig, next string, plans ...string) {
	t, old := r.t, r.program
	r.start()
	r.exchange()
	r.stop()
	for _, plan := range plans {
		r.program = next
		r.arm(plan)
		r.launch()
		r.died()
		t.Logf("crash point 23: %s, hit once", plan)
		if migrated(t, r.data) {
			continue
		}
		r.program = old
		r.start()
		r.exchange()
		r.stop()
	}
	r.program = next
	r.start()
	r.exchange()
	r.stop()
	if !migrated(t, r.data) {
		t.Error("migration: nothing was done")
	}
	r.program = old
	r.launch()
	if code := r.exit(); code != 2 || !strings.Contains(r.log(), "newer version") {
		t.Errorf("the older version on a newer format ended with %d", code)
	}
}

// migrated tells whether a state has the next format, of which there must be
// nothing else then, or all.
func migrated(t testing.TB, dir string) (yes bool) {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(dir, "state.db"), 0o600, &bbolt.Options{ReadOnly: true, Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.View(func(tx *bbolt.Tx) error {
		yes = binary.BigEndian.Uint64(tx.Bucket([]byte("meta")).Get([]byte("version"))) == nextVersion
		twice := tx.Bucket([]byte("tickets_twice"))
		if yes != (twice != nil) {
			t.Fatalf("migration: the version says %v, the rows %v", yes, twice != nil)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return yes
}

// backToPresentSchema takes the next format off again, for the oracle.
func backToPresentSchema(t testing.TB, dir string) {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(dir, "state.db"), 0o600, &bbolt.Options{Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.Update(func(tx *bbolt.Tx) error {
		return errors.Join(tx.DeleteBucket([]byte("tickets_twice")),
			tx.Bucket([]byte("meta")).Put([]byte("version"), binary.BigEndian.AppendUint64(nil, nextVersion-1)))
	})
	if err != nil {
		t.Fatal(err)
	}
}
