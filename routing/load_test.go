package routing

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pelletier/go-toml/v2"

	"buzon"
)

// Each file in testdata/bad begins with what is wrong with it, all of it.
func TestBadFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.toml")
	if err != nil || len(files) < 40 {
		t.Fatalf("found %d bad files: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".toml"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for line := range strings.Lines(string(text)) {
				if problem, ok := strings.CutPrefix(line, "# want: "); ok {
					want = append(want, file+":"+strings.TrimSuffix(problem, "\n"))
				}
			}
			table, err := Load(file)
			if table != nil {
				t.Error("a table was made")
			}
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("error is %v", err)
			}
			if diff := cmp.Diff(want, strings.Split(problems.Error(), "\n")); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTenMistakesAreTen(t *testing.T) {
	_, err := Load("testdata/bad/ten_mistakes.toml")
	var problems Problems
	if errors.As(err, &problems); len(problems) != 10 {
		t.Fatalf("%d problems: %v", len(problems), err)
	}
}

func TestLoadMissingFile(t *testing.T) {
	_, err := Load("testdata/none.toml")
	var problems Problems
	if !errors.Is(err, fs.ErrNotExist) || errors.As(err, &problems) {
		t.Fatal(err)
	}
}

func load(t testing.TB, file string) *Table {
	t.Helper()
	table, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestDefaults(t *testing.T) {
	table := load(t, "testdata/good/minimal.toml")
	want := &Config{
		Desk: DeskConfig{
			Name: "Mesa de ayuda", Hostname: "mesa.virtual.example", Language: "es", TimeZone: "America/Bogota",
			FirstNumber: 1, PlusAddressing: true, Operators: []string{"ana"}, Notice: "Ley 1581 de 2012",
			ReopenWithin: Duration(30 * day), TokenLifetime: Duration(400 * day), AutomaticPerHour: 10,
			NotifyFiles: 10 << 20, DiskFloor: 200 << 20, Quiet: Duration(2 * time.Minute), KeepSent: Duration(30 * day),
		},
		SMTP: SMTPConfig{TLS: "off", MaxMessage: 30 << 20, MaxConnections: 200, MaxPerAddress: 20},
		Outgoing: OutgoingConfig{Host: "smtp.virtual.example", Port: 587,
			Login: Login{TLS: "starttls", Auth: "none"}, Connections: 4, GiveUp: Duration(5 * day)},
		Retention:   RetentionConfig{Deleted: Duration(30 * day)},
		Web:         WebConfig{Listen: "127.0.0.1:8025"},
		Log:         LogConfig{Level: "info", Format: "text"},
		Alarm:       AlarmConfig{DeadManEvery: Duration(5 * time.Minute), Repeat: Duration(6 * time.Hour)},
		Reminder:    ReminderConfig{Scan: "*/5 * * * *", Warn: 75, Repeat: Duration(day), Max: 3, Quiet: true},
		Spam:        SpamConfig{At: "0 7 * * *"},
		Canary:      CanaryConfig{Within: Duration(15 * time.Minute)},
		Report:      ReportConfig{Since: Duration(30 * day), Kinds: []string{"tickets", "times", "sla", "backlog"}},
		AutoClose:   AutoCloseConfig{Notice: Duration(3 * day)},
		Permissions: PermissionsConfig{MayAssign: "agent", MayTransfer: "agent", MayMerge: "agent", MayDelete: "lead", MaySee: "agent"},
		Accounts: []AccountConfig{{Name: "soporte", Host: "imap.virtual.example", Port: 993,
			Login: Login{TLS: "implicit", Auth: "password", Username: "soporte@virtual.example",
				PasswordFile: "testdata/good/imap.secret"},
			Folders: []string{"INBOX"}, Poll: Duration(time.Minute), Idle: true, After: "leave",
			AuthservID: "mx.virtual.example"}},
		Topics: []TopicConfig{
			{ID: "edx", Name: "Cursos EDX", NameEN: "Cursos EDX", Addresses: []string{"edx@virtual.example"}, Agent: "ana",
				ReplyWithin: Duration(2 * day), Language: "es", Autoresponse: true, Strategy: "fixed", Priority: "normal", Public: true, CatchAll: true},
			{ID: "pregrado", Name: "Pregrado", NameEN: "Pregrado", Addresses: []string{"pregrado@virtual.example"}, Team: "moodle",
				ReplyWithin: Duration(2 * day), Language: "es", Autoresponse: true, Strategy: "fixed", Priority: "normal", Public: true},
		},
		Agents: []AgentConfig{
			{ID: "ana", Name: "Ana Lucía Rojas", Addresses: []string{"ana.rojas@delegados.example"}, Language: "es", Role: "agent", Digest: true, Notify: "each"},
			{ID: "luis", Name: "Luis Eduardo Peña", Addresses: []string{"luis.pena@delegados.example"}, Language: "es", Role: "agent", Digest: true, Notify: "each"},
		},
		Teams: []TeamConfig{{ID: "moodle", Name: "Soporte Moodle", Members: []string{"ana", "luis"}}},
	}
	if diff := cmp.Diff(want, table.Config); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if table.Zone.String() != "America/Bogota" || len(table.Warnings()) != 0 {
		t.Error(table.Zone, table.Warnings())
	}
}

// change returns the minimal configuration with replacements, each made once.
func change(t testing.TB, oldnew ...string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/good/minimal.toml")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for i := 0; i < len(oldnew); i += 2 {
		if !strings.Contains(text, oldnew[i]) {
			t.Fatalf("%q is not in the minimal configuration", oldnew[i])
		}
		text = strings.Replace(text, oldnew[i], oldnew[i+1], 1)
	}
	return text
}

