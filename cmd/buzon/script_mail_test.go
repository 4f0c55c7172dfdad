package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"log/slog"
	"mime"
	"net"
	"net/smtp"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/rogpeppe/go-internal/testscript"

	"buzon/control"
	"buzon/internal/mailclient"
	"buzon/routing"
	"buzon/ticket"
)

// letterOf reads CLIENT FROM TO, and what the client's user has written.
func letterOf(ts *testscript.TestScript, args, lines []string) (c mailclient.Client, from, to string, r mailclient.Reply) {
	c, ok := mailclient.Named(args[0])
	if !ok {
		ts.Fatalf("there is no client %s", args[0])
	}
	from, to = args[1], args[2]
	return c, from, to, mailclient.Reply{
		From: "<" + from + ">", Text: strings.Join(lines, "\n"), Date: time.Now(), MessageID: hash(strings.Join(args, " ")+strings.Join(lines, " ")) + "@cliente.example",
	}
}

// vouched takes away the word -vouched: the mail comes by the desk's mailbox, and
// the mail server says that DMARC has passed. Otherwise it comes by the listener,
// and nothing is said of its From.
func vouched(args []string) (bool, []string) {
	if len(args) > 0 && args[0] == "-vouched" {
		return true, args[1:]
	}
	return false, args
}

func post(ts *testscript.TestScript, vouched bool, from, to string, raw []byte) {
	if !vouched {
		ts.Check(smtp.SendMail(ts.Getenv("LISTEN"), nil, from, []string{to}, raw))
		return
	}
	results := "Authentication-Results: mx.virtual.example; dmarc=pass header.from=" + ticket.Domain(from) + "\r\n"
	ts.Check(office(ts).Deliver(to, append([]byte(results), raw...)))
}

// compose [-vouched] CLIENT FROM TO SUBJECT LINE…: writes a new mail in the form of
// CLIENT (see internal/mailclient).
func compose(ts *testscript.TestScript, _ bool, args []string) {
	sure, args := vouched(args)
	c, from, to, r := letterOf(ts, args, args[4:])
	post(ts, sure, from, to, c.Compose(to, args[3], r))
}

// forward [-vouched] CLIENT FROM TO MAIL LINE…: passes a mail on, in the form of
// CLIENT, with the lines above it.
func forward(ts *testscript.TestScript, _ bool, args []string) {
	sure, args := vouched(args)
	c, from, to, r := letterOf(ts, args, args[4:])
	original, err := mailclient.Read([]byte(ts.ReadFile(args[3])))
	ts.Check(err)
	post(ts, sure, from, to, c.Forward(original, to, r))
}

// becomes NUMBER TEXT: waits until buzon ticket show says TEXT of the ticket.
func becomes(ts *testscript.TestScript, _ bool, args []string) {
	n, err := ticket.ParseNumber(args[0])
	ts.Check(err)
	until(ts, "ticket "+args[0]+" does not become "+args[1], func() error {
		caller, err := control.Dial(ts.MkAbs("data"))
		if err != nil {
			return err
		}
		var t control.Ticket
		if err := caller.Call(context.Background(), "ticket show", control.Which{Number: n}, &t); err != nil {
			return err
		}
		said := string(t.Status) + ", topic " + t.Topic + ", with " + t.Assignee + t.Team
		for _, e := range t.Entries {
			said += "\n" + string(e.Kind) + ": " + e.Text
		}
		if !strings.Contains(said, args[1]) {
			return fmt.Errorf("it is %s", said)
		}
		return nil
	})
}

type toldKey struct{}

// read is how much of the desk's log was looked at.
func read(ts *testscript.TestScript) *int { return ts.Value(toldKey{}).(*int) }

// told WHO: TEMPLATE…: exactly these mails were queued since the last told; told
// nobody: none were. WHO is the local part of the address. It goes by the desk's
// log, which is desk.log and JSON, and waits for a mail that is due. Each mail is
// left in the file WHO.TEMPLATE, to be answered.
func told(ts *testscript.TestScript, _ bool, args []string) {
	want := slices.Clone(args)
	if slices.Equal(args, []string{"nobody"}) {
		want = nil
	}
	slices.Sort(want)
	missing := func(got []string) bool {
		return slices.ContainsFunc(want, func(s string) bool { return !slices.Contains(got, s) })
	}
	var got []string
	var ids map[string]uint64
	end := 0
	until(ts, fmt.Sprintf("want %q", want), func() error {
		if got, ids, end = queued(ts); missing(got) {
			return fmt.Errorf("told were %q", got)
		}
		return nil
	})
	if !slices.Equal(got, want) {
		ts.Fatalf("told were %q, want %q", got, want)
	}
	*read(ts) = end
	for who, id := range ids {
		ts.Check(os.WriteFile(ts.MkAbs(strings.Replace(who, ": ", ".", 1)), outgoing(ts, id).Raw, 0o600))
	}
}

// outgoing asks the running desk for a mail.
func outgoing(ts *testscript.TestScript, id uint64) (o control.Outgoing) {
	caller, err := control.Dial(ts.MkAbs("data"))
	ts.Check(err)
	ts.Check(caller.Call(context.Background(), "outbox show", control.Which{ID: id}, &o))
	return o
}

