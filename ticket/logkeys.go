package ticket

// Keys of log lines, the same everywhere. A line is one fact; it never holds a
// body, a secret, or more of an address than is needed to act on it.
const (
	LogMessage   = "message" // correlation id of a received message
	LogAccount   = "account"
	LogMailbox   = "mailbox"
	LogUID       = "uid"
	LogRemote    = "remote"
	LogFrom      = "from"
	LogTo        = "to"
	LogSize      = "size"
	LogKind      = "kind"
	LogTicket    = "ticket" // number
	LogTopic     = "topic"
	LogAgent     = "agent"
	LogOutbox    = "outbox" // outbox row
	LogClass     = "class"
	LogTemplate  = "template"
	LogSmarthost = "smarthost" // name; absent: the one of [outgoing]
	LogReason    = "reason"
	LogError     = "error"
	LogHint      = "try" // what to do about it
	LogTook      = "took"
	LogAttempts  = "attempts" // how often it was tried, this one included
	LogNext      = "next"     // when it is tried again
)
