package e2e

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"

	"buzon/e2e/world"
	"buzon/internal/realservers"
)

func TestListenerRefuses(t *testing.T) {
	t.Parallel()
	w := world.New(t, world.Options{})
	d := w.NewDesk(world.Settings{SMTP: `max_message = "256 KB"`})
	d.Start()
	letter := world.Letter{From: world.Maria, To: "soporte@desk.test", Subject: "Hola", Text: "Hola"}
	expect := func(what string, err error, wantCode int, wantEnhanced string) {
		t.Helper()
		if code, enhanced := realservers.Refusal(err); code != wantCode || enhanced != wantEnhanced {
			t.Errorf("%s: got %v, want %d %s", what, err, wantCode, wantEnhanced)
		}
	}
	expect("unknown recipient", realservers.Send(d.SMTPAddr, world.Maria, []string{"nadie@desk.test"}, letter.Raw()), 550, "5.1.1")
	expect("someone else's domain", realservers.Send(d.SMTPAddr, world.Maria, []string{world.Pedro}, letter.Raw()), 550, "5.1.1")

	letter.Text = strings.Repeat("Una línea de texto que se repite hasta que es demasiado.\n", 6000)
	large := letter.Raw()
	expect("too large, found in DATA", realservers.Send(d.SMTPAddr, world.Maria, []string{"soporte@desk.test"}, large), 552, "5.3.4")
	expect("too large, told by SIZE", announce(t, d.SMTPAddr, int64(len(large))), 552, "5.3.4")

	if n := len(d.Tickets()); n != 0 {
		t.Fatalf("%d tickets of refused messages", n)
	}

	// By Postfix the sender gets it back, and so knows.
	letter.Text = "Hola"
	w.Send(world.Maria, "nadie@desk.test", letter.Raw())
	bounce := w.Await(world.Maria, "the bounce", func(m realservers.Mail) bool {
		return strings.Contains(m.Header("Content-Type"), "report-type=delivery-status")
	})
	if !strings.Contains(bounce.Everything(), "5.1.1") {
		t.Errorf("the bounce does not say why:\n%s", bounce.Raw)
	}
}

// announce begins a message and says its size (RFC 1870).
func announce(t *testing.T, addr string, size int64) error {
	t.Helper()
	c, err := smtp.Dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.Mail(world.Maria, &smtp.MailOptions{Size: size})
}

// The desk relays for nobody. The recipients are the classic ways round a check.
func TestNotAnOpenRelay(t *testing.T) {
	t.Parallel()
	swaks := realservers.Program(t, "swaks", "swaks")
	w := world.New(t, world.Options{})
	d := w.NewDesk(world.Settings{})
	d.Start()
	for _, recipient := range []string{
		"victim@elsewhere.test",
		"victim%elsewhere.test@desk.test",
		"elsewhere.test!victim@desk.test",
		"@desk.test:victim@elsewhere.test",
		`"victim@elsewhere.test"@desk.test`,
		"victim@elsewhere.test@desk.test",
		"soporte@desk.test@elsewhere.test",
	} {
		out, err := exec.Command(swaks, "--server", d.SMTPAddr, "--helo", "client.test", "--from", world.Maria,
			"--to", recipient, "--quit-after", "RCPT").CombinedOutput()
		if err == nil || !bytes.Contains(out, []byte("<** 5")) {
			t.Errorf("%s was not refused: %v\n%s", recipient, err, out)
		}
	}
	if out, err := exec.Command(swaks, "--server", d.SMTPAddr, "--helo", "client.test", "--from", world.Maria,
		"--to", "soporte@desk.test", "--quit-after", "RCPT").CombinedOutput(); err != nil {
		t.Errorf("the desk's own address was refused: %v\n%s", err, out)
	}
}

// What can't be read is kept and said, and the next message proceeds.
func TestPoisonIsQuarantined(t *testing.T) {
	t.Parallel()
	w := world.New(t, world.Options{Accounts: map[string]string{soporte: "secreto"}})
	d := w.NewDesk(world.Settings{})
	d.Append(account(d, w, "soporte", soporte, fmt.Sprintf("password_file = %q\nafter = \"move\"\nmove_to = \"Procesados\"\n",
		d.Secret("password", "secreto"))) + topic("aula", soporte))
	d.Start()
	d.AwaitConnected("soporte")

	w.Send(world.Pedro, "soporte@desk.test", poison("por SMTP"))
	ask(w, "soporte@desk.test", "Después por SMTP")
	w.Await(world.Maria, "the confirmation", subjectHas("Después por SMTP"))

	w.Send(world.Pedro, soporte, poison("por IMAP"))
	ask(w, soporte, "Después por IMAP")
	w.Await(world.Maria, "the confirmation", subjectHas("Después por IMAP"))

	d.Eventually("both to be in quarantine", func() bool { return len(d.Quarantine()) == 2 })
	w.Await(world.Luis, "the alarm", func(m realservers.Mail) bool {
		return strings.Contains(m.Everything(), "quarantine")
	})
	if out, _, code := d.Run("status"); code != 1 || !strings.Contains(out, "buzon quarantine") {
		t.Errorf("status (exit code %d) does not tell:\n%s", code, out)
	}
	for _, k := range d.Quarantine() {
		raw, problems, code := d.Run("quarantine", "show", fmt.Sprint(k.ID))
		if code != 0 || !strings.Contains(raw, "Subject: Veneno por") || strings.Count(raw, "--b\r\n")+strings.Count(raw, "--b\n") != poisonParts {
			t.Errorf("quarantine show %d: exit code %d, %d octets, %s", k.ID, code, len(raw), problems)
		}
	}
	d.Settle()
	if n := len(d.Tickets()); n != 2 {
		t.Errorf("%d tickets, want 2", n)
	}
	count(t, w, world.Pedro, 0)
}

const poisonParts = 20_000

// poison is a message with more parts than any reader should take.
func poison(how string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: <%s>\r\nTo: <soporte@desk.test>\r\nSubject: Veneno %s\r\nMessage-ID: <%s>\r\nMIME-Version: 1.0\r\n"+
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n", world.Pedro, how, world.NewMessageID())
	b.WriteString(strings.Repeat("--b\r\n\r\nx\r\n", poisonParts))
	b.WriteString("--b--\r\n")
	return b.Bytes()
}
