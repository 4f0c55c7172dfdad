package main

import (
	"log/slog"
	"testing"

	"buzon/routing"
)

// The Sent folder is only looked at, from now on, whatever is done with the mail
// of the others.
func TestSentFolderIsLeftAlone(t *testing.T) {
	account := routing.AccountConfig{
		Name: "soporte", Host: "imap.example", Folders: []string{"INBOX"}, After: "move", MoveTo: "Procesados", Backlog: true, Sent: "Enviados",
	}
	list, err := newServers(&routing.Config{}, slog.New(slog.DiscardHandler)).mailboxes(account)
	if err != nil || len(list) != 2 {
		t.Fatalf("%d mailboxes, %v", len(list), err)
	}
	inbox, sent := list[0], list[1]
	if inbox.Mailbox != "INBOX" || inbox.After != "move" || inbox.MoveTo != "Procesados" || !inbox.Backlog {
		t.Errorf("inbox %+v", inbox)
	}
	if sent.Mailbox != "Enviados" || sent.After != "leave" || sent.MoveTo != "" || sent.Flag != "" || sent.Backlog {
		t.Errorf("sent %+v", sent)
	}
}
