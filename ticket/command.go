package ticket

import (
	"strings"
)

// Command is an order that an agent writes on the first lines of a mail.
type Command struct {
	Name string   `json:"name"` // canonical English name
	Args []string `json:"args"`
	Line string   `json:"-"` // as it was written
}

// CommandClose closes the ticket, after the answer below it was sent.
const CommandClose = "close"

// commandWords maps each accepted spelling, folded, to its command.
var commandWords = map[string]string{
	"cerrar": CommandClose, "cierra": CommandClose, "cierre": CommandClose, "cierro": CommandClose,
	"cerrado": CommandClose, "cerrada": CommandClose, "close": CommandClose, "closed": CommandClose,
}

// SplitCommands takes the command lines from the top of a text: consecutive lines
// that begin with a slash. A line whose first word has a second slash
// (/mod/quiz) is text, and so is one that begins with two (// escapes; one is
// taken away). Unknown commands are returned with an empty Name, so that the
// caller can refuse the mail and say which line it did not understand.
func SplitCommands(text string) (commands []Command, rest string) {
	rest = strings.TrimLeft(text, " \t\r\n\u00a0\u200b\ufeff")
	for rest != "" {
		line, tail, _ := strings.Cut(rest, "\n")
		word := strings.TrimSpace(line)
		if !strings.HasPrefix(word, "/") {
			break
		}
		if strings.HasPrefix(word, "//") {
			rest = strings.Replace(rest, "/", "", 1)
			break
		}
		fields := strings.Fields(word[1:])
		if len(fields) == 0 || strings.Contains(fields[0], "/") {
			break
		}
		commands = append(commands, Command{
			Name: commandWords[foldWord(fields[0])],
			Args: fields[1:],
			Line: word,
		})
		rest = strings.TrimLeft(tail, " \t\r\n")
	}
	return commands, rest
}

var accents = strings.NewReplacer("á", "a", "é", "e", "í", "i", "ó", "o", "ú", "u", "ü", "u", "ñ", "n")

func foldWord(s string) string {
	return strings.Trim(accents.Replace(strings.ToLower(s)), ".,:;!¡")
}
