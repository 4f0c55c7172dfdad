package load

import (
	"bytes"
	"testing"

	"buzon/internal/postoffice"
	"buzon/internal/stream"
)

// Messages get into a mailbox as they are, with whom they are from and for on top.
func TestIMAP(t *testing.T) {
	office, err := postoffice.New(postoffice.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer office.Close()
	office.AddUser("soporte@desk.test", "clave")
	s := stream.New(1, stream.Options{})
	feed := Feed{
		Dial: func() (Way, error) {
			return DialIMAP(Login{Addr: office.IMAPAddr(), Username: "soporte@desk.test", Password: "clave", Mailbox: "INBOX"})
		},
		Connections: 1, Count: 12,
		Next: func(int) *stream.Message { return s.Next() },
	}
	sent, _, err := feed.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	there := office.Messages("soporte@desk.test", "INBOX")
	if len(sent) != 12 || len(there) != 12 {
		t.Fatalf("%d sent, %d there", len(sent), len(there))
	}
	for i, m := range sent {
		if want := "Delivered-To: " + m.To + "\r\nReturn-Path: <" + m.From + ">\r\n" + string(m.Raw); !bytes.Equal(there[i].Raw, []byte(want)) {
			t.Errorf("message %d is not as it was", i)
		}
		if m.Accepted.Before(m.Dot) || m.Dot.IsZero() {
			t.Errorf("message %d: %s, %s", i, m.Dot, m.Accepted)
		}
	}
	feed.Dial = func() (Way, error) {
		return DialIMAP(Login{Addr: office.IMAPAddr(), Username: "soporte@desk.test", Password: "otra", Mailbox: "INBOX"})
	}
	if _, _, err := feed.Run(t.Context()); err == nil {
		t.Error("a wrong password was taken")
	}
}
