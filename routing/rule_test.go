package routing

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"buzon/ticket"
)

// sample is a mail for conditions to look at.
func sample() *ticket.Message {
	return &ticket.Message{
		From: ticket.Address{Name: "Laura Ñáñez", Addr: "Laura.Rojas@Estudiantes.example"}, ReplyTo: []ticket.Address{{Addr: "otra@correo.example"}},
		Subject: "Olvidé la CLAVE de Moodle", Text: "Buenos días.\nNo me deja entrar.\n\n> citado", ReplyText: "Buenos días.\nNo me deja entrar.",
		Kind: ticket.KindHuman, Language: "es", Size: 3 << 20,
		Attachments: []ticket.Attachment{{Name: "pantalla.png", Type: "image/png", Size: 2048}, {Name: "instalador.exe", Type: "application/x-msdownload", Size: 2 << 20}},
	}
}

func facts() Facts {
	return Facts{
		Message: sample(), Fields: func(*Topic) map[string]string { return map[string]string{"facultad": "Ingeniería"} }, Groups: []string{"becarios", "monitores"},
		At: time.Date(2026, 12, 16, 23, 30, 0, 0, time.UTC), // 18:30 on a Wednesday in Bogotá
		Header: func(name string) []string {
			if strings.EqualFold(name, "x-origin") {
				return []string{"otro", "Formulario web"}
			}
			return nil
		},
	}
}

// ruled is the minimal configuration with rules.
func ruled(t testing.TB, rules string, oldnew ...string) *Table {
	t.Helper()
	return parse(t, change(t, oldnew...)+"\n"+rules)
}

func TestConditions(t *testing.T) {
	yes := []string{
		"from is 'laura.rojas@estudiantes.example'", "from is 'LAURA.ROJAS@estudiantes.EXAMPLE'", "from ends '@estudiantes.example'",
		"from_name contains 'nanez'", "domain in ('a.example', 'estudiantes.example')", "reply_to is 'otra@correo.example'",
		"recipient is 'edx@virtual.example'", "subject contains 'clave'", "subject starts 'olvide'", "subject ends 'MOODLE'",
		"subject is 'olvide la clave de moodle'", "subject matches '(?i)clave\\b'", "subject not matches 'clave'", "subject is not 'clave'",
		"subject not contains 'nota'", "body contains 'dias'", "body contains 'citado'", "header 'X-Origin' is 'formulario web'",
		"header 'x-origin' contains 'otro'", "not header 'X-None' matches '.'", "attachment ends '.exe'", "attachment_type starts 'image/'",
		"attachment_size > '1 MB'", "not attachment_size > '2 MB'", "attachment_size >= '2 MB'", "size <= '3 MB'", "size < '4 MB'",
		"verdict is 'human'", "spam is false", "not spam is true", "language is 'es'", "field 'Facultad' is 'ingenieria'",
		"requester_group is 'becarios'", "requester_group in ('x', 'Monitores')", "topic is 'edx'", "topic in ('edx', 'pregrado')",
		"hour >= '18:00' and hour < '19:00'", "weekday is 'wed'", "weekday is 'Wednesday'", "weekday not in ('sat', 'sun')", "weekday is not in ('sat')",
		"date is '2026-12-16'", "date >= '2026-12-16' and date <= '2026-12-16'", "date > '2026-12-15'",
		"subject contains 'nada' or subject contains 'clave'", "not (subject contains 'nada' or body contains 'nada')",
		"subject contains 'nada' and body contains 'nada' or subject contains 'clave'",
		"(subject contains 'nada' or subject contains 'clave') and not language is 'en'", "not not subject contains 'clave'",
		"subject\n contains\t'clave'", "subject contains 'de'and body contains 'no'",
	}
	no := []string{
		"subject contains 'it''s'", "from is 'laura.rojas'", "domain is 'example'", "domain ends '.estudiantes.example'",
		"recipient is 'edx+abc@virtual.example'", "subject matches 'clave'", "field 'otro' contains 'a'", "requester_group contains 'beca' and spam is true",
		"subject contains 'clave' and (body contains 'nada' or body contains 'nunca')", "topic is 'pregrado'", "not subject contains 'clave'",
	}
	const form = "[[form]]\nid = \"f\"\n[[form.field]]\nid = \"facultad\"\nname = \"Facultad\"\n[[form.field]]\nid = \"otro\"\nname = \"Otro\"\n"
	in := Input{Targets: []ticket.Target{{Where: "To", Address: "edx+abc@virtual.example"}}, Facts: facts()}
	for want, list := range map[bool][]string{true: yes, false: no} {
		for _, text := range list {
			table := ruled(t, form+fmt.Sprintf("[[rule]]\nname = \"x\"\nif = %q\nnote = \"x\"\n", text))
			d := table.Match(in)
			if got := len(d.Rules) == 1; got != want {
				t.Errorf("%s: %v", text, got)
			}
			in := in
			in.Explain = true
			if d := table.Match(in); len(d.Rules) != 1 || d.Rules[0].Matched != want || d.Rules[0].Why == "" {
				t.Errorf("%s: explained as %+v", text, d.Rules)
			}
		}
	}
}

