package main

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"buzon/control"
	"buzon/store"
	"buzon/ticket"
)

// A filled folder is whole, has nothing left to send, and is not filled again.
func TestFill(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	buzon := func(args ...string) (string, int) {
		var out bytes.Buffer
		code := run(context.Background(), args, strings.NewReader(""), &out, &out)
		return out.String(), code
	}
	if out, code := buzon("demo", "--tickets", "300", "--data", dir); code != exitDone || !strings.Contains(out, " tickets with ") {
		t.Fatalf("exit code %d: %s", code, out)
	}
	r, err := store.Verify(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Clean() || r.Tickets < 300 || r.Entries < r.Tickets || r.Outgoing < 2*r.Tickets {
		t.Errorf("%+v", r)
	}
	// All but the newest are answered and closed; only those can be due.
	for _, c := range []struct {
		status   string
		from, to ticket.Number // none has another number
	}{{"open", 101, 1000}, {"closed", 1, 100}, {"waiting", 1, 0}, {"resolved", 1, 0}} {
		var list []control.Ticket
		out, _ := buzon("ticket", "list", "--status", c.status, "--limit", "1000", "--data", dir, "--json")
		if err := json.Unmarshal([]byte(out), &list); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for _, x := range list {
			if x.Number < c.from || x.Number > c.to || (x.Status == ticket.StatusClosed && !x.Due.IsZero()) {
				t.Errorf("ticket %d is %s, due %s", x.Number, x.Status, x.Due)
			}
		}
		if c.from <= c.to && len(list) < 100 {
			t.Errorf("%d tickets are %s", len(list), c.status)
		}
	}
	if out, _ := buzon("outbox", "list", "--state", "waiting", "--data", dir, "--json"); strings.TrimSpace(out) != "[]" {
		t.Errorf("it would send:\n%s", out)
	}
	if out, code := buzon("ticket", "list", "--search", "contraseñ", "--data", dir); code != exitDone || !strings.Contains(out, "Cambio de contraseña") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if out, code := buzon("ticket", "list", "--search", "xyzzy", "--data", dir); code != exitDone || strings.Contains(out, "soporte") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if out, code := buzon("demo", "--tickets", "1", "--data", dir); code != exitUsage {
		t.Errorf("filled again: exit code %d: %s", code, out)
	}
}
