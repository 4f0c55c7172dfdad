// Package e2e plays the stories of the desk against real Dovecot and Postfix
// servers, with the program as users run it.
package e2e

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"buzon/e2e/world"
	"buzon/internal/realservers"
)

func TestMain(m *testing.M) { world.Main(m) }

// subjectHas matches mails by a part of their subject.
func subjectHas(part string) func(realservers.Mail) bool {
	return func(m realservers.Mail) bool { return strings.Contains(m.Subject(), part) }
}

// ids are the Message-IDs in a field, without brackets.
func ids(field string) []string {
	var found []string
	for _, id := range strings.Fields(field) {
		found = append(found, strings.Trim(id, "<>"))
	}
	return found
}

// leaks fails the test when a requester's mailbox holds anything of the agents'
// own addresses, in whatever encoding.
func leaks(t *testing.T, w *world.World, user string) {
	t.Helper()
	for _, m := range w.Inbox(user) {
		if strings.Contains(strings.ToLower(m.Everything()), world.PrivateDomain) {
			t.Errorf("%s can read an agent's own address in %q:\n%s", user, m.Subject(), m.Raw)
		}
	}
}

// count fails the test unless a user has exactly so many mails.
func count(t *testing.T, w *world.World, user string, want int) {
	t.Helper()
	if have := w.Inbox(user); len(have) != want {
		var subjects []string
		for _, m := range have {
			subjects = append(subjects, m.Subject())
		}
		t.Errorf("%s has %d mails, want %d: %q", user, len(have), want, subjects)
	}
}

var tokenShape = regexp.MustCompile(`[a-z2-7]{40}`)

// tokens are the signed tokens that stand anywhere in a mail.
func tokens(m realservers.Mail) []string {
	found := tokenShape.FindAllString(m.Everything(), -1)
	slices.Sort(found)
	return slices.Compact(found)
}
