// Package control lets sub-commands work on a running desk: a unix socket in the
// data folder that only its owner can open, on which each operation is an HTTP
// request with JSON in and out. Without a running desk the same operations work
// on the files. Whoever can open the socket can do everything.
package control

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"

	"buzon/desk"
	"buzon/ticket"
)

// SocketName is the socket's name in the data folder.
const SocketName = "control.sock"

// SocketPath is where the socket of a data folder is.
func SocketPath(data string) string { return filepath.Join(data, SocketName) }

// Caller runs an operation by name, in a running desk or on the files.
type Caller interface {
	// Call runs the operation and decodes its answer into out, which may be nil.
	// An operation that was refused returns an *Error.
	Call(ctx context.Context, operation string, in, out any) error
}

// Error is a refusal, in words for the person who asked.
type Error struct {
	Message string `json:"error"`
	Missing bool   `json:"missing,omitempty"` // what was asked for does not exist
}

func (e *Error) Error() string { return e.Message }

// Daemon is the running desk around the rooms that hold its state.
type Daemon interface {
	// Reload reads the configuration again, and changes nothing when it has a mistake.
	Reload(ctx context.Context) error
	// Switch stops or starts "outgoing" or an account by name.
	Switch(what string, on bool) error
	// Health tells how the connections to the world are.
	Health() desk.Health
}

// Which picks rows to list, or one row.
type Which struct {
	ID        uint64        `json:"id,omitempty"`
	Number    ticket.Number `json:"number,omitempty"`
	State     string        `json:"state,omitempty"`
	Status    ticket.Status `json:"status,omitempty"`
	Topic     string        `json:"topic,omitempty"`
	Assignee  string        `json:"assignee,omitempty"`
	Requester string        `json:"requester,omitempty"` // address
	Addresses []string      `json:"addresses,omitempty"`
	Since     time.Time     `json:"since,omitzero"`
	Search    string        `json:"search,omitempty"` // words
	Limit     int           `json:"limit,omitempty"`
	What      string        `json:"what,omitempty"` // for pause and resume; which report
}

// Status is what `buzon status` shows.
type Status struct {
	Running bool         `json:"running"`
	Started time.Time    `json:"started,omitzero"`
	Config  string       `json:"config"` // version of the table in use
	Alarms  []desk.Alarm `json:"alarms"`
	Health  desk.Health  `json:"health"`
	Figures desk.Figures `json:"figures"`
}

// Ticket is a ticket as people look at it.
type Ticket struct {
	Number    ticket.Number `json:"number"`
	ID        ticket.ID     `json:"id"`
	Subject   string        `json:"subject"`
	Status    ticket.Status `json:"status"`
	Topic     string        `json:"topic"`
	Assignee  string        `json:"assignee,omitempty"`
	Team      string        `json:"team,omitempty"`
	Requester string        `json:"requester"`
	Language  string        `json:"language"`
	Created   time.Time     `json:"created"`
	Updated   time.Time     `json:"updated"`
	Due       time.Time     `json:"due,omitzero"`
	Deleted   time.Time     `json:"deleted,omitzero"` // since when it is in no list
	Erased    time.Time     `json:"erased,omitzero"`  // its content is gone since
	Hold      string        `json:"hold,omitempty"`   // reason of a legal hold
	Fields    []Field       `json:"fields,omitempty"` // only where one ticket is shown: sensitive ones are among them
	Entries   []Entry       `json:"entries,omitempty"`
}

// Field is a field of a form with its value.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Entry is an item of a ticket's thread as people look at it.
type Entry struct {
	Seq        uint32           `json:"seq"`
	Kind       ticket.EntryKind `json:"kind"`
	Author     string           `json:"author,omitempty"`
	Role       ticket.Role      `json:"role"`
	At         time.Time        `json:"at"`
	Text       string           `json:"text"`
	Quoted     string           `json:"quoted,omitempty"`
	Files      []string         `json:"files,omitempty"`
	Verdict    ticket.Kind      `json:"verdict,omitempty"`
	Unverified bool             `json:"unverified,omitempty"`
	MessageID  string           `json:"message_id,omitempty"`
}

// Standing is what a changed configuration has to be looked at with.
type Standing struct {
	Owners map[string]int       `json:"owners"` // open tickets, by agent id
	Away   map[string]time.Time `json:"away"`   // until when, by an agent's first address
}

// Kept is a quarantined or held message with its raw bytes.
type Kept struct {
	ID      uint64          `json:"id"`
	At      time.Time       `json:"at"`
	State   string          `json:"state"`
	Reason  string          `json:"reason"`
	From    string          `json:"from"`
	Subject string          `json:"subject"`
	Agent   string          `json:"agent,omitempty"`
	Ticket  ticket.ID       `json:"ticket,omitzero"`
	Via     ticket.Envelope `json:"via"`
	Raw     []byte          `json:"raw,omitempty"`
}

// Export is what the desk holds of a person, but for the bytes of their messages.
type Export struct {
	Address  string          `json:"address"`
	Made     time.Time       `json:"made"`
	People   []ticket.Person `json:"people"`
	Tickets  []Ticket        `json:"tickets"`  // of theirs, whole
	Parts    []Ticket        `json:"parts"`    // of others, with what they wrote in them
	Messages []ExportedMail  `json:"messages"` // that came from them
}

// ExportedMail is a message of a person. Its bytes are what "message raw" returns.
type ExportedMail struct {
	ID      uint64        `json:"id"`
	At      time.Time     `json:"at"`
	Outcome string        `json:"outcome"`
	Number  ticket.Number `json:"number,omitempty"`
	File    string        `json:"file"`
}

// Config is the configuration that a running desk uses.
type Config struct {
	Name string `json:"name"`
	Text []byte `json:"text"`
}

// Archived is a message that asked for a ticket or replied to one, with what rules
// can ask of it besides its bytes.
type Archived struct {
	ID       uint64            `json:"id"`
	At       time.Time         `json:"at"`
	Outcome  string            `json:"outcome"`
	Envelope ticket.Envelope   `json:"envelope"`
	Number   ticket.Number     `json:"number,omitempty"`
	Topic    string            `json:"topic,omitempty"` // of its ticket, at present
	Fields   map[string]string `json:"fields,omitempty"`
	Groups   []string          `json:"groups,omitempty"` // of its sender, at present
	Blocked  bool              `json:"blocked,omitempty"`
}

// Outgoing is a row of the outbox with, if asked for, its bytes.
type Outgoing struct {
	ticket.Outgoing
	Raw []byte `json:"raw,omitempty"`
}

// roundTrip gives an answer the form that it has on the socket, so that callers
// see the same whether or not a desk is running.
func roundTrip(answer, out any) error {
	if out == nil || answer == nil {
		return nil
	}
	text, err := json.Marshal(answer)
	if err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	return json.Unmarshal(text, out)
}
