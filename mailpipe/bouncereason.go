package mailpipe

import (
	"strings"

	"buzon/ticket"
)

// cause is what the words of servers mean: a status code for those that write
// none, and a class of reasons. Words are in lower case. The order matters: the
// first cause that fits is taken, so what is said of one cause only comes first.
type cause struct {
	status string // of a delivery that was given up
	reason ticket.BounceReason
	words  []string
}

var causes = []cause{
	{"5.3.0", ticket.BounceSystem, []string{"mailer error", "system configuration error", "local configuration error", "programming error", "command died", "lookup failure"}},
	{"5.4.6", ticket.BounceLoop, []string{"mail loop", "routing loop", "loop detected", "loops back to", "too many hops", "hop count", "too many received",
		"mail forwarding loop", "looping", "demasiados saltos", "delivered-to header", "bucle"}},
	{"5.7.1", ticket.BounceContent, []string{"virus", "malware", "spam detected", "considered spam", "as spam", "looks like spam", "is spam", "like spam", "spam score", "be spam",
		"spam message", "spam content", "unsolicited", "bulk mail", "phishing", "content rejected", "message content", "content filter", "banned file", "attachment type",
		"spamassassin", "bayesian", "infected", "prohibited attachment", "correo no deseado", "high probability of spam", "rejected as bulk", "rechazado por spam", "detectado como spam", "como spam", "es spam", "marcado como spam", "correo basura", "contenido no permitido", "contenido del mensaje", "archivo no permitido", "adjunto no permitido", "software malicioso"}},
	{"5.2.2", ticket.BounceMailboxFull, []string{"mailbox full", "mailbox is full", "inbox is full", "quota", "over the maximum allowed", "insufficient storage",
		"buzón lleno", "buzón está lleno", "buzón de correo está lleno", "buzón del destinatario está lleno", "out of storage", "mailbox too large", "exceeded storage", "storage limit",
		"exceeded the storage", "storage space", "maildir over", "disk space", "diskspace", "disk full", "no space left", "user is over", "exceeds allowed size", "exceeds the allowed",
		"mailbox exceeded", "mailbox has exceeded", "mailbox exceeds", "mailbox size", "mail box is full", "mail box full", "full mailbox", "inbox full", "mailfolder is full", "folder is full",
		"too many messages in", "too many mails", "number of messages in recipient", "account is full", "almacenamiento", "postfach ist voll", "postfach voll", "boîte pleine", "caixa postal cheia", "mailbox memory",
		"mbox_full", "mailbox over", "bytes in mailbox", "not enough space", "no enough space", "maximum storage", "recipient storage full", "local limit", "cuota", "sin espacio", "espacio insuficiente", "buzón de correo lleno", "caixa cheia", "caixa de correio cheia", "casella piena", "límite de espacio", "is over disk", "has reached its", "account size"}},
	{"5.3.4", ticket.BounceTooLarge, []string{"message too large", "too large", "too big", "size limit", "message size", "exceeds the maximum", "exceeded the size", "maximum message length",
		"maximum size", "exceeds fixed maximum", "exceeds size", "exceeds limit", "message length", "line too long", "maximum allowed size", "demasiado grande", "tamaño máximo", "tamaño del mensaje",
		"exceeded maximum", "greater than the maximum", "muy grande", "muy pesado", "excede el tamaño", "supera el tamaño", "excede el límite de tamaño", "trop volumineux", "zu groß", "larger than"}},
	{"5.7.1", ticket.BounceBlocked, []string{"blacklist", "black list", "blocklist", "block list", "blocked using", "dnsbl", "rbl", "spamhaus", "spamcop", "barracudacentral", "is listed in", "currently listed", "are listed", "listed by", "listed on", "blocked sender",
		"bad reputation", "poor reputation", "low reputation", "reputation", "ip address blocked", "your ip", "client host", "sending ip", "from your ip", "ip has been",
		"reverse dns", "ptr record", "rdns", "no ptr", "cannot resolve your", "fix reverse", "does not resolve", "unresolvable", "helo", "dynamic ip", "dial-up", "dialup", "residential",
		"greylist", "graylist", "try again later, closing", "rate limit", "too many connections", "too many concurrent", "too much mail", "too many emails", "throttl", "unusual rate", "sending limit", "limit exceeded",
		"connections from your", "temporarily blocked", "temporarily deferred", "access denied, banned", "banned", "mail server temporarily rejected", "lista negra", "bloqueado", "ip bloqueada", "mala reputación", "listas negras", "blocked for", "rejected for bad"}},
	{"5.1.2", ticket.BounceHostUnknown, []string{"host unknown", "unknown host", "unrouteable", "unroutable", "domain not found", "host not found", "no such domain", "name or domain",
		"bad destination host", "no mx", "domain name not found", "dns error", "domain does not exist", "domain doesn't exist", "nonexistent domain", "non-existent domain", "name service error", "couldn't find any host",
		"could not find any host", "illegal host", "host name lookup", "unknown domain", "cannot find your domain", "invalid domain", "domain name is not", "null mx", "nullmx", "does not accept mail",
		"doesn't accept mail", "not accept any mail", "does not receive mail", "no mail server", "domain isn't found", "domain isn", "no route to domain", "can't route to", "no existe el dominio", "dominio desconocido", "dominio inexistente", "resolver el dominio", "dominio no válido", "dominio inválido", "domínio inexistente", "dominio no existe", "no se encontró el dominio", "no se ha encontrado el dominio",
		"name server: host", "no dns", "dns server returned", "domain lookup failed", "all relevant mx", "hostname is", "lowest numbered mx", "host or domain", "does not accept any email", "domain unknown"}},
	{"5.2.1", ticket.BounceMailboxDisabled, []string{"account disabled", "account has been disabled", "inactive", "suspended", "mailbox disabled", "account is disabled", "mailbox is disabled",
		"disabled account", "deactivated", "user disabled", "account that you tried to reach is disabled", "account locked", "account expired", "account has expired", "account closed", "not active", "is frozen", "no longer active",
		"temporarily disabled", "disabled or discontinued", "discontinued", "out of service", "isn't in service", "not in service", "account is temporarily", "account unavailable", "mailbox currently suspended", "cuenta suspendida", "cuenta bloqueada", "cuenta cancelada", "cuenta cerrada", "buzón deshabilitado", "buzón desactivado", "buzón bloqueado", "usuario suspendido", "usuario deshabilitado", "conta desativada", "conta suspensa",
		"cuenta deshabilitada", "cuenta desactivada", "cuenta inactiva", "has moved", "moved to", "no longer valid", "no longer in use", "no longer work", "no longer employed", "no longer accept", "no longer available", "receiving mail at a rate", "mailbox blocked", "user suspended"}},
	{"5.1.1", ticket.BounceMailboxUnknown, []string{"user unknown", "unknown user", "no such user", "unknown local", "no such mailbox", "does not exist", "doesn't exist", "not exist", "user doesn",
		"no mailbox here", "invalid recipient", "unknown recipient", "recipient unknown", "unknown address", "not a known user", "not listed in", "no longer on server", "doesn't have a", "does not have a", "doesnt have a", "this user", "unknown email",
		"mailbox unavailable", "mailbox not found", "user not found", "recipient not found", "address not found", "invalid mailbox", "no existe", "unknown to address", "undeliverable address", "bad destination mailbox", "unable to find",
		"recipient rejected", "recipient address rejected", "unknown account", "account not found", "no such recipient", "not our customer", "no such address", "unknown mailbox", "addressee unknown", "address unknown", "account does not", "no account",
		"not a valid", "is not valid", "invalid address", "address invalid", "address rejected", "not recognized", "not recognised", "isn't found", "wasn't found", "not found", "no se encontró", "no se ha encontrado", "no encontrado", "no se reconoce", "desconocid", "desconhecid", "inexistente", "buzón no disponible", "destinatario inválido", "destinatario no válido", "dirección inválida", "dirección no válida", "no hay ningún usuario", "no es válid",
		"unknown or illegal", "illegal user", "illegal alias", "invalid user", "user invalid", "username", "no valid recipients", "no user", "no local mailbox", "mailbox for", "no mailbox", "not a user", "bad recipient", "badrecipienttype",
		"non-existent", "nonexistent", "could not be found", "couldn't be found", "cannot be found", "can't be found", "unknown in", "unbekannt", "inconnu", "não existe", "sconosciut", "not known", "has no mailbox", "no matches to nameserver", "delivery to the following recipients failed", "all recipients refused",
		"no one by that name", "who is not", "not match any", "no recipient", "recipients refused", "unknown", "not our user", "we do not relay for user", "no such person", "nobody", "userid"}},
	{"4.4.7", ticket.BounceExpired, []string{"retry time"}},
	{"5.4.7", ticket.BounceExpired, []string{"timeout exceeded", "queue too long", "time expired", "message expired", "too long in queue", "too long in the queue", "giving up after", "envelope expired",
		"could not be delivered for", "couldn't be delivered for", "has been in the queue", "was not delivered within", "timed out waiting", "delivery timeout", "failed after i sent the message", "maximum time", "time limit", "expired",
		"delivery attempts failed", "still undelivered after", "could not be delivered within", "been trying for", "for the last", "tiempo máximo", "caducó", "entrega agotado", "entrega agotada", "ha caducado"}},
	{"5.7.1", ticket.BouncePolicy, []string{"relaying denied", "relay", "not permitted", "access denied", "permission", "policy", "rejected for", "not allowed", "prohibited", "authentication", "unauthenticated", "unauthorized", "not authorized",
		"authorized", "authoriz", "dmarc", "spf", "dkim", "security", "administrative", "members only", "not a member", "not member", "restricted", "refused", "forbidden", "blocked", "spam", "no autorizad", "permiso", "políticas", "política", "denegado", "no permitido", "no está permitido", "denied", "rejected due", "violat", "not accepted", "closed list",
		"awaits moderator", "moderated", "sender rejected", "sender address", "sender verify", "from address", "must issue", "starttls", "5322", "non-compliant", "not rfc", "certificate"}},
	{"5.4.1", ticket.BounceNetwork, []string{"timed out", "timeout", "connection refused", "not reachable", "unreachable", "could not connect", "couldn't connect", "cannot connect", "no route to host", "unable to connect", "connection failed", "connection reset", "lost connection",
		"network error", "network is", "connection dropped", "connection was dropped", "not responding", "no answer from host", "did not respond", "connect to", "establish an smtp connection", "couldn't make", "no conecta", "conexión", "pudo conectar", "espera agotado", "no responde", "connection died", "connection closed", "conversation with"}},
	{"5.3.0", ticket.BounceSystem, []string{"system error", "local error", "mailer error", "configuration error", "i/o error", "internal error", "resources", "temporary failure", "temporarily unavailable", "try again later", "try later", "service unavailable", "service not available",
		"overload", "unexpected failure", "servidor no disponible", "servicio no disponible", "temporalmente", "child status", "exit status", "unable to open", "can't create", "cannot create", "local delivery failed", "command died", "pipe to", "lookup failure", "programming error", "deferred", "temporar", "server error", "system incorrectly"}},
}

