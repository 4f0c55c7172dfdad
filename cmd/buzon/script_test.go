package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/smtp"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"buzon/control"
	"buzon/internal/mailclient"
	"buzon/internal/postoffice"
	"buzon/mailpipe"
	"buzon/routing"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"buzon": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
			stop()
			os.Exit(code)
		},
	})
}

// patience bounds every wait of a scenario.
const patience = 20 * time.Second

type officeKey struct{}

// TestScripts runs the stories: each is a file that reads like what happened,
// with the real main against a post office in this process.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup:               setup,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"config":   config,
			"ready":    ready,
			"reloaded": reloaded,
			"emptied":  emptied,
			"hangup":   hangup,
			"get":      get,
			"holds":    holds,
			"truncate": truncate,
			"send":     send,
			"deliver":  deliver,
			"await":    await,
			"reply":    replyTo,
			"order":    order,
			"compose":  compose,
			"forward":  forward,
			"told":     told,
			"becomes":  becomes,
			"bounce":   bounce,
			"filed":    filed,
			"later":    later,
			"tap":      tap,
			"nothing":  nothing,
			"smtp":     dialogue,
		},
	})
}

// setup starts the post office and picks the desk's ports.
func setup(env *testscript.Env) error {
	office, err := postoffice.New(postoffice.Options{Fallback: "soporte@virtual.example"})
	if err != nil {
		return err
	}
	env.Defer(func() { office.Close() })
	for user, addresses := range map[string][]string{
		"soporte@virtual.example":   {"pregrado@virtual.example", "edx@virtual.example"},
		"laura@estudiantes.example": nil, "eva@otra.example": nil,
		"ana@privada.example": nil, "beto@privada.example": nil, "olga@privada.example": nil,
		"dora@privada.example": nil, "rita@privada.example": nil, "amigo@otra.example": nil, "tia@otra.example": nil, "laura@casa.example": nil,
	} {
		office.AddUser(user, "secreto", addresses...)
	}
	env.Values[officeKey{}] = office
	env.Values[toldKey{}] = new(int)
	imapHost, imapPort, _ := net.SplitHostPort(office.IMAPAddr())
	_, outPort, _ := net.SplitHostPort(office.SMTPAddr())
	listen, err := freePort()
	if err != nil {
		return err
	}
	web, err := freePort()
	if err != nil {
		return err
	}
	env.Setenv("IMAP_HOST", imapHost)
	env.Setenv("IMAP_PORT", imapPort)
	env.Setenv("OUT_PORT", outPort)
	env.Setenv("LISTEN", listen)
	env.Setenv("WEB", web)
	env.Setenv("BUZON_TEST_SECRET", "secreto")
	return nil
}

func freePort() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}

func office(ts *testscript.TestScript) *postoffice.Office {
	return ts.Value(officeKey{}).(*postoffice.Office)
}

// config IN OUT: writes a configuration with the ports filled in.
func config(ts *testscript.TestScript, _ bool, args []string) {
	text := os.Expand(ts.ReadFile(args[0]), ts.Getenv)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o600))
}

// ready DATA: waits until a desk runs on the folder and watches its mailboxes.
func ready(ts *testscript.TestScript, _ bool, args []string) {
	until(ts, "the desk is not ready", func() error {
		caller, err := control.Dial(ts.MkAbs(args[0]))
		if err != nil {
			return err
		}
		var st control.Status
		if err := caller.Call(context.Background(), "status", control.Which{}, &st); err != nil {
			return err
		}
		for _, a := range st.Health.Accounts {
			if !a.Connected {
				return fmt.Errorf("account %s is not connected: %s", a.Account, a.Error)
			}
		}
		if len(st.Health.Accounts) == 0 {
			return errors.New("no account has said anything yet")
		}
		return nil
	})
}

// until tries again until there is no error, with patience.
func until(ts *testscript.TestScript, what string, try func() error) {
	deadline := time.Now().Add(patience)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s: %v", what, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// hangup: sends SIGHUP to what runs in the background.
func hangup(ts *testscript.TestScript, _ bool, _ []string) {
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Signal(syscall.SIGHUP))
	}
}

