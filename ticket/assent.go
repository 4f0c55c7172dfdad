package ticket

import "strings"

// Assent is what someone answered to a question of the desk.
type Assent string

const (
	AssentYes    Assent = "yes"
	AssentAlways Assent = "always" // yes, and the same holds from now on
	AssentNo     Assent = "no"
)

// assents are the answers that are understood, folded. Whatever else someone
// writes is no answer: a mail that says more than yes or no is never taken for it.
var assents = map[string]Assent{
	"si": AssentYes, "si fui yo": AssentYes, "fui yo": AssentYes, "si soy yo": AssentYes, "soy yo": AssentYes, "si es mio": AssentYes, "si es mia": AssentYes,
	"yes": AssentYes, "yes this was me": AssentYes, "yes it was me": AssentYes, "it was me": AssentYes, "yes it is me": AssentYes, "yes it s me": AssentYes, "yes it is mine": AssentYes,
	"si siempre": AssentAlways, "siempre": AssentAlways, "yes always": AssentAlways, "always": AssentAlways,
	"no": AssentNo, "no fui yo": AssentNo, "no soy yo": AssentNo, "no es mio": AssentNo, "no es mia": AssentNo,
	"no it was not me": AssentNo, "no it wasn t me": AssentNo, "no it is not me": AssentNo, "no it is not mine": AssentNo,
}

// ReadAssent reads the first line of a text as an answer to a question, with or
// without a slash, and returns the lines below it as well. It returns an empty
// Assent, and the whole text, when the line says anything else.
func ReadAssent(text string) (a Assent, rest string) {
	first, rest, _ := strings.Cut(strings.TrimLeft(text, " \t\r\n\u00a0\u200b\ufeff"), "\n")
	words := strings.FieldsFunc(accents.Replace(strings.ToLower(first)), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
	if a = assents[strings.Join(words, " ")]; a == "" {
		return "", text
	}
	return a, strings.TrimSpace(rest)
}
