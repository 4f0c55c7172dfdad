package routing

import (
	"fmt"
	"slices"
	"strings"
)

// formsAll checks what the forms ask for: a spelling that could mean two things
// would be read as either.
func (c *checker) formsAll() {
	for i := range c.Forms {
		f := &c.Forms[i]
		path := elementPath("form", i)
		if len(f.Fields) == 0 && !c.bad(path+".field") {
			c.rejectf(path+".field", "add a [[form.field]] below it", "is missing: the form asks for nothing")
		}
		ids, labels := map[string]int{}, map[string]string{}
		for j := range f.Fields {
			field := &f.Fields[j]
			at := elementPath(path+".field", j)
			if field.NameEN == "" {
				field.NameEN = field.Name
			}
			c.fieldID(at+".id", field.ID, ids, j)
			c.label(at+".name", field.Name, field.ID, labels)
			if c.set(at + ".name_en") {
				c.label(at+".name_en", field.NameEN, field.ID, labels)
			}
			for k, label := range field.Also {
				c.label(elementPath(at+".also", k), label, field.ID, labels)
			}
			c.choices(at+".one", field.One)
			c.byDomain(at+".by_domain", field)
		}
	}
}

func (c *checker) fieldID(path, id string, known map[string]int, j int) {
	if !c.set(path) {
		return
	}
	if mistake := idMistake(id); mistake != "" {
		c.rejectf(path, "", "%q %s", id, mistake)
	} else if _, ok := known[id]; ok {
		c.rejectf(path, "", "%q is the id of another field of the form", id)
	}
	known[id] = j
}

// label checks one spelling of a field's name.
func (c *checker) label(path, label, field string, known map[string]string) {
	if !c.set(path) {
		return
	}
	key := labelKey(label)
	other, taken := known[key]
	switch {
	case key == "":
		c.rejectf(path, "", "%q has no letter or digit", label)
	case len(label) > maxLabel:
		c.rejectf(path, "", "is longer than %d characters, which no line's label is taken to be", maxLabel)
	case taken && other != field:
		c.rejectf(path, "case, accents and punctuation don't count", "%q is a name of field %q already", label, other)
	default:
		known[key] = field
	}
}

// choices checks the values that a field may have.
func (c *checker) choices(path string, list [][]string) {
	known := map[string]int{}
	for i, spellings := range list {
		at := elementPath(path, i)
		if c.bad(at) {
			continue
		}
		if len(spellings) == 0 {
			c.rejectf(at, `write it like ["Docente", "Teacher", "profesor"]`, "names no value")
			continue
		}
		for j, s := range spellings {
			key := labelKey(s)
			other, taken := known[key]
			switch {
			case !c.set(elementPath(at, j)):
			case key == "" || len(s) > MaxFieldValue:
				c.rejectf(elementPath(at, j), fmt.Sprintf("write a word, or a few; at most %d characters", MaxFieldValue), "%q is no value", s)
			case taken && other != i:
				c.rejectf(elementPath(at, j), "case, accents and punctuation don't count", "%q means another value already", s)
			default:
				known[key] = i
			}
		}
	}
}

// byDomain checks what senders' domains say, once the choices are in order.
func (c *checker) byDomain(path string, f *FormFieldConfig) {
	if len(f.ByDomain) == 0 || c.bad(path) || c.badBelow(parentPath(path)+".one") {
		return
	}
	field := compileForm(&FormConfig{Fields: []FormFieldConfig{*f}}).Fields[0]
	for i, pair := range f.ByDomain {
		at := elementPath(path, i)
		switch {
		case c.bad(at):
		case len(pair) != 2:
			c.rejectf(at, `write it like ["alumnos.example.org", "Estudiante"]`, "needs a domain and a value")
		case !isHostname(pair[0]):
			c.rejectf(elementPath(at, 0), `write it like "alumnos.example.org"`, "%q is not a domain", pair[0])
		default:
			if _, ok := field.Accept(pair[1]); !ok {
				c.rejectf(elementPath(at, 1), suggest(pair[1], "values", field.Offered("es")), "%q is not a value of the field", pair[1])
			}
		}
	}
}

// badBelow tells whether a mistake was reported for a key, or for an item of its list.
func (c *checker) badBelow(path string) bool {
	for at, s := range c.spots {
		if s.bad && strings.HasPrefix(at, path) {
			return true
		}
	}
	return false
}

// formField checks that a field that a condition names is one of a form, and that it
// can be what it is compared with: what is recorded of it, in one spelling.
func (c *checker) formField(cond *condition) *mistake {
	want, found, listed := labelKey(cond.test.name), false, true
	var known, choices []string
	for i := range c.Forms {
		for j := range c.Forms[i].Fields {
			f := &c.Forms[i].Fields[j]
			path := elementPath(elementPath("form", i)+".field", j)
			if c.bad(path+".id") || c.bad(path+".name") || c.bad(path+".one") {
				return nil // nobody knows which fields there are
			}
			known = append(known, f.ID)
			if !slices.ContainsFunc(f.labels(), func(label string) bool { return labelKey(label) == want }) {
				continue
			}
			found, listed = true, listed && len(f.One) > 0
			for _, one := range f.One {
				if len(one) > 0 {
					choices = append(choices, one[0])
				}
			}
		}
	}
	switch {
	case c.bad("form"):
		return nil
	case !found:
		return &mistake{cond.start, fmt.Sprintf("no form has a field '%s'", cond.test.name), suggest(cond.test.name, "fields", known)}
	case !listed || cond.test.op != opIs && cond.test.op != opIn:
		return nil
	}
	for _, text := range cond.test.texts {
		if !slices.ContainsFunc(choices, func(choice string) bool { return fold(choice) == text }) {
			return &mistake{cond.start, fmt.Sprintf("field '%s' is never '%s'", cond.test.name, text), suggest(text, "what is recorded", choices)}
		}
	}
	return nil
}
