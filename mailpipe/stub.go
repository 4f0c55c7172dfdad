package mailpipe

import "strings"

// maxStub bounds a plain text that only stands in for the HTML beside it, in
// octets.
const maxStub = 400

// stubPhrases tell of a mail that a reader can't show, in lower case.
var stubPhrases = []string{
	"formato html", "html format", "format html", "html-format", "html-fähig", "in html", "en html", "em html", "versión html", "html version", "soporta html",
	"support html", "supports html", "html email", "html e-mail", "html message", "mensaje html", "correo html", "correo en formato", "html mail",
	"view this email in your browser", "view this message in a browser", "ver este correo en", "ver este mensaje en", "ver en el navegador", "ver en navegador",
	"your email client does not support", "your mail client does not support", "su cliente de correo no", "su programa de correo no", "tu cliente de correo no",
	"no puede visualizar este", "no puede ver este", "si no puedes ver este", "if you can't see this", "if you cannot see this", "this is a multi-part message",
	"este es un mensaje multiparte", "este es un mensaje de varias partes", "visualizar corretamente esta mensagem", "se não consegue visualizar",
}

// mayBeStub tells whether a plain text may be one of those, so that the HTML is
// worth rendering.
func mayBeStub(plain string) bool {
	plain = strings.TrimSpace(plain)
	return plain == "" || len(plain) < maxStub && (strings.Contains(strings.ToLower(plain), "html") || saysStub(plain))
}

func saysStub(plain string) bool {
	low := strings.ToLower(plain)
	for _, phrase := range stubPhrases {
		if strings.Contains(low, phrase) {
			return true
		}
	}
	return false
}

// isStub tells whether the HTML beside a text that may be a stub has what the
// person wrote: any text where the plain one is empty or says so, and else more.
func isStub(plain, rich string) bool {
	words := len(strings.Fields(rich))
	if strings.TrimSpace(plain) == "" || saysStub(plain) {
		return words > 0
	}
	return words > len(strings.Fields(plain))
}
