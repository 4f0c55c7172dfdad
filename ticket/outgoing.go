package ticket

import "time"

// Class says what an outgoing mail is for. It decides the order in which mail
// leaves when not all can.
type Class string

const (
	ClassAnswer       Class = "answer"       // a person's words
	ClassConfirmation Class = "confirmation" // to a requester, automatic
	ClassNotification Class = "notification" // to an agent
	ClassReminder     Class = "reminder"     // to an agent, overdue work
	ClassNotice       Class = "notice"       // to an operator, or about the desk itself
)

// Automatic tells whether a machine wrote it (RFC 3834, section 5).
func (c Class) Automatic() bool { return c != ClassAnswer }

// File is an attachment of an outgoing mail: a range of an archived message,
// copied verbatim, or content of its own.
type File struct {
	Attachment
	Archive ArchiveRef
	// Content is what to send instead of the range, decoded; nil: the range. A
	// file that was packed in a container needs it.
	Content []byte
}

// Draft is a mail to one person before it has been put into MIME form.
type Draft struct {
	From         Address // shown sender: a topic's address
	To           Address
	ReplyTo      string // signed reply address; empty: same as From
	EnvelopeFrom string // signed bounce address
	Subject      string
	MessageID    string // without brackets
	InReplyTo    string
	References   []string
	Date         time.Time // in the zone in which it shall be shown
	Language     string    // Content-Language
	Class        Class
	Text         string
	HTML         string // empty: text only
	Files        []File // those with a ContentID that HTML refers to are inline
}

// Chunk is a piece of an outgoing mail: literal bytes, or a range of an archived
// message. Exactly one of the two is set.
type Chunk struct {
	Literal []byte     `json:"literal,omitempty"`
	Archive ArchiveRef `json:"archive,omitzero"`
	Offset  int64      `json:"offset,omitempty"`
	Length  int64      `json:"length,omitempty"`
}

// OutgoingState is where a row of the outbox stands.
type OutgoingState string

const (
	OutgoingWaiting OutgoingState = "waiting"
	OutgoingSent    OutgoingState = "sent"
	OutgoingFailed  OutgoingState = "failed"
	OutgoingDropped OutgoingState = "dropped"
)

// MaxRetryDelay is the longest pause between two tries of a mail.
const MaxRetryDelay = 4 * time.Hour

// Outgoing is a row of the outbox: a mail to one recipient with its bytes fixed,
// so that every try sends the same.
type Outgoing struct {
	ID           uint64        `json:"id"`
	Ticket       ID            `json:"ticket"`
	Entry        uint32        `json:"entry,omitempty"`
	Person       PersonID      `json:"person,omitempty"`
	Class        Class         `json:"class"`
	Smarthost    string        `json:"smarthost,omitempty"` // name of the smarthost that it goes to; empty: the first one
	EnvelopeFrom string        `json:"envelope_from"`
	To           string        `json:"to"`
	Subject      string        `json:"subject"`
	MessageID    string        `json:"message_id"`
	Size         int64         `json:"size"` // octets
	State        OutgoingState `json:"state"`
	Attempts     int           `json:"attempts"`
	Created      time.Time     `json:"created"`
	NextTry      time.Time     `json:"next_try,omitzero"`
	Finished     time.Time     `json:"finished,omitzero"`
	LastError    string        `json:"last_error,omitempty"`
	// Cause is the correlation id of the message that this one answers.
	Cause string `json:"cause,omitempty"`
	// Tickets are those that a mail about several of them is about.
	Tickets []ID `json:"tickets,omitempty"`
	// Tells lists the entries of the ticket that a notification tells of.
	Tells []uint32 `json:"tells,omitempty"`
	// FoldedInto is the row that took this one's place, with all that it told
	// of, before any attempt to send it; 0: none did.
	FoldedInto uint64 `json:"folded_into,omitempty"`

	// Chunks are kept apart from the row and only loaded to send it.
	Chunks []Chunk `json:"-"`
}

// Result is what became of one attempt to send a row.
type Result struct {
	Sent      bool
	Permanent bool   // a 5xx that no later try will change
	Detail    string // the server's words, or the error
}

// Event is a row of the journal. It names things by id and digest and never
// holds content, so that content can be erased and the chain still verifies.
type Event struct {
	Seq    uint64    `json:"seq"`
	At     time.Time `json:"at"`
	Kind   string    `json:"kind"`
	Ticket ID        `json:"ticket,omitzero"`
	Entry  uint32    `json:"entry,omitempty"`
	Person PersonID  `json:"person,omitempty"`
	Object uint64    `json:"object,omitempty"` // message row, outbox row or quarantine row, by Kind
	Detail string    `json:"detail,omitempty"` // short, from a fixed vocabulary: a status, a topic id
	Digest string    `json:"digest,omitempty"` // salted, of the content concerned
	Prev   string    `json:"prev"`             // chain: digest of the row before
}

// Kinds of journal events.
const (
	EventTicketed    = "ticketed"
	EventReplied     = "replied"
	EventAnswered    = "answered"
	EventNoted       = "noted"
	EventStatus      = "status"
	EventDuplicate   = "duplicate"
	EventVariant     = "variant"
	EventIgnored     = "ignored"
	EventCanary      = "canary" // only as what became of a message: a mail of the desk's to itself came back
	EventQuarantined = "quarantined"
	EventHeld        = "held"
	EventQueued      = "queued"
	EventSent        = "sent"
	EventFailed      = "failed"
	EventBounced     = "bounced"
	EventReminded    = "reminded"
	EventDropped     = "dropped"
	EventFolded      = "folded" // a notification gave way to one that tells of more
	EventReleased    = "released"
	EventCommand     = "command"  // Detail: the command's name
	EventSeen        = "seen"     // an agent looked at it, or at a list; Detail: how
	EventDeleted     = "deleted"  // Digest: of the reason, which stands in the thread
	EventAssigned    = "assigned" // without a person's command; Detail: agent or team
	EventFields      = "fields"   // of the form have values; Detail: their ids, never the values
	EventRouted      = "routed"   // by a table and its rules; Detail: the table's version, then the rules' names
	EventKeys        = "keys"     // Detail: rotated or dropped
	EventAsked       = "asked"    // a person, by mail, about something of theirs
	EventDecided     = "decided"  // the person answered; Detail: what
	EventErasing     = "erasing"  // Object: the erasure; Detail: its kind
	EventErased      = "erased"   // Object: the erasure; Detail: how much went; Digest: of its row
	EventHold        = "hold"     // legal, of a ticket; Detail: set or released; Digest: of the reason
	EventAddress     = "address"  // a further one of a person's is known from now on; Digest: of it
)
