package mailpipe

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"buzon/ticket"
)

func TestIMAPFirstLookBeginsNow(t *testing.T) {
	noLeaks(t)
	server, desk := startMemServer(t), newIMAPDesk()
	server.deliverAll("INBOX", "viejo 1", "viejo 2")
	cfg := server.config()
	cfg.Backlog = false
	w := runWorker(t, cfg, desk, quickLimits)
	eventually(t, "first look", func() bool { return desk.state("soporte/INBOX").Next == 3 })
	server.deliverAll("INBOX", "nuevo")
	eventually(t, "new mail", func() bool { return len(desk.subjects()) == 1 })
	w.stop()
	if got := desk.subjects(); !slices.Equal(got, []string{"nuevo"}) {
		t.Errorf("taken: %q, want only what came after the first look", got)
	}
	if desk.envs[imapMessage("nuevo")].Backlog {
		t.Error("new mail is marked as backlog")
	}
}

func TestIMAPBacklogOldestFirstInPages(t *testing.T) {
	noLeaks(t)
	server, desk := startMemServer(t), newIMAPDesk()
	old := numbered(25)
	server.deliverAll("INBOX", old...)
	cfg := server.config()
	cfg.PageMessages = 4
	// Nothing of a later page may come before something of an earlier one.
	var order []string
	desk.refuse = func(raw []byte) error { order = append(order, subjectOf(string(raw))); return nil }
	w := runWorker(t, cfg, desk, quickLimits)
	eventually(t, "backlog", func() bool { return desk.state("soporte/INBOX").Next == 26 })
	server.deliverAll("INBOX", "nuevo")
	eventually(t, "new mail", func() bool { return len(desk.subjects()) == 26 })
	w.stop()
	for page := range slices.Chunk(order[:25], 4) {
		slices.Sort(page)
	}
	if !slices.Equal(order[:25], old) {
		t.Errorf("order of pages: %q", order)
	}
	if !desk.envs[imapMessage(old[24])].Backlog || desk.envs[imapMessage("nuevo")].Backlog {
		t.Error("exactly what was there at the first look is backlog")
	}
	if _, unseen := server.status("INBOX"); unseen != 26 {
		t.Errorf("%d messages are unseen, want 26: fetching must not set \\Seen", unseen)
	}
}

func TestIMAPPagesByOctets(t *testing.T) {
	noLeaks(t)
	server, desk := startMemServer(t), newIMAPDesk()
	for _, subject := range numbered(6) {
		server.deliver("INBOX", imapMessage(subject)+strings.Repeat("x", 4000), time.Time{})
	}
	cfg := server.config()
	cfg.PageBytes = 9000 // two messages
	runWorker(t, cfg, desk, quickLimits)
	eventually(t, "all mail", func() bool { return desk.state("soporte/INBOX").Next == 7 })
	if got := desk.sorted(); !slices.Equal(got, numbered(6)) {
		t.Errorf("taken: %q", got)
	}
}

func TestIMAPPollWithoutIdle(t *testing.T) {
	noLeaks(t)
	server, desk := startMemServer(t), newIMAPDesk()
	cfg := server.config()
	cfg.Idle, cfg.Poll = false, 5*time.Millisecond
	w := runWorker(t, cfg, desk, quickLimits)
	eventually(t, "connection", func() bool { return w.status().Connected })
	heard := w.status().LastHeard
	for i, subject := range numbered(3) {
		server.deliverAll("INBOX", subject)
		eventually(t, subject, func() bool { return len(desk.subjects()) == i+1 })
	}
	if st := w.status(); !st.LastHeard.After(heard) || st.Err != nil {
		t.Errorf("status %+v, want a later LastHeard than %v", st, heard)
	}
	if desk.offered != 3 {
		t.Errorf("Take was called %d times for 3 messages: n:* must not bring the last one again", desk.offered)
	}
}

