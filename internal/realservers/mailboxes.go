package realservers

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/mail"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jhillyerd/enmime/v2"
)

// Mailboxes are Maildirs (cr.yp.to/proto/maildir.html) in one folder, one for
// each user. Postfix, Dovecot and the tests can share them, so mail that Postfix
// delivers is mail that a client of Dovecot reads.
type Mailboxes struct {
	Root string

	owner    account
	sequence atomic.Int64
}

// NewMailboxes makes an empty place for mailboxes, removed at the end of the test.
func NewMailboxes(tb testing.TB) *Mailboxes {
	tb.Helper()
	m := &Mailboxes{Root: folder(tb, "mail"), owner: unprivileged(tb)}
	mkdir(tb, m.owner.UID, m.owner.GID, 0o755, m.Root)
	return m
}

// Add makes the mailbox of a user unless it is there.
func (m *Mailboxes) Add(tb testing.TB, user string) {
	tb.Helper()
	box := filepath.Join(m.Root, user)
	mkdir(tb, m.owner.UID, m.owner.GID, 0o700, box, filepath.Join(box, "new"), filepath.Join(box, "cur"), filepath.Join(box, "tmp"))
}

// Deliver puts a message into a user's INBOX, as a delivering server does. Line
// ends are stored as LF, which is how Maildirs are read.
func (m *Mailboxes) Deliver(tb testing.TB, user string, raw []byte) {
	tb.Helper()
	box := filepath.Join(m.Root, user)
	// Dovecot numbers new files in the order of their names.
	name := fmt.Sprintf("%d.%09dP%d.test", time.Now().Unix(), m.sequence.Add(1), os.Getpid())
	tmp := filepath.Join(box, "tmp", name)
	raw = bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n"))
	if err := os.WriteFile(tmp, raw, 0o600); err != nil {
		tb.Fatalf("delivering to %s: %v", user, err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(tmp, m.owner.UID, m.owner.GID); err != nil {
			tb.Fatal(err)
		}
	}
	if err := os.Rename(tmp, filepath.Join(box, "new", name)); err != nil {
		tb.Fatal(err)
	}
}

// Mail returns what is in a user's folder, oldest first. INBOX, or the empty
// name, is the mailbox itself. Messages marked as deleted are left out.
func (m *Mailboxes) Mail(tb testing.TB, user, folder string) []Mail {
	tb.Helper()
	box := filepath.Join(m.Root, user)
	if folder != "" && folder != "INBOX" {
		box = filepath.Join(box, "."+strings.ReplaceAll(folder, "/", "."))
	}
	var found []Mail
	for _, sub := range []string{"new", "cur"} {
		entries, err := os.ReadDir(filepath.Join(box, sub))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			tb.Fatalf("reading the mailbox of %s: %v", user, err)
		}
		for _, entry := range entries {
			name, flags, _ := strings.Cut(entry.Name(), ":2,")
			if strings.Contains(flags, "T") {
				continue
			}
			path := filepath.Join(box, sub, entry.Name())
			raw, err := os.ReadFile(path)
			if errors.Is(err, fs.ErrNotExist) {
				continue // it was renamed meanwhile; the next look finds it
			}
			if err != nil {
				tb.Fatal(err)
			}
			info, err := entry.Info()
			if err != nil {
				continue
			}
			found = append(found, Mail{User: user, Name: name, Flags: flags, Raw: raw, Arrived: info.ModTime()})
		}
	}
	slices.SortStableFunc(found, func(a, b Mail) int {
		return cmp.Or(a.Arrived.Compare(b.Arrived), cmp.Compare(a.Name, b.Name))
	})
	return found
}

// Count tells how many messages are in a user's INBOX.
func (m *Mailboxes) Count(tb testing.TB, user string) (n int) {
	tb.Helper()
	for _, sub := range []string{"new", "cur"} {
		entries, err := os.ReadDir(filepath.Join(m.Root, user, sub))
		if err != nil {
			tb.Fatalf("reading the mailbox of %s: %v", user, err)
		}
		n += len(entries)
	}
	return n
}

