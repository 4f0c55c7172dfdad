package mailpipe

import (
	"strings"

	"buzon/ticket"
)

// recipientsByText finds the addresses that a bounce is about.
func recipientsByText(m *ticket.Message, head header, text bounceBody) []ticket.BouncedRecipient {
	ours := map[string]bool{m.From.Key(): true, ticket.AddressKey(strings.Trim(head.get("return-path"), "<>")): true}
	for _, a := range m.To {
		ours[a.Key()] = true
	}
	var found []ticket.BouncedRecipient
	seen := make(map[string]bool)
	add := func(addr string) {
		addr = cleanAddr(addr)
		key := ticket.AddressKey(addr)
		if !strings.Contains(addr, "@") || seen[key] || ours[key] || len(found) >= maxBounced {
			return
		}
		if local := localPart(addr); local == "postmaster" || local == "mailer-daemon" {
			return
		}
		seen[key] = true
		found = append(found, ticket.BouncedRecipient{Address: addr})
	}
	for _, a := range parseAddresses(head.get("x-failed-recipients")) {
		add(a.Addr)
	}
	finders := []func(string) []string{leadingAddresses, announcedAddresses, labelledAddresses, commandAddresses, allAddresses}
	for _, find := range finders {
		if len(found) > 0 {
			return found
		}
		for _, addr := range find(text.said) {
			add(addr)
		}
	}
	if _, domain, ok := strings.Cut(m.From.Addr, "@"); ok && len(found) == 0 && isDaemon(m.From) {
		for _, local := range announcedNames(text.said) {
			add(local + "@" + domain)
		}
	}
	if len(found) == 0 { // the returned message says to whom it was sent
		s := scanner{raw: []byte(text.returned), leaf: -1}
		_, pos := lineAt(s.raw, 0)
		for tries := 0; tries < 4 && pos < len(s.raw); tries++ {
			h, next := s.readHeader(pos)
			for _, a := range h.addresses("to") {
				add(a.Addr)
			}
			if next <= pos {
				_, next = lineAt(s.raw, pos)
			}
			pos = next
		}
	}
	if len(found) == 0 {
		found = append(found, ticket.BouncedRecipient{})
	}
	return found
}

// leadingAddresses are the ones that stand first on their line, alone or before
// what is said about them.
func leadingAddresses(text string) []string {
	var list []string
	for _, line := range strings.Split(text, "\n") {
		line = strings.Trim(cutBytes(line, maxMarker), " \t*-•\"'")
		first, rest := line, ""
		if i := strings.IndexAny(line, " \t,;("); i > 0 {
			first, rest = line[:i], line[i:]
		}
		trimmed := strings.TrimRight(first, ":.,;")
		if (strings.HasPrefix(trimmed, "<") && strings.HasSuffix(trimmed, ">") || strings.HasSuffix(first, ":") || rest == "" ||
			strings.ContainsAny(rest[:1], ",;(") || strings.HasPrefix(strings.TrimSpace(rest), "(") || strings.HasPrefix(strings.TrimSpace(rest), ":") ||
			strings.HasPrefix(strings.TrimSpace(rest), "-")) && isAddress(trimmed) {
			list = append(list, trimmed)
			continue
		}
		if i := strings.Index(trimmed, "<mailto:"); i > 0 && isAddress(trimmed[:i]) {
			list = append(list, trimmed[:i])
		}
	}
	return list
}

// announcedAddresses stand in the lines below "the following recipients".
func announcedAddresses(text string) []string {
	var list []string
	announced := 0
	for _, line := range strings.Split(text, "\n") {
		low := strings.ToLower(cutBytes(line, maxMarker))
		switch {
		case containsAny(low, announcements):
			announced = 4
		case announced > 0 && strings.TrimSpace(low) != "":
			announced--
			if addr := firstAddress(line); addr != "" {
				list = append(list, addr)
				announced = 8
			}
		}
	}
	return list
}

// announcements stand above the recipients that a bounce is about.
var announcements = []string{"following recipient", "following address", "following user", "siguientes destinatarios", "siguiente destinatario",
	"siguientes direcciones", "folgenden empfänger", "destinataires suivants", "seguintes destinatários"}

// announcedNames are the indented words below an announcement: users of the
// server that writes, which leaves its own domain out.
func announcedNames(text string) []string {
	var list []string
	announced := false
	for _, line := range strings.Split(text, "\n") {
		name := strings.TrimSpace(line)
		switch low := strings.ToLower(cutBytes(line, maxMarker)); {
		case containsAny(low, announcements):
			announced = true
		case name == "":
		case announced && (line[0] == ' ' || line[0] == '\t') && isAddress(name+"@example.org"):
			list = append(list, name)
		default:
			announced = false
		}
	}
	return list
}

// labelledAddresses stand behind "To:" and its kin.
func labelledAddresses(text string) []string {
	var list []string
	for _, line := range strings.Split(text, "\n") {
		line = strings.Trim(cutBytes(line, maxMarker), " \t*-•\"'")
		for _, label := range []string{"to:", "recipient:", "user:", "address:", "recipient address:", "para:", "failed recipient:",
			"invalid address:", "rcpt to:", "mailbox:", "destinatario:"} {
			if len(line) > len(label) && strings.EqualFold(line[:len(label)], label) {
				list = append(list, firstAddress(line))
			}
		}
	}
	return list
}

// commandAddresses are the ones in what servers said to each other.
func commandAddresses(text string) []string {
	var list []string
	for _, line := range strings.Split(text, "\n") {
		low := strings.ToLower(cutBytes(line, 2*maxMarker))
		if len(low) > len(line) {
			continue
		}
		if i := strings.Index(low, "rcpt to:"); i >= 0 {
			list = append(list, firstAddress(line[i+8:]))
			continue
		}
		if replyCode(low) != "" && strings.Contains(low, "<") {
			list = append(list, firstAddress(line))
			continue
		}
		for _, lead := range []string{"recipient", "address", "mailbox", "deliver", "destinatario", "entregar", "entregó", "dirección", "buzón", "user "} {
			if strings.Contains(low, lead) {
				list = append(list, firstAddress(line))
				break
			}
		}
	}
	return list
}

func allAddresses(text string) []string {
	var list []string
	for _, word := range strings.FieldsFunc(text, isAddressBreak) {
		if isAddress(strings.TrimRight(word, ".:")) {
			list = append(list, strings.TrimRight(word, ".:"))
		}
	}
	return list
}

func isAddressBreak(r rune) bool { return r <= ' ' || strings.ContainsRune("<>()[],;\"'=:", r) }

func firstAddress(s string) string {
	if list := allAddresses(cutBytes(s, 2*maxMarker)); len(list) > 0 {
		return list[0]
	}
	return ""
}

func isAddress(s string) bool {
	s = strings.Trim(s, "<>")
	at := strings.LastIndexByte(s, '@')
	return at > 0 && at < len(s)-2 && len(s) <= maxAddrBytes && !strings.ContainsAny(s, " \t<>()\"") && strings.IndexByte(s[at:], ':') < 0 &&
		!strings.HasPrefix(s, "mailto:") && strings.Count(s, "@") == 1
}
