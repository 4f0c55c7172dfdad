package mailpipe

import "strings"

// The words by which mail servers tell that, and why, they did not deliver.

// returnedMarks stand above the returned message in the text of a bounce.
var returnedMarks = []string{
	"this is a copy of", "copy of the message", "copy of your message", "below this line is a copy", "unsent message",
	"returned message", "original message", "message header", "header of the original", "message follows", "headers follow",
	"original mail", "mensaje original", "returned mail follows", "original message headers", "ursprüngliche nachricht",
	"text of message", "message text follows", "contents of", "copia del mensaje", "rejected message", "body of message generated",
	"undelivered message", "your message was", "received header",
}

// bounceSubjects are phrases of subjects of bounces, in lower case.
var bounceSubjects = []string{
	"undeliver", "undelivered", "returned mail", "delivery status notification", "failure notice", "delivery fail", "delivery error",
	"mail delivery", "returned to sender", "message undeliverable", "non-delivery", "nondeliver", "could not be delivered", "not deliver",
	"delivery notification", "delivery problem", "delivery report", "mail failure", "mail system error", "mail error", "message delayed",
	"delayed mail", "delivery delay", "delivery has failed", "returned email", "user unknown", "unknown user", "rejected mail", "mail rejected",
	"no se puede entregar", "no se pudo entregar", "no se ha podido entregar", "no entregado", "no entregable", "error de entrega",
	"error en la entrega", "fallo en la entrega", "fallo de entrega", "entrega fallida", "devuelto", "mensaje rechazado", "correo no entregado",
	"notificación de estado de entrega", "notificación del estado de entrega", "estado de entrega", "entrega retrasada", "retraso en la entrega",
	"unzustellbar", "nicht zugestellt", "zustellung", "non remis", "échec de la remise", "échec de remise", "non distribuable",
	"não entregue", "falha na entrega", "não foi possível entregar", "mancata consegna", "mancato recapito", "impossibile recapitare",
	"message status - undeliverable", "message notification", "warning: could not send", "warning: message", "could not send message",
	"cannot send message", "nondeliverable", "undelivery", "mail could not", "delivery attempt", "nicht zustellbar", "delivery incomplete", "(failure)",
	"permanent delivery", "bounced", "returned message", "mail not delivered", "failed mail", "message bounce", "problem delivering",
}

// bounceTexts are phrases of the text of bounces, in lower case.
var bounceTexts = []string{
	"could not be delivered", "couldn't be delivered", "wasn't delivered", "was not delivered", "were not delivered", "not be delivered",
	"unable to deliver", "delivery failed", "delivery has failed", "failed to deliver", "permanent error", "permanent fatal errors",
	"undeliverable", "undelivered", "unable to be delivered", "user unknown", "unknown user", "mailbox is full", "mailbox full", "quota exceeded",
	"delivery to the following", "following recipient", "following address", "delivery failure", "delivery error", "transcript of session follows", "returned to sender",
	"no se pudo entregar", "no se ha podido entregar", "no se ha entregado", "no se entregó", "no fue entregado", "no pudo ser entregado",
	"no existe", "buzón está lleno", "dirección de correo no", "not have been delivered", "has been delayed", "delivery is delayed", "will be retried",
	"nicht zugestellt", "n'a pas pu être", "não foi entregue", "não pôde ser entregue", "non è stato", "final-recipient:", "no such user", "does not exist",
	"mail delivery", "host unknown", "fatal error", "delivery attempt", "delivering your", "was undeliverable", "unreachable", "deliver mail", "rejected", "failed",
	"nicht ausgeliefert", "unzustellbar", "deferred", "postponed", "full mailbox", "mailbox unavailable", "rcpt to:<",
}

// replyCode finds an SMTP reply code of an error in s; empty: none.
func replyCode(s string) string {
	for i := 0; i+3 <= len(s); i++ {
		if (s[i] == '4' || s[i] == '5') && s[i+1] >= '0' && s[i+1] <= '5' && isDigit(s[i+2]) &&
			(i == 0 || !isDigit(s[i-1]) && s[i-1] != '.' && s[i-1] != '-' && s[i-1] != '@') &&
			(i+3 == len(s) || s[i+3] == ' ' || s[i+3] == '-' || s[i+3] == '\n' || s[i+3] == ',' || s[i+3] == ':' || s[i+3] == '#' || s[i+3] == ']' || s[i+3] == ')' || s[i+3] == '.' && i+4 < len(s) && !isDigit(s[i+4]) || s[i+3] == ';') {
			return s[i : i+3]
		}
	}
	return ""
}

// statusWords give a status code to the words of servers that give none.
var statusWords = []struct {
	status string
	words  []string
}{
	{"4.4.7", []string{"retry time", "retry timeout", "timeout exceeded", "queue too long", "delivery time expired", "message expired", "too long in queue", "giving up after"}},
	{"5.1.1", []string{"user unknown", "unknown user", "no such user", "unknown local", "no such mailbox", "does not exist", "doesn't exist",
		"no mailbox here", "invalid recipient", "unknown recipient", "recipient unknown", "unknown address", "not a known user", "not listed in",
		"mailbox unavailable", "mailbox not found", "user not found", "recipient not found", "address not found", "invalid mailbox", "no existe",
		"recipient rejected", "unknown account", "account not found", "no such recipient", "not our customer", "no such address", "unknown mailbox", "addressee unknown"}},
	{"5.2.2", []string{"mailbox full", "mailbox is full", "quota", "over the maximum allowed", "insufficient storage", "buzón lleno", "buzón está lleno", "out of storage", "mailbox too large", "exceeded storage"}},
	{"5.2.1", []string{"account disabled", "account has been disabled", "inactive", "suspended", "mailbox disabled", "account is disabled"}},
	{"5.3.4", []string{"too large", "too big", "size limit", "message size", "exceeds the maximum", "exceeded the size"}},
	{"5.1.2", []string{"host unknown", "unknown host", "unrouteable", "unroutable", "domain not found", "host not found", "no such domain", "name or domain", "bad destination host", "no mx", "domain name not found", "dns error"}},
	{"5.7.1", []string{"relaying denied", "relay", "not permitted", "access denied", "spam", "blocked", "blacklist", "policy", "rejected for", "not allowed", "virus", "prohibited"}},
	{"4.4.1", []string{"timed out", "timeout", "connection refused", "not reachable", "could not connect", "no route to host", "unable to connect", "connection failed", "deferred", "temporar"}},
	{"5.4.6", []string{"loop", "too many hops"}},
}

// statusByWords guesses a status code from words or the SMTP reply code.
func statusByWords(said string, delayed bool) string {
	low := strings.ToLower(said)
	code := replyCode(low)
	for _, s := range statusWords {
		if !containsAny(low, s.words) {
			continue
		}
		switch {
		case code != "":
			return code[:1] + s.status[1:]
		case delayed:
			return "4" + s.status[1:]
		}
		return s.status
	}
	switch {
	case code != "":
		return code[:1] + ".0.0"
	case delayed:
		return "4.0.0"
	}
	return "5.0.0"
}
