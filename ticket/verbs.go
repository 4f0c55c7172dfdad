package ticket

import (
	"slices"
	"strings"
)

// What a command takes behind its word.
type Takes string

const (
	TakesNothing Takes = ""
	TakesText    Takes = "text"   // any words
	TakesWho     Takes = "who"    // agents, teams, or addresses
	TakesTopic   Takes = "topic"  // a topic, then any words
	TakesNumber  Takes = "number" // a ticket's number
	TakesDate    Takes = "date"
	TakesPair    Takes = "pair" // name=value
	TakesEntry   Takes = "entry"
)

// Names of the commands.
const (
	CommandAnswer     = "answer"
	CommandNote       = "note"
	CommandClose      = "close"
	CommandResolve    = "resolve"
	CommandWait       = "wait"
	CommandReopen     = "reopen"
	CommandAnswered   = "answered"
	CommandUnanswered = "unanswered"
	CommandTake       = "take"
	CommandAssign     = "assign"
	CommandRelease    = "release"
	CommandTransfer   = "transfer"
	CommandRefer      = "refer"
	CommandWithdraw   = "withdraw"
	CommandPriority   = "priority"
	CommandDue        = "due"
	CommandLabel      = "label"
	CommandUnlabel    = "unlabel"
	CommandMark       = "mark"
	CommandSubject    = "subject"
	CommandField      = "field"
	CommandCopy       = "copy"
	CommandRequester  = "requester"
	CommandMerge      = "merge"
	CommandLink       = "link"
	CommandSplit      = "split"
	CommandCanned     = "canned"
	CommandSpam       = "spam"
	CommandDelete     = "delete"
	CommandShow       = "show"
	CommandHistory    = "history"
	CommandOthers     = "others"
	CommandMine       = "mine"
	CommandTeam       = "team"
	CommandOverdue    = "overdue"
	CommandSearch     = "search"
	CommandAway       = "away"
	CommandBack       = "back"
	CommandFor        = "for"
	CommandHelp       = "help"
	CommandUndo       = "undo"

	CommandStatus    = "status"
	CommandHelped    = "helped"
	CommandNotHelped = "nothelped"
	CommandLanguage  = "language"
)

// Permission is what a command needs of the one who gives it. The configuration
// says which role has it.
type Permission string

const (
	MayAnswer   Permission = "" // every agent whose ticket it is
	MayAssign   Permission = "assign"
	MayTransfer Permission = "transfer"
	MayMerge    Permission = "merge"
	MayDelete   Permission = "delete"
	MaySee      Permission = "see"
)

// Permissions lists those that can be configured.
var Permissions = []Permission{MayAssign, MayTransfer, MayMerge, MayDelete, MaySee}

// Verb is a row of the table of commands: the parser, the help, the list of what
// was done, and the documentation are made from it.
type Verb struct {
	Name     string
	Spanish  []string // words; the first is the one that is shown
	English  []string
	Takes    Takes
	Required bool // the argument is
	Needs    Permission
	// Undo: /undo takes it back.
	Undo bool
	// Alone: it is about no ticket in particular and changes none.
	Alone bool
	// Requester: the requester's side may write it too. RequesterOnly: only they.
	Requester, RequesterOnly bool

	ArgumentES, ArgumentEN string // how help shows the argument
	DoesES, DoesEN         string // what it does, in the infinitive
}

// Word is the verb's first word in a language, with its slash.
func (v *Verb) Word(lang string) string {
	if lang == "en" {
		return "/" + v.English[0]
	}
	return "/" + v.Spanish[0]
}

// Usage is the word with its argument, as help shows it.
func (v *Verb) Usage(lang string) string {
	argument := v.ArgumentES
	if lang == "en" {
		argument = v.ArgumentEN
	}
	return strings.TrimSpace(v.Word(lang) + " " + argument)
}

// Does says what the verb does.
func (v *Verb) Does(lang string) string {
	if lang == "en" {
		return v.DoesEN
	}
	return v.DoesES
}

// words lists every accepted spelling, folded.
func (v *Verb) words() []string {
	var all []string
	for _, w := range slices.Concat(v.Spanish, v.English) {
		all = append(all, FoldWord(w))
	}
	for _, w := range v.Spanish {
		all = append(all, conjugate(FoldWord(w))...)
	}
	for _, w := range v.English {
		all = append(all, inflect(FoldWord(w))...)
	}
	return all
}

// shows tells whether the word is one that help shows.
func (v *Verb) shows(word string) bool {
	return word == FoldWord(v.Spanish[0]) || word == FoldWord(v.English[0])
}

// conjugate gives the forms of a regular Spanish verb that people use to order:
// cierra and other irregular ones stand in the table.
func conjugate(infinitive string) []string {
	var endings []string
	switch {
	case strings.HasSuffix(infinitive, "ar"):
		endings = []string{"a", "o", "e", "ado", "ada", "ados", "adas", "ando", "en", "alo", "ala", "arlo", "arla"}
	case strings.HasSuffix(infinitive, "er"), strings.HasSuffix(infinitive, "ir"):
		endings = []string{"e", "o", "a", "ido", "ida", "idos", "idas", "iendo", "an", "elo", "ela"}
	default:
		return nil
	}
	stem := infinitive[:len(infinitive)-2]
	if len(stem) < 3 {
		return nil
	}
	forms := make([]string, 0, 2*len(endings))
	for _, e := range endings {
		forms = append(forms, stem+e)
		if s, ok := strings.CutSuffix(stem, "g"); ok && infinitive[len(stem):] == "ar" && strings.HasPrefix(e, "e") {
			forms = append(forms, s+"gu"+e) // entregue
		}
		if s, ok := strings.CutSuffix(stem, "c"); ok && infinitive[len(stem):] == "ar" && strings.HasPrefix(e, "e") {
			forms = append(forms, s+"qu"+e) // busque
		}
	}
	return forms
}

func inflect(word string) []string {
	if strings.ContainsAny(word, "-") || len(word) < 4 {
		return nil
	}
	if stem, ok := strings.CutSuffix(word, "e"); ok {
		return []string{stem + "ed", stem + "ing"}
	}
	return []string{word + "ed", word + "ing"}
}

// VerbNamed returns the verb with a canonical name, or nil.
func VerbNamed(name string) *Verb {
	if i, ok := verbIndex[name]; ok {
		return &Verbs[i]
	}
	return nil
}

var (
	verbIndex = map[string]int{}
	verbWords = map[string]string{} // folded word to canonical name
	spellings []spelling            // of every verb, for what is mistyped
)

type spelling struct {
	word  string
	shown bool
}

// bareWords are those that, alone in a mail, may be meant as a command.
var bareWords = map[string]string{}

func init() {
	// A word that stands in the table goes before one that is derived.
	for i := range Verbs {
		v := &Verbs[i]
		verbIndex[v.Name] = i
		for _, w := range slices.Concat(v.Spanish, v.English) {
			verbWords[FoldWord(w)] = v.Name
		}
	}
	for i := range Verbs {
		for _, w := range Verbs[i].words() {
			spellings = append(spellings, spelling{w, Verbs[i].shows(w)})
			if _, ok := verbWords[w]; !ok {
				verbWords[w] = Verbs[i].Name
			}
		}
	}
	for word, name := range verbWords {
		switch name {
		case CommandClose, CommandResolve, CommandTake, CommandReopen, CommandRelease, CommandSpam, CommandDelete, CommandUndo, CommandHelp:
			bareWords[word] = name
		}
	}
	for _, w := range []string{"listo", "lista", "hecho", "done", "solucionado", "solucionada", "ready"} {
		bareWords[w] = CommandClose
	}
}
