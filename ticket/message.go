package ticket

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Kind is the verdict on a message: what it is.
type Kind string

const (
	KindHuman     Kind = "human"
	KindAutoreply Kind = "autoreply" // out-of-office, another desk's acknowledgement, calendar reply
	KindBounce    Kind = "bounce"    // failed or delayed delivery
	KindReport    Kind = "report"    // abuse feedback, DMARC, TLS, read receipt
	KindList      Kind = "list"      // mailing list, newsletter, bulk
	KindChallenge Kind = "challenge" // challenge-response
	KindOwn       Kind = "own"       // ours come back, or a loop
	KindSpam      Kind = "spam"      // marked so upstream
)

// ArchiveRef says where raw bytes lie in the archive: a segment, named by its
// month (2026-11), and a number in it. The zero value refers to nothing.
type ArchiveRef struct {
	Segment string `json:"segment"`
	Seq     uint64 `json:"seq"`
}

// IsZero tells whether the reference refers to nothing.
func (r ArchiveRef) IsZero() bool { return r == ArchiveRef{} }

func (r ArchiveRef) String() string { return fmt.Sprintf("%s/%d", r.Segment, r.Seq) }

// Envelope is how a message reached us. Messages from IMAP have Mailbox,
// UIDValidity and UID; those from the listener MailFrom and Recipients.
type Envelope struct {
	Account     string    `json:"account"` // account name of the configuration, or "smtp", "lmtp"
	Mailbox     string    `json:"mailbox,omitempty"`
	UIDValidity uint32    `json:"uidvalidity,omitempty"`
	UID         uint32    `json:"uid,omitempty"`
	MailFrom    string    `json:"mail_from,omitempty"` // empty: null return path
	Recipients  []string  `json:"recipients,omitempty"`
	Remote      string    `json:"remote,omitempty"` // the peer's IP address
	Received    time.Time `json:"received"`
	// Backlog marks a message older than our first look at its mailbox: it
	// makes a ticket, and no automatic mail.
	Backlog bool `json:"backlog,omitempty"`
}

// FromIMAP tells whether the message was taken from a mailbox.
func (e Envelope) FromIMAP() bool { return e.UID != 0 }

// TransportKey identifies one delivery of one message: the same key can only be
// the same delivery made again. sum is the SHA-256 of the raw bytes.
func (e Envelope) TransportKey(sum [sha256.Size]byte) string {
	if e.FromIMAP() {
		return fmt.Sprintf("imap\x00%s\x00%s\x00%d\x00%d", e.Account, e.Mailbox, e.UIDValidity, e.UID)
	}
	to := make([]string, len(e.Recipients))
	for i, r := range e.Recipients {
		to[i] = AddressKey(r)
	}
	slices.Sort(to)
	all := make([]byte, 0, 512)
	all = append(append(all, AddressKey(e.MailFrom)...), 0)
	all = append(append(all, strings.Join(to, "\x00")...), 0)
	digest := sha256.Sum256(append(all, sum[:]...))
	return "smtp\x00" + hex.EncodeToString(digest[:])
}

// Attachment is a leaf part of a message that is not its text. Its bytes stay in
// the archived message, at Offset, as they came: encoded by Encoding.
type Attachment struct {
	Name      string `json:"name"`              // cleaned: no path, control or bidi characters
	Type      string `json:"type"`              // media type, lower case
	Charset   string `json:"charset,omitempty"` // of a text part, as declared; empty: none
	ContentID string `json:"content_id,omitempty"`
	Inline    bool   `json:"inline"`
	Encoding  string `json:"encoding"` // Content-Transfer-Encoding, lower case; empty means 7bit
	Offset    int64  `json:"offset"`   // of the encoded body in the raw message, in octets
	Length    int64  `json:"length"`   // of the encoded body, in octets
	Size      int64  `json:"size"`     // of the decoded body, in octets; estimated from Length
	// Private marks a part that may hold another person's tokens (an attached
	// message): it is not copied to others verbatim.
	Private bool `json:"private,omitempty"`
	// Packed is the number, from 1, of a file inside the container at Offset (a
	// winmail.dat, a message inside its signature or compressed): then Name, Type and Size are
	// the file's, Encoding and Length the container's. 0: not in a container.
	Packed int `json:"packed,omitempty"`
}

// Copyable tells whether the encoded body may be copied verbatim under a new part
// header. A binary body may hold anything, also a boundary or bare line ends,
// which no smarthost without BINARYMIME takes (RFC 3030); one of unknown encoding
// would be unreadable; a multipart one needs the boundary of its own header.
func (a *Attachment) Copyable() bool {
	switch strings.ToLower(a.Encoding) {
	case "", "7bit", "8bit", "quoted-printable", "base64":
		return a.Packed == 0 && a.Offset >= 0 && a.Length >= 0 && !strings.HasPrefix(strings.ToLower(a.Type), "multipart/")
	}
	return false
}

// Forwarded is the original of a forwarded mail.
type Forwarded struct {
	From    Address   `json:"from"`
	To      []Address `json:"to,omitempty"`
	Cc      []Address `json:"cc,omitempty"`
	Subject string    `json:"subject"`
	Date    time.Time `json:"date,omitzero"`
	Text    string    `json:"text"`
}

// Bounce is what a delivery status notification says (RFC 3464).
type Bounce struct {
	Recipients        []BouncedRecipient `json:"recipients"`
	OriginalMessageID string             `json:"original_message_id"`
}

