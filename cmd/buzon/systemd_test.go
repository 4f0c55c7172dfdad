package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"buzon/internal/postoffice"
)

// The desk tells systemd that it is ready, that it is alive, and that it stops.
func TestSystemd(t *testing.T) {
	dir := t.TempDir()
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	t.Setenv("NOTIFY_SOCKET", filepath.Join(dir, "notify"))
	t.Setenv("WATCHDOG_USEC", "60000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))

	office, err := postoffice.New(postoffice.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer office.Close()
	_, out, _ := net.SplitHostPort(office.SMTPAddr())
	config := filepath.Join(dir, "buzon.toml")
	text := fmt.Sprintf(`
[desk]
name = "Mesa"
hostname = "mesa.example"
data = "data"
operators = ["ana"]
[smtp]
lmtp = %q
[outgoing]
host = "127.0.0.1"
port = %s
tls = "plain"
[web]
listen = "off"
[[topic]]
id = "todo"
name = "Todo"
addresses = ["todo@virtual.example"]
agent = "ana"
catch_all = true
[[agent]]
id = "ana"
name = "Ana"
addresses = ["ana@privada.example"]
`, filepath.Join(dir, "lmtp"), out)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	done := make(chan int, 1)
	var stderr strings.Builder
	go func() { done <- run(ctx, []string{"serve", "--config", config}, nil, io.Discard, &stderr) }()

	socket.SetReadDeadline(time.Now().Add(patience))
	await := func(want string) {
		t.Helper()
		buf := make([]byte, 1024)
		for {
			n, err := socket.Read(buf)
			if err != nil {
				t.Fatalf("waiting for %s: %v", want, err)
			}
			if string(buf[:n]) == want {
				return
			}
		}
	}
	await("READY=1")
	await("WATCHDOG=1")
	await("WATCHDOG=1")
	stop()
	await("STOPPING=1")
	if code := <-done; code != exitDone {
		t.Errorf("exit code %d:\n%s", code, stderr.String())
	}
}
