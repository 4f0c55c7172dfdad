package desk

import (
	"time"

	"buzon/store"
	"buzon/ticket"
)

// Health is how the desk's connections to the world are. Whoever runs them fills
// it in.
type Health struct {
	Accounts []AccountHealth `json:"accounts"`
	Outgoing OutgoingHealth  `json:"outgoing"`
	// Smarthosts are the further ones, by name.
	Smarthosts []OutgoingHealth `json:"smarthosts,omitempty"`
	// Canaries are the ways on which the desk writes to itself.
	Canaries []CanaryHealth `json:"canaries,omitempty"`
	// Restart names the parts of the configuration that take effect at the next start.
	Restart []string `json:"restart,omitempty"`
}

// AccountHealth is how one mailbox of an IMAP account is.
type AccountHealth struct {
	Account   string    `json:"account"`
	Mailbox   string    `json:"mailbox"`
	Connected bool      `json:"connected"`
	Paused    bool      `json:"paused"`
	Since     time.Time `json:"since"`      // of the present state
	LastHeard time.Time `json:"last_heard"` // zero: never
	Error     string    `json:"error,omitempty"`
	Try       string    `json:"try,omitempty"`
}

// OutgoingHealth is how the way to the smarthost is.
type OutgoingHealth struct {
	Name      string    `json:"name,omitempty"` // of the smarthost; empty: that of [outgoing]
	Paused    bool      `json:"paused"`
	DownSince time.Time `json:"down_since,omitzero"`
	LastSent  time.Time `json:"last_sent,omitzero"`
	Error     string    `json:"error,omitempty"`
	Try       string    `json:"try,omitempty"`
}

// Figures are the counts that health, metrics and status show.
type Figures struct {
	Tickets       map[ticket.Status]int `json:"tickets"`
	Messages      int                   `json:"messages"`
	Journal       uint64                `json:"journal"`
	Waiting       int                   `json:"waiting"` // outgoing mail
	Failed        int                   `json:"failed"`
	OldestWaiting time.Time             `json:"oldest_waiting,omitzero"`
	Quarantined   int                   `json:"quarantined"`
	Held          int                   `json:"held"`
	FreeDisk      int64                 `json:"free_disk"`         // octets
	Full          bool                  `json:"full"`              // below the floor, or writes are refused: so is mail
	Refused       string                `json:"refused,omitempty"` // why the disk refused the last write
}

// Figures reads the counts.
func (d *Desk) Figures() (Figures, error) {
	var f Figures
	err := d.Store.View(func(tx *store.Tx) error {
		counts, err := tx.Counts()
		if err != nil {
			return err
		}
		f.Tickets, f.Messages, f.Journal = counts.Tickets, counts.Messages, counts.Journal
		f.Waiting, f.Failed = counts.Outgoing[ticket.OutgoingWaiting], counts.Outgoing[ticket.OutgoingFailed]
		f.OldestWaiting = counts.OldestWaiting
		f.Quarantined, f.Held = counts.Quarantined, counts.Held
		return nil
	})
	if err != nil {
		return f, err
	}
	f.Full = d.Store.Full()
	if cause := d.Store.Refused(); cause != nil {
		f.Full, f.Refused = true, cause.Error()
	}
	f.FreeDisk, err = d.Store.FreeSpace()
	return f, err
}
