package routing

import (
	"testing"
	"time"

	"buzon/ticket"
)

// A topic takes from its parent, and from that one's, what it does not say itself,
// wherever they stand in the file; who answers, and by when, as a whole.
func TestParent(t *testing.T) {
	table := parse(t, change(t, "[[agent]]\n", `[[topic]]
id = "moodle-ayuda"
name = "Ayuda de Moodle"
addresses = ["ayuda@virtual.example"]
parent = "moodle-todo"
signature = "Ayuda"

[[topic]]
id = "moodle-todo"
name = "Moodle"
addresses = ["moodle@virtual.example"]
parent = "virtual"
reply_within = "6h"
autoresponse = true

[[topic]]
id = "virtual"
name = "Virtual"
addresses = ["virtual@virtual.example"]
team = "moodle"
strategy = "least open"
priority = "high"
signature = "Virtual"
language = "en"
autoresponse = false
petition = true
public = false
may_delete = "administrator"
sla = "lento"

[[topic]]
id = "suelto"
name = "Suelto"
addresses = ["suelto@virtual.example"]
parent = "virtual"
agent = "luis"
language = "es"
petition = false

[[agent]]
`)+"\n[[sla]]\nid = \"lento\"\nanswer = \"9d\"\n")
	virtual, all, help, own := table.Topic("virtual"), table.Topic("moodle-todo"), table.Topic("moodle-ayuda"), table.Topic("suelto")
	for _, topic := range []*Topic{virtual, all, help} {
		if topic.Team == nil || topic.Team.ID != "moodle" || topic.Agent != nil || topic.Strategy != StrategyLeastOpen ||
			topic.Priority != ticket.PriorityHigh || topic.Language != "en" || !topic.Petition || topic.Public {
			t.Errorf("%s: %+v", topic.ID, topic)
		}
	}
	if own.Agent == nil || own.Team != nil || own.Strategy != StrategyFixed || own.Language != "es" || own.Petition || own.Priority != ticket.PriorityHigh {
		t.Errorf("%+v", own)
	}
	if virtual.SLA.ID != "lento" || own.SLA.ID != "lento" || help.SLA.ID != "" || help.SLA.Answer(ticket.PriorityHigh) != 6*time.Hour {
		t.Errorf("%+v, %+v, %+v", virtual.SLA, own.SLA, help.SLA)
	}
	if all.Signature != "Virtual" || help.Signature != "Ayuda" || virtual.Autoresponse || !all.Autoresponse || !help.Autoresponse || own.Autoresponse {
		t.Errorf("%+v, %+v, %+v", virtual, all, help)
	}
	if table.Config.Topics[2].MayDelete != "administrator" || help.NameEN != "Ayuda de Moodle" {
		t.Errorf("%+v", table.Config.Topics[2])
	}
}

// How long tickets are kept comes from the parent first, also where that says for ever,
// and from retention.keep where none of them says it.
func TestParentRetention(t *testing.T) {
	table := parse(t, change(t, "[[agent]]\n", `[[topic]]
id = "nieto"
name = "Nieto"
addresses = ["nieto@virtual.example"]
parent = "hijo"

[[topic]]
id = "hijo"
name = "Hijo"
addresses = ["hijo@virtual.example"]
parent = "padre"

[[topic]]
id = "padre"
name = "Padre"
addresses = ["padre@virtual.example"]
agent = "luis"
retention = "0"

[[topic]]
id = "corto"
name = "Corto"
addresses = ["corto@virtual.example"]
parent = "padre"
retention = "60d"

[[topic]]
id = "hijo-de-edx"
name = "Otro"
addresses = ["otro@virtual.example"]
parent = "edx"

[[agent]]
`)+"\n[retention]\nat = \"0 3 * * *\"\nkeep = \"90d\"\n")
	want := map[string]Duration{"padre": 0, "hijo": 0, "nieto": 0, "corto": Duration(60 * day), "edx": Duration(90 * day), "hijo-de-edx": Duration(90 * day), "pregrado": Duration(90 * day)}
	for _, topic := range table.Config.Topics {
		if topic.Retention != want[topic.ID] {
			t.Errorf("%s is kept for %v", topic.ID, topic.Retention.Std())
		}
	}
}
