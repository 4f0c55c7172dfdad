package ticket

import (
	"errors"
	"time"
)

// Errors that a receiver of messages returns. Each means: the message was not
// taken, nothing of it was recorded, offer it again later.
var (
	// ErrFull: the disk is below its floor (SMTP 452).
	ErrFull = errors.New("the disk is nearly full")
	// ErrStopping: the desk is stopping or its store failed (SMTP 451 or 421).
	ErrStopping = errors.New("the desk is stopping")
)

// Outcome is what became of a message that was taken. The word is one of the
// Event constants.
type Outcome struct {
	Event  string
	Ticket ID
	Number Number // zero: no ticket
	Detail string // short reason, for the log
}

// Arrivals is what has come into a mailbox from which nothing is taken.
type Arrivals struct {
	State MailboxState
	Count int
	// Newest are the latest of them, the newest first; not always all.
	Newest []Glimpse
}

// Glimpse is what is read of a message that is not taken.
type Glimpse struct {
	From    Address
	Subject string
}

// MailboxState is how far the desk has come with one IMAP mailbox.
type MailboxState struct {
	UIDValidity uint32 `json:"uidvalidity"` // zero: never looked at
	// Next: every UID below it is accounted for.
	Next uint32 `json:"next"`
	// BacklogBelow: UIDs below it were there before the first look.
	BacklogBelow uint32 `json:"backlog_below,omitempty"`
	// Since is when the mailbox was first looked at. After a change of
	// UIDVALIDITY, messages that arrived before it are left alone.
	Since time.Time `json:"since"`
	// Rescan: UIDVALIDITY has changed, and UIDs below it are being compared by
	// identity.
	RescanBelow uint32 `json:"rescan_below,omitempty"`
	// Copied lists UIDs that were copied to where settled mail goes and are not
	// expunged yet, on servers without MOVE.
	Copied []uint32 `json:"copied,omitempty"`
}
