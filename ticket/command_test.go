package ticket

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSplitCommands(t *testing.T) {
	for _, c := range []struct {
		in    string
		names []string
		rest  string
	}{
		{"/cerrar\nListo.", []string{CommandClose}, "Listo."},
		{"\n  /Cerrar \n\n/CERRADO.\nListo.\n/cerrar", []string{CommandClose, CommandClose}, "Listo.\n/cerrar"},
		{"/cerrar", []string{CommandClose}, ""},
		{"/cierra", []string{CommandClose}, ""},
		{".cerrar\nListo", []string{CommandClose}, "Listo"},
		{"/asígnala ana", []string{CommandAssign}, ""},
		{"/asignada ana\n/prioridad alta\nGracias", []string{CommandAssign, CommandPriority}, "Gracias"},
		{"/espera-usuario", []string{CommandWait}, ""},
		{"/espera usuario\n¿Cuál es su código?", []string{CommandWait}, "¿Cuál es su código?"},
		{"/no me sirvió", []string{CommandNotHelped}, ""},
		{"/unir a 3175", []string{CommandMerge}, ""},
		{"/foo bar\nx", []string{""}, "x"},
		{"/mod/quiz falla", nil, "/mod/quiz falla"},
		{"//cerrar es la orden", nil, "/cerrar es la orden"},
		{"/cerrar\n\n//nota", []string{CommandClose}, "/nota"},
		{"Hola\n/cerrar", nil, "Hola\n/cerrar"},
		// Behind an empty line only what looks like a command is one.
		{"/cerrar\n\n/nota secreto", []string{CommandClose, CommandNote}, ""},
		{"/cerrar\n\n/notaa secreto", []string{CommandClose, ""}, ""},
		{"/cerrar\n\n/tmp está lleno", []string{CommandClose}, "/tmp está lleno"},
		{"/cerrar\n/tmp está lleno", []string{CommandClose, ""}, ""},
		// A full stop begins many a text.
		{".NET falla", nil, ".NET falla"},
		{"... y eso", nil, "... y eso"},
		{".5 puntos", nil, ".5 puntos"},
		{".cerar", []string{""}, ""},
		{"/ cerrar", nil, "/ cerrar"},
		{"/", nil, "/"},
		{"", nil, ""},
	} {
		commands, rest := SplitCommands(c.in)
		var names []string
		for _, cmd := range commands {
			names = append(names, cmd.Name)
		}
		if !slices.Equal(names, c.names) || rest != c.rest {
			t.Errorf("%q: %q, rest %q; want %q, %q", c.in, names, rest, c.names, c.rest)
		}
	}
}

func TestCommandText(t *testing.T) {
	for in, want := range map[string]string{
		"/nota  llamé a  Ana, no contesta": "llamé a  Ana, no contesta",
		"/espera usuario":                  "",
		"/unir a #3175":                    "#3175",
		"/no me sirvió":                    "",
		"/etiqueta persona Becario":        "Becario",
	} {
		commands, _ := SplitCommands(in)
		if len(commands) != 1 || commands[0].Text() != want {
			t.Errorf("%q: %+v; want the text %q", in, commands, want)
		}
	}
}

func TestFaults(t *testing.T) {
	for in, want := range map[string]Fault{
		"/cerrar": "", "/cerrar ya": FaultExtra, "/asignar": FaultArgument, "/asignar ana": "",
		"/nota": "", "/xyzzy": FaultUnknown, "/vence": FaultArgument,
	} {
		commands, _ := SplitCommands(in)
		if len(commands) != 1 || commands[0].Fault() != want {
			t.Errorf("%q: %+v, not %q", in, commands, want)
		}
	}
}

func TestNearestWord(t *testing.T) {
	for in, want := range map[string]string{
		"cerar": "cerrar", "cerrrar": "cerrar", "asingar": "asignar", "tranferir": "transferir", "clsoe": "close",
		"notaa": "nota", "xyzzy": "", "tmp": "", "net": "", "": "", "hola": "",
	} {
		if got := NearestWord(in); got != want {
			t.Errorf("%q: %q, not %q", in, got, want)
		}
	}
}