// reloaded CONFIG: waits until the running desk uses the configuration.
func reloaded(ts *testscript.TestScript, _ bool, args []string) {
	table, err := routing.Load(ts.MkAbs(args[0]))
	ts.Check(err)
	until(ts, "it is not reloaded", func() error {
		caller, err := control.Dial(table.Config.Desk.Data)
		if err != nil {
			return err
		}
		var st control.Status
		if err := caller.Call(context.Background(), "status", control.Which{}, &st); err != nil {
			return err
		}
		if st.Config != table.Version {
			return fmt.Errorf("the desk still uses %s, not %s", st.Config, table.Version)
		}
		return nil
	})
}

// emptied DATA: waits until the running desk has recorded that no outgoing mail
// waits, which is a moment after the last one has arrived.
func emptied(ts *testscript.TestScript, _ bool, args []string) {
	until(ts, "mail still waits", func() error {
		caller, err := control.Dial(ts.MkAbs(args[0]))
		if err != nil {
			return err
		}
		var st control.Status
		if err := caller.Call(context.Background(), "status", control.Which{}, &st); err != nil {
			return err
		}
		if st.Figures.Waiting > 0 {
			return fmt.Errorf("%d mails wait", st.Figures.Waiting)
		}
		return nil
	})
}

// get PATH STATUS OUT: asks the health and metrics listener.
func get(ts *testscript.TestScript, _ bool, args []string) {
	res, err := http.Get("http://" + ts.Getenv("WEB") + args[0])
	ts.Check(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	ts.Check(err)
	if fmt.Sprint(res.StatusCode) != args[1] {
		ts.Fatalf("%s: %s\n%s", args[0], res.Status, body)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), body, 0o600))
}

// holds FOLDER WORD…: each word stands in some file of the folder; with ! none does.
func holds(ts *testscript.TestScript, neg bool, args []string) {
	var all []byte
	ts.Check(filepath.WalkDir(ts.MkAbs(args[0]), func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		raw, err := os.ReadFile(path)
		all = append(all, raw...)
		return err
	}))
	for _, word := range args[1:] {
		if bytes.Contains(all, []byte(word)) == neg {
			ts.Fatalf("%q in the files of %s: %v", word, args[0], neg)
		}
	}
}

// truncate FILE LENGTH: cuts a file.
func truncate(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), n))
}

// send FROM TO FILE: hands a message to the desk's listener.
func send(ts *testscript.TestScript, neg bool, args []string) {
	err := smtp.SendMail(ts.Getenv("LISTEN"), nil, args[0], []string{args[1]}, crlf(ts.ReadFile(args[2])))
	if neg {
		if err == nil {
			ts.Fatalf("it was taken")
		}
		ts.Logf("%v", err)
		ts.Check(os.WriteFile(ts.MkAbs("refusal"), []byte(err.Error()+"\n"), 0o600))
		return
	}
	ts.Check(err)
}

// deliver TO FILE: puts a message into a mailbox, as the mail server does.
func deliver(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(office(ts).Deliver(args[0], crlf(ts.ReadFile(args[1]))))
}

// await USER PATTERN OUT: waits for a mail whose subject and text match; writes
// its raw form to OUT and the decoded one to OUT.txt.
func await(ts *testscript.TestScript, _ bool, args []string) {
	pattern, err := regexp.Compile(args[1])
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var decoded string
	m, err := office(ts).Wait(ctx, args[0], func(m postoffice.Mail) bool {
		seen := mailpipe.Understand(m.Raw, mailpipe.Options{})
		decoded = fmt.Sprintf("From: %s <%s>\nSubject: %s\nReferences: %s\n\n%s\n", seen.From.Name, seen.From.Addr, seen.Subject,
			strings.Join(seen.References, " "), seen.Text)
		for _, a := range seen.Attachments {
			decoded += fmt.Sprintf("[%s, %d octets]\n", a.Name, a.Size)
		}
		return pattern.MatchString(decoded)
	})
	if err != nil {
		ts.Fatalf("nothing like %s came to %s: %v", args[1], args[0], err)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), m.Raw, 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(args[2]+".txt"), []byte(decoded), 0o600))
}