func TestIMAPMove(t *testing.T) {
	for _, c := range []struct {
		name string
		caps []imap.Cap
	}{
		{"by MOVE", fullCaps},
		{"by COPY and UID EXPUNGE", []imap.Cap{imap.CapIMAP4rev1, imap.CapUIDPlus}},
		{"IMAP4rev2", []imap.Cap{imap.CapIMAP4rev2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			noLeaks(t)
			server, desk := startMemServer(t, c.caps...), newIMAPDesk()
			server.deliverAll("INBOX", numbered(7)...)
			// Somebody else's \Deleted message must survive.
			if _, err := server.user.Append("INBOX", literal{strings.NewReader(imapMessage("borrado"))},
				&imap.AppendOptions{Flags: []imap.Flag{imap.FlagDeleted}}); err != nil {
				t.Fatal(err)
			}
			cfg := server.config()
			cfg.After, cfg.MoveTo = "move", "Procesados"
			desk.refuse = func(raw []byte) error {
				if subjectOf(string(raw)) == "borrado" {
					return errors.New("not this one")
				}
				return nil
			}
			runWorker(t, cfg, desk, quickLimits)
			eventually(t, "move", func() bool { n, _ := server.status("Procesados"); return n == 7 })
			eventually(t, "settled", func() bool { desk.mu.Lock(); defer desk.mu.Unlock(); return len(desk.settled) == 7 })
			if n, _ := server.status("INBOX"); n != 1 {
				t.Errorf("%d messages in INBOX, want the one that was not taken", n)
			}
			if copied := desk.state("soporte/INBOX").Copied; len(copied) != 0 {
				t.Errorf("still noted as copied: %v", copied)
			}
		})
	}
}

func TestIMAPWithoutMoveAndUIDPlusLeaves(t *testing.T) {
	noLeaks(t)
	server, desk := startMemServer(t, imap.CapIMAP4rev1), newIMAPDesk()
	server.deliverAll("INBOX", "uno", "dos")
	cfg := server.config()
	cfg.After, cfg.MoveTo = "move", "Procesados"
	w := runWorker(t, cfg, desk, quickLimits)
	eventually(t, "settled", func() bool { desk.mu.Lock(); defer desk.mu.Unlock(); return len(desk.settled) == 2 })
	server.deliverAll("INBOX", "tres")
	eventually(t, "settled", func() bool { desk.mu.Lock(); defer desk.mu.Unlock(); return len(desk.settled) == 3 })
	if in, _ := server.status("INBOX"); in != 3 {
		t.Errorf("%d messages in INBOX, want 3", in)
	}
	if n := strings.Count(w.log.String(), "left in the mailbox"); n != 1 {
		t.Errorf("warned %d times, want once", n)
	}
}

func TestIMAPFlag(t *testing.T) {
	noLeaks(t)
	server, desk := startMemServer(t), newIMAPDesk()
	server.deliverAll("INBOX", numbered(3)...)
	cfg := server.config()
	cfg.After = "flag"
	runWorker(t, cfg, desk, quickLimits)
	eventually(t, "flags", func() bool { _, unseen := server.status("INBOX"); return unseen == 0 })
}

func TestIMAPCrashBetweenTakeAndSettle(t *testing.T) {
	noLeaks(t)
	server, desk := startMemServer(t), newIMAPDesk()
	server.deliverAll("INBOX", numbered(5)...)
	cfg := server.config()
	cfg.After, cfg.MoveTo = "move", "Procesados"
	desk.refuse = func([]byte) error { desk.dead = true; return nil }
	w := runWorker(t, cfg, desk, quickLimits)
	eventually(t, "taken", func() bool { return len(desk.subjects()) == 5 })
	w.stop()
	if n, _ := server.status("INBOX"); n != 5 {
		t.Fatalf("%d messages in INBOX: moved before it was recorded", n)
	}
	desk.locked(func() {
		desk.refuse = func(raw []byte) error { return fmt.Errorf("%q offered again", subjectOf(string(raw))) }
		desk.dead = false
	})
	w = runWorker(t, cfg, desk, quickLimits)
	eventually(t, "moved", func() bool { n, _ := server.status("Procesados"); return n == 5 })
	eventually(t, "look", func() bool { return desk.state("soporte/INBOX").Next >= 1 && w.status().Connected })
	if w.status().Err != nil {
		t.Errorf("after settling: %v", w.status().Err)
	}
	if n := len(desk.subjects()); n != 5 {
		t.Errorf("%d effects, want 5", n)
	}
}

