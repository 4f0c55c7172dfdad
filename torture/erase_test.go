package torture

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"buzon/control"
	"buzon/store"
	"buzon/ticket"
)

// Crash point 22, erasure: once it is ordered it is carried out, wherever the process
// was killed; at any moment the folder is whole, and in the end nothing is left in any
// of its files.
func TestCrashedErasure(t *testing.T) {
	t.Parallel()
	r := newRig(t, program(t), settings{})
	crashedErasure(r, "eraseBegun", "eraseHalfway:2", "eraseHalfway>beforeSyncDataPages", "eraseHalfway>beforeWriteMetaError",
		"eraseMidway", "eraseUnfinished", "eraseUnpurged",
		"eraseUnpurged>compactBegun", "eraseUnpurged>compactUnswapped", "eraseUnpurged>compactSwapped")
}

func crashedErasure(r *rig, plans ...string) {
	t := r.t
	for i, plan := range plans {
		canary := fmt.Sprintf("canario%dx", i)
		from := canary + "@uni.test"
		r.start()
		for range 4 {
			l := newLetter(from, listenAddress, "De "+canary)
			r.book.send(t, r.smtp, l)
		}
		r.drain(r.book)
		r.stop()
		closeAll(t, r.data, from)
		if n := filesWith(t, r.data, canary); n < 2 {
			t.Errorf("erasure: before it %d files hold what is to be erased", n)
		}
		// A month later the segment is one that is written anew.
		month := time.Duration(i+1) * 31 * 24 * time.Hour
		r.setClock(month)
		if err := os.WriteFile(filepath.Join(r.dir, "tool.clock"), []byte(month.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		r.subKilled(plan, "person", "erase", "--yes", from)
		verify(t, r.data)
		r.start()
		r.eventually("the erasure to end", func() bool {
			var list []store.Erasure
			if err := r.call("erasure list", control.Which{}, &list); err != nil {
				t.Fatal(err)
			}
			if len(list) != i+1 {
				t.Fatalf("erasure: after a kill at %s there are %d, want %d", plan, len(list), i+1)
			}
			return !list[0].Purged.IsZero()
		})
		r.stop()
		r.must("compact")
		if report := verify(t, r.data); report.Erased != 4*(i+1) || report.Archived != 0 {
			t.Errorf("erasure: after a kill at %s %d messages are erased, and %d have bytes", plan, report.Erased, report.Archived)
		}
		if n := filesWith(t, r.data, canary); n > 0 {
			t.Errorf("erasure: after a kill at %s %d files hold what was erased", plan, n)
		}
		t.Logf("crash point 22: %s, hit once", plan)
	}
}

// closeAll closes the tickets of somebody, as their agents would.
func closeAll(t testing.TB, dir, from string) {
	t.Helper()
	st, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	err = st.Update(context.Background(), func(tx *store.Tx) error {
		p, err := tx.PersonByAddress(from)
		if err != nil {
			return err
		}
		list, err := tx.Tickets(store.TicketFilter{Requester: p.ID}, 0)
		for _, tk := range list {
			if err := tk.SetStatus(ticket.StatusClosed, time.Now().UTC()); err != nil {
				return err
			}
			if err := tx.PutTicket(tk); err != nil {
				return err
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// filesWith counts the files of a folder that hold a word.
func filesWith(t testing.TB, dir, word string) (n int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		raw, err := os.ReadFile(path)
		if bytes.Contains(raw, []byte(word)) {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
