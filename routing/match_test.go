package routing

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buzon/ticket"
)

func TestMatch(t *testing.T) {
	table := parse(t, change(t,
		"[desk]\n", "[desk]\nreply_address = \"r@virtual.example\"\n",
		"[[topic]]\n", `[[account]]
name = "posgrados"
host = "imap.virtual.example"
username = "posgrados"
password_file = "imap.secret"
default_topic = "pregrado"

[[topic]]
`,
		`"edx@virtual.example"`, `"edx@virtual.example", "edx+lab@virtual.example"`,
		`addresses = ["pregrado@virtual.example"]`, "addresses = [\"Pregrado@virtual.example\", \"moodle@virtual.example\"]\ngroups = [\"Moodle@groups.example\"]"))
	token := strings.Repeat("a", ticket.TokenLength)
	tests := []struct {
		name, account string
		targets       []ticket.Target
		topic, where  string
		address       string
		reasons       []string
	}{
		{"envelope", "smtp", []ticket.Target{{Where: "envelope recipient", Address: "pregrado@virtual.example"}, {Where: "To", Address: "edx@virtual.example"}},
			"pregrado", "envelope recipient", "pregrado@virtual.example",
			[]string{"envelope recipient pregrado@virtual.example is an address of topic pregrado", "topic pregrado goes to team moodle"}},
		{"second address, any case", "soporte", []ticket.Target{{Where: "To", Address: " MOODLE@Virtual.Example "}},
			"pregrado", "To", "moodle@virtual.example",
			[]string{"To moodle@virtual.example is an address of topic pregrado", "topic pregrado goes to team moodle"}},
		{"plus form keeps its token to itself", "soporte", []ticket.Target{{Where: "Delivered-To", Address: "edx+" + token + "@virtual.example"}},
			"edx", "Delivered-To", "edx@virtual.example",
			[]string{"Delivered-To edx@virtual.example is an address of topic edx", "topic edx goes to agent ana"}},
		{"address with a plus", "soporte", []ticket.Target{{Where: "To", Address: "edx+lab@virtual.example"}},
			"edx", "To", "edx+lab@virtual.example",
			[]string{"To edx+lab@virtual.example is an address of topic edx", "topic edx goes to agent ana"}},
		{"own addresses and strangers decide nothing", "soporte", []ticket.Target{
			{Where: "Delivered-To", Address: "soporte@virtual.example"}, {Where: "To", Address: "r+" + token + "@virtual.example"},
			{Where: "To", Address: "rector@otra.example"}, {Where: "Cc", Address: "pregrado@virtual.example"}},
			"pregrado", "Cc", "pregrado@virtual.example",
			[]string{"Cc pregrado@virtual.example is an address of topic pregrado", "topic pregrado goes to team moodle"}},
		{"account default", "posgrados", []ticket.Target{{Where: "To", Address: "rector@otra.example"}},
			"pregrado", "account default", "",
			[]string{"no recipient names a topic: account posgrados has default topic pregrado", "topic pregrado goes to team moodle"}},
		{"catch-all", "soporte", []ticket.Target{{Where: "To", Address: "not an address"}, {Where: "Cc"}},
			"edx", "catch-all", "",
			[]string{"no recipient names a topic: edx is the catch-all", "topic edx goes to agent ana"}},
		{"a group's address among the recipients", "soporte", []ticket.Target{{Where: "Cc", Address: "moodle@groups.example"}},
			"pregrado", "Cc", "moodle@groups.example",
			[]string{"Cc moodle@groups.example is a group of topic pregrado", "topic pregrado goes to team moodle"}},
		{"an address comes before a group that stands behind it", "smtp", []ticket.Target{{Where: "envelope recipient", Address: "edx@virtual.example"}, {Where: "Cc", Address: "moodle@groups.example"}},
			"edx", "envelope recipient", "edx@virtual.example",
			[]string{"envelope recipient edx@virtual.example is an address of topic edx", "topic edx goes to agent ana"}},
		{"nothing at all", "", nil, "edx", "catch-all", "",
			[]string{"no recipient names a topic: edx is the catch-all", "topic edx goes to agent ana"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := table.Match(Input{Account: tt.account, Targets: tt.targets})
			if d.Topic.ID != tt.topic || d.Where != tt.where || d.Address != tt.address {
				t.Errorf("topic %s by %s %q", d.Topic.ID, d.Where, d.Address)
			}
			if diff := cmp.Diff(tt.reasons, d.Reasons); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if d.Agent != d.Topic.Agent || d.Team != d.Topic.Team || (d.Agent == nil) == (d.Team == nil) {
				t.Errorf("agent %v, team %v", d.Agent, d.Team)
			}
			if d.Version != table.Version || len(d.Version) != 12 {
				t.Errorf("version %q", d.Version)
			}
		})
	}
}

// What came through a group belongs to the group's topic, whatever mailbox
// subscribes to it.
func TestMatchGroup(t *testing.T) {
	table := parse(t, change(t, `addresses = ["pregrado@virtual.example"]`, "addresses = [\"pregrado@virtual.example\"]\ngroups = [\"moodle@groups.example\"]"))
	in := Input{Account: "soporte", Group: "Moodle@groups.example", Targets: []ticket.Target{{Where: "Delivered-To", Address: "edx@virtual.example"}}}
	d := table.Match(in)
	want := []string{"it came through moodle@groups.example, a group of topic pregrado", "topic pregrado goes to team moodle"}
	if diff := cmp.Diff(want, d.Reasons); diff != "" || d.Topic.ID != "pregrado" || d.Where != "group" || d.Address != "moodle@groups.example" {
		t.Errorf("topic %s by %s %q\n%s", d.Topic.ID, d.Where, d.Address, diff)
	}
	in.Group = "otra@groups.example"
	if d := table.Match(in); d.Topic.ID != "edx" {
		t.Errorf("a group of no topic decided: %v", d.Reasons)
	}
	if !table.Group("MOODLE@groups.example") || table.Group("edx@virtual.example") || table.Own("moodle@groups.example") || table.TopicByAddress("moodle@groups.example") != nil {
		t.Error("a group is taken for an address of the desk, or the reverse")
	}
}

