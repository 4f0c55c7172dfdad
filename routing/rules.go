package routing

import (
	"cmp"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// eachField calls visit for every field of a configuration that is a value or a
// list of values, with its path, in the order of the types.
func eachField(v reflect.Value, path string, visit func(path string, tag reflect.StructTag, v reflect.Value)) {
	for _, f := range fieldsOf(v.Type()) {
		field, at := v.FieldByIndex(f.index), childPath(path, f.key)
		switch {
		case field.Kind() == reflect.Struct:
			eachField(field, at, visit)
		case isTableList(field.Type()):
			for i := range field.Len() {
				eachField(field.Index(i), elementPath(at, i), visit)
			}
		case field.Kind() == reflect.Map:
			for _, key := range sortedKeys(field) {
				element := reflect.New(field.Type().Elem()).Elem()
				element.Set(field.MapIndex(key))
				eachField(element, childPath(at, key.String()), visit)
				field.SetMapIndex(key, element)
			}
		default:
			visit(at, f.tag, field)
		}
	}
}

// rules fills in the defaults that the tags of the types name and checks what
// the tags demand. A value that breaks a rule is replaced by its default, so that
// later checks see something reasonable.
func (s *source) rules(config *Config, folder string) {
	eachField(reflect.ValueOf(config).Elem(), "", func(path string, tag reflect.StructTag, v reflect.Value) {
		if !s.set(path) {
			if tag.Get("need") != "" && !s.bad(path) && !s.guessed(parentPath(path)) {
				s.rejectf(path, needHint(path, v), "is missing")
			}
			useDefault(tag, v)
			return
		}
		s.ruleOf(path, tag, v)
		if s.bad(path) {
			useDefault(tag, v)
			return
		}
		if strings.HasSuffix(tag.Get("kind"), "path") && v.String() != "" && !filepath.IsAbs(v.String()) {
			v.SetString(filepath.Join(folder, v.String()))
		}
	})
}

func (s *source) ruleOf(path string, tag reflect.StructTag, v reflect.Value) {
	if tag.Get("need") != "" && (v.Kind() == reflect.Slice && v.Len() == 0 || v.Kind() == reflect.String && strings.TrimSpace(v.String()) == "") {
		s.rejectf(path, "", "must not be empty")
		return
	}
	if words := allowed(tag); len(words) > 0 && !slices.Contains(words, v.String()) {
		s.rejectf(path, suggest(v.String(), "allowed", words), "%q is not allowed here", v.String())
		return
	}
	if least, most := tag.Get("min"), tag.Get("max"); least != "" && (compareText(v, least) < 0 || compareText(v, most) > 0) {
		s.rejectf(path, "", "must be between %s and %s", least, most)
		return
	}
	switch v.Kind() {
	case reflect.String:
		if tag.Get("kind") != "text" {
			s.oneLine(path, v.String())
		}
	case reflect.Slice:
		for i := range v.Len() {
			if item := v.Index(i); item.Kind() == reflect.Slice {
				s.ruleOf(elementPath(path, i), "", item)
			} else {
				s.oneLine(elementPath(path, i), item.String())
			}
		}
	}
}

// allowed lists the words that a key may have: divided by bars where some of them
// hold a space.
func allowed(tag reflect.StructTag) []string {
	one := tag.Get("one")
	if strings.Contains(one, "|") {
		return strings.Split(one, "|")
	}
	return strings.Fields(one)
}

// oneLine refuses control characters: most values end up in headers, commands
// to a server or log lines.
func (s *source) oneLine(path, text string) {
	if strings.ContainsFunc(text, unicode.IsControl) {
		s.rejectf(path, "", "must not contain line breaks or other control characters")
	}
}

func useDefault(tag reflect.StructTag, v reflect.Value) {
	v.SetZero()
	if text, ok := tag.Lookup("default"); ok {
		if err := setText(v, text); err != nil {
			panic("routing: default " + text + ": " + err.Error()) // a test reads every default
		}
	}
}

func needHint(path string, v reflect.Value) string {
	key := lastPart(path)
	if v.Kind() == reflect.Slice {
		return `write ` + key + ` = ["…"]`
	}
	return `write ` + key + ` = "…"`
}

// compareText compares a number with one in text form.
func compareText(v reflect.Value, text string) int {
	other := reflect.New(v.Type()).Elem()
	if err := setText(other, text); err != nil {
		panic("routing: limit " + text + ": " + err.Error()) // a test reads every limit
	}
	if v.CanUint() {
		return cmp.Compare(v.Uint(), other.Uint())
	}
	return cmp.Compare(v.Int(), other.Int())
}

func sortedKeys(m reflect.Value) []reflect.Value {
	keys := m.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	return keys
}