// A reply's quoted text is not what its writer says.
func TestBodyOfReply(t *testing.T) {
	table := ruled(t, "[[rule]]\nname = \"x\"\non = \"any\"\nif = \"body contains 'citado'\"\nnote = \"x\"\n")
	in := Input{Facts: facts()}
	if d := table.Match(in); len(d.Rules) != 1 {
		t.Error("a new mail's whole text counts")
	}
	in.Reply = table.Topic("edx")
	if d := table.Match(in); len(d.Rules) != 0 {
		t.Error("what a reply quotes counts")
	}
}

func TestWhy(t *testing.T) {
	for text, want := range map[string]string{
		"subject contains 'clave'":                                "subject contains 'clave'",
		"subject contains 'nota'":                                 "subject contains 'nota' does not hold: it is 'Olvidé la CLAVE de Moodle'",
		"subject contains 'clave' and domain is 'otra.example'":   "domain is 'otra.example' does not hold: it is 'estudiantes.example'",
		"subject contains 'nota' or attachment ends '.exe'":       "attachment ends '.exe'",
		"subject contains 'nota' or subject contains 'nada'":      "subject contains 'nota' or subject contains 'nada' does not hold",
		"not subject contains 'clave'":                            "not subject contains 'clave' does not hold: it is 'Olvidé la CLAVE de Moodle'",
		"not (subject contains 'clave' and body contains 'dias')": "not (subject contains 'clave' and body contains 'dias') does not hold",
		"header 'X-None' is 'x'":                                  "header 'X-None' is 'x' does not hold: there is none",
		"hour < '08:00'":                                          "hour < '08:00' does not hold: it is 18:30",
		"attachment_size > '10 MB'":                               "attachment_size > '10 MB' does not hold: it is 2097152 octets",
	} {
		table := ruled(t, fmt.Sprintf("[[rule]]\nname = \"x\"\nif = %q\nnote = \"x\"\n", text))
		d := table.Match(Input{Facts: facts(), Explain: true})
		if d.Rules[0].Why != want {
			t.Errorf("%s:\n got %s\nwant %s", text, d.Rules[0].Why, want)
		}
	}
}

