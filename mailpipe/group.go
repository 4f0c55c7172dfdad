package mailpipe

import (
	"strings"

	"buzon/ticket"
)

// maxGroupHints bounds how many addresses of a message are asked for being a
// group.
const maxGroupHints = 100

// readGroup finds the configured group that a message came through, as Google
// Groups, Mailman and their kin leave it in the header, and the person who wrote
// it. Lists put their own address into From where DMARC would fail otherwise; the
// author then stands in another field.
func readGroup(m *ticket.Message, head header, opt Options) {
	if opt.Group == nil {
		return
	}
	m.Group = groupOf(m, head, opt.Group)
	if m.Group == "" || !opt.Group(m.From.Addr) {
		return
	}
	m.FromRewritten = true
	author := groupAuthor(m, head, func(addr string) bool {
		return strings.Contains(addr, "@") && !opt.Group(addr)
	})
	if author.Name == "" {
		author.Name = withoutVia(m.From.Name)
	}
	if author.Addr == "" { // the group itself is nobody
		m.Warnings = append(m.Warnings, "group "+m.Group+" hides who wrote it")
		author = ticket.Address{}
	}
	m.From = author
}

// groupOf is the group that passed the message on: named by the fields of the
// list, or by From, which only the list itself puts there.
func groupOf(m *ticket.Message, head header, isGroup func(string) bool) string {
	var hints []string
	for _, name := range []string{"list-post", "x-beenthere", "x-mailing-list", "mailing-list"} {
		for _, value := range head.all(10, name) {
			hints = append(hints, allAddresses(strings.ReplaceAll(cutBytes(value, maxFieldBytes), "mailto:", " "))...)
		}
	}
	for i := range len(m.ListID) { // list.name.example.org is list.name@example.org
		if m.ListID[i] == '.' && len(hints) < maxGroupHints {
			hints = append(hints, m.ListID[:i]+"@"+m.ListID[i+1:])
		}
	}
	hints = append(hints, m.From.Addr)
	if head.has("x-google-group-id") || m.ListID != "" || token(head.get("precedence")) == "list" {
		for _, list := range [][]ticket.Address{m.To, m.Cc} {
			for _, a := range list {
				hints = append(hints, a.Addr)
			}
		}
	}
	for i, addr := range hints {
		addr, _, _ = strings.Cut(addr, "?") // of a mailto link
		if i < maxGroupHints && addr != "" && isGroup(addr) {
			return ticket.AddressKey(addr)
		}
	}
	return ""
}

// groupAuthor finds who wrote a message whose From a list has rewritten.
func groupAuthor(m *ticket.Message, head header, isPerson func(string) bool) ticket.Address {
	for _, name := range []string{"x-original-from", "x-original-sender", "x-mailfrom", "reply-to"} {
		for _, a := range head.addresses(name) {
			if isPerson(a.Addr) {
				return a
			}
		}
	}
	return ticket.Address{}
}

// withoutVia takes the list's part out of a name: 'Ana Gómez' via Soporte.
func withoutVia(name string) string {
	for _, via := range []string{" via ", " vía ", " a través de ", " através de ", " mediante "} {
		if i := strings.LastIndex(strings.ToLower(name), via); i > 0 && i < len(name) {
			name = name[:i]
			break
		}
	}
	return strings.Trim(name, " '\"")
}
