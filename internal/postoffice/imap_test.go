package postoffice

import (
	"bufio"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/google/go-cmp/cmp"
)

// login connects a real client; updates may be nil.
func login(t *testing.T, o *Office, user, password string, updates *imapclient.UnilateralDataHandler) *imapclient.Client {
	t.Helper()
	c, err := imapclient.DialInsecure(o.IMAPAddr(), &imapclient.Options{UnilateralDataHandler: updates})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.Login(user, password).Wait(); err != nil {
		t.Fatal(err)
	}
	return c
}

func deliver(t *testing.T, o *Office, subjects ...string) {
	t.Helper()
	for _, s := range subjects {
		if err := o.Deliver("soporte@example.edu.co", []byte("Subject: "+s+"\r\n\r\n"+s+"\r\n")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLoginIsRefused(t *testing.T) {
	o := open(t, Options{})
	for user, password := range map[string]string{"soporte": "clave", "nadie": ""} {
		c, err := imapclient.DialInsecure(o.IMAPAddr(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Login(user, password).Wait(); err == nil {
			t.Errorf("%s logged in with %q", user, password)
		}
		c.Close()
	}
	o.AddUser("soporte", "nueva")
	login(t, o, "soporte", "nueva", nil)
}

// A client that waits with IDLE is told of new mail and can read it.
func TestIdleIsPushed(t *testing.T) {
	o := open(t, Options{})
	exists := make(chan uint32, 10)
	c := login(t, o, "soporte", "secreto", &imapclient.UnilateralDataHandler{
		Mailbox: func(data *imapclient.UnilateralDataMailbox) {
			if data.NumMessages != nil {
				exists <- *data.NumMessages
			}
		},
	})
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	for want := uint32(1); want <= 2; want++ {
		idle, err := c.Idle()
		if err != nil {
			t.Fatal(err)
		}
		if want == 1 {
			deliver(t, o, "uno")
		} else if err := send(o, "ana@example.com", hello, "soporte+x@example.edu.co"); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-exists:
			if got != want {
				t.Errorf("told of %d messages, want %d", got, want)
			}
		case <-deadline(t).Done():
			t.Fatal("not told of new mail")
		}
		if err := idle.Close(); err != nil {
			t.Fatal(err)
		}
		if err := idle.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	whole := &imap.FetchItemBodySection{Peek: true}
	got, err := c.Fetch(imap.SeqSetNum(2), &imap.FetchOptions{UID: true, RFC822Size: true, BodySection: []*imap.FetchItemBodySection{whole}}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	want := o.Messages("soporte", "INBOX")[1].Raw
	if len(got) != 1 || string(got[0].FindBodySection(whole)) != string(want) || got[0].RFC822Size != int64(len(want)) {
		t.Errorf("fetched %+v", got)
	}
}

func TestMove(t *testing.T) {
	o := open(t, Options{})
	deliver(t, o, "uno", "dos", "tres", "cuatro")
	expunged := make(chan uint32, 10)
	c := login(t, o, "soporte", "secreto", &imapclient.UnilateralDataHandler{Expunge: func(seqNum uint32) { expunged <- seqNum }})
	inbox, err := c.Select("INBOX", nil).Wait()
	if err != nil {
		t.Fatal(err)
	}
	if !c.Caps().Has(imap.CapMove) || !c.Caps().Has(imap.CapUIDPlus) {
		t.Fatal("no MOVE or UIDPLUS")
	}
	if err := c.Store(imap.UIDSetNum(2), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagSeen, "$Buzon"}}, nil).Close(); err != nil {
		t.Fatal(err)
	}
	moved, err := c.Move(imap.UIDSetNum(2, 4), "Procesados").Wait()
	if err != nil {
		t.Fatal(err)
	}
	dest, err := c.Status("Procesados", &imap.StatusOptions{UIDValidity: true, NumMessages: true, UIDNext: true}).Wait()
	if err != nil {
		t.Fatal(err)
	}
	if moved.UIDValidity != dest.UIDValidity || dest.UIDValidity == inbox.UIDValidity || *dest.NumMessages != 2 || dest.UIDNext != 3 {
		t.Errorf("moved %+v to %+v from %d", moved, dest, inbox.UIDValidity)
	}
	if got := moved.DestUIDs.String(); got != "1:2" {
		t.Errorf("moved to UIDs %s", got)
	}
	// Each message is reported once, under its number at that moment.
	if a, b := <-expunged, <-expunged; a != 4 || b != 2 {
		t.Errorf("expunged %d and %d, want 4 and 2", a, b)
	}
	if err := c.Noop().Wait(); err != nil {
		t.Fatal(err)
	}
	select {
	case n := <-expunged:
		t.Errorf("expunged %d as well", n)
	default:
	}
	if got := c.Mailbox().NumMessages; got != 2 {
		t.Errorf("the client counts %d messages, want 2", got)
	}

	left, went := o.Messages("soporte", "INBOX"), o.Messages("soporte", "Procesados")
	if diff := cmp.Diff([]string{"uno", "tres"}, subjects(left)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"dos", "cuatro"}, subjects(went)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]imap.Flag{"$buzon", imap.FlagSeen}, went[0].Flags); diff != "" {
		t.Error(diff)
	}
	if went[0].To != "soporte@example.edu.co" || went[1].Flags != nil {
		t.Errorf("moved %+v", went)
	}

	// Moving what is gone does nothing, and the connection survives.
	if _, err := c.Move(imap.UIDSetNum(2), "Procesados").Wait(); err != nil {
		t.Errorf("moving what is gone: %v", err)
	}
	if _, err := c.Move(imap.UIDSetNum(1), "Otra").Wait(); err == nil {
		t.Error("moved to a mailbox that isn't there")
	}
	if _, err := c.Copy(imap.UIDSetNum(1, 3), "Drafts").Wait(); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"uno", "tres"}, subjects(o.Messages("soporte", "Drafts"))); diff != "" {
		t.Error(diff)
	}
}

