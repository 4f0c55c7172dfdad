package mailpipe

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestIMAPCutInsideMessage(t *testing.T) {
	noLeaks(t)
	// The first connections break inside the second of three messages.
	server := startBadServer(t, func(c *badConn, tag, command string) bool {
		if c.n > 2 || !isBodyFetch(command, 2) {
			return false
		}
		raw := c.s.messages[1]
		if isBodyFetch(command, 1) {
			c.send("* 1 FETCH (UID 1 BODY[] {%d}\r\n%s)", len(raw), raw)
		}
		fmt.Fprintf(c, "* 2 FETCH (UID 2 BODY[] {%d}\r\n%s", len(raw), raw[:20])
		c.Close()
		return true
	}, "uno", "dos", "tres")
	desk := newIMAPDesk()
	w := runWorker(t, plainConfig(server.port), desk, quickLimits)
	eventually(t, "all mail", func() bool { return desk.state("soporte/INBOX").Next == 4 })
	w.stop()
	if got := desk.sorted(); !slices.Equal(got, []string{"dos", "tres", "uno"}) {
		t.Errorf("taken: %q", got)
	}
	if desk.offered != 3 {
		t.Errorf("Take was called %d times for 3 messages", desk.offered)
	}
}

func TestIMAPPoisonMessageHoldsUpNoOther(t *testing.T) {
	for _, c := range []struct {
		name string
		hook func(c *badConn, tag string)
	}{
		{"refused", func(c *badConn, tag string) {
			c.send("%s NO The requested message could not be converted to an RFC-822 compatible format.", tag)
		}},
		{"not sent", func(c *badConn, tag string) { c.send("%s OK done", tag) }},
		{"NIL", func(c *badConn, tag string) { c.send("* 2 FETCH (UID 2 BODY[] NIL)\r\n%s OK done", tag) }},
		{"breaks the connection", func(c *badConn, tag string) { c.Close() }},
		{"nonsense", func(c *badConn, tag string) { c.send("* 2 FETCH (UID 2 X-GM-LABELS (a))\r\n%s OK done", tag) }},
		{"literal longer than what follows", func(c *badConn, tag string) {
			c.send("* 2 FETCH (UID 2 BODY[] {40}\r\nshort)\r\n%s OK done", tag)
			c.Close()
		}},
		{"far larger than announced", func(c *badConn, tag string) {
			c.send("* 2 FETCH (UID 2 BODY[] {9000000000000}\r\nx")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			noLeaks(t)
			server := startBadServer(t, func(conn *badConn, tag, command string) bool {
				if !isBodyFetch(command, 2) {
					return false
				}
				c.hook(conn, tag)
				return true
			}, "uno", "veneno", "tres")
			cfg := plainConfig(server.port)
			cfg.After, cfg.MoveTo = "move", "Procesados"
			desk := newIMAPDesk()
			w := runWorker(t, cfg, desk, quickLimits)
			eventually(t, "the others", func() bool { return len(desk.subjects()) == 2 })
			eventually(t, "alarm", func() bool {
				st := w.status()
				return st.Alarm && st.Connected && st.Err != nil && strings.Contains(st.Err.Error(), "UID 2")
			})
			if next := desk.state("soporte/INBOX").Next; next != 2 {
				t.Errorf("the cursor stands at %d, want 2: nothing is passed over silently", next)
			}
			// Somebody takes it away.
			server.locked(func() { delete(server.messages, 2); server.messages[4] = imapMessage("cuatro") })
			w.Wake()
			eventually(t, "recovery", func() bool { return w.status().Err == nil })
			eventually(t, "next mail", func() bool { return desk.state("soporte/INBOX").Next == 5 })
			w.stop()
			if desk.offered != 3 {
				t.Errorf("Take was called %d times for 3 messages", desk.offered)
			}
		})
	}
}

