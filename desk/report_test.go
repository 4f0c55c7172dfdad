package desk_test

import (
	"strings"
	"testing"
	"time"
)

func (o *office) report(kind string, since time.Time) string {
	o.t.Helper()
	r, err := o.desk.Tabulate(kind, since)
	if err != nil {
		o.t.Fatal(err)
	}
	rows := []string{}
	for _, row := range r.Rows {
		if len(row) != len(r.Columns) {
			o.t.Errorf("%d cells for %d columns: %v", len(row), len(r.Columns), row)
		}
		rows = append(rows, strings.Join(row, "|"))
	}
	return strings.Join(rows, "\n")
}

func TestReports(t *testing.T) {
	o := open(t)
	start := o.clock()
	write := func(to, subject string) mail {
		from := laura
		if subject == "cuatro" {
			from = "Ventas <ventas@otra.example>"
		}
		o.send(letter{from: from, to: to, subject: subject, text: subject})
		for _, m := range o.sent() {
			if strings.HasSuffix(m.row.To, "@privada.example") {
				return m
			}
		}
		t.Fatal("nobody was told")
		return mail{}
	}
	first := write("pregrado@virtual.example", "uno")
	o.pass(2 * time.Hour)
	o.send(reply(first, ana, "Ya está.")) // answered in 2 h, waiting
	second := write("pregrado@virtual.example", "dos")
	o.pass(30 * time.Hour)
	o.send(reply(second, ana, "/cerrar\nListo.")) // answered late and closed, in 30 h
	write("pregrado@virtual.example", "tres")     // open
	team := write("posgrado@virtual.example", "cuatro")
	o.send(reply(team, "Beto Sanz <beto@privada.example>", "/spam")) // does not count
	write("posgrado@virtual.example", "cinco")
	o.pass(4 * 24 * time.Hour)

	for kind, want := range map[string]string{
		"tickets": "pregrado|ana|1|1|0|1|3\nposgrado|team todos|1|0|0|0|1",
		"times":   "pregrado|3|2|2.00|30.00|1|30.00|30.00\nposgrado|1|0|||0||",
		"sla":     "pregrado|24.00|1|1|0|1|33.3\nposgrado|48.00|0|0|0|1|0.0",
		"backlog": "pregrado|0|0|2|0|0|2|128.00\nposgrado|0|0|1|0|0|1|96.00",
	} {
		if diff := compare(want, o.report(kind, start)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", kind, diff)
		}
	}
	if got := o.report("tickets", o.clock()); got != "" {
		t.Errorf("tickets opened later: %s", got)
	}
	if _, err := o.desk.Tabulate("x", start); err == nil || !strings.Contains(err.Error(), "backlog, sla, tickets, times") {
		t.Error(err)
	}
}

// A topic that others are parts of has their figures in one row more, measured by each
// ticket's own topic.
func TestReportsSumParts(t *testing.T) {
	o := openWith(t, strings.Replace(configuration, "id = \"pregrado\"\n", "id = \"pregrado\"\nparent = \"posgrado\"\n", 1))
	start := o.clock()
	for i, to := range []string{"pregrado", "pregrado", "posgrado"} {
		o.send(letter{from: laura, to: to + "@virtual.example", subject: to, text: strings.Repeat("x", i+1)})
	}
	for _, m := range o.sent() {
		if m.row.To == "ana@privada.example" && strings.Contains(m.row.Subject, "#003181") {
			o.pass(2 * time.Hour)
			o.send(reply(m, ana, "Ya está."))
		}
	}
	o.pass(30 * time.Hour) // late for pregrado, in time for posgrado
	for kind, want := range map[string]string{
		"tickets": "pregrado|ana|1|1|0|0|2\nposgrado|team todos|1|0|0|0|1\nposgrado + parts||2|1|0|0|3",
		"times":   "pregrado|2|1|2.00|2.00|0||\nposgrado|1|0|||0||\nposgrado + parts|3|1|2.00|2.00|0||",
		"sla":     "pregrado|24.00|1|0|0|1|50.0\nposgrado|48.00|0|0|1|0|\nposgrado + parts||1|0|1|1|50.0",
		"backlog": "pregrado|0|2|0|0|0|2|32.00\nposgrado|0|1|0|0|0|1|32.00\nposgrado + parts|0|3|0|0|0|3|32.00",
	} {
		if diff := compare(want, o.report(kind, start)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", kind, diff)
		}
	}
}