// Mistakes are shown at their place in the file, however the text is quoted.
func TestMistakesInside(t *testing.T) {
	for text, want := range map[string]string{
		`if = "subjec contains 'x'"`:                                        "3:7",
		`if = "subject contain 'x'"`:                                        "3:15",
		`if = "subject contains 'x' or"`:                                    "3:30",
		`if = "subject contains 'á' and bodi is 'x'"`:                       "3:32",
		`if = "subject \u0063ontains 'x' and bodi is 'x'"`:                  "3:37",
		"if = '''subject contains 'x'\n  and bodi is 'x' '''":               "4:7",
		"if = \"\"\"\nsubject contains 'x' and\nbodi is 'x'\"\"\"":          "5:1",
		"if = \"\"\"\\\n  subject contains 'x' \\\n  and bodi is 'x'\"\"\"": "5:7",
	} {
		_, err := Parse("f", []byte("[[rule]]\nname = \"x\"\n"+text+"\nnote = \"x\"\n"+change(t)))
		if err == nil || !strings.HasPrefix(err.Error(), "f:"+want+": rule[0].if: ") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestActionsAddUp(t *testing.T) {
	table := ruled(t, `
[[canned]]
id = "gracias"
name = "Gracias"
text = "Gracias"
[[rule]]
name = "uno"
if = "subject contains 'clave'"
topic = "pregrado"
labels = ["Clave Perdida", "b"]
priority = "high"
note = "uno"
continue = true
[[rule]]
name = "solo respuestas"
on = "reply"
if = "subject contains 'clave'"
spam = true
[[rule]]
name = "dos"
if = "topic is 'pregrado'"
labels = ["b", "c"]
priority = "normal"
copy = ["luis", "rector@otra.example"]
canned = "gracias"
status = "waiting"
sla = ""
[[rule]]
name = "tres"
if = "subject contains 'clave'"
assign = "nobody"
`)
	d := table.Match(Input{Targets: []ticket.Target{{Where: "To", Address: "edx@virtual.example"}}, Facts: facts()})
	if d.Topic.ID != "pregrado" || d.Where != "rule" || d.Team.ID != "moodle" || *d.Priority != ticket.PriorityNormal || d.Canned.ID != "gracias" || d.Status != ticket.StatusWaiting {
		t.Errorf("%+v", d)
	}
	for _, diff := range []string{
		cmp.Diff([]string{"clave-perdida", "b", "c"}, d.Labels), cmp.Diff([]string{"luis", "rector@otra.example"}, d.Copy), cmp.Diff([]string{"uno"}, d.Notes),
		cmp.Diff([]RuleTrace{{Name: "uno", Matched: true}, {Name: "dos", Matched: true}}, d.Rules),
		cmp.Diff([]string{
			"To edx@virtual.example is an address of topic edx",
			"rule uno: topic pregrado, priority high, labels clave-perdida, b, note",
			"rule dos: priority normal, labels b, c, status waiting, copy to luis, rector@otra.example, canned answer gracias",
			"topic pregrado goes to team moodle",
		}, d.Reasons),
	} {
		if diff != "" {
			t.Error(diff)
		}
	}
	if diff := cmp.Diff([]string{"clave-perdida", "b"}, table.Rules[0].Labels); diff != "" {
		t.Error("a decision has changed a rule", diff)
	}
	d = table.Match(Input{Reply: table.Topic("edx"), Facts: facts()})
	if !d.Junk() || d.Topic.ID != "edx" || d.Agent != nil || d.Team != nil {
		t.Errorf("of a reply: %+v", d)
	}
}

func TestLists(t *testing.T) {
	table := ruled(t, "[lists]\nblock = [\"@estudiantes.example\", \"malo@otra.example\"]\nallow = [\"laura.rojas@estudiantes.example\"]\n"+
		"[[rule]]\nname = \"x\"\nif = \"spam is true\"\nspam = false\n")
	for _, tt := range []struct {
		from        string
		kind        ticket.Kind
		blocked     bool
		junk, quiet bool
		rules       int
	}{
		{"laura.rojas@estudiantes.example", ticket.KindSpam, true, false, false, 1},
		{"pedro@estudiantes.example", ticket.KindHuman, false, true, false, 0},
		{"x@sub.estudiantes.example", ticket.KindHuman, false, false, false, 0},
		{"MALO@otra.example", ticket.KindHuman, false, true, false, 0},
		{"bueno@otra.example", ticket.KindHuman, false, false, false, 0},
		{"bueno@otra.example", ticket.KindHuman, true, true, false, 0},
		{"bueno@otra.example", ticket.KindSpam, false, false, false, 1},
	} {
		f := facts()
		f.Message.From.Addr, f.Message.Kind, f.Blocked = tt.from, tt.kind, tt.blocked
		d := table.Match(Input{Facts: f})
		if d.Junk() != tt.junk || (d.Quiet != "") != tt.quiet || len(d.Rules) != tt.rules {
			t.Errorf("%+v: %+v", tt, d)
		}
	}
	f := facts()
	f.Message.Kind = ticket.KindSpam
	if d := exampleTable(t).Match(Input{Facts: f}); d.Quiet == "" || d.Junk() {
		t.Error("marked junk is told of without a rule that says so")
	}
}

func TestWildcard(t *testing.T) {
	table := parse(t, change(t, `"pregrado@virtual.example"`, `"pregrado@virtual.example", "*@Dept.example"`))
	for addr, want := range map[string]string{
		"quien.sea@dept.example": "pregrado", "x+abc@DEPT.example": "pregrado", "x@sub.dept.example": "", "edx@virtual.example": "edx", "dept.example": "",
	} {
		topic := table.TopicByAddress(addr)
		if (topic == nil) != (want == "") || topic != nil && topic.ID != want {
			t.Errorf("%s belongs to %v", addr, topic)
		}
		if table.Own(addr) != (want != "") {
			t.Errorf("Own(%s) = %v", addr, !table.Own(addr))
		}
	}
	if d := table.Match(Input{Targets: []ticket.Target{{Where: "To", Address: "x+token@dept.example"}}}); d.Address != "x@dept.example" {
		t.Errorf("%+v", d)
	}
	if diff := cmp.Diff([]string{"pregrado@virtual.example"}, table.Topic("pregrado").Addresses); diff != "" {
		t.Error(diff)
	}
}

func TestShadowed(t *testing.T) {
	for _, tt := range []struct {
		earlier, later string
		shadowed       bool
	}{
		{"subject contains 'clave'", "subject contains 'clave'", true},
		{"subject contains 'clave'", "subject contains 'CLAVE perdida' and body contains 'x'", true},
		{"subject contains 'clave' and body contains 'x'", "subject contains 'clave'", false},
		{"subject contains 'clave' and body contains 'x'", "body contains 'x' and domain is 'a.example' and subject contains 'clave'", true},
		{"subject contains 'clave' or body contains 'x'", "body contains 'x'", true},
		{"subject contains 'clave'", "subject contains 'clave' or body contains 'x'", false},
		{"domain in ('a.example', 'b.example')", "domain is 'b.example'", true},
		{"domain is 'b.example'", "domain in ('a.example', 'b.example')", false},
		{"domain is 'a.example'", "from is 'x@a.example'", true},
		{"from ends '@a.example'", "from in ('x@a.example', 'y@a.example')", true},
		{"size > '1 MB'", "size > '2 MB'", true}, {"size >= '1 MB'", "size > '1 MB'", true}, {"size > '2 MB'", "size > '1 MB'", false},
		{"hour < '08:00'", "hour <= '07:59'", true}, {"date >= '2026-01-01'", "date is '2026-05-01'", true},
		{"not subject contains 'clave'", "not subject contains 'clav'", true}, {"not subject contains 'clav'", "not subject contains 'clave'", false},
		{"header 'X-A' is 'x'", "header 'x-a' is 'X'", true}, {"header 'X-A' is 'x'", "header 'X-B' is 'x'", false},
		{"subject matches 'a.c'", "subject matches 'a.c'", true}, {"subject matches 'a.c'", "subject matches 'a.d'", false},
		{"subject starts 'ab'", "subject starts 'abc'", true}, {"subject contains 'b'", "subject starts 'abc'", true}, {"subject starts 'b'", "subject contains 'b'", false},
	} {
		rules := fmt.Sprintf("[[rule]]\nname = \"uno\"\nif = %q\nnote = \"x\"\n[[rule]]\nname = \"dos\"\nif = %q\nnote = \"x\"\n", tt.earlier, tt.later)
		warned := ruled(t, rules).Warnings()
		if (len(warned) == 1) != tt.shadowed {
			t.Errorf("%s before %s: %v", tt.earlier, tt.later, warned)
		}
		if tt.shadowed && (!strings.Contains(warned[0].Message, `rule "uno" in line`) || warned[0].Key != "rule[1].if") {
			t.Error(warned[0])
		}
		if w := ruled(t, strings.Replace(rules, "note = \"x\"\n", "note = \"x\"\ncontinue = true\n", 1)).Warnings(); len(w) > 0 {
			t.Errorf("%s continues: %v", tt.earlier, w)
		}
		if w := ruled(t, strings.Replace(rules, "note = \"x\"\n", "note = \"x\"\non = \"reply\"\n", 1)).Warnings(); len(w) > 0 {
			t.Errorf("%s is for replies: %v", tt.earlier, w)
		}
	}
}

// BenchmarkRules decides over 500 rules, none of which holds but the last, and 200
// topics.
func BenchmarkRules(b *testing.B) {
	for _, n := range []int{5, 50, 500} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			table := parse(b, manyRules(b, n))
			f := facts()
			f.Message.Text = strings.Repeat("Buenos días: no me deja entrar al aula, y ya pagué la matrícula. ", 30)
			in := Input{Account: "soporte", Facts: f, Targets: []ticket.Target{{Where: "To", Address: "t199@virtual.example"}}}
			if d := table.Match(in); len(d.Rules) != 1 || d.Rules[0].Name != "último" {
				b.Fatal(d.Rules)
			}
			b.ReportAllocs()
			before := processorTime(b)
			for b.Loop() {
				table.Match(in)
			}
			b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op") // on a busy machine the clock says nothing
		})
	}
}

func processorTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func manyRules(t testing.TB, n int) string {
	var text strings.Builder
	text.WriteString(change(t))
	for i := range 200 {
		fmt.Fprintf(&text, "\n[[topic]]\nid = \"t%d\"\nname = \"T\"\naddresses = [\"t%d@virtual.example\"]\nagent = \"ana\"\n", i, i)
	}
	conditions := []string{
		"domain is 'd%d.example'", "subject contains 'asunto %d'", "from is 'p%d@otra.example' or reply_to is 'p%d@otra.example'",
		"recipient is 't%d@nada.example' and subject contains 'x'", "body contains 'palabra%d'", "header 'X-Origin' is 'form %d'",
		"subject matches '^\\[lista %d\\]'", "attachment ends '.x%d'", "domain in ('a%d.example', 'b%d.example', 'c%d.example')", "topic is 'edx' and size > '%d MB'",
	}
	for i := range n - 1 {
		text.WriteString(fmt.Sprintf("\n[[rule]]\nname = \"r%d\"\nif = %q\ntopic = \"edx\"\n", i, strings.ReplaceAll(conditions[i%len(conditions)], "%d", fmt.Sprint(i+10))))
	}
	text.WriteString("\n[[rule]]\nname = \"último\"\nif = \"subject contains 'clave'\"\ntopic = \"pregrado\"\nlabels = [\"clave\"]\n")
	return text.String()
}

