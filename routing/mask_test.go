package routing

import (
	"strings"
	"testing"
)

const maskedForm = `
[[form]]
id = "persona"
[[form.field]]
id = "documento"
name = "Número de documento"
also = ["documento", "cédula", "C.C."]
sensitive = true
[[form.field]]
id = "salud"
name = "Condición de salud"
also = ["diagnóstico"]
sensitive = true
[[form.field]]
id = "programa"
name = "Programa"
`

func TestMaskWithinLines(t *testing.T) {
	table := parse(t, change(t, "team = \"moodle\"", "team = \"moodle\"\nform = \"persona\"")+maskedForm)
	values := map[string]string{"documento": "1.020.304.050", "salud": "Diabetes tipo 1", "programa": "Física"}
	for text, want := range map[string]string{
		"Cédula: 80123456\nNo abre":                              "Cédula: •••\nNo abre",
		"mi cedula es 80.123.456 y no entro":                     "mi cedula es ••• y no entro",
		"la C.C. No. 80123456, gracias":                          "la C.C. No. •••, gracias",
		"CÉDULA 80 123 456":                                      "CÉDULA •••",
		"número de documento 80123456":                           "número de documento •••",
		"soy 1020304050, o 1 020 304 050, o 1,020,304,050":       "soy •••, o •••, o •••",
		"tengo DIABETES TIPO 1":                                  "tengo •••",
		"el documento de 2024 no abre, llamen al 3102345678":     "el documento de 2024 no abre, llamen al 3102345678",
		"Programa: Física, 12345678":                             "Programa: Física, 12345678",
		"subindocumento 80123456":                                "subindocumento 80123456",
		"11020304050 y 10203040501 son otros números":            "11020304050 y 10203040501 son otros números",
		strings.Repeat("x", 200) + " cédula:80123456":            strings.Repeat("x", 200) + " cédula:•••",
		"Diagnóstico: migraña\nPrograma: Física":                 "Diagnóstico: •••\nPrograma: Física",
		"Cita por diagnóstico: migraña crónica (urgente), ayuda": "Cita por diagnóstico: migraña crónica (urgente), ayuda",
	} {
		if got := table.Mask(text, values); got != want {
			t.Errorf("%q:\n got %q\nwant %q", text, got, want)
		}
	}
	for subject, want := range map[string]string{
		"Cita por diagnóstico: migraña crónica (urgente), ayuda": "Cita por diagnóstico: •••(urgente), ayuda",
		"No abre - CC: 80123456":                                 "No abre - CC: 80123456", // no label of the form
		"No abre - cédula 80123456 - Laura":                      "No abre - cédula ••• - Laura",
		"Laura, Diabetes tipo 1":                                 "Laura, •••",
	} {
		if got := table.MaskSubject(subject, values); got != want {
			t.Errorf("%q:\n got %q\nwant %q", subject, got, want)
		}
	}
}

func TestWhyMasks(t *testing.T) {
	text := change(t, "team = \"moodle\"", "team = \"moodle\"\nform = \"persona\"") + maskedForm +
		"[[rule]]\nname = \"x\"\nif = \"subject contains 'nada' or body contains 'nada'\"\nnote = \"x\"\n[[rule]]\nname = \"y\"\nif = \"subject contains 'nada'\"\nnote = \"x\"\n"
	f := facts()
	f.Message.Subject = "Mi cédula es 80123456"
	d := parse(t, text).Match(Input{Facts: f, Explain: true})
	if why := d.Rules[1].Why; !strings.Contains(why, "Mi cédula es •••") {
		t.Error(why)
	}
}