// reply FROM MAIL FILE: answers a received mail as a mail program does: to its
// Reply-To, in its thread, with the text of FILE above the quoted mail.
func replyTo(ts *testscript.TestScript, _ bool, args []string) {
	seen := mailpipe.Understand([]byte(ts.ReadFile(args[1])), mailpipe.Options{})
	to := seen.From.Addr
	if len(seen.ReplyTo) > 0 {
		to = seen.ReplyTo[0].Addr
	}
	refs := append(append([]string{}, seen.References...), seen.MessageID)
	text := fmt.Sprintf("From: <%s>\nTo: <%s>\nSubject: Re: %s\nMessage-ID: <r%s@cliente.example>\nIn-Reply-To: <%s>\nReferences: <%s>\nDate: %s\n"+
		"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n%s\nEl mar, 24 nov 2026 a las 10:12, Mesa (<%s>) escribió:\n> %s\n",
		args[0], to, seen.Subject, hash(args[0]+ts.ReadFile(args[2])), seen.MessageID, strings.Join(refs, "> <"), time.Now().Format(time.RFC1123Z),
		ts.ReadFile(args[2]), seen.From.Addr, strings.ReplaceAll(strings.TrimSpace(seen.Text), "\n", "\n> "))
	ts.Check(smtp.SendMail(ts.Getenv("LISTEN"), nil, args[0], []string{to}, crlf(text)))
}

// order CLIENT FROM MAIL LINE…: answers a received mail as a mail program does, in
// the form of CLIENT (see internal/mailclient), with the lines above or below the
// quote.
func order(ts *testscript.TestScript, _ bool, args []string) {
	client, ok := mailclient.Named(args[0])
	if !ok {
		ts.Fatalf("there is no client %s", args[0])
	}
	shown, err := mailclient.Read([]byte(ts.ReadFile(args[2])))
	ts.Check(err)
	raw, to := client.Write(shown, mailclient.Reply{
		From: "<" + args[1] + ">", Text: strings.Join(args[3:], "\n"), Date: time.Now(),
		MessageID: hash(strings.Join(args, " ")+shown.MessageID) + "@cliente.example",
	})
	ts.Check(smtp.SendMail(ts.Getenv("LISTEN"), nil, args[1], []string{to}, raw))
}

// nothing USER PATTERN: no mail in the mailbox matches. Only meaningful after a
// later mail has been awaited.
func nothing(ts *testscript.TestScript, _ bool, args []string) {
	pattern, err := regexp.Compile(args[1])
	ts.Check(err)
	for _, m := range office(ts).Messages(args[0], "INBOX") {
		seen := mailpipe.Understand(m.Raw, mailpipe.Options{})
		if pattern.MatchString(seen.Subject + "\n" + seen.Text) {
			ts.Fatalf("%s has a mail like %s:\n%s", args[0], args[1], m.Raw)
		}
	}
}

// smtp FILE: talks to the listener, a line and its expected answer at a time:
// lines beginning with "> " are sent, those with "< " are how an answer begins.
func dialogue(ts *testscript.TestScript, _ bool, args []string) {
	conn, err := net.Dial("tcp", ts.Getenv("LISTEN"))
	ts.Check(err)
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	buf := make([]byte, 0, 4096)
	answer := func() (string, error) {
		for {
			for {
				line, rest, ok := strings.Cut(string(buf), "\r\n")
				if !ok {
					break
				}
				buf = []byte(rest)
				if len(line) < 4 || line[3] != '-' {
					return line, nil
				}
			}
			chunk := make([]byte, 4096)
			n, err := conn.Read(chunk)
			if n == 0 && err != nil {
				return "", err
			}
			buf = append(buf, chunk[:n]...)
		}
	}
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "> "):
			_, err := conn.Write([]byte(line[2:] + "\r\n"))
			ts.Check(err)
		case strings.HasPrefix(line, "< "):
			got, err := answer()
			if err != nil && !errors.Is(err, net.ErrClosed) {
				ts.Fatalf("want %q: %v", line[2:], err)
			}
			if !strings.HasPrefix(got, line[2:]) {
				ts.Fatalf("want %q, got %q", line[2:], got)
			}
		}
	}
}

func crlf(s string) []byte {
	return []byte(strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\n", "\r\n"))
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:15]))
}