func TestIMAPInexactSizes(t *testing.T) {
	noLeaks(t)
	// UID 1 has an estimated size, as Exchange gives; UID 2 differs each time.
	calls := 0
	server := startBadServer(t, func(c *badConn, tag, command string) bool {
		if !isBodyFetch(command, 2) || isBodyFetch(command, 1) {
			return false
		}
		calls++
		raw := strings.Repeat("x", calls)
		c.send("* 2 FETCH (UID 2 BODY[] {%d}\r\n%s)\r\n%s OK done", len(raw), raw, tag)
		return true
	}, "uno", "cambiante")
	server.locked(func() { server.sizes[1], server.sizes[2] = 5000, 100 })
	cfg := plainConfig(server.port)
	cfg.PageMessages = 1
	desk := newIMAPDesk()
	w := runWorker(t, cfg, desk, quickLimits)
	eventually(t, "alarm about the one that changes", func() bool {
		st := w.status()
		return st.Alarm && strings.Contains(st.Err.Error(), "UID 2") && strings.Contains(st.Err.Error(), "second try differs")
	})
	if got := desk.subjects(); !slices.Equal(got, []string{"uno"}) {
		t.Errorf("taken: %q", got)
	}
}

func TestIMAPMutePeer(t *testing.T) {
	for _, verb := range []string{"greeting", "CAPABILITY", "AUTHENTICATE", "SELECT", "UID SEARCH", "UID FETCH", "IDLE", "DONE", "UID MOVE"} {
		t.Run(verb, func(t *testing.T) {
			noLeaks(t)
			release := make(chan struct{})
			server := startBadServer(t, func(c *badConn, tag, command string) bool {
				if c.n == 1 && verb == "CAPABILITY" && command == "greeting" {
					c.send("* OK ready") // so that they are asked for
					c.r.ReadString('\n')
				} else if c.n == 1 && verb == "DONE" && command == "IDLE" {
					c.send("+ idling\r\n* 2 EXISTS")
					c.r.ReadString('\n')
				} else if c.n != 1 || !strings.HasPrefix(command, verb) {
					return false
				}
				<-release
				return true
			}, "uno")
			t.Cleanup(func() { close(release) })
			limits := quickLimits
			limits.dial, limits.command, limits.body = 100*time.Millisecond, 100*time.Millisecond, 100*time.Millisecond
			cfg := plainConfig(server.port)
			cfg.After, cfg.MoveTo = "move", "Procesados"
			desk := newIMAPDesk()
			w := runWorker(t, cfg, desk, limits)
			eventually(t, "a second connection that takes and moves the message", func() bool {
				server.mu.Lock()
				defer server.mu.Unlock()
				return len(server.messages) == 0 && len(desk.subjects()) == 1
			})
			eventually(t, "a report", func() bool { return strings.Contains(w.log.String(), "no answer within") })
		})
	}
}

func TestIMAPByeAndReconnect(t *testing.T) {
	noLeaks(t)
	server := startBadServer(t, func(c *badConn, tag, command string) bool {
		switch {
		case c.n == 1 && command == "greeting":
			c.send("* BYE too many connections")
			return true
		case c.n == 2 && command == "IDLE":
			c.send("+ idling\r\n* BYE going down")
			c.Close()
			return true
		}
		return false
	})
	desk := newIMAPDesk()
	w := runWorker(t, plainConfig(server.port), desk, quickLimits)
	eventually(t, "third connection", func() bool { server.mu.Lock(); defer server.mu.Unlock(); return server.logins == 2 })
	server.locked(func() { server.messages[1] = imapMessage("uno") })
	w.Wake()
	eventually(t, "mail", func() bool { return len(desk.subjects()) == 1 })
	if st := w.status(); st.Alarm || w.alarms != 0 {
		t.Errorf("a short outage raised an alarm: %+v", st)
	}
}

