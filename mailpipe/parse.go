package mailpipe

import (
	"strings"

	"buzon/ticket"
)

// readHeaders fills in what the header of a message says. charset is a hint for
// raw 8-bit bytes in it; empty: none.
func readHeaders(m *ticket.Message, h header, charset string) {
	switch from := firstSender(h, charset); {
	case len(from) > 0:
		m.From = sender(from)
	case h.has("from"):
		m.Warnings = append(m.Warnings, "From can't be read")
	default:
		m.Warnings = append(m.Warnings, "no From")
	}
	m.ReplyTo = withAddress(h.addressesIn("reply-to", charset))
	m.To = withAddress(h.addressesIn("to", charset))
	m.Cc = withAddress(h.addressesIn("cc", charset))
	for _, value := range h.all(maxDeliveredTo, "delivered-to", "x-original-to", "envelope-to", "x-delivered-to", "x-envelope-to") {
		for _, a := range withAddress(parseAddresses(value)) {
			m.DeliveredTo = append(m.DeliveredTo, a.Addr)
		}
	}
	m.Subject = cleanLine(decodeWords(rawToUTF8(h.get("subject"), charset)), maxSubject)
	m.MessageID = readMessageID(h.get("message-id"))
	m.InReplyTo = readMessageIDs(h.all(10, "in-reply-to"))
	m.References = readMessageIDs(h.all(10, "references"))
	m.Date = readDate(h.get("date"))
	if m.Date.IsZero() {
		if h.has("date") {
			m.Warnings = append(m.Warnings, "Date can't be read")
		} else {
			m.Warnings = append(m.Warnings, "no Date")
		}
	}
	for _, value := range h.all(maxAuthResults, "authentication-results") {
		m.AuthResults = append(m.AuthResults, cleanLine(decodeWestern([]byte(value), ""), 4096))
	}
	m.ListID = listID(h.get("list-id"))
	if m.MessageID == "" {
		m.Warnings = append(m.Warnings, "no Message-ID")
	}
}

// firstSender reads the topmost From that holds an address, or the topmost.
func firstSender(h header, charset string) []ticket.Address {
	var top []ticket.Address
	for _, value := range h.all(maxAddresses, "from") {
		list := parseAddresses(rawToUTF8(value, charset))
		if anyAddress(list) {
			return list
		}
		if top == nil {
			top = list
		}
	}
	return top
}

// sender is the first mailbox with an address. Names in front of it without one
// belong to it: "Gómez, Ana <ana@example.org>" without quotes.
func sender(from []ticket.Address) ticket.Address {
	var names []string
	for _, a := range from {
		if a.Name != "" {
			names = append(names, a.Name)
		}
		if !strings.Contains(a.Addr, "@") && a.Name == "" {
			names = append(names, a.Addr)
		}
		if strings.Contains(a.Addr, "@") {
			a.Name = cutBytes(strings.Join(names, ", "), maxNameBytes)
			return a
		}
	}
	return from[0]
}

// severalSenders tells whether From names more than one address. Which of them
// the authentication of the message speaks for can't be known then (RFC 7489,
// section 6.6.1).
func severalSenders(h header, charset string) bool {
	first := ""
	for _, a := range h.addressesIn("from", charset) {
		key := a.Key()
		if !strings.Contains(key, "@") {
			continue
		}
		if first != "" && key != first {
			return true
		}
		first = key
	}
	return false
}

// withAddress leaves out what has no address.
func withAddress(list []ticket.Address) []ticket.Address {
	kept := list[:0]
	for _, a := range list {
		if a.Addr != "" {
			kept = append(kept, a)
		}
	}
	if len(kept) == 0 {
		return nil
	}
	return kept
}

// listID is what stands in the angle brackets of List-Id (RFC 2919), or all of
// it.
func listID(value string) string {
	if i := strings.LastIndexByte(value, '<'); i >= 0 {
		value, _, _ = strings.Cut(value[i+1:], ">")
	}
	return cleanLine(decodeWords(value), maxListIDLength)
}
