package routing

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func write(t *testing.T, path, text string, mode os.FileMode) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
	return path
}

func TestSecret(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		return write(t, filepath.Join(dir, name), text, mode)
	}
	t.Setenv("BUZON_TEST_SECRET", "from the environment")
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, file, env, want, err string }{
		{"plain", file("a", "hunter2", 0o600), "", "hunter2", ""},
		{"one line end", file("b", "hunter2\n\n", 0o600), "", "hunter2\n", ""},
		{"line end of Windows", file("c", "hunter2\r\n", 0o400), "", "hunter2", ""},
		{"spaces belong to it", file("d", " hunter 2 \n", 0o600), "", " hunter 2 ", ""},
		{"group may read", file("e", "hunter2", 0o640), "", "", "chmod 600"},
		{"all may read", file("f", "hunter2", 0o604), "", "", "chmod 600"},
		{"empty", file("g", "\n", 0o600), "", "", "is empty"},
		{"large", file("h", strings.Repeat("x", maxSecret+1), 0o600), "", "", "longer than"},
		{"missing", filepath.Join(dir, "none"), "", "", "no such file"},
		{"folder", dir, "", "", "not a file"},
		{"pipe", pipe, "", "", "not a file"},
		{"environment", "", "BUZON_TEST_SECRET", "from the environment", ""},
		{"environment, not set", "", "BUZON_TEST_NO_SECRET", "", "BUZON_TEST_NO_SECRET is not set"},
		{"neither", "", "", "", "neither"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Secret(tt.file, tt.env)
			if got != tt.want || (err != nil) != (tt.err != "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%q, %v", got, err)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error holds the secret: %v", err)
			}
		})
	}
}

// certificate writes a self-signed certificate and its key.
func certificate(t *testing.T, dir string, from, until time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"mesa.virtual.example"}, NotBefore: from, NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "cert.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), 0o644)
	write(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})), 0o600)
}

func TestCheckFiles(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	text := change(t,
		"[outgoing]\n", "[outgoing]\nca = \"ca.pem\"\nusername = \"soporte\"\npassword_env = \"BUZON_TEST_SMTP\"\n",
		"[desk]\n", "[desk]\ntemplates = \"templates\"\n",
		"password_file = \"imap.secret\"", "auth = \"xoauth2\"\noauth = \"google\"",
		"[[topic]]\n", "[oauth.google]\nservice_account = \"google.json\"\n\n[smtp]\ntls = \"starttls\"\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n\n[[topic]]\n")
	tests := []struct {
		name  string
		spoil func(t *testing.T, dir string)
		want  []string
	}{
		{"all well", func(*testing.T, string) {}, nil},
		{"nothing there", func(t *testing.T, dir string) {
			for _, name := range []string{"ca.pem", "google.json", "cert.pem", "key.pem", "templates"} {
				if err := os.Remove(filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("BUZON_TEST_SMTP", "")
		}, []string{"desk.templates", "outgoing.ca", "warning outgoing.password_env", "oauth.google.service_account", "smtp.certificate"}},
		{"other things there", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "ca.pem"), "not PEM", 0o644)
			write(t, filepath.Join(dir, "google.json"), "{", 0o600)
			write(t, filepath.Join(dir, "key.pem"), "not PEM", 0o600)
			if err := os.Remove(filepath.Join(dir, "templates")); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, "templates"), "", 0o600)
		}, []string{"desk.templates", "outgoing.ca", "oauth.google.service_account", "smtp.certificate"}},
		{"others may read", func(t *testing.T, dir string) {
			for _, name := range []string{"google.json", "key.pem"} {
				if err := os.Chmod(filepath.Join(dir, name), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}, []string{"oauth.google.service_account", "warning smtp.key"}},
		{"expired", func(t *testing.T, dir string) { certificate(t, dir, now.Add(-90*day), now.Add(-time.Second)) }, []string{"smtp.certificate"}},
		{"not yet valid", func(t *testing.T, dir string) { certificate(t, dir, now.Add(time.Hour), now.Add(90*day)) }, []string{"smtp.certificate"}},
		{"soon expired", func(t *testing.T, dir string) { certificate(t, dir, now.Add(-90*day), now.Add(13*day)) }, []string{"warning smtp.certificate"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("BUZON_TEST_SMTP", "hunter2")
			certificate(t, dir, now.Add(-day), now.Add(90*day))
			ca, err := os.ReadFile(filepath.Join(dir, "cert.pem"))
			if err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, "ca.pem"), string(ca), 0o644)
			write(t, filepath.Join(dir, "google.json"), `{"client_email": "x"}`, 0o600)
			if err := os.Mkdir(filepath.Join(dir, "templates"), 0o755); err != nil {
				t.Fatal(err)
			}
			tt.spoil(t, dir)
			table, err := Parse(filepath.Join(dir, "buzon.toml"), []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			problems := table.checkFiles(now)
			for _, p := range problems {
				if p.Line < 2 || p.Message == "" {
					t.Errorf("%v", p)
				}
				if p.Warning {
					p.Key = "warning " + p.Key
				}
				got = append(got, p.Key)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s\n%v", diff, problems)
			}
			for _, p := range problems.Fatal() {
				if p.Warning {
					t.Errorf("%v is fatal", p)
				}
			}
			if len(table.Warnings()) != 0 {
				t.Error("the table has changed")
			}
		})
	}
}

func TestRedacted(t *testing.T) {
	table := parse(t, change(t,
		"imap.secret", "hidden-1",
		"[outgoing]\n", "[outgoing]\nusername = \"soporte\"\npassword_env = \"HIDDEN_2\"\n",
		"[[topic]]\n", "[oauth.google]\ntoken_url = \"https://login.example/token\"\nclient_id = \"buzon\"\nclient_secret_file = \"hidden-3\"\nrefresh_token_env = \"HIDDEN_4\"\n\n[[topic]]\n"))
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("configuration", "config", table)
	for _, text := range []string{table.Redacted(), log.String()} {
		if strings.Contains(strings.ToLower(text), "hidden") {
			t.Errorf("holds a secret:\n%s", text)
		}
	}
	for _, line := range []string{
		"desk.name = \"Mesa de ayuda\"\n", "desk.reopen_within = \"30d\"\n", "desk.plus_addressing = true\n",
		"account[0].password_file = \"(set)\"\n", "outgoing.password_env = \"(set)\"\n", "oauth.google.client_secret_file = \"(set)\"\n",
		"account[0].folders = [\"INBOX\"]\n", "topic[1].team = \"moodle\"\n", "team[0].members = [\"ana\", \"luis\"]\n", "smtp.max_message = \"30 MB\"\n",
	} {
		if !strings.Contains(table.Redacted(), line) {
			t.Errorf("%q is not in\n%s", line, table.Redacted())
		}
	}
	for _, part := range []string{"config.version=" + table.Version, "config.topics=2", `config.desk.name="Mesa de ayuda"`} {
		if !strings.Contains(log.String(), part) {
			t.Errorf("%q is not in %s", part, log.String())
		}
	}
	if strings.Contains(log.String(), "ana.rojas") {
		t.Errorf("the log names people: %s", log.String())
	}
}