func TestLookups(t *testing.T) {
	table := exampleTable(t)
	if topic := table.TopicByAddress("Edx+x@virtual.example"); topic == nil || topic != table.Topic("edx") || topic.Name("en") != "EDX courses" || topic.Name("es") != "Cursos EDX" {
		t.Error(topic)
	}
	if table.TopicByAddress("nadie@virtual.example") != nil || table.Topic("x") != nil || table.Agent("x") != nil || table.Team("x") != nil || table.Account("x") != nil {
		t.Error("something was found under a wrong name")
	}
	if a := table.AgentByAddress("Hernan.Quintero@delegados.example"); a == nil || a != table.Agent("hernan") || table.Topic("edx").Agents()[0] != a {
		t.Error(a)
	}
	if table.AgentByAddress("hernan.quintero+x@delegados.example") != nil {
		t.Error("an agent's address matched in a plus form")
	}
	moodle := table.Team("moodle")
	if agents := table.Topic("pregrado").Agents(); !slices.Equal(moodle.Members, agents) || len(agents) != 3 {
		t.Error(agents)
	}
	if table.CatchAll().ID != "formacion" || len(table.Operators()) != 1 || table.Operators()[0].ID != "camilo" || table.Account("soporte").Host != "imap.virtual.example" {
		t.Error(table.CatchAll(), table.Operators())
	}
	if table.Topic("pregrado").Sender() != "pregrado@virtual.example" {
		t.Error(table.Topic("pregrado").Sender())
	}
}

func TestOwn(t *testing.T) {
	table := parse(t, change(t, "[desk]\n", "[desk]\nreply_address = \"Respuestas@virtual.example\"\n"))
	for addr, want := range map[string]bool{
		"edx@virtual.example":            true,
		"EDX+abc@virtual.example":        true,
		"soporte@virtual.example":        true,
		"soporte+abc@virtual.example":    true,
		"respuestas+abc@virtual.example": true,
		"ana.rojas@delegados.example":    false,
		"otra@virtual.example":           false,
		"+edx@virtual.example":           false,
		"":                               false,
	} {
		if table.Own(addr) != want {
			t.Errorf("Own(%q) = %v", addr, !want)
		}
	}
}

func TestReplyBase(t *testing.T) {
	const own, common, long = "edx@virtual.example", "r@virtual.example", "coordinacion.de.cursos.edx@virtual.example"
	tests := []struct{ desk, address, want string }{
		{"", own, own},
		{"reply_address = \"R@virtual.example\"\n", own, common},
		{"reply_address = \"r@virtual.example\"\n", long, common},
		{"plus_addressing = false\n", own, ""},
		{"plus_addressing = false\n", long, ""},
	}
	for _, tt := range tests {
		table := parse(t, change(t, "[desk]\n", "[desk]\n"+tt.desk, own, tt.address))
		base := table.ReplyBase(table.Topic("edx"))
		if base != tt.want {
			t.Errorf("with %q: %q", tt.desk, base)
		}
		if base != "" && ticket.WithPlus(base, strings.Repeat("a", ticket.TokenLength)) == "" {
			t.Errorf("%s has no room for a token", base)
		}
	}
}

// The longest local part that the checks allow has exactly room for a token.
func TestReplyRoom(t *testing.T) {
	token := strings.Repeat("a", ticket.TokenLength)
	for extra, fits := range map[int]bool{0: true, 1: false} {
		addr := strings.Repeat("x", replyRoom+extra) + "@virtual.example"
		if hasReplyRoom(addr) != fits || (ticket.WithPlus(addr, token) != "") != fits {
			t.Errorf("%d characters: %v", replyRoom+extra, !fits)
		}
	}
}

func TestVersion(t *testing.T) {
	a, b := parse(t, change(t)), parse(t, change(t))
	c := parse(t, change(t)+"# changed\n")
	if a.Version != b.Version || a.Version == c.Version {
		t.Error(a.Version, b.Version, c.Version)
	}
}

func BenchmarkMatch(b *testing.B) {
	var text strings.Builder
	text.WriteString(change(b))
	for i := range 200 {
		fmt.Fprintf(&text, "\n[[topic]]\nid = \"t%d\"\nname = \"T\"\naddresses = [\"t%d@virtual.example\"]\nagent = \"ana\"\n", i, i)
	}
	table := parse(b, text.String())
	in := Input{Account: "soporte", Targets: []ticket.Target{
		{Where: "Delivered-To", Address: "soporte@virtual.example"},
		{Where: "To", Address: "somebody@otra.example"},
		{Where: "Cc", Address: "T199+abcdefghij@virtual.example"},
	}}
	if table.Match(in).Topic.ID != "t199" {
		b.Fatal(table.Match(in).Reasons)
	}
	b.ReportAllocs()
	for b.Loop() {
		table.Match(in)
	}
}
