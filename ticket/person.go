package ticket

import (
	"slices"
	"time"
)

// PersonID names a person in the store and in tokens.
type PersonID uint32

// Person is anyone that the desk has had mail from or sends mail to. Agents are
// people whose address the configuration names; their power is looked up there
// each time and is not part of the person.
type Person struct {
	ID       PersonID  `json:"id"`
	Address  Address   `json:"address"` // the registered one, to which answers go
	Language string    `json:"language,omitempty"`
	Created  time.Time `json:"created"`
	// Consent is when the personal-data notice was first sent to them.
	Consent time.Time `json:"consent,omitzero"`
	// Bounced is when mail to them last failed for good; automatic mail is
	// withheld for a while after it.
	Bounced time.Time `json:"bounced,omitzero"`
	// Blocked is since when their mail is closed silently as spam.
	Blocked time.Time `json:"blocked,omitzero"`
	// Away is until when an agent gets no new tickets.
	Away   time.Time `json:"away,omitzero"`
	Labels []string  `json:"labels,omitempty"` // folded, sorted
	// Erased: nothing else is known of them any more, and nobody is them.
	Erased *Erased `json:"erased,omitempty"`
	// Also are further addresses that the person has said are theirs. Mail from
	// them is the person's; mail to the person goes to Address alone.
	Also []AlsoAddress `json:"also,omitempty"`
}

// MaxAlso is how many further addresses a person may have.
const MaxAlso = 20

// AlsoAddress is a further address of a person.
type AlsoAddress struct {
	Addr  string    `json:"addr"`
	Since time.Time `json:"since"`
}

// Has tells whether an address is the person's, registered or further.
func (p *Person) Has(addr string) bool {
	key := AddressKey(addr)
	return p.Address.Key() == key || slices.ContainsFunc(p.Also, func(a AlsoAddress) bool { return AddressKey(a.Addr) == key })
}

// Role is what someone is to a ticket.
type Role string

const (
	RoleRequester    Role = "requester"
	RoleAgent        Role = "agent"
	RoleCollaborator Role = "collaborator"
	RoleThirdParty   Role = "third party" // unverified; never mailed
	RoleSystem       Role = "system"
)

// Participant is someone who takes part in a ticket, with what keeps the ticket
// one conversation in their mail client.
type Participant struct {
	Person PersonID `json:"person"`
	Role   Role     `json:"role"`
	// Subject is fixed at the first mail to them and never changes afterwards,
	// because clients start a new conversation when it does.
	Subject string `json:"subject,omitempty"`
	// Thread holds the Message-IDs, oldest first, of mails between them and us,
	// without brackets: theirs and ours. It feeds References, and it is
	// separate for each person, so that nobody sees another's tokens.
	Thread []string `json:"thread,omitempty"`
	// Notified is the Message-ID of the last notification for an agent, without
	// brackets. Another one soon after it waits a little, or takes its place.
	Notified string `json:"notified,omitempty"`
}

// maxThread bounds References: the first Message-ID, which clients group by, and
// the newest ones.
const maxThread = 12

// Note adds a Message-ID to the person's thread.
func (p *Participant) Note(messageID string) {
	if messageID == "" {
		return
	}
	for _, id := range p.Thread {
		if id == messageID {
			return
		}
	}
	p.Thread = append(p.Thread, messageID)
	if len(p.Thread) > maxThread {
		p.Thread = append(p.Thread[:1:1], p.Thread[len(p.Thread)-maxThread+1:]...)
	}
}

// Forget takes a Message-ID out of the person's thread: that mail is never sent.
func (p *Participant) Forget(messageID string) {
	p.Thread = slices.DeleteFunc(slices.Clone(p.Thread), func(id string) bool { return id == messageID })
}
