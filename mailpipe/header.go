package mailpipe

import (
	"bytes"
	"net/mail"
	"slices"
	"strings"
	"time"

	"buzon/ticket"
)

// Limits of header fields. Longer ones are cut, so that no reader of a field
// needs to care.
const (
	maxFieldBytes   = 64 << 10 // octets read of one structured field
	maxSubject      = 2000     // octets
	maxMessageID    = 998      // octets, a line's length (RFC 5322, section 2.1.1)
	maxReferences   = 200
	maxAuthResults  = 50
	maxDeliveredTo  = 50
	maxListIDLength = 255
)

// field is a header field; its value is a range of the raw message, folded as
// it came.
type field struct {
	name  string // lower case
	raw   []byte
	value span
}

// text returns the unfolded raw value, at most maxFieldBytes of it, which may
// hold 8-bit bytes of an unknown charset.
func (f *field) text() string {
	v := f.value.of(f.raw)
	v = v[:min(len(v), maxFieldBytes)]
	v = bytes.Trim(v, " \t\r\n")
	if bytes.IndexByte(v, '\n') < 0 {
		return string(v)
	}
	out := make([]byte, 0, len(v))
	for i := 0; i < len(v); i++ {
		switch c := v[i]; c {
		case '\r':
			if i+1 < len(v) && v[i+1] == '\n' {
				continue
			}
			out = append(out, ' ')
		case '\n': // the white space that follows stays
			if i+1 < len(v) && v[i+1] != ' ' && v[i+1] != '\t' {
				out = append(out, ' ')
			}
		default:
			out = append(out, c)
		}
	}
	return string(out)
}

// header is the header of a part, in the order of the message.
type header []field

// get returns the value of the topmost field of that name, which is lower case.
func (h header) get(name string) string {
	for i := range h {
		if h[i].name == name {
			return h[i].text()
		}
	}
	return ""
}

// has tells whether there is a field of that name.
func (h header) has(name string) bool {
	for i := range h {
		if h[i].name == name {
			return true
		}
	}
	return false
}

// count counts the fields of a name.
func (h header) count(name string) int {
	n := 0
	for i := range h {
		if h[i].name == name {
			n++
		}
	}
	return n
}

// all returns up to limit values of the fields with one of the names, topmost
// first.
func (h header) all(limit int, names ...string) []string {
	var values []string
	for i := range h {
		if len(values) < limit && slices.Contains(names, h[i].name) {
			values = append(values, h[i].text())
		}
	}
	return values
}

// addresses reads every address of the fields of a name.
func (h header) addresses(name string) []ticket.Address { return h.addressesIn(name, "") }

// addressesIn is addresses with a hint of the charset of raw 8-bit bytes.
func (h header) addressesIn(name, charset string) []ticket.Address {
	var list []ticket.Address
	for i := range h {
		if h[i].name == name && len(list) < maxAddresses {
			list = append(list, parseAddresses(rawToUTF8(h[i].text(), charset))...)
		}
	}
	return list
}

// HeaderValues returns the values of a raw message's header fields of a name,
// decoded and on one line each, topmost first; at most 100 of them.
func HeaderValues(raw []byte, name string) []string {
	end := len(raw)
	for _, blank := range []string{"\n\n", "\n\r\n"} {
		if i := bytes.Index(raw, []byte(blank)); i >= 0 {
			end = min(end, i+1)
		}
	}
	parts := scan(raw[:end]).parts
	var values []string
	for _, text := range parts[0].header.all(100, strings.ToLower(name)) {
		values = append(values, cleanLine(decodeWords(rawToUTF8(text, "")), maxFieldBytes))
	}
	return values
}

// lowerName turns a field name, which is ASCII, into lower case; the usual ones cost
// nothing.
func lowerName(b []byte) string {
	var room [64]byte
	if len(b) > len(room) {
		return strings.ToLower(string(b))
	}
	low := room[:len(b)]
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		low[i] = c
	}
	if name, ok := usualNames[string(low)]; ok {
		return name
	}
	return string(low)
}

// usualNames are field names that most mail has.
var usualNames = func() map[string]string {
	names := map[string]string{}
	for _, name := range strings.Fields(`
		arc-authentication-results arc-message-signature arc-seal authentication-results auto-submitted bcc cc
		content-description content-disposition content-id content-language content-transfer-encoding content-type
		date delivered-to dkim-signature feedback-id from importance in-reply-to list-id list-post list-unsubscribe
		list-unsubscribe-post message-id mime-version organization precedence priority received received-spf
		references reply-to return-path sender subject thread-index thread-topic to user-agent x-attachment-id
		x-auto-response-suppress x-forefront-antispam-report x-gm-message-state x-google-dkim-signature
		x-google-smtp-source x-mailer x-mailman-version x-microsoft-antispam x-ms-exchange-organization-scl
		x-ms-has-attach x-ms-tnef-correlator x-msmail-priority x-original-to x-originating-ip x-priority x-received
		x-spam-flag x-spam-level x-spam-score x-spam-status`) {
		names[name] = name
	}
	return names
}()

// readMessageID reads a Message-ID as it stands: ids such as <a@@b>, or without
// brackets, are kept, because what others cite is exactly that.
func readMessageID(value string) string {
	if _, after, ok := strings.Cut(value, "<"); ok {
		id, _, _ := strings.Cut(after, ">")
		return cleanID(id)
	}
	first, _, _ := strings.Cut(strings.TrimSpace(value), " ")
	return cleanID(first)
}

