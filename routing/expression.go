package routing

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// The condition of a rule: tests joined by and, or, not and parentheses.
//
//	expression = conjunction { "or" conjunction }
//	conjunction = unary { "and" unary }
//	unary = "not" unary | "(" expression ")" | test
//	test = field [ 'name' ] [ "is" ] [ "not" ] operator value
//
// Values stand in single quotes; a quote inside is written twice. A parsed
// condition is immutable.
type condition struct {
	op         logic
	kids       []*condition // of and, or; the one of not
	test       *test
	start, end int // octets of the expression that it stands at
}

type logic int

const (
	isTest logic = iota
	isAnd
	isOr
	isNot
)

// operator is how a test compares.
type operator string

const (
	opIs       operator = "is"
	opContains operator = "contains"
	opStarts   operator = "starts"
	opEnds     operator = "ends"
	opMatches  operator = "matches"
	opIn       operator = "in"
	opLess     operator = "<"
	opMore     operator = ">"
	opAtMost   operator = "<="
	opAtLeast  operator = ">="
)

var operators = []string{"is", "contains", "starts", "ends", "matches", "in", "<", ">", "<=", ">="}

// test compares a field of a message.
type test struct {
	field  *factField
	name   string // of the header or of the form's field, as it is written; empty: the field needs none
	slot   int    // of a named field, among those of the table
	op     operator
	texts  []string // values to compare with, folded; one unless op is in
	re     *regexp.Regexp
	number int64 // of fields that are measured
}

// mistake is what is wrong with an expression.
type mistake struct {
	at            int // octets from its beginning
	message, hint string
}

func (m *mistake) Error() string { return m.message }

const (
	maxExpression = 4000 // octets
	maxDepth      = 50   // parentheses and nots inside each other
)

// scanner divides an expression into words, quoted values and signs.
type scanner struct {
	text  string
	at    int // of the present token
	next  int // behind it
	depth int
	token string // a word, a sign, or what stands in quotes; empty at the end
	value bool   // the token is a quoted value
}

func (s *scanner) fail(hint, format string, args ...any) *mistake {
	return &mistake{s.at, fmt.Sprintf(format, args...), hint}
}

