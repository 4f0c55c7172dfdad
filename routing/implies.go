package routing

import (
	"slices"
	"strings"
)

// implies tells that whenever a condition holds, another one holds too. It knows
// the plain cases: equal tests, and weaker conjunctions and disjunctions of such.
// When it can't tell, it says no.
func (c *condition) implies(other *condition) bool {
	switch {
	case c.op == isOr:
		return every(c.kids, func(kid *condition) bool { return kid.implies(other) })
	case other.op == isAnd:
		return every(other.kids, c.implies)
	case other.op == isOr && slices.ContainsFunc(other.kids, c.implies):
		return true
	case c.op == isAnd:
		return slices.ContainsFunc(c.kids, func(kid *condition) bool { return kid.implies(other) })
	case c.op == isNot && other.op == isNot:
		return other.kids[0].implies(c.kids[0])
	case c.op == isTest && other.op == isTest:
		return c.test.implies(other.test)
	}
	return false
}

func every(list []*condition, holds func(*condition) bool) bool {
	return !slices.ContainsFunc(list, func(c *condition) bool { return !holds(c) })
}

// implies is that of two tests. A field with several values holds for any of them,
// so what holds for one value is enough.
func (t *test) implies(other *test) bool {
	if t.field != other.field {
		return t.field.name == "from" && other.field.name == "domain" && t.impliesDomain(other)
	}
	if t.field.named && foldLabel(t.name) != foldLabel(other.name) {
		return false
	}
	if t.field.measured() {
		return t.rangeImplies(other)
	}
	if t.op == opMatches || other.op == opMatches {
		return t.op == other.op && t.texts[0] == other.texts[0]
	}
	return allTexts(t, func(text string) bool {
		switch t.op {
		case opIs, opIn:
			return other.compares(same(text))
		case opContains:
			return other.op == opContains && strings.Contains(text, other.texts[0])
		case opStarts:
			return other.op == opStarts && strings.HasPrefix(text, other.texts[0]) || other.op == opContains && strings.Contains(text, other.texts[0])
		case opEnds:
			return other.op == opEnds && strings.HasSuffix(text, other.texts[0]) || other.op == opContains && strings.Contains(text, other.texts[0])
		}
		return false
	})
}

// impliesDomain tells whether a test of an address implies one of its domain.
func (t *test) impliesDomain(other *test) bool {
	if t.op != opIs && t.op != opIn && t.op != opEnds {
		return false
	}
	return allTexts(t, func(text string) bool {
		_, domain, ok := strings.Cut(text, "@")
		return ok && other.compares(same(domain))
	})
}

func allTexts(t *test, holds func(string) bool) bool {
	return !slices.ContainsFunc(t.texts, func(text string) bool { return !holds(text) })
}

// rangeImplies compares numbers.
func (t *test) rangeImplies(other *test) bool {
	a, b := t.number, other.number
	switch t.op {
	case opIs:
		return other.measures(a)
	case opLess:
		return other.op == opLess && a <= b || other.op == opAtMost && a-1 <= b
	case opAtMost:
		return other.op == opLess && a < b || other.op == opAtMost && a <= b
	case opMore:
		return other.op == opMore && a >= b || other.op == opAtLeast && a+1 >= b
	case opAtLeast:
		return other.op == opMore && a > b || other.op == opAtLeast && a >= b
	}
	return false
}
