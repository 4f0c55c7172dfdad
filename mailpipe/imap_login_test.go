package mailpipe

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

type staticToken string

func (s staticToken) Token(context.Context) (string, error) { return string(s), nil }

// listToken gives one token after the other when told to forget.
type listToken struct {
	mu     sync.Mutex
	tokens []string
}

func (l *listToken) Token(context.Context) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tokens[0], nil
}

func (l *listToken) Forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.tokens) > 1 {
		l.tokens = l.tokens[1:]
	}
}

// bearerServer accepts the token "good" by XOAUTH2 and OAUTHBEARER, and refuses
// as Gmail and Dovecot do: with JSON in a continuation.
func bearerServer(t *testing.T, saslIR bool, got *[]string) *badServer {
	server := startBadServer(t, func(c *badConn, tag, command string) bool {
		rest, ok := strings.CutPrefix(command, "AUTHENTICATE ")
		if !ok {
			return false
		}
		mech, ir, hasIR := strings.Cut(rest, " ")
		if !hasIR {
			c.send("+ ")
			line, _ := c.r.ReadString('\n')
			ir = strings.TrimSpace(line)
		}
		said := decodeSASL(t, ir)
		c.s.locked(func() { *got = append(*got, mech+" "+said); c.s.logins++ })
		if strings.Contains(said, "auth=Bearer good\x01") {
			c.send("%s OK welcome", tag)
			return true
		}
		c.send("+ %s", base64.StdEncoding.EncodeToString([]byte(`{"status":"401","schemes":"bearer","echo":"`+said+`"}`)))
		return true
	})
	server.locked(func() {
		server.caps = "IMAP4rev1 IDLE AUTH=XOAUTH2 AUTH=OAUTHBEARER"
		if saslIR {
			server.caps += " SASL-IR"
		}
	})
	return server
}

func TestIMAPBearerLogin(t *testing.T) {
	for _, c := range []struct {
		auth   string
		saslIR bool
		want   string
	}{
		{"xoauth2", true, "XOAUTH2 user=soporte\x01auth=Bearer good\x01\x01"},
		{"xoauth2", false, "XOAUTH2 user=soporte\x01auth=Bearer good\x01\x01"},
		{"oauthbearer", true, "OAUTHBEARER n,a=soporte,\x01host=127.0.0.1\x01port=PORT\x01auth=Bearer good\x01\x01"},
	} {
		t.Run(fmt.Sprint(c.auth, c.saslIR), func(t *testing.T) {
			noLeaks(t)
			var got []string
			server := bearerServer(t, c.saslIR, &got)
			cfg := plainConfig(server.port)
			cfg.Server.Auth, cfg.Server.Tokens = c.auth, staticToken("good")
			if err := CheckAccount(t.Context(), cfg); err != nil {
				t.Fatal(err)
			}
			server.mu.Lock()
			defer server.mu.Unlock()
			if want := strings.Replace(c.want, "PORT", fmt.Sprint(server.port), 1); !slices.Equal(got, []string{want}) {
				t.Errorf("sent %q, want %q", got, want)
			}
		})
	}
}

func TestIMAPBearerRefused(t *testing.T) {
	for _, auth := range []string{"xoauth2", "oauthbearer"} {
		t.Run(auth, func(t *testing.T) {
			noLeaks(t)
			var got []string
			server := bearerServer(t, true, &got)
			cfg := plainConfig(server.port)
			cfg.Server.Auth, cfg.Server.Tokens = auth, staticToken("geheim")
			w := runWorker(t, cfg, newIMAPDesk(), quickLimits)
			eventually(t, "alarm", func() bool { return w.status().Alarm })
			w.stop()
			st := w.status()
			if !strings.Contains(st.Hint, "scope") || !strings.Contains(st.Err.Error(), "401") {
				t.Errorf("status %v, hint %q", st.Err, st.Hint)
			}
			if strings.Contains(w.log.String()+st.Err.Error(), "geheim") {
				t.Errorf("the token is in the log or status: %v\n%s", st.Err, w.log)
			}
			server.locked(func() {
				for _, c := range server.commands {
					if c == "=" || c == "" {
						t.Errorf("sent %q after the refusal", c)
					}
				}
			})
		})
	}
}

