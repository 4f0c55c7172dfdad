package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"buzon/desk"
	"buzon/store"
)

// The backup that the clock makes can be restored; one that fails is an alarm, until
// one works.
func TestScheduledBackup(t *testing.T) {
	w := startWatching(t)
	to := filepath.Join(filepath.Dir(w.file), "backup")
	order := func(folder string) {
		w.write(w.config("ana") + "[backup]\nat = \"30 2 * * *\"\nfolder = \"" + folder + "\"\n")
		w.until("the file is not taken", func() bool { return w.desk.Table().Config.Backup.Folder == folder })
		w.clock.backup()
	}
	alarm := func() *desk.Alarm {
		for _, a := range w.desk.Alarms() {
			if a.Key == "backup" {
				return &a
			}
		}
		return nil
	}
	file := filepath.Join(filepath.Dir(w.file), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	order(filepath.Join(file, "below"))
	if a := alarm(); a == nil || !strings.Contains(a.What, "not a directory") {
		t.Fatalf("alarm %+v", a)
	}
	order(to)
	if a := alarm(); a != nil {
		t.Fatalf("alarm %+v", a)
	}
	restored := filepath.Join(filepath.Dir(w.file), "restored")
	if code := run(context.Background(), []string{"restore", "--data", restored, to}, nil, os.Stderr, os.Stderr); code != 0 {
		t.Fatalf("restore: exit %d", code)
	}
	if r, err := store.Verify(context.Background(), restored); err != nil || !r.Clean() {
		t.Fatalf("%v, %+v", err, r)
	}
}