// readMessageIDs reads a list of ids: In-Reply-To and References, whose older
// forms hold phrases and ids without brackets (RFC 5322, section 4.5.4).
func readMessageIDs(values []string) []string {
	var ids []string
	seen := make(map[string]bool)
	add := func(id string) {
		if id = cleanID(id); id != "" && !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	for _, value := range values {
		if !strings.Contains(value, "<") {
			for _, word := range strings.FieldsFunc(value, func(r rune) bool { return r == ' ' || r == '\t' || r == ',' }) {
				if strings.Contains(word, "@") {
					add(word)
				}
			}
			continue
		}
		for rest := value; ; {
			_, after, ok := strings.Cut(rest, "<")
			if !ok {
				break
			}
			id, tail, closed := strings.Cut(after, ">")
			if !closed {
				break
			}
			add(id)
			rest = tail
		}
	}
	if len(ids) > maxReferences {
		// the first is what a thread is named by; the last are the nearest
		ids = append(ids[:1:1], ids[len(ids)-maxReferences+1:]...)
	}
	return ids
}

func cleanID(id string) string {
	id = strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(id, "\uFFFD"))
	return cutBytes(strings.Trim(id, "<>"), maxMessageID)
}

// dateLayouts are forms of Date that net/mail refuses and programs write.
var dateLayouts = []string{
	"2 Jan 2006 15:04:05 -0700", "2 Jan 2006 15:04:05", "2 Jan 2006 15:04 -0700", "2 Jan 2006 15:04",
	"2 Jan 06 15:04:05 -0700", "2 Jan 06 15:04:05", "2 January 2006 15:04:05 -0700", "2 Jan 2006",
	"Jan 2 15:04:05 2006", "Jan 2 15:04:05 2006 -0700", "Jan 2 15:04:05 -0700 2006", "Jan 2 2006 15:04:05 -0700",
	"Jan 2 2006 15:04:05", "2-Jan-2006 15:04:05 -0700", "2-Jan-06 15:04:05 -0700",
	"2006-01-02T15:04:05Z07:00", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05", "2006/01/02 15:04:05",
	"02/01/2006 15:04:05", "2 Jan 2006 15.04.05 -0700", "2 Jan 2006 3:04:05 PM -0700",
}

var zoneNames = map[string]string{
	"ut": "+0000", "utc": "+0000", "gmt": "+0000", "z": "+0000", "cet": "+0100", "cest": "+0200", "met": "+0100",
	"mest": "+0200", "bst": "+0100", "est": "-0500", "edt": "-0400", "cst": "-0600", "cdt": "-0500", "mst": "-0700",
	"mdt": "-0600", "pst": "-0800", "pdt": "-0700", "cot": "-0500", "pet": "-0500", "clt": "-0400", "clst": "-0300",
	"art": "-0300", "brt": "-0300", "jst": "+0900", "msk": "+0300", "eet": "+0200", "eest": "+0300",
}

var spanishMonths = strings.NewReplacer("ene", "Jan", "abr", "Apr", "ago", "Aug", "dic", "Dec")

// readDate reads a Date field. It returns the zero time when there is none or it
// can't be read; years outside 1970 to 9998 count as unreadable.
func readDate(value string) time.Time {
	value = strings.TrimSpace(value[:min(len(value), 200)])
	if value == "" {
		return time.Time{}
	}
	t, err := time.Parse(usualDate, value)
	if err != nil {
		t, err = mail.ParseDate(value)
	}
	if _, offset := t.Zone(); err != nil || offset == 0 { // a zone's name that is not known counts as zero
		if odd := readOddDate(value); !odd.IsZero() {
			t = odd
		}
	}
	if t.Year() < 1970 || t.Year() > 9998 {
		return time.Time{}
	}
	if _, offset := t.Zone(); offset <= -24*3600 || offset >= 24*3600 || offset%60 != 0 {
		t = t.UTC() // RFC 3339 can't write such a zone
	}
	return t
}

// usualDate is how programs write a Date today (RFC 5322, section 3.3). It is tried
// first: net/mail goes through a dozen other layouts before it comes to this one.
const usualDate = "Mon, 2 Jan 2006 15:04:05 -0700"

func readOddDate(value string) time.Time {
	value, _, _ = strings.Cut(value, "(")
	words := strings.Fields(strings.ReplaceAll(value, ",", " "))
	if len(words) > 0 && !strings.ContainsAny(words[0], "0123456789") && !isMonth(words[0]) {
		words = words[1:] // day of the week
	}
	for i, w := range words {
		low := strings.ToLower(w)
		switch zone := zoneNames[low]; {
		case zone != "":
			words[i] = zone
		case len(low) > 6 && strings.HasPrefix(low, "gmt") && (low[3] == '+' || low[3] == '-'):
			words[i] = strings.ReplaceAll(low[3:], ":", "")
		case len(low) == 3:
			words[i] = spanishMonths.Replace(low)
		case len(low) == 4 && strings.HasSuffix(low, "."):
			words[i] = spanishMonths.Replace(low[:3])
		}
	}
	for n := len(words); n >= 1 && n >= len(words)-2; n-- { // words at the end may be a zone's name
		text := strings.Join(words[:n], " ")
		for _, layout := range dateLayouts {
			if t, err := time.Parse(layout, text); err == nil {
				return t
			}
		}
	}
	return time.Time{}
}

func isMonth(word string) bool {
	if len(word) < 3 {
		return false
	}
	_, err := time.Parse("Jan", spanishMonths.Replace(strings.ToLower(word[:3])))
	return err == nil
}

// cutBytes shortens s to at most n octets, at the boundary of a character.
func cutBytes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n]
}
