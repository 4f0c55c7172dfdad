package world

import (
	"fmt"
	"mime"
	"net/mail"
	"strings"
	"sync/atomic"
	"time"

	"buzon/internal/realservers"
)

var sequence atomic.Int64

// NewMessageID makes a Message-ID that was not there before, without brackets.
func NewMessageID() string {
	return fmt.Sprintf("%d.%d@client.test", time.Now().UnixNano(), sequence.Add(1))
}

// Letter is a mail that a person writes.
type Letter struct {
	FromName  string
	From      string
	To        string
	Subject   string
	Text      string
	MessageID string   // without brackets; empty: a new one
	Fields    []string // more header fields, such as "References: <a> <b>"
}

// Raw is the letter as a client sends it.
func (l Letter) Raw() []byte {
	if l.MessageID == "" {
		l.MessageID = NewMessageID()
	}
	from := mail.Address{Name: l.FromName, Address: l.From}
	fields := append([]string{
		"Date: " + time.Now().Format(time.RFC1123Z),
		"From: " + from.String(),
		"To: <" + l.To + ">",
		"Subject: " + mime.QEncoding.Encode("utf-8", l.Subject),
		"Message-ID: <" + l.MessageID + ">",
	}, l.Fields...)
	fields = append(fields, "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit")
	text := strings.ReplaceAll(l.Text, "\r\n", "\n")
	return []byte(strings.Join(fields, "\r\n") + "\r\n\r\n" + strings.ReplaceAll(text, "\n", "\r\n") + "\r\n")
}

// Reply is what a mail client makes of a received mail when its user presses
// Reply and writes a text above the quote: RFC 5322, section 3.6.4, and the
// attribution line of a Spanish Gmail.
func Reply(received realservers.Mail, from, text string) Letter {
	to := received.Address("Reply-To")
	if to == "" {
		to = received.Address("From")
	}
	subject := received.Subject()
	if !strings.HasPrefix(strings.ToLower(subject), "re:") {
		subject = "Re: " + subject
	}
	references := strings.TrimSpace(received.Header("References") + " <" + received.MessageID() + ">")
	quoted := strings.Split(strings.TrimSpace(received.Text()), "\n")
	return Letter{
		From: from, To: to, Subject: subject,
		Text: text + "\n\nEl mar, 24 nov 2026 a las 7:13, " + received.Header("From") + " escribió:\n\n> " +
			strings.Join(quoted, "\n> "),
		Fields: []string{
			"In-Reply-To: <" + received.MessageID() + ">",
			// Folded as clients do: ours are long.
			"References: " + strings.Join(strings.Fields(references), "\r\n "),
		},
	}
}