func TestIMAPCopiedIsNotCopiedAgain(t *testing.T) {
	noLeaks(t)
	server, desk := startMemServer(t, imap.CapIMAP4rev1, imap.CapUIDPlus), newIMAPDesk()
	server.deliverAll("INBOX", "uno", "dos")
	cfg := server.config()
	cfg.After, cfg.MoveTo = "move", "Procesados"
	// As if it had crashed after COPY of the first and before its expunge.
	desk.states["soporte/INBOX"] = ticket.MailboxState{UIDValidity: 1, Next: 3, Copied: []uint32{1}}
	desk.unsettle["soporte/INBOX"] = []uint32{1, 2}
	server.deliverAll("Procesados", "uno")
	runWorker(t, cfg, desk, quickLimits)
	eventually(t, "settled", func() bool { desk.mu.Lock(); defer desk.mu.Unlock(); return len(desk.settled) == 2 })
	if n, _ := server.status("Procesados"); n != 2 {
		t.Errorf("%d messages in the folder, want 2: a copy must not be made twice", n)
	}
	if n, _ := server.status("INBOX"); n != 0 {
		t.Errorf("%d messages remain", n)
	}
}

func TestIMAPUIDValidityChange(t *testing.T) {
	for _, backlog := range []bool{false, true} {
		t.Run(fmt.Sprintf("backlog=%v", backlog), func(t *testing.T) {
			noLeaks(t)
			server, desk := startMemServer(t), newIMAPDesk()
			long := time.Now().Add(-48 * time.Hour)
			server.deliver("INBOX", imapMessage("antes"), long)
			cfg := server.config()
			cfg.Backlog = backlog
			w := runWorker(t, cfg, desk, quickLimits)
			eventually(t, "first look", func() bool { return desk.state("soporte/INBOX").Next == 2 })
			server.deliverAll("INBOX", "uno")
			eventually(t, "mail", func() bool { return slices.Contains(desk.subjects(), "uno") })
			eventually(t, "cursor", func() bool { return desk.state("soporte/INBOX").Next == 3 })
			before := desk.state("soporte/INBOX")

			if err := errors.Join(server.user.Delete("INBOX"), server.user.Create("INBOX", nil)); err != nil {
				t.Fatal(err)
			}
			server.deliver("INBOX", imapMessage("antes"), long)
			server.deliver("INBOX", imapMessage("otro de antes"), long)
			server.deliverAll("INBOX", "dos", "uno") // one new, one taken already
			server.ln.breakAll()

			eventually(t, "rescan", func() bool {
				s := desk.state("soporte/INBOX")
				return s.UIDValidity != before.UIDValidity && s.Next == 5
			})
			w.stop()
			want := []string{"dos", "uno"}
			if backlog {
				want = []string{"antes", "dos", "otro de antes", "uno"}
			}
			if got := desk.sorted(); !slices.Equal(got, want) {
				t.Errorf("effects: %q, want %q", got, want)
			}
			after := desk.state("soporte/INBOX")
			if !after.Since.Equal(before.Since) || after.RescanBelow != 0 {
				t.Errorf("state after the rescan: %+v, before the change: %+v", after, before)
			}
			if backlog && !desk.envs[imapMessage("otro de antes")].Backlog {
				t.Error("mail older than the first look is not marked as backlog")
			}
			if desk.envs[imapMessage("dos")].Backlog {
				t.Error("new mail is marked as backlog")
			}
		})
	}
}

func TestIMAPTemporaryErrorKeepsCursor(t *testing.T) {
	noLeaks(t)
	server, desk := startMemServer(t), newIMAPDesk()
	all := numbered(6)
	server.deliverAll("INBOX", all...)
	full := true
	desk.refuse = func(raw []byte) error {
		if full && subjectOf(string(raw)) == all[2] {
			return fmt.Errorf("archiving: %w", ticket.ErrFull)
		}
		return nil
	}
	w := runWorker(t, server.config(), desk, quickLimits)
	eventually(t, "report", func() bool { return errors.Is(w.status().Err, ticket.ErrFull) })
	if st := w.status(); !strings.Contains(st.Hint, "disk") || st.Alarm {
		t.Errorf("status %+v, want a hint about the disk and no alarm yet", st)
	}
	if next := desk.state("soporte/INBOX").Next; next > 3 {
		t.Errorf("the cursor stands at %d, beyond a message that was not taken", next)
	}
	desk.locked(func() { full = false })
	eventually(t, "all taken", func() bool { return desk.state("soporte/INBOX").Next == 7 })
	eventually(t, "recovery", func() bool { return w.status().Err == nil })
	if got := desk.sorted(); !slices.Equal(got, all) {
		t.Errorf("taken: %q", got)
	}
}