// queued reads the desk's log from where it was looked at last.
func queued(ts *testscript.TestScript) (list []string, ids map[string]uint64, end int) {
	log := ts.ReadFile("desk.log")
	end = *read(ts)
	ids = map[string]uint64{}
	for line := range strings.Lines(log[end:]) {
		if !strings.HasSuffix(line, "\n") {
			break // is being written
		}
		end += len(line)
		var fact struct {
			Msg, Template string
			Outbox        uint64
		}
		if json.Unmarshal([]byte(line), &fact) != nil || fact.Msg != "queued" {
			continue
		}
		o := outgoing(ts, fact.Outbox)
		who, _, _ := strings.Cut(o.To, "@")
		list = append(list, who+": "+fact.Template)
		ids[list[len(list)-1]] = fact.Outbox
	}
	slices.Sort(list)
	return list, ids, end
}

// bounce MAIL: the mail comes back from its recipient's server as undeliverable
// (RFC 3464), to its envelope sender.
func bounce(ts *testscript.TestScript, _ bool, args []string) {
	mail, err := mailclient.Read([]byte(ts.ReadFile(args[0])))
	ts.Check(err)
	caller, err := control.Dial(ts.MkAbs("data"))
	ts.Check(err)
	var rows []ticket.Outgoing
	ts.Check(caller.Call(context.Background(), "outbox list", control.Which{Limit: 1000}, &rows))
	i := slices.IndexFunc(rows, func(o ticket.Outgoing) bool { return o.MessageID == mail.MessageID })
	raw := "From: MAILER-DAEMON@mx.example\nTo: " + rows[i].EnvelopeFrom + "\nSubject: Undelivered Mail Returned to Sender\n" +
		"Message-ID: <" + hash(mail.MessageID) + "@mx.example>\nDate: " + time.Now().Format(time.RFC1123Z) + "\nMIME-Version: 1.0\n" +
		"Content-Type: multipart/report; report-type=delivery-status; boundary=B\n\n--B\nContent-Type: text/plain\n\nIt failed.\n" +
		"--B\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; " + rows[i].To +
		"\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 no such user\n\n--B--\n"
	ts.Check(smtp.SendMail(ts.Getenv("LISTEN"), nil, "", []string{rows[i].EnvelopeFrom}, crlf(raw)))
}

// tap USER MAIL LABEL: sends the mail that the button LABEL of a received mail
// opens, as it is (RFC 6068).
func tap(ts *testscript.TestScript, _ bool, args []string) {
	mail, err := mailclient.Read([]byte(ts.ReadFile(args[1])))
	ts.Check(err)
	for _, m := range button.FindAllStringSubmatch(mail.HTML, -1) {
		if html.UnescapeString(strings.TrimSpace(m[2])) != args[2] {
			continue
		}
		link, err := url.Parse(html.UnescapeString(m[1]))
		ts.Check(err)
		to, err := url.PathUnescape(link.Opaque)
		ts.Check(err)
		body := strings.ReplaceAll(link.Query().Get("body"), "\r\n", "\n")
		text := fmt.Sprintf("From: <%s>\nTo: <%s>\nSubject: %s\nMessage-ID: <%s@cliente.example>\nDate: %s\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n%s\n",
			args[0], to, mime.QEncoding.Encode("utf-8", link.Query().Get("subject")), hash(m[1]), time.Now().Format(time.RFC1123Z), body)
		ts.Check(smtp.SendMail(ts.Getenv("LISTEN"), nil, args[0], []string{to}, crlf(text)))
		return
	}
	ts.Fatalf("there is no button %q in\n%s", args[2], mail.HTML)
}

var button = regexp.MustCompile(`(?s)<a [^>]*href="(mailto:[^"]*)"[^>]*>(.*?)</a>`)

// filed USER FOLDER FILE: a mail program puts a mail into a folder of a mailbox.
func filed(ts *testscript.TestScript, _ bool, args []string) {
	conn, err := net.Dial("tcp", office(ts).IMAPAddr())
	ts.Check(err)
	client := imapclient.New(conn, nil)
	defer client.Close()
	ts.Check(client.Login(args[0], "secreto").Wait())
	raw := crlf(ts.ReadFile(args[2]))
	literal := client.Append(args[1], int64(len(raw)), nil)
	_, err = literal.Write(raw)
	ts.Check(errors.Join(err, literal.Close()))
	_, err = literal.Wait()
	ts.Check(err)
}

// later SPAN CONFIG: while no desk runs, what the clock asks for is done on its
// data as it will be when the time span has passed.
func later(ts *testscript.TestScript, _ bool, args []string) {
	span, err := time.ParseDuration(args[0])
	ts.Check(err)
	table, err := routing.Load(ts.MkAbs(args[1]))
	ts.Check(err)
	file, err := os.OpenFile(ts.MkAbs("desk.log"), os.O_APPEND|os.O_WRONLY, 0)
	ts.Check(err)
	defer file.Close()
	log := slog.New(slog.NewJSONHandler(file, nil))
	st, err := openStore(table.Config.Desk.Data, table, log)
	ts.Check(err)
	d, err := newDesk(st, table, log)
	if err == nil {
		d.Now = func() time.Time { return time.Now().Add(span) }
		_, err = d.Remind(context.Background())
	}
	ts.Check(errors.Join(err, st.Close()))
}
