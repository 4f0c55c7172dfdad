package ticket_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buzon/ticket"
)

var updateDocs = flag.Bool("update", false, "write the documents that are made from tables anew")

const commandsFile = "../docs/commands.md"

// The page about commands is made from the table that the parser uses. Run the
// test with -update after changing the table or this file.
func TestCommandsPage(t *testing.T) {
	page := commandsPage()
	if *updateDocs {
		if err := os.WriteFile(commandsFile, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(commandsFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(page, string(have)); diff != "" {
		t.Errorf("docs/commands.md is not what the table says; go test ./ticket -run TestCommandsPage -update (-table +page):\n%s", diff)
	}
}

const commandsHead = `# Commands by mail

<!-- Made from ticket.Verbs by go test ./ticket -run TestCommandsPage -update; edit there. -->

Agents do all of their work by pressing Reply; requesters can do a few things in the
same way. A command is a line at the top of the mail. This page lists every one, in
Spanish and in English; both work in every mail, whatever its language.

## How to write them

- **At the top.** Commands stand on consecutive lines above everything else, each
  beginning with ` + "`/`" + `, or with ` + "`.`" + `, which phones have on their first keyboard. The text
  below them is the answer, or the note.
- **As one speaks.** Accents, case and verb form don't matter: ` + "`/cerrar`, `/Cierra`,\n  `/cerrado`" + ` are one command. Words of one command may be joined by spaces or hyphens:
  ` + "`/espera usuario`, `/espera-usuario`" + `.
- **Text that looks like one.** A line whose first word holds a second slash
  (` + "`/mod/quiz falla`" + `) is text. Two slashes escape: ` + "`//cerrar`" + ` is sent as ` + "`/cerrar`" + `. Behind an
  empty line only a known command counts.
- **All or nothing.** When one line is not understood, or not allowed, or lacks what it
  needs, nothing of the mail is done and nothing is sent to the requester. The agent gets
  the text back, with what was wrong and the nearest right form.
- **A bare word.** A mail that is nothing but a command's word without its mark
  (` + "`cerrar`, `listo`" + `) is held, and the agent is asked: command, or answer?
- **Dates** as people write them: ` + "`20/12`" + ` (the day first), ` + "`20 dic`, `mañana`, `viernes`,\n  `2 días`, `2026-12-20`, `20/12 14:30`" + `. Without an hour it is the end of the day.
- **People and topics** by id, by address, or by any words of the name that only one has:
  ` + "`/asignar ana`" + `. What stands behind them is the reason.
- **Undo.** ` + "`/deshacer`, `/undo`" + ` takes back what the agent's last mail did to the ticket,
  while nothing else has happened to it, and the answer, while it waits for
  ` + "`desk.send_delay`" + `.

## Who may

Every agent who has a ticket may answer it. What else an agent may do depends on the
role in the configuration (` + "`agent.role`" + `), and on what ` + "`[permissions]`" + ` or the topic asks for
(` + "`may_assign`" + ` and so on). Administrators may do everything everywhere. An agent acts with
the token of the mail that they answer, from one of their own addresses.

A requester's command is a whole mail of one line, that answers a mail of the desk to
them or comes from their registered address. Anything else that they write is text,
also when it looks like a command. To copy someone in, or out, takes a mail that is
certainly theirs. Whatever they ask for is answered at the registered address only.
A new mail with the subject ` + "`estado`, `estado 003181`, `status`" + ` and no text asks for the
state as well.

## A request that came to an agent

An agent who got a requester's mail forwards it to a topic: the ticket belongs to the
original sender, the forwarded text is the request, and the agent's words above it stay
inside as a note. For what came by telephone: a new mail to a topic whose first line is
` + "`/para ana@example.edu`" + ` (` + "`/for`" + `) opens a ticket in that person's name with the text below.
The requester gets a confirmation only if the account's Authentication-Results vouch for
the agent's address; otherwise the request is marked as not verified. The agent gets a
mail in either case, and ` + "`/spam`" + ` in reply takes the ticket back without blocking anybody.
One address stands behind ` + "`/para`" + `, and it is the mail's only command. When it can't be
carried out nothing is opened, and the mail comes back with its text, if the account
vouches for the agent's address; otherwise it is a request like any other.
`

// commandsPage writes the page.
func commandsPage() string {
	var b strings.Builder
	b.WriteString(commandsHead)
	agents := func(v *ticket.Verb) bool { return !v.RequesterOnly }
	requesters := func(v *ticket.Verb) bool { return v.Requester }
	b.WriteString("\n## What agents can write\n")
	commandsTable(&b, "es", agents)
	commandsTable(&b, "en", agents)
	b.WriteString("\n## What requesters can write\n")
	commandsTable(&b, "es", requesters)
	commandsTable(&b, "en", requesters)
	return b.String()
}

// requesterDoes says what a command does that is not the same when a requester
// gives it.
var requesterDoes = map[string][2]string{
	ticket.CommandResolve:  {"cerrar la solicitud: no hace falta nada más", "close the request: nothing more is needed"},
	ticket.CommandCopy:     {"sumar a alguien, que recibe las respuestas (hasta 10)", "add someone, who gets the answers (up to 10)"},
	ticket.CommandWithdraw: {"retirar a alguien que se había sumado", "take out someone who was added"},
}

func commandsTable(b *strings.Builder, lang string, want func(*ticket.Verb) bool) {
	heads := map[string]string{
		"es": "\n### En español\n\n| orden | argumento | qué hace | quién puede | se deshace |\n|---|---|---|---|---|\n",
		"en": "\n### In English\n\n| command | argument | what it does | who may | can be undone |\n|---|---|---|---|---|\n",
	}
	b.WriteString(heads[lang])
	english := lang == "en"
	requesters := !want(ticket.VerbNamed(ticket.CommandClose))
	for i := range ticket.Verbs {
		v := &ticket.Verbs[i]
		if !want(v) {
			continue
		}
		words, argument, undo := v.Spanish, v.ArgumentES, "no"
		if english {
			words, argument = v.English, v.ArgumentEN
		}
		does, who := v.Does(lang), whoMay(v, english)
		if requesters {
			argument = strings.Replace(strings.Replace(argument, " o agente", "", 1), " or agent", "", 1)
			argument = strings.Replace(strings.Replace(argument, "agente, equipo o ", "", 1), "agent, team or ", "", 1)
			if own, ok := requesterDoes[v.Name]; ok {
				does = own[map[bool]int{false: 0, true: 1}[english]]
			}
			who = requesterMay(v.Name, english)
		} else if v.Undo {
			undo = map[bool]string{false: "sí", true: "yes"}[english]
		}
		fmt.Fprintf(b, "| `/%s` | %s | %s | %s | %s |\n", strings.Join(words, "`, `/"), argument, does, who, undo)
	}
}

func whoMay(v *ticket.Verb, english bool) string {
	switch {
	case v.Needs != "":
		return "`may_" + string(v.Needs) + "`"
	case english:
		return "every agent"
	}
	return "todo agente"
}

func requesterMay(name string, english bool) string {
	both := name == ticket.CommandStatus || name == ticket.CommandLanguage
	switch {
	case both && english:
		return "requester, collaborators"
	case both:
		return "quien la hizo y quienes participan"
	case english:
		return "requester"
	}
	return "quien la hizo"
}