// What a decision allocates doesn't depend on how many rules there are. Pools of the
// standard library give a few now and then, and more with the race detector.
func TestAllocationsOfRules(t *testing.T) {
	var got []float64
	for _, n := range []int{12, 500} {
		table := parse(t, manyRules(t, n))
		in := Input{Account: "soporte", Facts: facts()}
		got = append(got, testing.AllocsPerRun(50, func() { table.Match(in) }))
	}
	if got[1] > got[0]+(500-12)/10 {
		t.Errorf("12 rules: %v allocations, 500 rules: %v", got[0], got[1])
	}
}

// No expression breaks the parser, and mistakes are inside of it.
func FuzzCondition(f *testing.F) {
	for _, seed := range []string{"subject contains 'x' and (not size > '1 MB' or weekday in ('sat', 'sun'))", "header 'X' is not 'y'", "((((", "not not not", "date is '2026-02-31'", "subject matches '('"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, wrong := parseCondition(text)
		if (c == nil) != (wrong != nil) {
			t.Fatal(c, wrong)
		}
		if wrong != nil {
			if wrong.at < 0 || wrong.at > len(text) || wrong.message == "" {
				t.Fatalf("%+v of %d", wrong, len(text))
			}
			return
		}
		if !c.implies(c) {
			t.Fatalf("%q doesn't imply itself", text)
		}
		in := Input{Facts: facts()}
		table := &Table{names: map[string]int{}}
		table.slots(c)
		r := &reading{in: &in, zone: time.UTC, named: make([][]value, len(table.names)), asked: make([]bool, len(table.names))}
		holds := c.holds(r)
		if _, why := c.decisive(r); why != holds {
			t.Fatalf("%q holds: %v, explained: %v", text, holds, why)
		}
		c.why(r, text)
	})
}

// The manual has every field, as it is.
func TestFieldsAreDocumented(t *testing.T) {
	manual, err := os.ReadFile("../docs/routing.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range conditionFields {
		line := fmt.Sprintf("| `%s` | %s | `%s` |\n", f.name, f.means, f.example)
		if !strings.Contains(string(manual), line) {
			t.Errorf("docs/routing.md lacks the line:\n%s", line)
		}
		if _, wrong := parseCondition(f.example); wrong != nil {
			t.Errorf("%s: %v", f.example, wrong)
		}
	}
}

// What a long text has in it is found in it, and nothing else.
func TestLongTexts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		long := strings.Repeat(rapid.StringMatching(`[a-zÁñ ]{4,40}`).Draw(t, "part"), 100)
		v := newValue(long)
		if v.grams == nil {
			t.Fatal("it is long")
		}
		start := rapid.IntRange(0, len(v.folded)-1).Draw(t, "start")
		end := rapid.IntRange(start+1, min(len(v.folded), start+30)).Draw(t, "end")
		for _, text := range []string{v.folded[start:end], rapid.StringMatching(`[a-z ]{1,6}`).Draw(t, "other")} {
			c := &test{op: opContains, texts: []string{text}}
			if c.compares(v) != strings.Contains(v.folded, text) {
				t.Fatalf("%q in %q", text, v.folded)
			}
		}
	})
}