func parse(t testing.TB, text string) *Table {
	t.Helper()
	table, err := Parse("/etc/buzon/buzon.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// What the file says stands, also where it is the zero value.
func TestExplicitZeros(t *testing.T) {
	c := parse(t, change(t,
		"[desk]\n", "[desk]\nplus_addressing = false\nreopen_within = \"0\"\ndisk_floor = \"0\"\n",
		"[[account]]\n", "[[account]]\nidle = false\nport = 1993\n",
		"catch_all = true\n", "catch_all = true\nautoresponse = false\nreply_within = \"0\"\n",
		"[[topic]]\n", "[reminder]\nmax = 0\n\n[[topic]]\n",
	)).Config
	if c.Desk.PlusAddressing || c.Desk.ReopenWithin != 0 || c.Desk.DiskFloor != 0 || c.Accounts[0].Idle ||
		c.Topics[0].Autoresponse || c.Topics[0].ReplyWithin != 0 || c.Reminder.Max != 0 || c.Accounts[0].Port != 1993 {
		t.Errorf("%+v", c)
	}
	if !c.Topics[1].Autoresponse || c.Topics[1].ReplyWithin != Duration(2*day) {
		t.Errorf("%+v", c.Topics[1])
	}
}

func TestDependentDefaults(t *testing.T) {
	c := parse(t, change(t,
		"[outgoing]\n", "[outgoing]\ntls = \"implicit\"\nusername = \"u\"\npassword_env = \"P\"\n",
		"[[account]]\n", "[[account]]\ntls = \"starttls\"\nafter = \"flag\"\n",
		"[desk]\n", "[desk]\nlanguage = \"en\"\n",
	)).Config
	if c.Outgoing.Port != 465 || c.Outgoing.Auth != "password" || c.Accounts[0].Port != 143 ||
		c.Accounts[0].Flag != `\Seen` || c.Topics[0].Language != "en" || c.Agents[0].Language != "en" {
		t.Errorf("%+v", c)
	}
}

func TestPaths(t *testing.T) {
	c := parse(t, change(t, "[desk]\n", "[desk]\ndata = \"data\"\ntemplates = \"/srv/templates\"\n")).Config
	if c.Desk.Data != "/etc/buzon/data" || c.Desk.Templates != "/srv/templates" || c.Accounts[0].PasswordFile != "/etc/buzon/imap.secret" {
		t.Error(c.Desk, c.Accounts[0])
	}
}

func TestByteOrderMarkAndCRLF(t *testing.T) {
	parse(t, "\ufeff"+strings.ReplaceAll(change(t), "\n", "\r\n"))
}

// Columns are characters, as editors count them.
func TestColumnsAreCharacters(t *testing.T) {
	text := change(t)
	text = "desk = { name = \"Ñañá\", hostname = \"a b\", operators = [\"ana\"], notice = \"n\" }\n" + text[strings.Index(text, "[outgoing]"):]
	_, err := Parse("x", []byte(text))
	if want := `x:1:36: desk.hostname: "a b" is not a host name (write it like "mesa.example.org")`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// What is not TOML in a roundabout way is left to the library, and reported once.
func TestRoundaboutDoubles(t *testing.T) {
	for text, want := range map[string]string{
		"desk.language = \"es\"\n" + change(t):                           "x:2:2: desk: ",
		change(t) + "\n[account.x]\n":                                    "x:45:2: account[0].x: is unknown",
		"topic = []\n" + change(t):                                       "x:18:3: topic: ",
		change(t, "[outgoing]\n", "[outgoing]\noauth = {}\noauth.x=1\n"): "x:8:9: outgoing.oauth: must be text",
	} {
		_, err := Parse("x", []byte(text))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestLocalhostMayBePlain(t *testing.T) {
	for _, host := range []string{"localhost", "127.0.0.1", "::1"} {
		c := parse(t, change(t, "smtp.virtual.example\"", host+"\"\ntls = \"plain\"\nport = 25")).Config
		if c.Outgoing.TLS != "plain" {
			t.Error(host, c.Outgoing)
		}
	}
}

func TestWarnings(t *testing.T) {
	table := parse(t, change(t,
		"notice = \"Ley 1581 de 2012\"\n", "",
		"authserv_id = \"mx.virtual.example\"\n", "",
		"team = \"moodle\"", "agent = \"ana\"",
		"[[topic]]\n", "[oauth.spare]\nservice_account = \"spare.json\"\n\n[[topic]]\n",
		"[[team]]\n", "[[agent]]\nid = \"eva\"\nname = \"Eva\"\naddresses = [\"eva@delegados.example\"]\n\n[[team]]\n"))
	var got []string
	for _, w := range table.Warnings() {
		if !w.Warning {
			t.Errorf("%v is not marked", w)
		}
		got = append(got, w.Key)
	}
	want := []string{"desk.notice", "account[0].authserv_id", "oauth.spare", "agent[2].id", "team[0].id"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func exampleTable(t testing.TB) *Table {
	t.Helper()
	table, err := Parse("config.example.toml", buzon.ExampleConfig)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestExample(t *testing.T) {
	table := exampleTable(t)
	if w := table.Warnings(); len(w) > 0 {
		t.Errorf("warnings: %v", w)
	}
	var ids []string
	for _, topic := range table.Topics {
		ids = append(ids, topic.ID)
	}
	want := []string{"catedras", "edx", "turnitin", "edutec", "telecom", "pregrado", "posgrado", "formacion"}
	if diff := cmp.Diff(want, ids); diff != "" {
		t.Error(diff)
	}
	c := table.Config
	if c.Desk.Data != "data" || c.Accounts[0].MoveTo != "Procesados" || c.Outgoing.Host != "smtp.virtual.example" {
		t.Errorf("%+v", c)
	}
	if !strings.Contains(c.Desk.Notice, "Ley 1581 de 2012") || strings.Contains(c.Desk.Notice, "\n") {
		t.Errorf("%q", c.Desk.Notice)
	}
}

// The example explains every key of the types, each in the right table, and the
// defaults that it names are the defaults.
func TestExampleIsComplete(t *testing.T) {
	header := regexp.MustCompile(`^(?:# )?\[+([a-z_]+(?:\.[a-z]+)?)\]+$`)
	key := regexp.MustCompile(`^(# )?([a-z_]+) = (.*)$`)
	shown, table := map[string]bool{}, ""
	byKey := tagsByKey()
	for line := range strings.Lines(string(buzon.ExampleConfig)) {
		line = strings.TrimSpace(line)
		if m := header.FindStringSubmatch(line); m != nil {
			table = m[1]
			if strings.HasPrefix(table, "oauth.") {
				table = "oauth" // the second part is a name
			}
		}
		m := key.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		name := table + "." + m[2]
		shown[name] = true
		tag, ok := byKey[name]
		if !ok {
			t.Errorf("the example has %s, the types do not", name)
		}
		if want, ok := tag.Lookup("default"); ok && m[1] != "" {
			if got := strings.Trim(m[3], `"[]`); got != want {
				t.Errorf("the example says that %s is %s by default, the types say %s", name, got, want)
			}
		}
	}
	for name := range byKey {
		// A further smarthost has the keys of the first one, which explains them.
		if !shown[name] && !shown[strings.Replace(name, "smarthost.", "outgoing.", 1)] {
			t.Errorf("the example does not show %s", name)
		}
	}
}

// tagsByKey returns the rules of every key, by table and key. It also reads
// every default and limit, which panics if one is not well-formed.
func tagsByKey() map[string]reflect.StructTag {
	config := Config{OAuth: map[string]OAuthConfig{"": {}}, Accounts: make([]AccountConfig, 1), Smarthosts: make([]SmarthostConfig, 1),
		Topics: make([]TopicConfig, 1), Agents: make([]AgentConfig, 1), Teams: make([]TeamConfig, 1), Canned: make([]CannedConfig, 1), Rules: make([]RuleConfig, 1),
		Calendars: make([]CalendarConfig, 1), Closed: make([]ClosedConfig, 1), SLAs: make([]SLAConfig, 1),
		Forms: []FormConfig{{Fields: make([]FormFieldConfig, 1)}}}
	tags := map[string]reflect.StructTag{}
	eachField(reflect.ValueOf(&config).Elem(), "", func(path string, tag reflect.StructTag, v reflect.Value) {
		useDefault(tag, v)
		if least := tag.Get("min"); least != "" {
			compareText(v, least)
			compareText(v, tag.Get("max"))
		}
		tags[strings.NewReplacer("[0]", "", `.""`, "").Replace(path)] = tag
	})
	return tags
}

// The library must read the types as this package does: the tables that logins
// are embedded in have their keys.
func TestLibraryAgrees(t *testing.T) {
	var ours, theirs Config
	s := &source{name: "x", text: buzon.ExampleConfig, spots: map[string]spot{}}
	if !s.decode(&ours) || len(s.problems) > 0 {
		t.Fatal(s.problems)
	}
	if err := toml.Unmarshal(buzon.ExampleConfig, &theirs); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(theirs, ours); diff != "" {
		t.Errorf("(-library +ours):\n%s", diff)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(buzon.ExampleConfig)
	files, _ := filepath.Glob("testdata/*/*.toml")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("topic.id = 1\ntopic = [{}, 3]\n[[topic.x]]\n[oauth]\n[oauth.\"a.b\"]\na.b.c = [[]]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		table, err := Parse("x", text)
		if (table == nil) != (err != nil) {
			t.Fatal(table, err)
		}
		lines := strings.Count(string(text), "\n") + 1
		var problems Problems
		if err != nil && (!errors.As(err, &problems) || len(problems) == 0) {
			t.Fatalf("error without problems: %v", err)
		}
		for _, p := range problems {
			if p.Line < 1 || p.Line > lines || p.Column < 1 || p.Message == "" || strings.ContainsAny(p.Error(), "\r\n\x1b") {
				t.Fatalf("%q", p.Error())
			}
		}
		if table != nil {
			table.Match(Input{Account: "x"})
			table.Redacted()
		}
	})
}

// What agents have chosen not to be told at once is warned of where nobody else is.
func TestWarningsOfChoices(t *testing.T) {
	const digest, agents, team = "\n[digest]\nat = \"0 7 * * *\"\n", "[[agent]]\nid = \"", "[[team]]\n"
	choice := func(notify, more string) []string {
		return []string{agents + "ana\"\n", agents + "ana\"\nnotify = \"" + notify + "\"\n", agents + "luis\"\n", agents + "luis\"\nnotify = \"" + notify + "\"\n", team, more + team}
	}
	for _, tt := range []struct {
		name   string
		change []string
		want   []string
	}{
		{"each", choice("each", digest), nil},
		{"digest", choice("digest", digest), []string{"topic[1].team", "nobody of team \"moodle\" is told at once of a new request (ana, luis): it waits for the digest"}},
		{"digest without one", choice("digest", ""), []string{
			"agent[0].notify", "there is no digest, so agent \"ana\" is mailed everything at once",
			"agent[1].notify", "there is no digest, so agent \"luis\" is mailed everything at once"}},
		{"mentions", choice("mentions", digest), []string{"topic[1].team", "nobody of team \"moodle\" wants to be told of new requests (ana, luis), so all of them are"}},
		{"mentions, by turns", append(choice("mentions", digest), "team = \"moodle\"", "team = \"moodle\"\nstrategy = \"round robin\""), nil},
		{"one of them", append(choice("digest", digest), "notify = \"digest\"", "notify = \"each\""), nil},
		{"who gets none", append(choice("digest", digest), "notify = \"digest\"", "notify = \"digest\"\ndigest = false"), []string{
			"agent[0].notify", "agent \"ana\" gets no digest, and so is mailed everything at once"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, w := range parse(t, change(t, tt.change...)).Warnings() {
				got = append(got, w.Key, w.Message)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
