package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"buzon/e2e/world"
	"buzon/internal/realservers"
)

// An agent works in a real mail client: NeoMutt reads the notification from
// Dovecot by IMAP, its user presses r, writes above the quote, and sends by SMTP.
func TestAgentWithNeoMutt(t *testing.T) {
	t.Parallel()
	w := world.New(t, world.Options{IMAP: true})
	mutt := newNeoMutt(t, w, world.Ana, world.AnaPassword)
	d := w.NewDesk(world.Settings{})
	d.Start()
	open(t, w, "first@client.test")

	mutt.reply("Hola, María: pruebe ahora.")
	answer := w.AwaitText(world.Maria, "Hola, María: pruebe ahora.")
	for _, quoted := range []string{"No puedo entrar", "wrote:", "Solicitud nueva"} {
		if strings.Contains(answer.Text(), quoted) {
			t.Errorf("the answer holds %q of what the agent quoted:\n%s", quoted, answer.Text())
		}
	}

	again := world.Reply(answer, world.Maria, "Funciona, mil gracias por todo. ¿Y el certificado?")
	w.Send(world.Maria, again.To, again.Raw())
	w.AwaitText(world.Ana, "¿Y el certificado?")
	mutt.reply("/cerrar\nEl certificado va en camino.")
	w.AwaitText(world.Maria, "El certificado va en camino.")
	if shown := d.Ticket(1); shown.Status != "closed" || len(shown.Entries) != 4 {
		t.Errorf("the ticket is %s and has %d entries", shown.Status, len(shown.Entries))
	}
	d.Settle()
	count(t, w, world.Maria, 3)
	if n := len(d.Tickets()); n != 1 {
		t.Errorf("%d tickets, want 1", n)
	}
	leaks(t, w, world.Maria)
}

// neoMutt is a user's NeoMutt.
type neoMutt struct {
	t       *testing.T
	program string
	home    string
}

const muttrc = `set imap_user = %q
set imap_pass = %q
set folder = "imap://%s/"
set spoolfile = "+INBOX"
set ssl_starttls = no
set ssl_force_tls = no
set smtp_url = "smtp://%s/"
set from = %q
set realname = "Ana Rojas"
set use_envelope_from = yes
set editor = "%s/editor"
set charset = "utf-8"
# Ask nothing.
set include = yes
set fast_reply = yes
set reply_to = yes
set abort_unmodified = no
set abort_nosubject = no
set copy = no
set postpone = no
set quit = yes
set wait_key = no
set sort = date-received
unset mark_old
`

func newNeoMutt(t *testing.T, w *world.World, user, password string) *neoMutt {
	t.Helper()
	m := &neoMutt{t: t, program: realservers.Program(t, "neomutt", "neomutt"), home: t.TempDir()}
	m.write("neomuttrc", 0o600, fmt.Sprintf(muttrc, user, password, w.Dovecot.Addr, w.Postfix.SMTPAddr, user, m.home))
	// The user's hands: the text goes above what NeoMutt quoted.
	m.write("editor", 0o700, "#!/bin/sh\ncat '"+m.home+"/text' \"$1\" >\"$1.new\" && mv \"$1.new\" \"$1\"\n")
	return m
}

func (m *neoMutt) write(name string, mode os.FileMode, content string) {
	m.t.Helper()
	if err := os.WriteFile(filepath.Join(m.home, name), []byte(content), mode); err != nil {
		m.t.Fatal(err)
	}
}

// reply answers the newest mail, and returns when NeoMutt has ended.
func (m *neoMutt) reply(text string) {
	m.t.Helper()
	m.write("text", 0o600, text+"\n\n")
	master, slave := terminal(m.t)
	cmd := exec.Command(m.program, "-n", "-F", filepath.Join(m.home, "neomuttrc"),
		"-e", "push <last-entry><reply><send-message><quit>")
	cmd.Env = append(os.Environ(), "HOME="+m.home, "TERM=xterm", "LANG=C.UTF-8", "LC_ALL=C.UTF-8")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	slave.Close()
	screen := make(chan []byte, 1)
	go func() {
		var b bytes.Buffer
		b.ReadFrom(master) // ends with an error when the client has gone
		screen <- b.Bytes()
	}()
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	select {
	case err := <-exited:
		if err != nil {
			m.t.Fatalf("NeoMutt: %v\n%q", err, <-screen)
		}
	case <-time.After(realservers.Patience):
		cmd.Process.Kill()
		<-exited
		m.t.Fatalf("NeoMutt waits for something:\n%q", <-screen)
	}
}

// terminal makes a pseudo-terminal of 80 columns and 40 lines.
func terminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatalf("unlocking the terminal: %v", err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatalf("the terminal's number: %v", err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 80}); err != nil {
		t.Fatalf("the terminal's size: %v", err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return master, slave
}
