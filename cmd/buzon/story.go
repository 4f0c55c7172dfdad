package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"mime"
	"net/mail"
	"net/smtp"
	"regexp"
	"strings"
	"time"

	"buzon/internal/postoffice"
	"buzon/mailpipe"
	"buzon/ticket"
)

// leftOut are keys that say nothing in a story.
var leftOut = map[string]bool{
	ticket.LogMessage: true, ticket.LogUID: true, ticket.LogRemote: true, ticket.LogTook: true, "version": true,
	"domain": true, "attempts": true,
}

// Handle writes a fact as a line.
func (n *narrator) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	fmt.Fprintf(&b, "   · %s", r.Message)
	reason := ""
	add := func(a slog.Attr) bool {
		v := a.Value.String()
		switch {
		case leftOut[a.Key] || v == "" || (a.Key == ticket.LogSize && v == "0"):
		case a.Key == ticket.LogTicket:
			fmt.Fprintf(&b, " #%s", v)
		case a.Key == ticket.LogReason || a.Key == ticket.LogError:
			reason = v
		case a.Key == ticket.LogSize:
			fmt.Fprintf(&b, ", %s octets", v)
		default:
			fmt.Fprintf(&b, ", %s %s", a.Key, v)
		}
		return true
	}
	for _, a := range n.attrs {
		add(a)
	}
	r.Attrs(add)
	if reason != "" {
		fmt.Fprintf(&b, ": %s", reason)
	}
	b.WriteByte('\n')
	_, err := n.out.Write([]byte(b.String()))
	return err
}

// story sends the demo's messages and waits for what the desk makes of each.
type story struct {
	ctx    context.Context
	desk   *deskDaemon
	office *postoffice.Office
	say    *narrator
}

func (s *story) print(format string, args ...any) { fmt.Fprintf(s.say.out, format+"\n", args...) }

func (s *story) welcome() {
	s.print("A help desk is running on this machine; its mail goes nowhere else. Six messages follow.")
}

// stepTime bounds how long a step may take.
const stepTime = 20 * time.Second

// tell plays the story. Each step ends when its effect has arrived in a mailbox.
func (s *story) tell() error {
	steps := []struct {
		title string
		play  func(context.Context) error
	}{
		{"1. Laura, a student, asks for help (by SMTP).", s.plain},
		{"2. Carlos, a teacher, sends HTML with a screenshot (to the mailbox, read by IMAP).", s.attachment},
		{"3. Laura writes again: a new mail, with only the tag in its subject.", s.byTag},
		{"4. Carlos is out of office; his mail server answers the confirmation.", s.outOfOffice},
		{"5. Diana mails an address that is no topic's.", s.wrongTopic},
		{"6. Marcela, an agent, presses Reply on Laura's ticket and writes /cerrar on the first line.", s.agentAnswers},
	}
	for _, step := range steps {
		s.print("\n%s", step.title)
		ctx, cancel := context.WithTimeout(s.ctx, stepTime)
		err := step.play(ctx)
		if err == nil {
			err = s.settle(ctx)
		}
		cancel()
		if err != nil {
			return fmt.Errorf("at %q: %w", step.title, err)
		}
	}
	return nil
}

