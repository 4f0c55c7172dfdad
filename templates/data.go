package templates

import "time"

// Data is everything that a mail template can show. The set is closed, and the
// values are only ever shown, never parsed: a subject that reads {{.}} is shown
// as it is. One-line fields are folded to one line when they are rendered.
type Data struct {
	Desk, Topic, Hostname string

	Number string // 003181
	Tag    string // [#003181]
	// Subject is the ticket's, without tag.
	Subject string

	Requester Person
	Agent     Person // who answered; only the name is ever shown to requesters
	Assignee  string // name of the agent or the team that has the ticket

	Text   string // what was newly written, or the answer
	Quoted string // what was cut away from it, shown below it to agents
	Files  []File

	Fields  []Field // of the topic's form, for agents; without the sensitive ones, but where they were asked for
	Missing []Field // those that the requester is asked for

	Notice    string // personal-data notice; empty after the first time
	Signature string
	// Separator is the whole separator line with its token. It stands first in
	// mails that invite a reply.
	Separator string

	Received, Due time.Time // in the zone in which they are shown; zero: not shown

	Status     string // a ticket.Status, put into words by the templates
	Reopened   bool
	Closed     bool
	Unverified bool
	Warning    bool   // it is not due yet
	Escalated  bool   // the reader is told because nobody else has answered
	Closing    string // what is said while the desk is closed; empty: it is not

	Reason   string   // for failures and alarms: what happened
	Hint     string   // what to do about it
	Final    bool     // nothing can be done about it
	Thread   []Item   // earlier entries, newest first
	News     []Item   // several entries that are told of at once, oldest first
	Commands []string // what an agent can write on the first line, a command each

	Title   string   // what the mail is about, where it is about no single thing
	Lines   []string // what was done, a sentence each
	Rows    []Row    // tickets
	Actions []Action // what can be done with one tap

	Sections []Section // lists of tickets, each under its title
}

// Section is a list of tickets with a title.
type Section struct {
	Title string
	Rows  []Row
	Lines []string // instead of tickets
}

// Row is a ticket in a list.
type Row struct {
	Number, Subject string
	Status          string // a ticket.Status, put into words by the templates
	Requester       string // shown to agents; empty in a requester's own list
	Assignee        string
	Due             time.Time
	Link            string // mailto:, to answer it; empty: none
}

// Field is one thing that a topic's form asks for.
type Field struct {
	Name    string
	Value   string
	Choices string // what it may be, where that is laid down; only with Missing
}

// Action is something that can be done by sending a mail that is written
// already.
type Action struct {
	Label   string
	Command string // what the mail says
	Link    string // mailto:
}

// Person is someone shown in a mail.
type Person struct{ Name, Address string }

// String is the name with the address, or whichever of them there is.
func (p Person) String() string {
	switch {
	case p.Name == "":
		return p.Address
	case p.Address == "":
		return p.Name
	}
	return p.Name + " <" + p.Address + ">"
}

// File is an attachment.
type File struct {
	Name      string
	Size      string // as people read it: 340 KB
	ContentID string // without brackets; empty when nothing refers to it
	Included  bool   // whether the mail itself carries it
}

// Item is an earlier entry of the ticket's thread.
type Item struct {
	When   time.Time
	Author string
	Kind   string // a ticket.EntryKind, put into words by the templates
	Text   string
	// Unverified: it could not be checked that the author wrote it.
	Unverified bool
	Files      []File // those of Data.Files that came with it
}

