package templates

import (
	"html/template"
	"reflect"
	"strconv"
	"time"
)

// expr is what stands for a value in a template, and the type that it has.
type expr struct {
	typ   reflect.Type
	value func(f *filling, dot reflect.Value) reflect.Value
	text  func(f *filling, dot reflect.Value) string // of strings only
}

func valueExpr(typ reflect.Type, value func(*filling, reflect.Value) reflect.Value) expr {
	e := expr{typ: typ, value: value}
	if typ.Kind() == reflect.String {
		e.text = func(f *filling, dot reflect.Value) string { return value(f, dot).String() }
	}
	return e
}

// textExpr is a string, or one of html/template's that say what it is.
func textExpr[T ~string](text func(*filling, reflect.Value) T) expr {
	return expr{
		typ:   reflect.TypeFor[T](),
		value: func(f *filling, dot reflect.Value) reflect.Value { return reflect.ValueOf(text(f, dot)) },
		text:  func(f *filling, dot reflect.Value) string { return string(text(f, dot)) },
	}
}

func boolExpr(is func(*filling, reflect.Value) bool) expr {
	return valueExpr(reflect.TypeFor[bool](), func(f *filling, dot reflect.Value) reflect.Value { return reflect.ValueOf(is(f, dot)) })
}

func constant(n int) expr {
	v := reflect.ValueOf(n)
	return valueExpr(v.Type(), func(*filling, reflect.Value) reflect.Value { return v })
}

func dotExpr(s scope) expr {
	return valueExpr(s.dot, func(_ *filling, dot reflect.Value) reflect.Value { return dot })
}

var (
	timeType   = reflect.TypeFor[time.Time]()
	personType = reflect.TypeFor[Person]()
	filesType  = reflect.TypeFor[[]File]()
	stringType = reflect.TypeFor[string]()
)

// fields are fields of fields, or the methods that templates call.
func (e expr) fields(names []string) expr {
	for _, name := range names {
		value := e.value
		switch {
		case e.typ == timeType && name == "IsZero":
			e = boolExpr(func(f *filling, dot reflect.Value) bool { return at[time.Time](value(f, dot)).IsZero() })
			continue
		case e.typ == personType && name == "String":
			e = textExpr(e.shown())
			continue
		case e.typ.Kind() != reflect.Struct:
			refuse("field %s of %s", name, e.typ)
		}
		field, ok := e.typ.FieldByName(name)
		if !ok || !field.IsExported() || len(field.Index) != 1 {
			refuse("field %s of %s", name, e.typ)
		}
		i := field.Index[0]
		e = valueExpr(field.Type, func(f *filling, dot reflect.Value) reflect.Value { return value(f, dot).Field(i) })
	}
	return e
}

// shown is how a value is shown.
func (e expr) shown() func(f *filling, dot reflect.Value) string {
	switch value := e.value; {
	case e.text != nil:
		return e.text
	case e.typ == personType:
		return func(f *filling, dot reflect.Value) string { return at[Person](value(f, dot)).String() }
	case e.typ.Kind() == reflect.Int:
		return func(f *filling, dot reflect.Value) string { return strconv.FormatInt(value(f, dot).Int(), 10) }
	}
	refuse("shows a %s", e.typ)
	return nil
}

// call compiles the call of a function: one of this package's, which are plain functions
// of a few kinds, or one of text/template's.
func (c *compiler) call(name string, args []expr) expr {
	takes := func(types ...reflect.Type) bool {
		for i, typ := range types {
			if i >= len(args) || args[i].typ != typ {
				return false
			}
		}
		return len(args) == len(types)
	}
	switch fn := c.functions[name].(type) {
	case nil:
		return builtin(name, args)
	case func() string:
		if takes() {
			return textExpr(func(*filling, reflect.Value) string { return fn() })
		}
	case func(time.Time) string:
		if takes(timeType) {
			when := args[0].value
			return textExpr(func(f *filling, dot reflect.Value) string { return fn(*at[time.Time](when(f, dot))) })
		}
	case func(string) string:
		if takes(stringType) {
			return ofText(fn, args[0])
		}
	case func(string) template.HTML:
		if takes(stringType) {
			return ofText(fn, args[0])
		}
	case func(string) template.URL:
		if takes(stringType) {
			return ofText(fn, args[0])
		}
	case func(string, ...[]File) template.HTML:
		if takes(stringType) {
			return ofText(func(s string) template.HTML { return fn(s) }, args[0])
		}
		if takes(stringType, filesType) {
			text, files := args[0].text, args[1].value
			return textExpr(func(f *filling, dot reflect.Value) template.HTML { return fn(text(f, dot), *at[[]File](files(f, dot))) })
		}
	}
	refuse("function %s", name)
	return expr{}
}

func ofText[T ~string](fn func(string) T, arg expr) expr {
	return textExpr(func(f *filling, dot reflect.Value) T { return fn(arg.text(f, dot)) })
}

// builtin compiles those functions of text/template that mails have a use for.
func builtin(name string, args []expr) expr {
	switch {
	case name == "not" && len(args) == 1:
		return boolExpr(func(f *filling, dot reflect.Value) bool { return !truth(args[0].value(f, dot)) })
	case (name == "and" || name == "or") && len(args) > 0:
		return either(name == "or", args)
	case name == "eq" && len(args) == 2 && args[0].text != nil && args[1].text != nil:
		return boolExpr(func(f *filling, dot reflect.Value) bool { return args[0].text(f, dot) == args[1].text(f, dot) })
	case name == "len" && len(args) == 1 && (args[0].typ.Kind() == reflect.Slice || args[0].text != nil):
		return valueExpr(reflect.TypeFor[int](), func(f *filling, dot reflect.Value) reflect.Value {
			return reflect.ValueOf(args[0].value(f, dot).Len())
		})
	case name == "index" && len(args) == 2 && args[0].typ.Kind() == reflect.Slice && args[1].typ.Kind() == reflect.Int:
		elem := args[0].typ.Elem()
		return valueExpr(elem, func(f *filling, dot reflect.Value) reflect.Value {
			list, i := args[0].value(f, dot), int(args[1].value(f, dot).Int())
			if i < 0 || i >= list.Len() {
				f.failed = true
				return reflect.New(elem).Elem()
			}
			return list.Index(i)
		})
	}
	refuse("function %s", name)
	return expr{}
}

// either is the first argument whose truth it is, or else the last one.
func either(is bool, args []expr) expr {
	for _, a := range args {
		if a.typ != args[0].typ {
			refuse("a choice between %s and %s", args[0].typ, a.typ)
		}
	}
	return valueExpr(args[0].typ, func(f *filling, dot reflect.Value) (v reflect.Value) {
		for _, a := range args {
			if v = a.value(f, dot); truth(v) == is {
				break
			}
		}
		return v
	})
}