func TestIMAPAccountsDoNotDisturbEachOther(t *testing.T) {
	noLeaks(t)
	server, desk := startMemServer(t), newIMAPDesk()
	bad := server.config()
	bad.Account, bad.Server.Password = "malo", func() (string, error) { return "otra", nil }
	broken := runWorker(t, bad, desk, quickLimits)
	good := runWorker(t, server.config(), desk, quickLimits)
	eventually(t, "alarm", func() bool { return broken.status().Alarm })
	server.deliverAll("INBOX", "uno")
	eventually(t, "mail of the good account", func() bool { return len(desk.subjects()) == 1 })
	if st := good.status(); !st.Connected || st.Err != nil {
		t.Errorf("status of the good account: %+v", st)
	}
	st := broken.status()
	if st.Connected || !strings.Contains(st.Hint, "password") {
		t.Errorf("status of the bad account: %+v", st)
	}
	eventually(t, "more tries", func() bool { return strings.Count(broken.log.String(), "still trouble") > 2 })
	if broken.alarms != 1 || strings.Count(broken.log.String(), "level=ERROR") != 1 {
		t.Errorf("%d alarms, want one an outage", broken.alarms)
	}
}

func TestIMAPRecoversByItself(t *testing.T) {
	noLeaks(t)
	server, desk := startMemServer(t), newIMAPDesk()
	cfg := server.config()
	answers := make(chan string, 1)
	answers <- "equivocada"
	cfg.Server.Password = func() (string, error) {
		select {
		case s := <-answers:
			return s, nil
		default:
			return "secreto", nil
		}
	}
	limits := quickLimits
	limits.permanent = time.Hour // so that only Wake can end the pause
	w := runWorker(t, cfg, desk, limits)
	eventually(t, "alarm", func() bool { return w.status().Alarm })
	w.Wake()
	eventually(t, "connection", func() bool { return w.status().Connected })
	eventually(t, "end of the alarm", func() bool { st := w.status(); return !st.Alarm && st.Err == nil })
	if text := w.log.String(); strings.Contains(text, "equivocada") || strings.Contains(text, "secreto") {
		t.Errorf("a password is in the log:\n%s", text)
	}
}

func TestIMAPReconnects(t *testing.T) {
	noLeaks(t)
	server, desk := startMemServer(t), newIMAPDesk()
	w := runWorker(t, server.config(), desk, quickLimits)
	for i, subject := range numbered(3) {
		eventually(t, "connection", func() bool { return w.status().Connected })
		server.ln.breakAll()
		server.deliverAll("INBOX", subject)
		eventually(t, subject, func() bool { return len(desk.subjects()) == i+1 })
	}
	if desk.offered != 3 {
		t.Errorf("Take was called %d times for 3 messages", desk.offered)
	}
}

func TestIMAPPauseAndResume(t *testing.T) {
	noLeaks(t)
	server, desk := startMemServer(t), newIMAPDesk()
	w := runWorker(t, server.config(), desk, quickLimits)
	eventually(t, "connection", func() bool { return w.status().Connected })
	w.Pause()
	eventually(t, "pause", func() bool { st := w.status(); return st.Paused && !st.Connected })
	server.deliverAll("INBOX", "uno")
	w.Wake()
	if st := w.status(); st.Err != nil || len(desk.subjects()) != 0 {
		t.Errorf("while paused: %+v, taken %q", st, desk.subjects())
	}
	w.Resume()
	eventually(t, "mail", func() bool { return len(desk.subjects()) == 1 })
	if w.status().Paused {
		t.Error("still shown as paused")
	}
}

func TestIMAPTooLargeIsLeftWithAlarm(t *testing.T) {
	noLeaks(t)
	server, desk := startBadServer(t, func(*badConn, string, string) bool { return false }, "enorme", "uno"), newIMAPDesk()
	server.locked(func() { server.sizes[1] = 5000 })
	cfg := plainConfig(server.port)
	cfg.MaxMessage, cfg.After, cfg.MoveTo = 4000, "move", "Procesados"
	w := runWorker(t, cfg, desk, quickLimits)
	eventually(t, "cursor beyond", func() bool { return desk.state("soporte/INBOX").Next == 3 })
	eventually(t, "alarm", func() bool { st := w.status(); return st.Alarm && strings.Contains(st.Err.Error(), "UID 1 ") })
	eventually(t, "the other moved", func() bool { server.mu.Lock(); defer server.mu.Unlock(); return slices.Equal(server.moved, []int{2}) })
	if got := desk.subjects(); !slices.Equal(got, []string{"uno"}) {
		t.Errorf("taken: %q", got)
	}
	server.locked(func() {
		if slices.ContainsFunc(server.commands, func(c string) bool { return isBodyFetch(c, 1) }) {
			t.Error("the body was loaded")
		}
		delete(server.messages, 1)
	})
	eventually(t, "end of the alarm when it is gone", func() bool { st := w.status(); return !st.Alarm && st.Err == nil })
}