// shown is the present token in a message.
func (s *scanner) shown() string {
	switch {
	case s.value:
		return "'" + s.token + "'"
	case s.token == "":
		return "the end"
	}
	return fmt.Sprintf("%q", s.token)
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func isWordByte(c byte) bool {
	return c == '_' || c == '-' || c == '.' || c == '@' || c == ':' || isLetterOrDigit(c) || c >= 0x80
}

// advance goes to the next token.
func (s *scanner) advance() *mistake {
	for s.next < len(s.text) && isSpace(s.text[s.next]) {
		s.next++
	}
	s.at, s.value = s.next, false
	if s.at == len(s.text) {
		s.token = ""
		return nil
	}
	switch c := s.text[s.at]; {
	case c == '\'':
		return s.quoted()
	case c == '"' || c == '`':
		return s.fail("values stand in single quotes: 'text'", "%q is not a quote here", c)
	case strings.HasPrefix(s.text[s.at:], "<=") || strings.HasPrefix(s.text[s.at:], ">="):
		s.next = s.at + 2
	case strings.IndexByte("(),<>", c) >= 0:
		s.next = s.at + 1
	case isWordByte(c):
		for s.next < len(s.text) && isWordByte(s.text[s.next]) {
			s.next++
		}
	default:
		hint := ""
		switch c {
		case '=':
			hint = "write: is"
		case '!':
			hint = "write: is not, or: not"
		case '~':
			hint = "write: matches"
		case '&':
			hint = "write: and"
		case '|':
			hint = "write: or"
		}
		return s.fail(hint, "%q means nothing here", c)
	}
	s.token = s.text[s.at:s.next]
	return nil
}

func (s *scanner) quoted() *mistake {
	var b strings.Builder
	for i := s.at + 1; i < len(s.text); i++ {
		if s.text[i] != '\'' {
			b.WriteByte(s.text[i])
			continue
		}
		if i+1 < len(s.text) && s.text[i+1] == '\'' {
			b.WriteByte('\'')
			i++
			continue
		}
		s.token, s.value, s.next = b.String(), true, i+1
		return nil
	}
	return s.fail("end the value with '", "the quote is never closed")
}

// word tells whether the present token is a certain word.
func (s *scanner) word(w string) bool { return !s.value && s.token == w }

// parseCondition reads an expression.
func parseCondition(text string) (*condition, *mistake) {
	if len(text) > maxExpression {
		return nil, &mistake{maxExpression, fmt.Sprintf("is longer than %d characters", maxExpression), "make several rules of it"}
	}
	s := &scanner{text: text}
	if err := s.advance(); err != nil {
		return nil, err
	}
	if s.token == "" && !s.value {
		return nil, s.fail("write it like: subject contains 'clave'", "says nothing")
	}
	c, err := s.disjunction()
	if err != nil {
		return nil, err
	}
	if s.token != "" || s.value {
		hint := "join tests with and, or"
		if s.word(")") {
			hint = "no parenthesis is open"
		}
		return nil, s.fail(hint, "%s is not expected here", s.shown())
	}
	return c, nil
}

func (s *scanner) disjunction() (*condition, *mistake) { return s.joined("or", isOr, s.conjunction) }

func (s *scanner) conjunction() (*condition, *mistake) { return s.joined("and", isAnd, s.unary) }

func (s *scanner) joined(word string, op logic, part func() (*condition, *mistake)) (*condition, *mistake) {
	start := s.at
	first, err := part()
	if err != nil {
		return nil, err
	}
	kids := []*condition{first}
	for s.word(word) {
		if err := s.advance(); err != nil {
			return nil, err
		}
		kid, err := part()
		if err != nil {
			return nil, err
		}
		kids = append(kids, kid)
	}
	if len(kids) == 1 {
		return first, nil
	}
	return &condition{op: op, kids: kids, start: start, end: kids[len(kids)-1].end}, nil
}

func (s *scanner) unary() (*condition, *mistake) {
	start := s.at
	open := s.word("(")
	if !open && !s.word("not") {
		return s.test()
	}
	if s.depth++; s.depth > maxDepth {
		return nil, s.fail("make several rules of it", "more than %d parentheses stand inside each other", maxDepth)
	}
	defer func() { s.depth-- }()
	if err := s.advance(); err != nil {
		return nil, err
	}
	if !open {
		kid, err := s.unary()
		if err != nil {
			return nil, err
		}
		return &condition{op: isNot, kids: []*condition{kid}, start: start, end: kid.end}, nil
	}
	inner, err := s.disjunction()
	if err != nil {
		return nil, err
	}
	if !s.word(")") {
		return nil, s.fail("a parenthesis is still open", "%s is not expected here", s.shown())
	}
	end := s.next
	if err := s.advance(); err != nil {
		return nil, err
	}
	grouped := *inner
	grouped.start, grouped.end = start, end
	return &grouped, nil
}

func (s *scanner) test() (*condition, *mistake) {
	start := s.at
	if s.value {
		return nil, s.fail("a test begins with a field, such as: subject contains 'clave'", "%s is a value without a field", s.shown())
	}
	f := fieldNamed(s.token)
	if f == nil {
		if s.token == "" {
			return nil, s.fail("write a test, such as: subject contains 'clave'", "something is missing at the end")
		}
		return nil, s.fail(suggest(s.token, "fields", fieldNames()), "there is no field %q", s.token)
	}
	t := &test{field: f}
	if err := s.advance(); err != nil {
		return nil, err
	}
	if f.named {
		if !s.value || strings.TrimSpace(s.token) == "" {
			return nil, s.fail("write it like: "+f.example, "%s needs a name in quotes", f.name)
		}
		t.name = strings.TrimSpace(s.token)
		if err := s.advance(); err != nil {
			return nil, err
		}
	} else if s.value {
		return nil, s.fail("write an operator between: "+strings.Join(f.operators, ", "), "%s has no operator", f.name)
	}
	negated, err := s.operator(t)
	if err != nil {
		return nil, err
	}
	end, err := s.values(t)
	if err != nil {
		return nil, err
	}
	c := &condition{test: t, start: start, end: end}
	if negated {
		c = &condition{op: isNot, kids: []*condition{c}, start: start, end: end}
	}
	return c, nil
}

// operator reads [is] [not] OPERATOR, and tells whether it is negated.
func (s *scanner) operator(t *test) (negated bool, err *mistake) {
	t.op = ""
	if s.word("is") {
		t.op = opIs
		if err := s.advance(); err != nil {
			return false, err
		}
	}
	if s.word("not") {
		negated = true
		if err := s.advance(); err != nil {
			return false, err
		}
	}
	allowed := strings.Join(t.field.operators, ", ")
	if t.op == opIs && !s.word("in") {
		if !slices.Contains(t.field.operators, string(opIs)) {
			return false, s.fail("use one of: "+allowed, "%s can't be compared with is", t.field.name)
		}
		return negated, nil
	}
	switch {
	case s.value || s.token == "":
		return false, s.fail("write an operator: "+allowed, "%s is not an operator", s.shown())
	case !slices.Contains(operators, s.token):
		return false, s.fail(suggest(s.token, "operators", t.field.operators), "there is no operator %q", s.token)
	case !slices.Contains(t.field.operators, s.token):
		return false, s.fail("use one of: "+allowed, "%s can't be compared with %s", t.field.name, s.token)
	}
	t.op = operator(s.token)
	return negated, s.advance()
}

// values reads what the field is compared with, and returns where it ends.
func (s *scanner) values(t *test) (end int, err *mistake) {
	if t.op != opIn {
		end = s.next
		if err := s.oneValue(t); err != nil {
			return end, err
		}
		return end, s.advance()
	}
	if !s.word("(") {
		return 0, s.fail("write it like: in ('a', 'b')", "%s is not a list in parentheses", s.shown())
	}
	for {
		if err := s.advance(); err != nil {
			return 0, err
		}
		if err := s.oneValue(t); err != nil {
			return 0, err
		}
		if err := s.advance(); err != nil {
			return 0, err
		}
		if s.word(",") {
			continue
		}
		if !s.word(")") {
			return 0, s.fail("write it like: in ('a', 'b')", "%s is not expected in a list", s.shown())
		}
		end = s.next
		return end, s.advance()
	}
}

// oneValue reads a value and adds it to the test.
func (s *scanner) oneValue(t *test) *mistake {
	bare := !s.value && (s.token == "true" || s.token == "false")
	if !s.value && !(bare && t.field.sort == sortBool) {
		if s.token == "" {
			return s.fail("write "+t.field.example, "the value is missing")
		}
		return s.fail("write '"+strings.Trim(s.token, "()<>,")+"'", "%s is not in single quotes", s.shown())
	}
	message, hint := t.add(s.token)
	if message != "" {
		return s.fail(hint, "%s", message)
	}
	return nil
}
