package routing

import (
	"strconv"
	"strings"
	"time"

	"buzon/ticket"
)

// Facts are what rules can ask of a message, besides its recipients.
type Facts struct {
	// Message is what was read of it; nil: nothing is known.
	Message *ticket.Message
	// Header returns the values of the header fields of a name, topmost first; nil:
	// there are none. It is asked only when a rule wants to know.
	Header func(name string) []string
	// Fields returns the values of the form of a topic, or those of the ticket, by
	// id; nil: there are none. It is asked only when a rule wants to know.
	Fields func(topic *Topic) map[string]string
	Groups []string  // labels of the person who wrote it
	At     time.Time // when it came
	// Blocked: an agent has said that the person's mail is junk.
	Blocked bool
}

// bodyLimit is how much of a text rules look at, in octets.
const bodyLimit = 64 << 10

// value is a value of a field: as it came, and as it is compared.
type value struct {
	raw, folded string
	grams       *grams // of folded, if it is long
}

// newValue is the value of a text.
func newValue(s string) value {
	v := value{raw: s, folded: fold(s)}
	if len(v.folded) >= gramsFrom {
		v.grams = newGrams(v.folded)
	}
	return v
}

// same is a value that is compared as it is.
func same(s string) value { return value{raw: s, folded: s} }

// reading answers tests about one message. What a test wants to know is worked
// out once, when the first one asks.
type reading struct {
	in      *Input
	zone    *time.Location
	topic   *Topic // so far
	reply   bool
	known   [32]bool
	values  [32][]value
	numbers [32]int64
	named   [][]value // of named fields, by slot
	asked   []bool
	mask    func(string) string // hides sensitive values in what is explained; nil: nothing is
}

// holds tells whether a condition holds.
func (c *condition) holds(r *reading) bool {
	switch c.op {
	case isAnd:
		for _, kid := range c.kids {
			if !kid.holds(r) {
				return false
			}
		}
		return true
	case isOr:
		for _, kid := range c.kids {
			if kid.holds(r) {
				return true
			}
		}
		return false
	case isNot:
		return !c.kids[0].holds(r)
	}
	return c.test.holds(r)
}

func (t *test) holds(r *reading) bool {
	if t.field.measured() {
		return t.measures(r.number(t.field))
	}
	for _, v := range r.valuesOf(t) {
		if t.compares(v) {
			return true
		}
	}
	return false
}

func (t *test) measures(n int64) bool {
	switch t.op {
	case opIs:
		return n == t.number
	case opLess:
		return n < t.number
	case opMore:
		return n > t.number
	case opAtMost:
		return n <= t.number
	case opAtLeast:
		return n >= t.number
	}
	return false
}

func (t *test) compares(v value) bool {
	switch t.op {
	case opMatches:
		return t.re.MatchString(v.raw)
	case opIs:
		return v.folded == t.texts[0]
	case opContains:
		return (v.grams == nil || v.grams.mayHold(t.texts[0])) && strings.Contains(v.folded, t.texts[0])
	case opStarts:
		return strings.HasPrefix(v.folded, t.texts[0])
	case opEnds:
		return strings.HasSuffix(v.folded, t.texts[0])
	case opIn:
		for _, text := range t.texts {
			if v.folded == text {
				return true
			}
		}
	}
	return false
}

// valuesOf are the values of the field that a test is about.
func (r *reading) valuesOf(t *test) []value {
	if t.field.named {
		if !r.asked[t.slot] {
			r.asked[t.slot] = true
			r.named[t.slot] = r.readNamed(t)
		}
		return r.named[t.slot]
	}
	i := t.field.place
	if t.field.sort == sortTopicID || !r.known[i] { // a rule may have changed the topic
		r.known[i] = true
		r.values[i] = r.read(t.field, r.values[i][:0])
	}
	return r.values[i]
}

func (r *reading) number(f *factField) int64 {
	i := f.place
	if !r.known[i] {
		r.known[i] = true
		r.numbers[i] = r.measure(f)
	}
	return r.numbers[i]
}

func (r *reading) measure(f *factField) int64 {
	m, at := r.in.Facts.Message, r.in.Facts.At.In(r.zone)
	switch f.name {
	case "hour":
		return int64(at.Hour()*60 + at.Minute())
	case "date":
		return dateNumber(at)
	case "size":
		if m != nil {
			return m.Size
		}
	case "attachment_size":
		var largest int64
		if m != nil {
			for _, a := range m.Attachments {
				largest = max(largest, a.Size)
			}
		}
		return largest
	}
	return 0
}

