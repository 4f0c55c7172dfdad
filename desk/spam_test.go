package desk_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"buzon/desk"
	"buzon/routing"
	"buzon/templates"
	"buzon/ticket"
)

// watching has the account's spam folder looked at, at seven.
func watching(conf string) string {
	return strings.Replace(conf, "authserv_id =", "spam = \"Spam\"\nauthserv_id =", 1)
}

// folder is a spam folder as mailpipe would look into it.
type folder struct {
	uid    uint32 // of the last one
	new    []ticket.Glimpse
	looked int
	err    error
}

func (f *folder) put(from, subject string) {
	f.uid++
	f.new = append([]ticket.Glimpse{{From: ticket.Address{Addr: from}, Subject: subject}}, f.new...)
}

func (f *folder) look(_ context.Context, _ routing.AccountConfig, since ticket.MailboxState) (ticket.Arrivals, error) {
	if f.looked++; f.err != nil {
		return ticket.Arrivals{}, f.err
	}
	seen := ticket.Arrivals{State: ticket.MailboxState{UIDValidity: 7, Next: f.uid + 1}}
	if since.UIDValidity != 0 {
		seen.Count = int(f.uid + 1 - since.Next)
		seen.Newest = f.new[:seen.Count]
	}
	return seen, nil
}

// junk is the hour at which two mails are in the spam folder.
func junk(t *testing.T, conf string) *stage {
	s := enter(t)
	s.roles["beto@privada.example"], s.roles["olga@privada.example"] = "lead", "operators"
	s.use(conf)
	f := &folder{}
	s.countSpam(f)
	f.put(amigoAddr, "Gane dinero")
	f.put(lauraAddr, "No abre el aula")
	s.sent()
	s.pass(24 * time.Hour)
	s.countSpam(f)
	return s
}

func (o *office) countSpam(f *folder) {
	o.t.Helper()
	if err := o.desk.CountSpam(context.Background(), f.look); err != nil {
		o.t.Fatal(err)
	}
}

const amigoAddr = "amigo@otra.example"

func TestCountSpam(t *testing.T) {
	o := openWith(t, watching(configuration)) // at ten
	o.send(letter{from: laura, to: "pregrado@virtual.example", subject: "Ayuda", text: "Hola."})
	f := &folder{}
	f.put(amigoAddr, "De antes")
	o.countSpam(f)
	f.put(amigoAddr, "Mire http://malo.example/a?b <b>YA</b> "+strings.Repeat("y más ", 50))
	f.put("Laura@Estudiantes.example", "No abre el aula")
	for i := range 30 {
		f.put(fmt.Sprintf("robot%d@otra.example", i), "Gane dinero")
	}
	o.sent()
	o.countSpam(f)
	o.pass(20 * time.Hour) // at six
	o.countSpam(f)
	if f.looked != 1 || len(o.sent()) != 0 {
		t.Fatalf("the folder was looked at %d times before its hour", f.looked)
	}
	o.pass(time.Hour)
	o.countSpam(f)
	o.countSpam(f)
	mails := o.sent()
	if f.looked != 2 || len(mails) != 1 {
		t.Fatalf("%d looks and %d mails at its hour", f.looked, len(mails))
	}
	m := o.only(mails, "olga@privada.example")
	for _, want := range []string{"Nuevos en la carpeta de spam de soporte: 32", "ya habían escrito", "Laura@Estudiantes[.]example · No abre el aula", "robot29@otra[.]example · Gane dinero", "Y 12 más"} {
		if !strings.Contains(m.Text, want) {
			t.Errorf("%q is missing in:\n%s", want, m.Text)
		}
	}
	if n := strings.Count(m.Text, " · "); n != 20 || strings.Contains(m.Text, "De antes") || strings.Index(m.Text, "Laura@") > strings.Index(m.Text, "robot29@") {
		t.Errorf("%d are listed:\n%s", n, m.Text)
	}
	if !m.row.Ticket.IsZero() || strings.Contains(m.raw, "Reply-To: pregrado+") {
		t.Errorf("row %+v", m.row)
	}

	// A quiet day has no mail, and counts nothing again the day after.
	o.pass(24 * time.Hour)
	o.countSpam(f)
	f.put(amigoAddr, "Mire http://malo.example/a?b <b>YA</b> "+strings.Repeat("y más ", 50))
	o.pass(24 * time.Hour)
	o.countSpam(f)
	mails = o.sent()
	if len(mails) != 1 {
		t.Fatalf("%d mails", len(mails))
	}
	m = o.only(mails, "olga@privada.example")
	if !strings.Contains(m.Text, "soporte: 1") || !strings.Contains(m.Text, "http[:]//malo[.]example/a?b <b>YA</b> y más") || !strings.Contains(m.Text, "…") ||
		strings.Contains(htmlOf(m.raw), "<b>YA") || strings.Contains(htmlOf(m.raw), "href") {
		t.Errorf("text:\n%s\npage:\n%s", m.Text, htmlOf(m.raw))
	}
}

// What can't be looked at is counted when it can be, and the state of a failed look is
// not kept.
func TestSpamFolderAway(t *testing.T) {
	o := openWith(t, watching(configuration))
	f := &folder{}
	o.countSpam(f)
	o.pass(24 * time.Hour)
	f.put(amigoAddr, "Gane dinero")
	f.err = errors.New("no such folder")
	if err := o.desk.CountSpam(context.Background(), f.look); !errors.Is(err, f.err) {
		t.Fatal(err)
	}
	o.desk.Raise(desk.Alarm{Key: desk.SpamAlarm("soporte"), What: "no such folder"})
	o.sent()
	f.err = nil
	o.countSpam(f)
	if mails := o.sent(); len(mails) != 1 {
		t.Fatalf("%d mails", len(mails))
	}
	if n := len(o.desk.Alarms()); n != 1 {
		t.Errorf("%d alarms while the folder is watched", n)
	}
	table, err := routing.Parse("test.toml", []byte(configuration))
	if err != nil {
		t.Fatal(err)
	}
	tmpl, err := templates.New("")
	if err != nil {
		t.Fatal(err)
	}
	o.desk.Use(desk.Setting{Table: table, Templates: tmpl})
	o.countSpam(f)
	if n := len(o.desk.Alarms()); n != 0 || f.looked != 3 {
		t.Errorf("%d alarms, %d looks, though nothing is watched any more", n, f.looked)
	}
}

// The account's default topic says whose leads are told; one who is away is not.
func TestSpamReaders(t *testing.T) {
	conf := strings.Replace(watching(configuration), "id = \"beto\"", "id = \"beto\"\nrole = \"lead\"", 1)
	for _, test := range []struct{ name, conf, want string }{
		{"of any topic", conf, "beto@privada.example"},
		{"of the topic", strings.Replace(conf, "spam =", "default_topic = \"posgrado\"\nspam =", 1), "beto@privada.example"},
		{"none of the topic", strings.Replace(conf, "spam =", "default_topic = \"pregrado\"\nspam =", 1), "olga@privada.example"},
		{"away", strings.Replace(conf, "role = \"lead\"", "role = \"lead\"\naway = [\"2026-01-01..2036-12-31\"]", 1), "olga@privada.example"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := openWith(t, test.conf)
			f := &folder{}
			o.countSpam(f)
			f.put(amigoAddr, "Gane dinero")
			o.pass(24 * time.Hour)
			o.sent()
			o.countSpam(f)
			mails := o.sent()
			if len(mails) != 1 {
				t.Fatalf("%d mails", len(mails))
			}
			o.only(mails, test.want)
		})
	}
}