func TestBareCommand(t *testing.T) {
	for in, want := range map[string]string{
		"cerrar": CommandClose, " Listo. ": CommandClose, "Cerrado!": CommandClose, "tomar": CommandTake,
		"cerrar el curso": "", "gracias": "", "nota": "", "": "", "Sí": "",
	} {
		if c, ok := BareCommand(in); c.Name != want || ok != (want != "") {
			t.Errorf("%q: %q, not %q", in, c.Name, want)
		}
	}
}

// Every word leads to one verb, and every verb explains itself in both languages.
func TestVerbs(t *testing.T) {
	owner := map[string]string{}
	for i := range Verbs {
		v := &Verbs[i]
		if v.DoesES == "" || v.DoesEN == "" || (v.Takes == TakesNothing) != (v.ArgumentES == "") || (v.ArgumentES == "") != (v.ArgumentEN == "") {
			t.Errorf("%s does not explain itself", v.Name)
		}
		if v.Required && strings.HasPrefix(v.ArgumentES, "[") {
			t.Errorf("%s shows a required argument as optional", v.Name)
		}
		for _, w := range slices.Concat(v.Spanish, v.English) {
			w = FoldWord(w)
			if other := owner[w]; other != "" && other != v.Name {
				t.Errorf("/%s is both %s and %s", w, other, v.Name)
			}
			owner[w] = v.Name
			if commands, _ := SplitCommands("/" + w); len(commands) != 1 || commands[0].Name != v.Name {
				t.Errorf("/%s is read as %+v, not as %s", w, commands, v.Name)
			}
		}
	}
}

func TestParseDate(t *testing.T) {
	zone := time.FixedZone("-05", -5*60*60)
	now := time.Date(2026, time.November, 24, 10, 15, 0, 0, zone) // a Tuesday
	for in, want := range map[string]string{
		"20/12": "2026-12-20", "20/12/2027": "2027-12-20", "20-12-27": "2027-12-20", "2026-12-20": "2026-12-20",
		"5/3": "2027-03-05", "24/11": "2026-11-24", "29/2": "2028-02-29",
		"20 dic": "2026-12-20", "20 de diciembre": "2026-12-20", "20 de diciembre de 2027": "2027-12-20", "dec 20": "2026-12-20", "December 20th, 2027": "2027-12-20",
		"hoy": "2026-11-24", "Mañana": "2026-11-25", "pasado mañana": "2026-11-26", "tomorrow": "2026-11-25",
		"viernes": "2026-11-27", "el viernes": "2026-11-27", "martes": "2026-12-01", "next monday": "2026-11-30", "sábado": "2026-11-28",
		"2 días": "2026-11-26", "en 2 dias": "2026-11-26", "una semana": "2026-12-01", "2 semanas": "2026-12-08", "1 mes": "2026-12-24", "3d": "2026-11-27",
		"3 horas": "2026-11-24 13:15", "90 min": "2026-11-24 11:45",
		"20/12 15:30": "2026-12-20 15:30", "mañana a las 9": "2026-11-25 09:00", "viernes 3pm": "2026-11-27 15:00", "tomorrow at 12 am": "2026-11-25 00:00",
	} {
		at, whole, err := ParseDate(in, now)
		layout := "2006-01-02 15:04"
		if whole {
			layout = "2006-01-02"
		}
		if got := at.Format(layout); err != nil || got != want {
			t.Errorf("%q: %s, %v; want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"", "31/2/2027", "0/0", "13/13", "nunca", "32 dic", "12", "20/12 25:00", "mes", "2 lunas"} {
		if at, _, err := ParseDate(in, now); !errors.Is(err, ErrDate) {
			t.Errorf("%q is %v, %v", in, at, err)
		}
	}
}
