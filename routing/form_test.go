package routing

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

const formText = `
[[form]]
id = "solicitante"
[[form.field]]
id = "rol"
name = "Rol"
name_en = "Role"
also = ["tipo de usuario", "soy"]
one = [["Estudiante", "Student", "alumno"], ["Docente", "Teacher", "profesor", "profesora"], ["Administrativo", "Administrative"]]
required = true
by_domain = [["estudiantes.virtual.example", "alumno"], ["virtual.example", "Docente"]]
[[form.field]]
id = "facultad"
name = "Facultad o dependencia"
name_en = "Faculty or department"
also = ["facultad", "dependencia"]
required = true
[[form.field]]
id = "programa"
name = "Proyecto curricular"
also = ["programa"]
[[form.field]]
id = "documento"
name = "Número de documento"
name_en = "Document number"
also = ["documento", "cédula", "CC", "no. de documento"]
required = true
sensitive = true
`

func formTable(t testing.TB) *Table {
	t.Helper()
	return parse(t, change(t, `agent = "ana"`, "agent = \"ana\"\nform = \"solicitante\"")+formText)
}

func TestFormReads(t *testing.T) {
	type values = map[string]string
	for name, tt := range map[string]struct {
		text string
		want values
	}{
		"lines in any order, case and accents": {
			"Buenos días:\n\nNUMERO DE DOCUMENTO: 1.020.304.050\nfacultad: Ingeniería\nRol:Estudiante\n\nNo puedo entrar.",
			values{"documento": "1.020.304.050", "facultad": "Ingeniería", "rol": "Estudiante"}},
		"in English":       {"Role: teacher\nFaculty or department = Arts", values{"rol": "Docente", "facultad": "Arts"}},
		"other spellings":  {"Soy: profesora de Cálculo\nC.C. 123\nCC: 80.123", values{"rol": "Docente", "documento": "80.123"}},
		"decomposed":       {"Nu\u0301mero de documento: 99", values{"documento": "99"}},
		"quoted form":      {"> Rol (Estudiante, Docente o Administrativo): estudiante\n> Facultad o dependencia:\n> Número de documento: 5544", values{"rol": "Estudiante", "documento": "5544"}},
		"bullets and bold": {"- **Rol:** Estudiante\n• *Facultad*: Artes\n1. Documento: 7788\n2) Programa = Música.", values{"rol": "Estudiante", "facultad": "Artes", "documento": "7788", "programa": "Música"}},
		"on one line":      {"Rol: Estudiante; Facultad: Ciencias, Programa: Física | CC: 1010", values{"rol": "Estudiante", "facultad": "Ciencias", "programa": "Física", "documento": "1010"}},
		"a comma inside":   {"Facultad: Ciencias, Artes y Oficios", values{"facultad": "Ciencias, Artes y Oficios"}},
		"value below":      {"Facultad o dependencia:\nIngeniería\nRol:\nalumno", values{"facultad": "Ingeniería", "rol": "Estudiante"}},
		"tab":              {"Facultad\tIngeniería\nRol\tDocente", values{"facultad": "Ingeniería", "rol": "Docente"}},
		"table":            {"Rol Estudiante\nFacultad Ingeniería\nNúmero de documento 80123", values{"rol": "Estudiante", "facultad": "Ingeniería", "documento": "80123"}},
		"table of paragraphs": {"Rol\n\nEstudiante\n\nFacultad\n\nIngeniería\n\nGracias",
			values{"rol": "Estudiante", "facultad": "Ingeniería"}},
		"prose is no table":      {"Programa no abre desde ayer.\nGracias.\nFacultad cerrada hoy", values{}},
		"prose with a colon":     {"El programa de la facultad dice: acceso denegado\nhttps://facultad: nada", values{}},
		"blanks are no values":   {"Rol: ____\nFacultad: …\nDocumento: -", values{}},
		"no choice":              {"Rol: rector", values{}},
		"the choices themselves": {"Rol: Estudiante, Docente o Administrativo", values{}},
		"too long to be a value": {"Facultad: " + strings.Repeat("x", 201), values{}},
		"the first one stands":   {"Rol: estudiante\nRol: docente", values{"rol": "Estudiante"}},
		"empty":                  {"", values{}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, formTable(t).Topics[0].Form.Read(tt.text)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestFormInfersAndMisses(t *testing.T) {
	f := formTable(t).Topics[0].Form
	for domain, want := range map[string]string{
		"estudiantes.virtual.example": "Estudiante", "otra.ESTUDIANTES.virtual.example": "Estudiante", "virtual.example": "Docente", "xvirtual.example": "", "": "",
	} {
		if got := f.Fields[0].Infer(domain); got != want {
			t.Errorf("%s gives %q, want %q", domain, got, want)
		}
	}
	var names []string
	for _, field := range f.Missing(map[string]string{"facultad": "Artes"}) {
		names = append(names, field.Name("en"))
	}
	if diff := cmp.Diff([]string{"Role", "Document number"}, names); diff != "" {
		t.Error(diff)
	}
	if got := f.Fields[0].Offered("en"); !cmp.Equal(got, []string{"Student", "Teacher", "Administrative"}) || f.Fields[0].Shown("Docente", "es") != "Docente" {
		t.Error(got)
	}
	if got := f.ReadChoices("Hola.\nProfesor.\n80123", map[string]string{}); !cmp.Equal(got, map[string]string{"rol": "Docente"}) {
		t.Error(got)
	}
	if got := f.ReadChoices("Profesor", map[string]string{"rol": "Estudiante"}); len(got) > 0 {
		t.Error(got)
	}
}

func TestMask(t *testing.T) {
	table := formTable(t)
	text := "Rol: Estudiante\n> Cédula: 80.123.456; Facultad: Artes\nMi cédula 80123456 no sirve."
	want := "Rol: Estudiante\n> Cédula: •••; Facultad: Artes\nMi cédula ••• no sirve."
	if got := table.Mask(text, map[string]string{"documento": "80123456", "facultad": "Artes"}); got != want {
		t.Errorf("got %q", got)
	}
	if got := table.Mask("Documento:\n80123\nfin", nil); got != "Documento:\n•••\nfin" {
		t.Errorf("got %q", got)
	}
	if !table.Sensitive("documento") || table.Sensitive("rol") || table.Sensitive("x") {
		t.Error("the wrong fields are sensitive")
	}
}

// Whatever a text holds, what is found lies in it, in order and on character
// boundaries, and no sensitive value that was read is left in a masked text.
func FuzzForm(f *testing.F) {
	for _, seed := range []string{"Rol: alumno; CC: 10203040\n", "> * 1. **Documento:**\n\n80123\n", "Facultad\n\nArtes\nRol x", "documento|：=\xff\u0301: é"} {
		f.Add(seed)
	}
	table := formTable(f)
	form := table.Topics[0].Form
	f.Fuzz(func(t *testing.T, text string) {
		last := 0
		for _, at := range form.find(text) {
			if at.start < last || at.end < at.start || at.end > len(text) {
				t.Fatalf("%d to %d after %d in %q", at.start, at.end, last, text)
			}
			if utf8.ValidString(text) && !utf8.ValidString(text[at.start:at.end]) {
				t.Fatalf("a value is cut inside a character: %q", text[at.start:at.end])
			}
			last = at.end
		}
		values := form.Read(text)
		for id, value := range values {
			if value == "" || len(value) > MaxFieldValue || strings.ContainsAny(value, "\r\n") {
				t.Fatalf("%s is %q", id, value)
			}
		}
		table.Mask(text, values)
	})
}
