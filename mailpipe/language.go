package mailpipe

import (
	"strings"
	"unicode"
)

// Words that one of the languages uses all the time and the other never.
var (
	spanishWords = phraseSet("el", "la", "los", "las", "de", "del", "que", "y", "en", "un", "una", "por", "con", "para", "se",
		"su", "al", "lo", "como", "más", "pero", "sus", "le", "ya", "este", "esta", "porque", "cuando", "muy", "sin", "sobre",
		"también", "me", "mi", "hay", "donde", "quien", "desde", "todo", "nos", "durante", "estoy", "tengo", "puedo", "quiero",
		"buenos", "buenas", "días", "tardes", "hola", "gracias", "saludos", "cordial", "estimado", "estimada", "necesito", "fue")
	englishWords = phraseSet("the", "of", "and", "to", "in", "is", "that", "for", "it", "was", "on", "are", "with", "his", "they",
		"at", "be", "this", "have", "from", "or", "had", "by", "but", "not", "what", "all", "were", "we", "when", "your", "can",
		"there", "an", "which", "their", "if", "will", "how", "about", "would", "you", "my", "could", "please", "thanks", "thank",
		"hello", "hi", "dear", "regards", "need", "i'm", "don't", "i")
)

// guessLanguage tells "es" or "en" by counting common words, and the empty string
// unless it is sure: three such words, and three times as many as of the other.
func guessLanguage(text string) string {
	text = cutBytes(text, 4000)
	es, en := 0, 0
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return !unicode.IsLetter(r) && r != '\'' }) {
		switch word = lower(word); {
		case spanishWords[word]:
			es++
		case englishWords[word]:
			en++
		}
	}
	switch {
	case es >= 3 && es >= 3*en:
		return "es"
	case en >= 3 && en >= 3*es:
		return "en"
	}
	return ""
}

// courtesyWords make up a mail that asks for nothing.
var courtesyWords = phraseSet("gracias", "muchas", "muchísimas", "mil", "muy", "amable", "amables", "ok", "okay", "vale", "listo",
	"lista", "perfecto", "excelente", "genial", "recibido", "entendido", "de", "acuerdo", "buen", "buena", "buenos", "buenas", "día",
	"dia", "días", "dias", "tarde", "tardes", "noche", "noches", "feliz", "fin", "semana", "saludos", "cordial", "cordiales", "saludo",
	"un", "por", "su", "tu", "la", "el", "lo", "respuesta", "ayuda", "atención", "colaboración", "pronta", "todo", "a", "ti", "usted",
	"ustedes", "igualmente", "hola", "súper", "bien", "quedo", "atento", "atenta", "atentamente", "abrazo", "bendiciones", "les", "le",
	"agradezco", "thanks", "thank", "you", "very", "much", "many", "so", "great", "perfect", "received", "got", "it", "cheers", "all",
	"the", "best", "regards", "kind", "have", "nice", "good", "day", "for", "your", "help", "reply", "answer", "hi", "hello",
	"appreciated", "obrigado", "obrigada", "merci", "danke", "estimado", "estimada", "estimados", "señor", "señora", "profesor",
	"profesora", "ingeniero", "doctora", "doctor", "dr", "ing")

// courtesyCores are the words without which it is none.
var courtesyCores = phraseSet("hola", "buenos", "buenas", "hello", "hi", "gracias", "ok", "okay", "vale", "listo", "lista", "perfecto", "excelente", "genial", "recibido", "entendido",
	"acuerdo", "saludos", "agradezco", "igualmente", "thanks", "thank", "great", "perfect", "received", "cheers", "obrigado", "obrigada",
	"merci", "danke", "feliz", "bendiciones", "appreciated")

// isCourtesy tells whether a text holds only thanks, a greeting or a reaction.
func isCourtesy(text string) bool {
	if len(text) > 300 || strings.TrimSpace(text) == "" {
		return false
	}
	low := strings.ToLower(text)
	for _, reaction := range []string{"reaccionó a ", "ha reaccionado", "reacted to your", "reacted via", "liked your message", "reacted to this"} {
		if strings.Contains(low, reaction) {
			return true
		}
	}
	if strings.ContainsAny(text, "?¿@/#0123456789") {
		return false
	}
	words := strings.FieldsFunc(low, func(r rune) bool { return !unicode.IsLetter(r) && r != '\'' })
	if len(words) == 0 {
		return strings.ContainsFunc(text, unicode.IsSymbol) // 👍
	}
	core := false
	for _, w := range words {
		if !courtesyWords[w] {
			return false
		}
		core = core || courtesyCores[w]
	}
	return core && len(words) <= 20
}