// Sample is invented data in which every field is filled, to try templates
// with. The language is es or en.
func Sample(lang string) Data {
	zone := time.FixedZone("-05", -5*60*60)
	d := Data{
		Desk: "Mesa de ayuda", Topic: "Aulas virtuales", Hostname: "ayuda.example.edu.co",
		Number: "003181", Tag: "[#003181]", Subject: "No puedo entrar al curso de Álgebra",
		Requester: Person{"María Peña", "maria.pena@example.edu.co"},
		Agent:     Person{"Andrés Gómez", "andres.gomez@example.edu.co"},
		Assignee:  "Equipo de aulas virtuales",
		Text: "Buenos días:\n\nDesde ayer el curso me dice «acceso denegado». Adjunto la captura.\n\n" +
			"[imagen: captura.png]\n\nEl enlace es https://aulas.example.edu.co/curso?id=42&vista=1.\n\nGracias.",
		Quoted: "El lun, 23 nov 2026, Soporte escribió:\n> ¿Cuál es el enlace del curso?",
		Files: []File{
			{"captura.png", "84 KB", "captura.1@example.edu.co", true},
			{"grabación.mp4", "38 MB", "", false},
		},
		Fields:    []Field{{Name: "Rol", Value: "Estudiante"}, {Name: "Facultad o dependencia", Value: "Ingeniería"}},
		Missing:   []Field{{Name: "Rol", Choices: "Estudiante, Docente, Administrativo"}, {Name: "Número de documento"}},
		Notice:    "Tratamos sus datos solo para atender esta solicitud (Ley 1581 de 2012). Puede consultarlos, corregirlos o pedir que se borren escribiendo a datos@example.edu.co.",
		Signature: "Aulas virtuales\nhttps://ayuda.example.edu.co",
		Separator: "--- Escriba su respuesta encima de esta línea · aezsa3tfoqqho2lofzxw6zdf ---",
		Received:  time.Date(2026, time.November, 24, 10, 15, 0, 0, zone),
		Due:       time.Date(2026, time.November, 26, 10, 15, 0, 0, zone),
		Status:    "open", Reopened: true, Warning: true, Escalated: true,
		Closing: "Estamos en vacaciones colectivas y responderemos desde el 12 de enero.",
		Reason:  "/cerar",
		Hint:    "/cerrar",
		Thread: []Item{
			{When: time.Date(2026, time.November, 23, 16, 40, 0, 0, zone), Author: "Andrés Gómez", Kind: "answer", Text: "¿Cuál es el enlace del curso?"},
			{When: time.Date(2026, time.November, 23, 15, 2, 0, 0, zone), Author: "María Peña", Kind: "request", Text: "No puedo entrar al curso."},
		},
		Commands: []string{"/cerrar"},
		Title:    "Sus solicitudes abiertas",
		Lines:    []string{"La solicitud 003181 quedó cerrada.", "La solicitud 003181 quedó a cargo de Andrés Gómez."},
		Rows: []Row{{
			Number: "003175", Subject: "Clave de Turnitin", Status: "waiting", Requester: "Luis Rojas", Assignee: "Andrés Gómez",
			Due: time.Date(2026, time.November, 27, 12, 0, 0, 0, zone), Link: "mailto:aulas@example.edu.co?subject=003175",
		}},
		Actions: []Action{{"Tomar", "/tomar", "mailto:aulas@example.edu.co?body=%2Ftomar"}, {"Cerrar", "/cerrar", "mailto:aulas@example.edu.co?body=%2Fcerrar"}},
	}
	d.News = []Item{
		{When: d.Received, Author: d.Requester.String(), Kind: "reply", Text: d.Text, Files: d.Files},
		{When: d.Received.Add(time.Minute), Author: "Otra persona <otra@example.com>", Kind: "reply", Text: "A mí me pasa lo mismo.", Unverified: true},
	}
	d.Sections = []Section{{"Vencidas", d.Rows, []string{"edx, camilo: abiertas 3 · total 7"}}}
	if lang == "en" {
		d.Sections = []Section{{"Overdue", d.Rows, []string{"edx, camilo: open 3 · all 7"}}}
		d.Desk, d.Topic, d.Subject, d.Assignee = "Help desk", "Virtual classrooms", "I can't get into the Algebra course", "Virtual classroom team"
		d.Text = "Good morning,\n\nSince yesterday the course says “access denied”. A screenshot is attached.\n\n" +
			"[imagen: captura.png]\n\nThe link is https://aulas.example.edu.co/curso?id=42&vista=1.\n\nThank you."
		d.Quoted = "On Mon, 23 Nov 2026, Support wrote:\n> What is the link of the course?"
		d.Notice = "We use your data only to attend to this request (Law 1581 of 2012). You can see, correct or have them erased by writing to datos@example.edu.co."
		d.Signature = "Virtual classrooms\nhttps://ayuda.example.edu.co"
		d.Separator = "--- Write your reply above this line · aezsa3tfoqqho2lofzxw6zdf ---"
		d.Closing = "We are on holiday and will answer from 12 January on."
		d.Reason, d.Hint, d.Commands = "/closs", "/close", []string{"/close"}
		d.Title, d.Lines = "Your open tickets", []string{"Request 003181 is closed.", "Request 003181 now belongs to Andrés Gómez."}
		d.Actions = []Action{{"Take", "/take", "mailto:aulas@example.edu.co?body=%2Ftake"}, {"Close", "/close", "mailto:aulas@example.edu.co?body=%2Fclose"}}
		d.Fields = []Field{{Name: "Role", Value: "Student"}, {Name: "Faculty or department", Value: "Engineering"}}
		d.Missing = []Field{{Name: "Role", Choices: "Student, Teacher, Administrative"}, {Name: "Document number"}}
		d.Thread[0].Text, d.Thread[1].Text = "What is the link of the course?", "I can't get into the course."
		d.News[0].Text, d.News[1].Author, d.News[1].Text = d.Text, "Someone else <other@example.com>", "I have the same problem."
	}
	return d
}