func TestIMAPLedgerFailureIsReportedAndRetried(t *testing.T) {
	noLeaks(t)
	server, desk := startMemServer(t), newIMAPDesk()
	server.deliverAll("INBOX", "uno")
	desk.refuse = func([]byte) error { desk.saveErr = errors.New("ledger broken"); return nil }
	w := runWorker(t, server.config(), desk, quickLimits)
	eventually(t, "report", func() bool {
		st := w.status()
		return st.Err != nil && strings.Contains(st.Err.Error(), "ledger broken") && strings.Contains(st.Err.Error(), "recording")
	})
	desk.locked(func() { desk.refuse, desk.saveErr = nil, nil })
	eventually(t, "recovery", func() bool { return desk.state("soporte/INBOX").Next == 2 && w.status().Err == nil })
	if n := len(desk.subjects()); n != 1 {
		t.Errorf("%d effects, want 1", n)
	}
}

func TestIMAPRepliesAfterWhatTheyAnswer(t *testing.T) {
	noLeaks(t)
	server, desk := startMemServer(t), newIMAPDesk()
	var want []string
	prev := ""
	for i := range 12 {
		id := fmt.Sprintf("<%d@example.org>", i)
		server.deliver("INBOX", fmt.Sprintf("Subject: %02d\r\nMessage-ID: %s\r\nReferences: <x@y>\r\n %s\r\n\r\n.", i, id, prev), time.Time{})
		want, prev = append(want, fmt.Sprintf("%02d", i)), id
	}
	var order []string
	desk.refuse = func(raw []byte) error { order = append(order, subjectOf(string(raw))); return nil }
	w := runWorker(t, server.config(), desk, quickLimits)
	eventually(t, "all taken", func() bool { return len(desk.subjects()) == 12 })
	w.stop()
	if !slices.Equal(order, want) {
		t.Errorf("a thread was taken in the order %q", order)
	}
}

func TestIMAPCreatesMissingFolder(t *testing.T) {
	noLeaks(t)
	server, desk := startMemServer(t), newIMAPDesk()
	server.deliverAll("INBOX", "uno")
	cfg := server.config()
	cfg.After, cfg.MoveTo = "move", "Año 2026/Hecho & más"
	if err := CheckAccount(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "create the folder") {
		t.Errorf("check of a missing folder: %v", err)
	}
	w := runWorker(t, cfg, desk, quickLimits)
	eventually(t, "move", func() bool { n, _ := server.status("INBOX"); return n == 0 })
	if n, _ := server.status(cfg.MoveTo); n != 1 {
		t.Errorf("%d messages in the new folder", n)
	}
	if st := w.status(); st.Err != nil {
		t.Errorf("status: %+v", st)
	}
}

func TestCheckAccount(t *testing.T) {
	noLeaks(t)
	server := startMemServer(t)
	for _, c := range []struct {
		name   string
		change func(*IMAPConfig)
		want   string // in the error; empty: none
	}{
		{"good", func(*IMAPConfig) {}, ""},
		{"good with a folder to move to", func(c *IMAPConfig) { c.After, c.MoveTo = "move", "Procesados" }, ""},
		{"wrong password", func(c *IMAPConfig) { c.Server.Username = "nadie" }, "check username and password"},
		{"unreadable password", func(c *IMAPConfig) {
			c.Server.Password = func() (string, error) { return "", errors.New("no such file") }
		}, "password_file"},
		{"missing mailbox", func(c *IMAPConfig) { c.Mailbox = "Nada" }, "correct its name in the account"},
		{"TLS expected", func(c *IMAPConfig) { c.Server.TLS = "implicit" }, `tls = "starttls"`},
		{"STARTTLS refused", func(c *IMAPConfig) { c.Server.TLS = "starttls" }, `tls = "implicit"`},
		{"no such mechanism", func(c *IMAPConfig) { c.Server.Auth, c.Server.Tokens = "xoauth2", staticToken("t") }, "offers: PLAIN"},
		{"nothing listens", func(c *IMAPConfig) { c.Server.Port = 1 }, "host and port"},
		{"unknown tls", func(c *IMAPConfig) { c.Server.TLS = "off" }, "use implicit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := server.config()
			c.change(&cfg)
			err := CheckAccount(t.Context(), cfg)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}