// settle waits until all outgoing mail has left.
func (s *story) settle(ctx context.Context) error {
	for {
		f, err := s.desk.desk.Figures()
		if err != nil || f.Waiting == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d mails are still waiting", f.Waiting)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (s *story) plain(ctx context.Context) error {
	err := s.send(demoStudent, "pregrado@virtual.example", demoPlain())
	if err != nil {
		return err
	}
	confirmation, err := s.arrives(ctx, demoStudent, "cálculo")
	if err != nil {
		return err
	}
	s.quote("Laura's mailbox", confirmation)
	notification, err := s.arrives(ctx, "marcela.chaparro@delegados.example", "cálculo")
	if err != nil {
		return err
	}
	s.quote("Marcela's mailbox", notification)
	return nil
}

func (s *story) attachment(ctx context.Context) error {
	err := s.office.Deliver("turnitin@virtual.example", demoAttachment())
	if err != nil {
		return err
	}
	if _, err = s.arrives(ctx, demoTeacher, "turnitin"); err != nil {
		return err
	}
	notification, err := s.arrives(ctx, "yamile.penaranda@delegados.example", "turnitin")
	if err != nil {
		return err
	}
	s.quote("Yamile's mailbox, with the file", notification)
	return nil
}

func (s *story) byTag(ctx context.Context) error {
	confirmation, err := s.arrives(ctx, demoStudent, "cálculo")
	if err != nil {
		return err
	}
	tag := tagPattern.FindString(subject(confirmation))
	err = s.send(demoStudent, "pregrado@virtual.example", demoByTag(tag))
	if err != nil {
		return err
	}
	_, err = s.arrivesWith(ctx, "marcela.chaparro@delegados.example", "12 de noviembre")
	return err
}

func (s *story) outOfOffice(ctx context.Context) error {
	confirmation, err := s.arrives(ctx, demoTeacher, "turnitin")
	if err != nil {
		return err
	}
	before, err := s.desk.desk.Figures()
	if err != nil {
		return err
	}
	parsed, err := mail.ReadMessage(bytes.NewReader(confirmation.Raw))
	if err != nil {
		return err
	}
	id := parsed.Header.Get("Message-ID")
	to := "turnitin@virtual.example"
	if list, err := parsed.Header.AddressList("Reply-To"); err == nil {
		to = list[0].Address
	}
	err = s.office.Deliver(to, demoOutOfOffice(to, subject(confirmation), id))
	if err != nil {
		return err
	}
	return s.taken(ctx, before.Messages)
}

// taken waits until the desk has taken more messages than before.
func (s *story) taken(ctx context.Context, before int) error {
	for {
		f, err := s.desk.desk.Figures()
		if err != nil || f.Messages > before {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the message was not taken: %w", ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (s *story) wrongTopic(ctx context.Context) error {
	err := s.office.Deliver("moodle@virtual.example", demoWrongTopic())
	if err != nil {
		return err
	}
	confirmation, err := s.arrives(ctx, demoOther, "diplomado")
	if err != nil {
		return err
	}
	s.quote("Diana's mailbox", confirmation)
	return nil
}

func (s *story) agentAnswers(ctx context.Context) error {
	agent := "marcela.chaparro@delegados.example"
	notification, err := s.arrives(ctx, agent, "cálculo")
	if err != nil {
		return err
	}
	parsed, err := mail.ReadMessage(bytes.NewReader(notification.Raw))
	if err != nil {
		return err
	}
	replyTo, err := parsed.Header.AddressList("Reply-To")
	if err != nil {
		return err
	}
	id := parsed.Header.Get("Message-ID")
	to := replyTo[0].Address
	text := "/cerrar\nHola, Laura. Ya quedó matriculada: salga y vuelva a entrar al aula.\n\n" +
		"El mar, 24 nov 2026 a las 10:12, Pregrado – Moodle (<pregrado@virtual.example>) escribió:\n> Solicitud nueva\n"
	err = s.send(agent, to, message(agent, "Marcela Chaparro", to, "Re: "+subject(notification),
		"In-Reply-To: "+id+"\nReferences: "+id+"\n", "text/plain; charset=utf-8", text))
	if err != nil {
		return err
	}
	answer, err := s.arrivesWith(ctx, demoStudent, "quedó matriculada")
	if err != nil {
		return err
	}
	s.quote("Laura's mailbox", answer)
	return nil
}

func (s *story) invite(data string) {
	_, port, _ := strings.Cut(s.desk.listener.Addrs()[0].String(), ":")
	s.print(`
Now you. Any mail program can play every part; the password is always %q, without encryption:
   IMAP  %s     user: %s, %s, marcela.chaparro@delegados.example, %s …
   SMTP  %s     (the post office; the desk's own listener is 127.0.0.1:%s)
or, from a shell:
   swaks --server 127.0.0.1:%s --from %s --to edx@virtual.example --header 'Subject: Hola' --body 'No abre el curso'
Health and metrics: http://%s/healthz and /metrics.`,
		demoPassword, s.office.IMAPAddr(), demoStudent, demoTeacher, demoSupport, s.office.SMTPAddr(), port, port, demoOther, s.desk.web.Addr())
	if data != "" {
		s.print("Look at the tickets with: buzon ticket list --data %s", data)
	}
	s.print("Stop with Ctrl-C.")
}

// send hands a message to the desk's listener.
func (s *story) send(from, to string, raw []byte) error {
	return smtp.SendMail(s.desk.listener.Addrs()[0].String(), nil, from, []string{to}, raw)
}

// arrives waits for a message whose subject has the words.
func (s *story) arrives(ctx context.Context, user, words string) (postoffice.Mail, error) {
	return s.office.Wait(ctx, user, func(m postoffice.Mail) bool {
		return strings.Contains(strings.ToLower(subject(m)), words)
	})
}

// arrivesWith waits for a message whose text has the words.
func (s *story) arrivesWith(ctx context.Context, user, words string) (postoffice.Mail, error) {
	return s.office.Wait(ctx, user, func(m postoffice.Mail) bool {
		return strings.Contains(understood(m).Text, words)
	})
}

// quote shows the beginning of a delivered mail.
func (s *story) quote(where string, m postoffice.Mail) {
	parsed := understood(m)
	s.print("   %s:\n      From: %s <%s>\n      Subject: %s", where, parsed.From.Name, parsed.From.Addr, parsed.Subject)
	shown := 0
	for line := range strings.Lines(parsed.Text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.Contains(line, ticket.SeparatorMark) {
			continue
		}
		if shown++; shown > 4 {
			break
		}
		s.print("      | %s", line)
	}
}

var tagPattern = regexp.MustCompile(`\[#\d+\]`)

// understood reads a delivered mail the way the desk reads mail.
func understood(m postoffice.Mail) *ticket.Message {
	return mailpipe.Understand(m.Raw, mailpipe.Options{})
}

func subject(m postoffice.Mail) string { return understood(m).Subject }

// message makes a mail in the form in which mail programs write them.
func message(from, name, to, subject, headers, contentType, body string) []byte {
	encoded := fmt.Sprintf("From: %s\nTo: <%s>\nSubject: %s\nDate: %s\nMessage-ID: <%s@estudiantes.example>\n%sMIME-Version: 1.0\nContent-Type: %s\nContent-Transfer-Encoding: 8bit\n\n%s",
		(&mail.Address{Name: name, Address: from}).String(), to, mime.QEncoding.Encode("utf-8", subject), time.Now().Format(time.RFC1123Z),
		rand.Text(), headers, contentType, body)
	return []byte(strings.ReplaceAll(encoded, "\n", "\r\n"))
}
