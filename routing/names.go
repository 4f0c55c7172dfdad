package routing

import (
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"buzon/ticket"
)

// isHost tells whether text is a host name (RFC 1123, section 2.1) or an IP
// address. Names with other letters are written in their xn-- form.
func isHost(text string) bool {
	if _, err := netip.ParseAddr(text); err == nil {
		return true
	}
	return isHostname(text)
}

func isHostname(text string) bool {
	if text == "" || len(text) > 253 {
		return false
	}
	for label := range strings.SplitSeq(text, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if c != '-' && !isLetterOrDigit(c) {
				return false
			}
		}
	}
	return true
}

// isLoopback tells whether a host is surely this machine.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback() || strings.EqualFold(host, "localhost")
}

func isLetterOrDigit(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// addressMistake says what is wrong with a bare mail address: a dot-atom, @ and a
// host name (RFC 5322, section 3.4.1), in ASCII, so that every relay takes it.
// It returns nothing for a good one.
func addressMistake(addr string) string {
	at := strings.LastIndexByte(addr, '@')
	if at < 0 {
		return "is not a mail address: it has no @"
	}
	local, domain := addr[:at], addr[at+1:]
	if len(local) > ticket.MaxLocalPart {
		return "has more than " + strconv.Itoa(ticket.MaxLocalPart) + " characters before the @"
	}
	if !isHostname(domain) {
		return "is not a mail address: what follows the @ is not a domain"
	}
	const atext = "!#$%&'*+-/=?^_`{|}~"
	for atom := range strings.SplitSeq(local, ".") {
		if atom == "" {
			return "is not a mail address: a dot stands at the wrong place"
		}
		for _, c := range []byte(atom) {
			if !isLetterOrDigit(c) && strings.IndexByte(atext, c) < 0 {
				return "is not a mail address: only letters without accents, digits and " + atext + " may stand before the @"
			}
		}
	}
	return ""
}

// idMistake says what is wrong with an id. Ids are typed in commands and stand
// in log lines and in the state for ever.
func idMistake(id string) string {
	if len(id) > 64 {
		return "is longer than 64 characters"
	}
	for i, c := range []byte(id) {
		lower := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !lower && (i == 0 || strings.IndexByte("-_.", c) < 0) {
			return "may have only small letters without accents and digits, and, inside, - _ ."
		}
	}
	return ""
}

// splitListen divides host:port. It refuses what can't be listened on.
func splitListen(addr string) (host string, ok bool) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return host, err == nil && strconv.FormatUint(n, 10) == port && (host == "" || isHost(host))
}

// isVariable tells whether text can be the name of an environment variable.
func isVariable(text string) bool {
	for i, c := range []byte(text) {
		if c != '_' && !(isLetterOrDigit(c) && (i > 0 || c > '9')) {
			return false
		}
	}
	return text != ""
}

// isFlag tells whether text is an IMAP flag that a client may set: a keyword, or
// one of the system flags that change nothing but how a message is shown
// (RFC 9051, section 2.3.2).
func isFlag(text string) bool {
	switch text {
	case `\Seen`, `\Flagged`, `\Answered`:
		return true
	}
	for _, c := range []byte(text) {
		if c <= ' ' || c > '~' || strings.IndexByte(`(){%*"\]`, c) >= 0 {
			return false
		}
	}
	return text != "" && len(text) <= 64
}

// tokenURLMistake says what is wrong with an address that secrets are sent to.
func tokenURLMistake(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || !isHost(u.Hostname()):
		return "is not a web address"
	case u.User != nil:
		return "must not hold a user or a password"
	case u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname()):
		return ""
	default:
		return "must begin with https://"
	}
}