// BouncedRecipient is the fate of one recipient.
type BouncedRecipient struct {
	Address    string `json:"address"`
	Action     string `json:"action"` // failed, delayed, delivered, relayed, expanded
	Status     string `json:"status"` // enhanced status code (RFC 3463)
	Diagnostic string `json:"diagnostic"`
	// Reason is why, as a class; empty for what was delivered.
	Reason BounceReason `json:"reason,omitempty"`
}

// BounceReason is why a mail was not delivered, as far as its report tells.
type BounceReason string

const (
	BounceMailboxUnknown  BounceReason = "mailbox-unknown"  // nobody has the address
	BounceMailboxFull     BounceReason = "mailbox-full"     // over quota, or no room on the server
	BounceMailboxDisabled BounceReason = "mailbox-disabled" // exists and takes no mail: suspended, inactive, moved away
	BounceHostUnknown     BounceReason = "host-unknown"     // the domain does not exist or takes no mail
	BounceNetwork         BounceReason = "network"          // the server can't be reached
	BounceBlocked         BounceReason = "blocked"          // the sending server or its reputation, greylisting, rate limits
	BounceContent         BounceReason = "content"          // taken for spam, or for carrying a virus
	BounceTooLarge        BounceReason = "too-large"
	BouncePolicy          BounceReason = "policy" // relaying, authentication, members only
	BounceExpired         BounceReason = "expired"
	BounceLoop            BounceReason = "loop"
	BounceSystem          BounceReason = "system" // the receiving system is broken or busy
	BounceOther           BounceReason = "other"
)

// Permanent tells whether writing to the recipient again is pointless until
// something changes: the delivery failed, and not for a reason that passes.
func (r BouncedRecipient) Permanent() bool {
	return r.Action == "failed" && !strings.HasPrefix(r.Status, "4")
}

// Ending is how the new text of a message ends, in digests: from many of them it
// shows which texts an institution puts below everybody's mail. It is zero when
// nothing at its end is long enough for that.
type Ending struct {
	Paragraphs []string // the last paragraphs that are long enough, the last one first; at most 3
	Opening    string   // how the text begins: equal in two mails that say the same
}

// Message is a mail as it was received and what was read from it. Text fields
// are valid UTF-8 with LF line ends; one-line fields hold no control characters.
type Message struct {
	ID       string // correlation id, in every log line about this message
	Envelope Envelope
	Archive  ArchiveRef
	SHA256   [sha256.Size]byte // of the raw bytes
	Size     int64             // of the raw bytes

	From        Address // zero: none could be read
	ReplyTo     []Address
	To, Cc      []Address
	DeliveredTo []string // Delivered-To, X-Original-To, Envelope-To, topmost first
	Subject     string
	MessageID   string    // without angle brackets; empty when there is none
	Date        time.Time // zero when there is none
	InReplyTo   []string
	References  []string
	AuthResults []string // Authentication-Results, topmost first, unfolded
	ListID      string
	// Group is the configured group that the message came through; empty: none.
	Group string
	// FromRewritten says that the group put its own address into From, and that
	// From is the person it names as the author: nothing vouches for that.
	FromRewritten bool
	// ByHand says that From is an address of ours and that a person wrote it:
	// nothing says that it is our own mail come back, or a machine's.
	ByHand   bool
	Language string // "es", "en" or empty: not sure

	Kind             Kind
	KindReason       string
	AutoReplyAllowed bool // whether an automatic mail may answer it
	Courtesy         bool // only thanks, a greeting or a reaction

	Text       string // the whole body
	ReplyText  string // what the person newly wrote
	QuotedText string
	Signature  string
	Forwarded  *Forwarded
	Ending     Ending

	Attachments []Attachment
	Bounce      *Bounce
	Separators  []string // tokens of our separator lines in the body
	Commands    []Command
	Warnings    []string

	// IdentityKey is the same for every copy of one message, however it
	// travelled: normalised Message-ID, From, Date, and the ContentHash.
	// Without a Message-ID it is the ContentHash alone.
	IdentityKey string
	// VariantKey is the identity without the content: equal in copies that a
	// relay re-encoded or added a footer to. Empty without a Message-ID.
	VariantKey string

	// Quarantine is why the message can't be handled; empty when it can.
	Quarantine string
}

// References of a message to others, nearest first, each once: In-Reply-To, then
// References from its end (RFC 5322, section 3.6.4).
func (m *Message) Parents() []string {
	var ids []string
	add := func(id string) {
		if id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	for _, id := range m.InReplyTo {
		add(id)
	}
	for i := len(m.References) - 1; i >= 0 && len(ids) < 100; i-- {
		add(m.References[i])
	}
	return ids
}

// TargetAddresses lists every address that says whom the message was for, the
// most reliable evidence first: envelope, Delivered-To and its kin, To, Cc.
func (m *Message) TargetAddresses() []Target {
	var targets []Target
	for _, a := range m.Envelope.Recipients {
		targets = append(targets, Target{"envelope recipient", a})
	}
	for _, a := range m.DeliveredTo {
		targets = append(targets, Target{"Delivered-To", a})
	}
	for _, a := range m.To {
		targets = append(targets, Target{"To", a.Addr})
	}
	for _, a := range m.Cc {
		targets = append(targets, Target{"Cc", a.Addr})
	}
	return targets
}

// Target is an address of a message and where it stood.
type Target struct {
	Where   string
	Address string
}