func TestIMAPOutageBecomesAlarm(t *testing.T) {
	noLeaks(t)
	server := startBadServer(t, func(c *badConn, tag, command string) bool {
		c.send("* BYE closed for today")
		return true
	})
	limits := quickLimits
	limits.alarmAfter, limits.backoffMin, limits.backoffMax = 30*time.Millisecond, time.Hour, time.Hour
	w := runWorker(t, plainConfig(server.port), newIMAPDesk(), limits)
	eventually(t, "alarm without another try", func() bool { return w.status().Alarm })
	if w.alarms != 1 || w.status().Hint == "" {
		t.Errorf("%d alarms, status %+v", w.alarms, w.status())
	}
}

func TestIMAPMoveRefused(t *testing.T) {
	noLeaks(t)
	refuse := true
	server := startBadServer(t, func(c *badConn, tag, command string) bool {
		c.s.mu.Lock()
		defer c.s.mu.Unlock()
		if refuse && (strings.HasPrefix(command, "UID MOVE") || strings.HasPrefix(command, "CREATE")) {
			c.send("%s NO [NOPERM] not allowed", tag)
			return true
		}
		return false
	}, "uno", "dos")
	cfg := plainConfig(server.port)
	cfg.After, cfg.MoveTo, cfg.PageMessages = "move", "Procesados", 1
	desk := newIMAPDesk()
	w := runWorker(t, cfg, desk, quickLimits)
	eventually(t, "all mail", func() bool { return len(desk.subjects()) == 2 })
	eventually(t, "alarm", func() bool { st := w.status(); return st.Alarm && strings.Contains(st.Hint, "move_to") && st.Connected })
	server.locked(func() {
		creates := 0
		for _, c := range server.commands {
			if strings.HasPrefix(c, "CREATE") {
				creates++
			}
		}
		if creates != 1 {
			t.Errorf("CREATE was sent %d times, want once", creates)
		}
		refuse = false
	})
	w.Wake()
	eventually(t, "move", func() bool { server.mu.Lock(); defer server.mu.Unlock(); return len(server.moved) == 2 })
	eventually(t, "recovery", func() bool { return w.status().Err == nil })
	if w.alarms != 1 {
		t.Errorf("%d alarms, want 1", w.alarms)
	}
}

func TestIMAPCopyIsMadeOnceThoughExpungeFails(t *testing.T) {
	noLeaks(t)
	refuse := true
	server := startBadServer(t, func(c *badConn, tag, command string) bool {
		c.s.mu.Lock()
		defer c.s.mu.Unlock()
		if refuse && strings.HasPrefix(command, "UID EXPUNGE") {
			c.send("%s NO not now", tag)
			return true
		}
		return false
	}, "uno", "dos")
	server.locked(func() { server.caps = "IMAP4rev1 IDLE UIDPLUS AUTH=PLAIN" })
	count := func(prefix string) (n int) {
		server.locked(func() {
			for _, c := range server.commands {
				if strings.HasPrefix(c, prefix) {
					n++
				}
			}
		})
		return n
	}
	cfg := plainConfig(server.port)
	cfg.After, cfg.MoveTo = "move", "Procesados"
	desk := newIMAPDesk()
	w := runWorker(t, cfg, desk, quickLimits)
	eventually(t, "more tries", func() bool { return count("UID EXPUNGE") > 2 })
	w.stop()
	server.locked(func() { refuse = false })
	runWorker(t, cfg, desk, quickLimits)
	eventually(t, "settled", func() bool { desk.mu.Lock(); defer desk.mu.Unlock(); return len(desk.settled) == 2 })
	if n := count("UID COPY"); n != 1 {
		t.Errorf("COPY was sent %d times, want once", n)
	}
	if n := count("EXPUNGE"); n != 0 {
		t.Errorf("a bare EXPUNGE was sent")
	}
}