func (r *reading) readNamed(t *test) []value {
	var values []value
	if t.field.name == "field" {
		if r.in.Facts.Fields == nil {
			return nil
		}
		id := foldLabel(t.name)
		if r.topic != nil {
			if f := r.topic.Form.Field(t.name); f != nil {
				id = f.ID
			}
		}
		if v := r.in.Facts.Fields(r.topic)[id]; v != "" {
			values = append(values, newValue(v))
		}
		return values
	}
	if r.in.Facts.Header == nil {
		return nil
	}
	for _, v := range r.in.Facts.Header(t.name) {
		values = append(values, newValue(v))
	}
	return values
}

// read appends the values of a field.
func (r *reading) read(f *factField, to []value) []value {
	text := func(s string) {
		if s != "" {
			to = append(to, newValue(s))
		}
	}
	address := func(s string) {
		if key := ticket.AddressKey(s); key != "" {
			to = append(to, same(key))
		}
	}
	switch f.name {
	case "topic":
		if r.topic != nil {
			text(r.topic.ID)
		}
		return to
	case "requester_group":
		for _, label := range r.in.Facts.Groups {
			to = append(to, same(label))
		}
		return to
	case "recipient":
		for _, target := range r.in.Targets {
			base, _ := ticket.SplitPlus(target.Address) // what follows the + may be a token
			address(base)
		}
		return to
	case "weekday":
		day := weekdayNames[r.in.Facts.At.In(r.zone).Weekday()]
		return append(to, same(day))
	}
	m := r.in.Facts.Message
	if m == nil {
		return to
	}
	switch f.name {
	case "from":
		address(m.From.Addr)
	case "from_name":
		text(m.From.Name)
	case "domain":
		address(ticket.Domain(m.From.Addr))
	case "reply_to":
		for _, a := range m.ReplyTo {
			address(a.Addr)
		}
	case "subject":
		text(m.Subject)
	case "body":
		body := m.Text
		if r.reply {
			body = m.ReplyText
		}
		if len(body) > bodyLimit {
			body = strings.ToValidUTF8(body[:bodyLimit], "")
		}
		text(body)
	case "attachment":
		for _, a := range m.Attachments {
			text(a.Name)
		}
	case "attachment_type":
		for _, a := range m.Attachments {
			text(a.Type)
		}
	case "verdict":
		text(string(m.Kind))
	case "spam":
		marked := strconv.FormatBool(m.Kind == ticket.KindSpam)
		to = append(to, same(marked))
	case "language":
		text(m.Language)
	}
	return to
}

// why says which test decided, and what it met.
func (c *condition) why(r *reading, expression string) string {
	decisive, result := c.decisive(r)
	text := strings.Join(strings.Fields(expression[decisive.start:decisive.end]), " ")
	switch {
	case result:
		return text
	case decisive.test == nil:
		return text + " does not hold"
	}
	return text + " does not hold: " + decisive.test.met(r)
}

// decisive finds the part that makes the condition hold or not: of what is joined
// by and the first that fails, of what is joined by or the first that holds, and
// otherwise the whole.
func (c *condition) decisive(r *reading) (*condition, bool) {
	switch c.op {
	case isTest:
		return c, c.test.holds(r)
	case isNot:
		inner, result := c.kids[0].decisive(r)
		if result {
			return &condition{test: inner.test, start: c.start, end: c.end}, false
		}
		return c, true
	}
	for _, kid := range c.kids {
		if d, result := kid.decisive(r); result == (c.op == isOr) {
			return d, result
		}
	}
	return c, c.op == isAnd
}

// met says what the field of a test is.
func (t *test) met(r *reading) string {
	if t.field.measured() {
		n := r.number(t.field)
		switch t.field.sort {
		case sortSize:
			return "it is " + strconv.FormatInt(n, 10) + " octets"
		case sortClock:
			return "it is " + time.Date(0, 1, 1, int(n/60), int(n%60), 0, 0, time.UTC).Format("15:04")
		default:
			return "it is " + strconv.FormatInt(n, 10)
		}
	}
	values := r.valuesOf(t)
	switch {
	case len(values) == 0:
		return "there is none"
	case t.field.name == "field":
		return "it says something else" // which may be sensitive
	}
	var shown []string
	for i, v := range values {
		if i == 3 {
			shown = append(shown, "…")
			break
		}
		raw := ticket.StripTokens(v.raw)
		if r.mask != nil {
			raw = r.mask(raw)
		}
		text := []rune(strings.Join(strings.Fields(raw), " "))
		if len(text) > 60 {
			text = append(text[:59:59], '…')
		}
		shown = append(shown, "'"+string(text)+"'")
	}
	return "it is " + strings.Join(shown, ", ")
}