func TestIMAPRevokedTokenIsReplaced(t *testing.T) {
	noLeaks(t)
	var got []string
	server := bearerServer(t, true, &got)
	cfg := plainConfig(server.port)
	cfg.Server.Auth, cfg.Server.Tokens = "xoauth2", &listToken{tokens: []string{"revoked", "good"}}
	if err := CheckAccount(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	server.mu.Lock()
	defer server.mu.Unlock()
	if len(got) != 2 {
		t.Errorf("%d logins, want one with the old token and one with the new", len(got))
	}
}

type deadToken struct{}

func (deadToken) Token(context.Context) (string, error) {
	return "", &AccountError{Doing: "refreshing", Err: fmt.Errorf("%w: invalid_grant", ErrGrantDead), Hint: "grant access again", Permanent: true}
}

func TestIMAPDeadGrant(t *testing.T) {
	noLeaks(t)
	var got []string
	server := bearerServer(t, true, &got)
	cfg := plainConfig(server.port)
	cfg.Server.Auth, cfg.Server.Tokens = "xoauth2", deadToken{}
	w := runWorker(t, cfg, newIMAPDesk(), quickLimits)
	eventually(t, "alarm", func() bool { return w.status().Alarm })
	if st := w.status(); !errors.Is(st.Err, ErrGrantDead) || st.Hint != "grant access again" {
		t.Errorf("status: %v, hint %q", st.Err, st.Hint)
	}
}

func TestIMAPPasswordLogin(t *testing.T) {
	for _, c := range []struct {
		name, caps, want string
	}{
		{"PLAIN", "IMAP4rev1 AUTH=PLAIN SASL-IR", "AUTHENTICATE PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00soporte\x00secreto"))},
		{"LOGIN", "IMAP4rev1", `LOGIN "soporte" "secreto"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			noLeaks(t)
			server := startBadServer(t, func(*badConn, string, string) bool { return false })
			server.locked(func() { server.caps = c.caps })
			if err := CheckAccount(t.Context(), plainConfig(server.port)); err != nil {
				t.Fatal(err)
			}
			server.locked(func() {
				if !slices.Contains(server.commands, c.want) {
					t.Errorf("commands %q, want %q among them", server.commands, c.want)
				}
			})
		})
	}
}

func TestIMAPLoginRefusals(t *testing.T) {
	for _, c := range []struct {
		answer    string
		permanent bool
		hint      string
	}{
		{"NO [AUTHENTICATIONFAILED] wrong: secreto", true, "password"},
		{"NO LOGIN failed", true, "password"},
		{"NO [UNAVAILABLE] try later", false, "wait"},
		{"NO [PRIVACYREQUIRED] no", true, "starttls"},
	} {
		t.Run(c.answer, func(t *testing.T) {
			noLeaks(t)
			server := startBadServer(t, func(conn *badConn, tag, command string) bool {
				if !strings.HasPrefix(command, "AUTHENTICATE") {
					return false
				}
				conn.send("%s %s", tag, c.answer)
				return true
			})
			err := CheckAccount(t.Context(), plainConfig(server.port))
			var ae *AccountError
			if !errors.As(err, &ae) || ae.Permanent != c.permanent || !strings.Contains(ae.Hint, c.hint) {
				t.Errorf("error %#v", ae)
			}
			if strings.Contains(err.Error(), "secreto") {
				t.Errorf("the password is in the error: %v", err)
			}
		})
	}
}

func TestPlainOnlyOnThisMachine(t *testing.T) {
	noLeaks(t)
	address := ""
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if ip, ok := a.(*net.IPNet); ok && !ip.IP.IsLoopback() && ip.IP.To4() != nil {
			address = ip.IP.String()
		}
	}
	if address == "" {
		t.Log("this machine has no other address than loopback: nothing to try")
		return
	}
	ln, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	cfg := plainConfig(ln.Addr().(*net.TCPAddr).Port)
	cfg.Server.Host = address
	cfg.Server.Password = func() (string, error) { t.Error("the password was asked for"); return "secreto", nil }
	if err := CheckAccount(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "not be encrypted") {
		t.Errorf("error: %v", err)
	}
}

// certificate makes a self-signed certificate for localhost.
func certificate(t *testing.T, notAfter time.Time) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: notAfter.Add(-48 * time.Hour), NotAfter: notAfter, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestIMAPTLS(t *testing.T) {
	good, pool := certificate(t, time.Now().Add(time.Hour))
	expired, expiredPool := certificate(t, time.Now().Add(-time.Hour))
	for _, c := range []struct {
		name string
		cert tls.Certificate
		pool *x509.CertPool
		host string
		want string
	}{
		{"good", good, pool, "localhost", ""},
		{"expired", expired, expiredPool, "localhost", "has expired"},
		{"wrong name", good, pool, "127.0.0.1", "a name that is in the server's certificate"},
		{"unknown authority", good, x509.NewCertPool(), "localhost", "ca key"},
	} {
		for _, mode := range []string{"implicit", "starttls"} {
			t.Run(c.name+" "+mode, func(t *testing.T) {
				noLeaks(t)
				config := &tls.Config{Certificates: []tls.Certificate{c.cert}}
				user := imapmemserver.NewUser("soporte", "secreto")
				if err := user.Create("INBOX", nil); err != nil {
					t.Fatal(err)
				}
				backend := imapmemserver.New()
				backend.AddUser(user)
				server := imapserver.New(&imapserver.Options{
					NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
						return backend.NewSession(), nil, nil
					},
					Caps: imap.CapSet{imap.CapIMAP4rev1: {}}, TLSConfig: config, Logger: discardLogger{},
				})
				inner, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				var ln net.Listener = &countingListener{Listener: inner}
				counting := ln.(*countingListener)
				if mode == "implicit" {
					ln = tls.NewListener(ln, config)
				}
				served := make(chan struct{})
				go func() { defer close(served); server.Serve(ln) }()
				t.Cleanup(func() { server.Close(); counting.breakAll(); <-served })

				cfg := plainConfig(inner.Addr().(*net.TCPAddr).Port)
				cfg.Server.Host, cfg.Server.TLS, cfg.Server.RootCAs = c.host, mode, c.pool
				err = CheckAccount(t.Context(), cfg)
				if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
					t.Fatalf("error %v, want %q", err, c.want)
				}
				var ae *AccountError
				if c.want != "" && (!errors.As(err, &ae) || !ae.Permanent) {
					t.Errorf("not recognised as permanent: %v", err)
				}
			})
		}
	}
}

type discardLogger struct{}

func (discardLogger) Printf(string, ...any) {}