// causeOf finds what the words of a server mean; nil: nothing known. What is only
// delayed has not expired, whatever the warning says of the time that passed.
func causeOf(low string, delayed bool) *cause {
	for i := range causes {
		if (!delayed || causes[i].reason != ticket.BounceExpired) && containsAny(low, causes[i].words) {
			return &causes[i]
		}
	}
	return nil
}

// statusByWords gives a status code to what a server says without one. The class
// is that of its reply, or else follows from whether the delivery was given up.
func statusByWords(said string, delayed bool) string {
	low := strings.ToLower(said)
	status := "5.0.0"
	if c := causeOf(low, delayed); c != nil {
		status = c.status
	}
	if code := replyCode(low); code != "" {
		return code[:1] + status[1:]
	}
	if delayed {
		return "4" + status[1:]
	}
	return status
}

// reasonByStatus are the status codes (RFC 3463, RFC 7505, RFC 7372) that say why
// more surely than words do. The others share their codes among several reasons.
var reasonByStatus = map[string]ticket.BounceReason{
	"1.1": ticket.BounceMailboxUnknown, "1.2": ticket.BounceHostUnknown, "1.3": ticket.BounceMailboxUnknown, "1.4": ticket.BounceMailboxUnknown,
	"1.6": ticket.BounceMailboxDisabled, "2.1": ticket.BounceMailboxDisabled, "2.2": ticket.BounceMailboxFull,
	"2.3": ticket.BounceTooLarge, "3.1": ticket.BounceMailboxFull, "3.4": ticket.BounceTooLarge, "4.6": ticket.BounceLoop, "4.14": ticket.BounceLoop,
	"4.7": ticket.BounceExpired, "7.25": ticket.BounceBlocked, "7.26": ticket.BouncePolicy, "7.27": ticket.BounceHostUnknown,
	"7.20": ticket.BouncePolicy, "7.21": ticket.BouncePolicy, "7.22": ticket.BouncePolicy, "7.23": ticket.BouncePolicy, "7.24": ticket.BouncePolicy,
}