func TestIMAPBadCopyUID(t *testing.T) {
	noLeaks(t)
	server := startBadServer(t, func(c *badConn, tag, command string) bool {
		if c.n > 1 || !strings.HasPrefix(command, "UID MOVE") {
			return false
		}
		c.s.mu.Lock()
		defer c.s.mu.Unlock()
		clear(c.s.messages)
		c.send("* OK [COPYUID what ever] moved\r\n%s OK done", tag)
		return true
	}, "uno", "dos")
	cfg := plainConfig(server.port)
	cfg.After, cfg.MoveTo = "move", "Procesados"
	desk := newIMAPDesk()
	w := runWorker(t, cfg, desk, quickLimits)
	eventually(t, "settled", func() bool { desk.mu.Lock(); defer desk.mu.Unlock(); return len(desk.settled) == 2 })
	eventually(t, "recovery", func() bool { st := w.status(); return st.Connected && st.Err == nil })
	if desk.offered != 2 {
		t.Errorf("Take was called %d times for 2 messages", desk.offered)
	}
}

func TestIMAPReadOnlyMailboxIsLeft(t *testing.T) {
	noLeaks(t)
	server := startBadServer(t, func(c *badConn, tag, command string) bool {
		if !strings.HasPrefix(command, "SELECT") {
			return false
		}
		c.send("* 1 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 2] x\r\n%s OK [READ-ONLY] opened", tag)
		return true
	}, "uno")
	cfg := plainConfig(server.port)
	cfg.After = "flag"
	desk := newIMAPDesk()
	w := runWorker(t, cfg, desk, quickLimits)
	eventually(t, "settled", func() bool { desk.mu.Lock(); defer desk.mu.Unlock(); return len(desk.settled) == 1 })
	if !strings.Contains(w.log.String(), "read-only") {
		t.Error("no warning that the mailbox is read-only")
	}
	server.locked(func() {
		for _, c := range server.commands {
			if strings.HasPrefix(c, "UID STORE") {
				t.Errorf("sent %q to a read-only mailbox", c)
			}
		}
	})
	if err := CheckAccount(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("check: %v", err)
	}
}

func TestIMAPServerWentBack(t *testing.T) {
	noLeaks(t)
	server := startBadServer(t, func(*badConn, string, string) bool { return false }, "uno")
	desk := newIMAPDesk()
	w := runWorker(t, plainConfig(server.port), desk, quickLimits)
	eventually(t, "mail", func() bool { return desk.state("soporte/INBOX").Next == 2 })
	server.locked(func() { clear(server.messages); server.next = 1 })
	w.Wake()
	eventually(t, "alarm", func() bool { st := w.status(); return st.Alarm && strings.Contains(st.Hint, "restored") })
}

func TestIMAPIdleAnnouncement(t *testing.T) {
	noLeaks(t)
	server := startBadServer(t, func(c *badConn, tag, command string) bool {
		if command != "IDLE" {
			return false
		}
		c.send("+ idling\r\n* OK still here")
		c.s.locked(func() { c.s.messages[len(c.s.messages)+1] = imapMessage(fmt.Sprint(len(c.s.messages))) })
		c.send("* %d EXISTS", len(c.s.messages))
		c.r.ReadString('\n')
		c.send("%s OK done", tag)
		return true
	})
	limits := quickLimits
	limits.idleMin, limits.idle = time.Hour, time.Hour // only the announcement can wake it
	desk := newIMAPDesk()
	runWorker(t, plainConfig(server.port), desk, limits)
	eventually(t, "mail", func() bool { return len(desk.subjects()) >= 5 })
}

func TestIMAPIdleRefusedFallsBackToPoll(t *testing.T) {
	noLeaks(t)
	server := startBadServer(t, func(c *badConn, tag, command string) bool {
		if command != "IDLE" {
			return false
		}
		c.send("%s NO not now", tag)
		return true
	})
	cfg := plainConfig(server.port)
	cfg.Poll = 5 * time.Millisecond
	desk := newIMAPDesk()
	w := runWorker(t, cfg, desk, quickLimits)
	eventually(t, "connection", func() bool { return w.status().Connected })
	server.locked(func() { server.messages[1] = imapMessage("uno") })
	eventually(t, "mail by poll", func() bool { return len(desk.subjects()) == 1 })
	if server.logins != 1 {
		t.Errorf("%d logins, want one connection", server.logins)
	}
}
