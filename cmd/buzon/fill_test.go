package main

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"

	"buzon/store"
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
	if !r.Clean() || r.Tickets < 300 || r.Entries < r.Tickets || r.Outgoing < r.Tickets {
		t.Errorf("%+v", r)
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