// Wait returns the first message of a user's INBOX that matches, as soon as it
// is there. After Patience it fails the test and says what it found instead.
func (m *Mailboxes) Wait(tb testing.TB, user, what string, match func(Mail) bool) Mail {
	tb.Helper()
	return m.WaitIn(tb, user, "INBOX", what, match)
}

// WaitIn is Wait for a folder.
func (m *Mailboxes) WaitIn(tb testing.TB, user, folder, what string, match func(Mail) bool) Mail {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), Patience)
	defer cancel()
	for {
		all := m.Mail(tb, user, folder)
		if i := slices.IndexFunc(all, match); i >= 0 {
			return all[i]
		}
		select {
		case <-ctx.Done():
			var have strings.Builder
			for _, mail := range all {
				fmt.Fprintf(&have, "\n  %s | from %s", mail.Subject(), mail.Header("From"))
			}
			tb.Fatalf("%s did not arrive in %s of %s within %s; there is:%s", what, folder, user, Patience, &have)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Mail is a message in a mailbox.
type Mail struct {
	User    string
	Name    string // of its file, without flags
	Flags   string // Maildir letters: S seen, R replied, F flagged
	Raw     []byte // with LF line ends
	Arrived time.Time
}

// Seen tells whether the message has the flag \Seen.
func (m Mail) Seen() bool { return strings.Contains(m.Flags, "S") }

// Header returns the first field of that name, unfolded but not decoded.
func (m Mail) Header(name string) string {
	fields := m.Headers(name)
	if len(fields) == 0 {
		return ""
	}
	return fields[0]
}

// Headers returns all fields of that name, in order.
func (m Mail) Headers(name string) []string {
	parsed, err := mail.ReadMessage(bytes.NewReader(m.Raw))
	if err != nil {
		return nil
	}
	return parsed.Header[textproto.CanonicalMIMEHeaderKey(name)]
}

// Subject returns the subject, decoded.
func (m Mail) Subject() string {
	decoded, err := new(mime.WordDecoder).DecodeHeader(m.Header("Subject"))
	if err != nil {
		return m.Header("Subject")
	}
	return decoded
}

// MessageID returns the Message-ID without brackets.
func (m Mail) MessageID() string { return strings.Trim(m.Header("Message-Id"), "<> ") }

// Address returns the bare address of a field that holds one; empty when it
// holds none.
func (m Mail) Address(name string) string {
	a, err := mail.ParseAddress(m.Header(name))
	if err != nil {
		return ""
	}
	return a.Address
}

// Text returns the text as a client shows it: the plain part, or the HTML one
// brought into text.
func (m Mail) Text() string { return m.parsed().Text }

// HTML returns the HTML part; empty when there is none.
func (m Mail) HTML() string { return m.parsed().HTML }

// Files returns the attachments.
func (m Mail) Files() []*enmime.Part { return m.parsed().Attachments }

// parser believes the declared character set: its guess at another one is wrong
// for short Spanish texts.
var parser = enmime.NewParser(enmime.DisableCharacterDetection(true))

func (m Mail) parsed() *enmime.Envelope {
	e, err := parser.ReadEnvelope(bytes.NewReader(m.Raw))
	if err != nil {
		return &enmime.Envelope{Text: "unreadable: " + err.Error()}
	}
	return e
}

// Everything returns all that a reader, or someone who looks at the source,
// can find: the raw message and its decoded parts.
func (m Mail) Everything() string {
	e := m.parsed()
	all := []string{string(m.Raw), m.Subject(), e.Text, e.HTML}
	for _, parts := range [][]*enmime.Part{e.Attachments, e.Inlines, e.OtherParts} {
		for _, p := range parts {
			all = append(all, p.FileName, string(p.Content))
		}
	}
	return strings.Join(all, "\n")
}