// reasonBySubject are the reasons of a status code's subject, where nothing else
// says more.
var reasonBySubject = map[string]ticket.BounceReason{
	"1": ticket.BounceMailboxUnknown, "2": ticket.BounceMailboxDisabled, "3": ticket.BounceSystem, "4": ticket.BounceNetwork, "7": ticket.BouncePolicy,
}

// bounceReason classes a failed or delayed delivery.
func bounceReason(status, said string, delayed bool) ticket.BounceReason {
	_, detail, _ := strings.Cut(status, ".")
	byWords := causeOf(strings.ToLower(said), delayed)
	if reason, ok := reasonByStatus[detail]; ok {
		// 5.1.1 and 5.2.1 are what servers write who don't care to say more
		switch {
		case byWords == nil, detail != "1.1" && detail != "2.1":
			return reason
		case byWords.reason == ticket.BounceMailboxFull, byWords.reason == ticket.BounceMailboxDisabled, byWords.reason == ticket.BounceHostUnknown,
			byWords.reason == ticket.BounceMailboxUnknown:
			return byWords.reason
		}
		return reason
	}
	if byWords != nil {
		return byWords.reason
	}
	subject, _, _ := strings.Cut(detail, ".")
	if reason, ok := reasonBySubject[subject]; ok {
		return reason
	}
	return ticket.BounceOther
}