func subjects(mails []Mail) []string {
	var list []string
	for _, m := range mails {
		list = append(list, subjectOf(m))
	}
	return list
}

func TestAppendAndExpunge(t *testing.T) {
	o := open(t, Options{})
	c := login(t, o, "soporte", "secreto", nil)
	at := time.Date(2026, 11, 24, 10, 15, 0, 0, time.UTC)
	for _, s := range []string{"uno", "dos"} {
		raw := []byte("Subject: " + s + "\r\n\r\n")
		cmd := c.Append("Sent", int64(len(raw)), &imap.AppendOptions{Time: at, Flags: []imap.Flag{imap.FlagSeen}})
		if _, err := cmd.Write(raw); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	m, err := o.WaitIn(deadline(t), "soporte", "Sent", func(m Mail) bool { return subjectOf(m) == "dos" })
	if err != nil || m.From != "" || m.To != "" || !m.At.Equal(at) {
		t.Errorf("got %+v, %v", m, err)
	}
	if _, err := c.Select("Sent", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	if err := c.Store(imap.SeqSetNum(1), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close(); err != nil {
		t.Fatal(err)
	}
	// Another client sees it go.
	gone := make(chan uint32, 1)
	other := login(t, o, "soporte", "secreto", &imapclient.UnilateralDataHandler{Expunge: func(seqNum uint32) { gone <- seqNum }})
	if _, err := other.Select("Sent", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	idle, err := other.Idle()
	if err != nil {
		t.Fatal(err)
	}
	if got := o.Messages("soporte", "Sent")[0].Flags; !slices.Equal(got, []imap.Flag{imap.FlagDeleted, imap.FlagSeen}) {
		t.Errorf("flags are %q", got)
	}
	if _, err := c.Expunge().Collect(); err != nil {
		t.Fatal(err)
	}
	select {
	case n := <-gone:
		if n != 1 {
			t.Errorf("the other client was told that %d is gone", n)
		}
	case <-deadline(t).Done():
		t.Error("the other client was not told")
	}
	if err := idle.Close(); err != nil {
		t.Fatal(err)
	}
	if err := idle.Wait(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"dos"}, subjects(o.Messages("soporte", "Sent"))); diff != "" {
		t.Error(diff)
	}
}

// A desk that kept its data must notice that the mailboxes are new.
func TestUIDValidityDiffersFromOneStartToTheNext(t *testing.T) {
	at := time.Date(2026, 11, 24, 10, 15, 0, 0, time.UTC)
	validity := map[uint32]bool{}
	for i := range 3 {
		o := open(t, Options{Now: func() time.Time { return at.Add(time.Duration(i) * time.Second) }})
		c := login(t, o, "soporte", "secreto", nil)
		selected, err := c.Select("INBOX", nil).Wait()
		if err != nil {
			t.Fatal(err)
		}
		status, err := c.Status("INBOX", &imap.StatusOptions{UIDValidity: true}).Wait()
		if err != nil || status.UIDValidity != selected.UIDValidity || selected.UIDValidity == 0 {
			t.Errorf("SELECT says %d, STATUS %+v, %v", selected.UIDValidity, status, err)
		}
		validity[selected.UIDValidity] = true
	}
	if len(validity) != 3 {
		t.Errorf("UIDVALIDITY was %v", validity)
	}
}

func TestFolders(t *testing.T) {
	o := open(t, Options{})
	c := login(t, o, "agente@example.edu.co", "clave", nil)
	list, err := c.List("", "*", nil).Collect()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range list {
		names = append(names, f.Mailbox)
		if !slices.Contains(f.Attrs, imap.MailboxAttrSubscribed) {
			t.Errorf("%s is not subscribed", f.Mailbox)
		}
	}
	if diff := cmp.Diff([]string{"Drafts", "INBOX", "Junk", "Procesados", "Sent"}, names); diff != "" {
		t.Error(diff)
	}
}

// A client that breaks off inside a message which it is sent leaves nothing behind.
func TestClientBreaksOffInsideFetch(t *testing.T) {
	o := open(t, Options{})
	if err := o.Deliver("soporte@example.edu.co", []byte("Subject: larga\r\n\r\n"+strings.Repeat("larga\r\n", 1<<20))); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", o.IMAPAddr())
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(conn, "a LOGIN soporte secreto\r\nb SELECT INBOX\r\nc UID FETCH 1 (BODY[])\r\n")
	lines := bufio.NewScanner(conn)
	for lines.Scan() && !strings.Contains(lines.Text(), "FETCH") {
	}
	conn.(*net.TCPConn).SetLinger(0) // with a reset, as of a client that was killed
	conn.Close()
	closed := make(chan error, 1)
	go func() { closed <- o.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the post office does not end")
	}
}
