package routing

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// syntaxHelp is what is said of a text that is not TOML: the parser's message, with the
// whole character where it names only an octet of it, and what would work.
func syntaxHelp(text []byte, offset int, message string) (said, hint string) {
	if !utf8.Valid(text) {
		return message, "save the file as UTF-8"
	}
	at, _ := utf8.DecodeRune(text[offset:])
	word, _, _ := bytes.Cut(text[offset:], []byte("\n"))
	word = bytes.TrimRight(word, " \t\r,]")
	has := func(part string) bool { return strings.Contains(message, part) }
	if at >= utf8.RuneSelf && has("unexpected character") {
		message = fmt.Sprintf("unexpected character %q", at)
	}
	switch {
	case at != utf8.RuneError && strings.ContainsRune("“”„‘’‚«»´`", at):
		return message, `write plain quotes, "…"`
	case has("start of value"):
		switch strings.ToLower(string(word)) {
		case "yes", "no", "on", "off", "true", "false", "si", "sí":
			return message, "write true or false"
		}
		return message, "text stands in quotes"
	case has("after key"):
		return message, "write key = value, with plain spaces"
	case at == ';' || at == '/':
		return message, "what is not meant to be read begins with #"
	case has("escape"):
		return message, `write \\ for a backslash, or put the text between single quotes`
	case has("cannot have new lines"):
		return message, `close the quotes; a text of several lines stands between """ and """`
	case at == '\r':
		return message, "end lines with LF or CR LF"
	case has("expected newline"):
		return message, `one value a key; a quote inside quotes is written \", and a condition has its values in single quotes`
	case has("expected value"), has("after array value"):
		return message, `write a list like ["…", "…"]`
	}
	return message, ""
}
