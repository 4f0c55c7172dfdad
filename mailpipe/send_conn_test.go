package mailpipe

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"
)

func withPassword(cfg SenderConfig, password string) SenderConfig {
	cfg.Server.Username = "desk@example.org"
	cfg.Server.Password = func() (string, error) { return password, nil }
	return cfg
}

// TestTLS: mail goes over TLS of either kind, with a login inside it.
func TestTLS(t *testing.T) {
	certificate, pool := issueCertificate(t, "127.0.0.1")
	for _, kind := range []string{tlsImplicit, tlsStartTLS, ""} {
		t.Run(kind, func(t *testing.T) {
			host := startSmarthost(t, func(_ *smarthost, s *smtp.Server) { s.TLSConfig = certificate; s.AllowInsecureAuth = false })
			cfg := withPassword(host.cfg, "secret")
			cfg.Server.TLS, cfg.Server.RootCAs = kind, pool
			if kind != tlsStartTLS {
				listener, err := tls.Listen("tcp", "127.0.0.1:0", certificate)
				if err != nil {
					t.Fatal(err)
				}
				var wg sync.WaitGroup
				wg.Go(func() { host.server.Serve(listener) })
				t.Cleanup(func() { listener.Close(); wg.Wait() })
				cfg.Server.Port = listener.Addr().(*net.TCPAddr).Port
			}
			clock, box := newManualClock(), &memoryOutbox{}
			box.add(outgoingTo(clock, "a@example.org"))
			runSender(t, NewSender(cfg, box, nil, senderQuiet, clock.now))
			waitUntil(t, "it sent", func() bool { return box.states() == "sent" })
			if diff := cmp.Diff([]string{"PLAIN desk@example.org secret"}, host.loggedIn()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestTLSRefused: what is wrong with the certificate or the lack of TLS stops
// everything with an alarm at once, before any password is told.
func TestTLSRefused(t *testing.T) {
	wrongName, wrongPool := issueCertificate(t, "other.example.org")
	unknown, _ := issueCertificate(t, "127.0.0.1")
	for _, c := range []struct {
		name, hint string
		change     func(*smarthost, *smtp.Server)
	}{
		{"wrong name", "set host to a name", func(h *smarthost, s *smtp.Server) { s.TLSConfig = wrongName }},
		{"unknown authority", "authority", func(h *smarthost, s *smtp.Server) { s.TLSConfig = unknown }},
		{"no STARTTLS", "never sends a password unencrypted", func(h *smarthost, s *smtp.Server) {}},
	} {
		t.Run(c.name, func(t *testing.T) {
			host := startSmarthost(t, c.change)
			cfg := withPassword(host.cfg, "secret")
			cfg.Server.TLS, cfg.Server.RootCAs = tlsStartTLS, wrongPool
			clock, box, statuses, logged := newManualClock(), &memoryOutbox{}, &statusLog{}, &senderLog{}
			box.add(outgoingTo(clock, "a@example.org"))
			runSender(t, NewSender(cfg, box, statuses.add, logged.logger(), clock.now))
			waitUntil(t, "a status", func() bool { return len(statuses.all()) == 1 })
			if st := statuses.all()[0]; !st.Alarm || !strings.Contains(st.Hint, c.hint) {
				t.Errorf("%+v", st)
			}
			if len(box.all()) != 0 || len(host.loggedIn()) != 0 || strings.Contains(logged.String(), "secret") {
				t.Errorf("reports %v, logins %v, log %s", box.all(), host.loggedIn(), logged.String())
			}
			if !strings.Contains(logged.String(), "alarm:") {
				t.Error("no alarm in the log")
			}
		})
	}
}

// TestWordsBeforeTLS: what comes between the consent to TLS and TLS itself is
// not taken for the server's.
func TestWordsBeforeTLS(t *testing.T) {
	listener := scriptedServer(t, func(_ int, c *scriptedConn) {
		c.say("220 hi")
		c.hear()
		c.say("250-x", "250 STARTTLS")
		c.hear()
		c.say("220 go", "250 injected")
		c.mute()
	})
	_, err := connectSmarthost(t.Context(), withDefaults(configFor(listener, tlsStartTLS)))
	if err == nil || !strings.Contains(err.Error(), "before TLS") {
		t.Error(err)
	}
}

func withDefaults(cfg SenderConfig) *SenderConfig {
	cfg.setDefaults()
	return &cfg
}

// TestNeverPlainToOthers: without TLS only to this machine.
func TestNeverPlainToOthers(t *testing.T) {
	here, there := net.Pipe() // its address is not a loopback one
	defer here.Close()
	defer there.Close()
	cfg := &SenderConfig{Server: ServerConfig{Host: "mail.example.org", TLS: tlsPlain}}
	var known *AccountError
	if _, err := secure(t.Context(), cfg, here); !errors.As(err, &known) || !known.Permanent {
		t.Error(err)
	}
	cfg.Server.TLS = "none"
	if _, err := secure(t.Context(), cfg, here); !errors.As(err, &known) || !known.Permanent {
		t.Error(err)
	}
}

func TestDefaultPorts(t *testing.T) {
	for kind, want := range map[string]string{"": "h:465", tlsImplicit: "h:465", tlsStartTLS: "h:587", tlsPlain: "h:25"} {
		if got := (&SenderConfig{Server: ServerConfig{Host: "h", TLS: kind}}).addr(); got != want {
			t.Errorf("%q: %s", kind, got)
		}
	}
}

// TestLoginRefused: an alarm at once, no try spent, and all is well again when
// the password is.
func TestLoginRefused(t *testing.T) {
	var good atomic.Bool
	host := startSmarthost(t, func(h *smarthost, _ *smtp.Server) {
		h.refuse = func(verb, secret string) error {
			if verb == "AUTH" && !good.Load() {
				return smtpError(535, smtp.EnhancedCode{5, 7, 8}, "Username and Password not accepted: "+secret)
			}
			return nil
		}
	})
	clock, box, statuses, logged := newManualClock(), &memoryOutbox{}, &statusLog{}, &senderLog{}
	box.add(outgoingTo(clock, "a@example.org"))
	s := NewSender(withPassword(host.cfg, "hunter2"), box, statuses.add, logged.logger(), clock.now)
	runSender(t, s)
	waitUntil(t, "a status", func() bool { return len(statuses.all()) == 1 })
	st := statuses.all()[0]
	if !st.Alarm || st.Hint == "" || !strings.Contains(st.Err.Error(), "535") || len(box.all()) != 0 {
		t.Errorf("%+v, reports %v", st, box.all())
	}
	if strings.Contains(logged.String()+st.Err.Error(), "hunter2") {
		t.Error("the password is told")
	}
	good.Store(true)
	s.Resume()
	waitUntil(t, "it sent", func() bool { return box.states() == "sent" })
	waitUntil(t, "a good status", func() bool { st := s.Status(); return !st.Alarm && st.Err == nil })
}

// TestLoginUnavailable: a login that can't be checked just now is no alarm yet.
func TestLoginUnavailable(t *testing.T) {
	host := startSmarthost(t, func(h *smarthost, _ *smtp.Server) {
		h.refuse = func(string, string) error { return smtpError(454, smtp.EnhancedCode{4, 7, 0}, "later") }
	})
	_, err := connectSmarthost(t.Context(), withDefaults(withPassword(host.cfg, "x")))
	var known *AccountError
	if !errors.As(err, &known) || known.Permanent || known.Hint == "" {
		t.Errorf("%#v", err)
	}
}

// TestMechanisms plays servers that know one mechanism only.
func TestMechanisms(t *testing.T) {
	decode := func(s string) string {
		b, _ := base64.StdEncoding.DecodeString(s)
		return string(b)
	}
	for _, c := range []struct {
		offer, auth string
		talk        func(c *scriptedConn, first string) bool
	}{
		{"LOGIN", authPassword, func(c *scriptedConn, first string) bool {
			c.say("334 " + base64.StdEncoding.EncodeToString([]byte("User Name\x00")))
			user := decode(c.hear())
			c.say("334 " + base64.StdEncoding.EncodeToString([]byte("Password:")))
			return first == "AUTH LOGIN" && user == "desk@example.org" && decode(c.hear()) == "secret"
		}},
		{"XOAUTH2", authXOAuth2, func(c *scriptedConn, first string) bool {
			return decode(strings.TrimPrefix(first, "AUTH XOAUTH2 ")) == "user=desk@example.org\x01auth=Bearer token-2\x01\x01"
		}},
		{"PLAIN LOGIN", authPassword, func(c *scriptedConn, first string) bool {
			return decode(strings.TrimPrefix(first, "AUTH PLAIN ")) == "\x00desk@example.org\x00secret"
		}},
	} {
		t.Run(c.offer, func(t *testing.T) {
			listener := scriptedServer(t, func(_ int, conn *scriptedConn) {
				conn.say("220 hi")
				for {
					command := conn.hear()
					switch {
					case command == "":
						return
					case strings.HasPrefix(command, "EHLO"):
						conn.say("250-x", "250 AUTH "+c.offer)
					case strings.HasPrefix(command, "AUTH") && c.talk(conn, command):
						conn.say("235 2.7.0 welcome")
					case strings.HasPrefix(command, "AUTH XOAUTH2"):
						conn.say("334 " + base64.StdEncoding.EncodeToString([]byte(`{"status":"400"}`)))
						conn.hear()
						conn.say("535 5.7.8 no")
					case strings.HasPrefix(command, "AUTH"):
						conn.say("535 5.7.8 no")
					default:
						conn.say("221 bye")
						return
					}
				}
			})
			cfg := withPassword(configFor(listener, tlsPlain), "secret")
			cfg.Server.Auth, cfg.Server.Tokens = c.auth, &countingTokens{}
			link, err := connectSmarthost(t.Context(), withDefaults(cfg))
			if err != nil {
				t.Fatal(err)
			}
			link.quit()
		})
	}
}

// countingTokens gives token-1 until it is told to forget it, then token-2, …
type countingTokens struct{ forgotten atomic.Int32 }

func (c *countingTokens) Token(context.Context) (string, error) {
	return "token-" + string('1'+rune(c.forgotten.Load())), nil
}

func (c *countingTokens) Forget() { c.forgotten.Add(1) }

// TestStaleToken: a kept token that is refused is replaced at once; one that is
// refused again is an alarm.
func TestStaleToken(t *testing.T) {
	for _, c := range []struct {
		good   string
		logins []string
	}{
		{"token-2", []string{"OAUTHBEARER desk@example.org token-1", "OAUTHBEARER desk@example.org token-2"}},
		{"none", []string{"OAUTHBEARER desk@example.org token-1", "OAUTHBEARER desk@example.org token-2"}},
	} {
		host := startSmarthost(t, func(h *smarthost, _ *smtp.Server) {
			h.refuse = func(verb, secret string) error {
				if verb == "AUTH" && secret != c.good {
					return errors.New("no")
				}
				return nil
			}
		})
		cfg := withPassword(host.cfg, "")
		cfg.Server.Auth, cfg.Server.Tokens = authOAuthBearer, &countingTokens{}
		link, err := connectSmarthost(t.Context(), withDefaults(cfg))
		if (err == nil) != (c.good == "token-2") {
			t.Error(err)
		}
		if link != nil {
			link.quit()
		}
		var known *AccountError
		if err != nil && (!errors.As(err, &known) || !known.Permanent) {
			t.Errorf("%#v", err)
		}
		if diff := cmp.Diff(c.logins, host.loggedIn()); diff != "" {
			t.Error(diff)
		}
	}
}

func TestMechanismNotOffered(t *testing.T) {
	listener := scriptedServer(t, func(_ int, c *scriptedConn) { c.serve(func(string, string) bool { return true }) })
	_, err := connectSmarthost(t.Context(), withDefaults(withPassword(configFor(listener, tlsPlain), "x")))
	var known *AccountError
	if !errors.As(err, &known) || !known.Permanent || !strings.Contains(known.Error(), "does not offer PLAIN") {
		t.Error(err)
	}
}

func TestCheckSmarthost(t *testing.T) {
	host := startSmarthost(t, func(h *smarthost, _ *smtp.Server) {
		h.refuse = func(verb, arg string) error {
			if verb == "MAIL" && strings.HasPrefix(arg, "biblioteca@") {
				return smtpError(553, smtp.EnhancedCode{5, 7, 1}, "Sender address rejected: not owned by user")
			}
			if verb == "AUTH" && arg != "secret" {
				return smtpError(535, smtp.EnhancedCode{5, 7, 8}, "no")
			}
			return nil
		}
	})
	cfg := withPassword(host.cfg, "secret")
	if err := CheckSmarthost(t.Context(), cfg, []string{"soporte@example.org", "registro@example.org"}); err != nil {
		t.Error(err)
	}
	err := CheckSmarthost(t.Context(), cfg, []string{"soporte@example.org", "biblioteca@example.org", "not an address", "registro@example.org"})
	if err == nil || strings.Contains(err.Error(), "soporte") || strings.Contains(err.Error(), "registro") ||
		!strings.Contains(err.Error(), "refuses biblioteca@example.org as sender: 553 5.7.1 Sender address rejected") ||
		!strings.Contains(err.Error(), "let desk@example.org send as that address") ||
		!strings.Contains(err.Error(), `"not an address"`) {
		t.Error(err)
	}
	if mails, _ := host.count(); mails != 0 {
		t.Error("a check sent mail")
	}
	if err := CheckSmarthost(t.Context(), withPassword(host.cfg, "wrong"), nil); err == nil || !strings.Contains(err.Error(), "check username and password") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := CheckSmarthost(ctx, cfg, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestConnectIsBounded: a peer that trickles words for ever is left in the end.
func TestConnectIsBounded(t *testing.T) {
	listener := scriptedServer(t, func(_ int, c *scriptedConn) {
		for i := 0; ; i++ {
			if _, err := c.Write([]byte("220-still here\r\n")); err != nil {
				return
			}
			select {
			case <-c.stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	})
	cfg := configFor(listener, tlsPlain)
	cfg.CommandTimeout = 50 * time.Millisecond
	if _, err := connectSmarthost(t.Context(), withDefaults(cfg)); err == nil {
		t.Error("connected to a peer that never finishes its greeting")
	}
}
