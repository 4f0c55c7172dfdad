package templates

import (
	"html/template"
	"io"
	"reflect"
	"strings"
)

// part is a subject, a text or a page: as its package parsed it, and as a program,
// where one could be made of it.
type part struct {
	template interface{ Execute(io.Writer, any) error }
	program  step // nil: there is none
}

// step writes a piece of a template, with the value that the dot is.
type step func(f *filling, dot reflect.Value)

// filling is a part while it is filled in. All values come out of one Data, so that
// structs among them have an address.
type filling struct {
	data Data
	out  []byte
	top  reflect.Value // what $ is
	// failed: the program came to something that is its template's affair.
	failed bool
}

func (f *filling) Write(b []byte) (int, error) {
	f.out = append(f.out, b...)
	return len(b), nil
}

// fill writes a part in place of what was written before.
func (f *filling) fill(p part) error {
	f.out, f.failed = f.out[:0], false
	if p.program != nil {
		f.top = reflect.ValueOf(&f.data).Elem()
		p.program(f, f.top)
		if !f.failed {
			return nil
		}
		f.out = f.out[:0]
	}
	return p.template.Execute(f, f.data)
}

// at is a value that lies in a Data, without a copy of it.
func at[T any](v reflect.Value) *T { return v.Addr().Interface().(*T) }

// truth is the truth of the kinds of values that programs have.
func truth(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.String, reflect.Slice:
		return v.Len() > 0
	case reflect.Bool:
		return v.Bool()
	case reflect.Int:
		return v.Int() != 0
	}
	return true // a struct
}

// escapes are what html/template writes in texts, titles and quoted attributes.
var escapes = [256]string{
	0: "\uFFFD", '"': "&#34;", '&': "&amp;", '\'': "&#39;", '+': "&#43;", '<': "&lt;", '>': "&gt;",
}

func (f *filling) escaped(s string) {
	done := 0
	for i := range len(s) {
		if e := escapes[s[i]]; e != "" {
			f.out = append(append(f.out, s[done:i]...), e...)
			done = i + 1
		}
	}
	f.out = append(f.out, s[done:]...)
}

// link writes an address into a quoted attribute. One that html/template would have to
// encode is left to it.
func (f *filling) link(url string) {
	for i := range len(url) {
		switch c := url[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '%' && i+2 < len(url) && isHex(url[i+1]) && isHex(url[i+2]):
		case strings.IndexByte("-._~!#$&*+,/:;=?@[]", c) >= 0:
		default:
			f.failed = true
			return
		}
	}
	f.escaped(url)
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// escaping returns what writes a value through the escapers that html/template chose
// for its place, or nil where only html/template can.
func escaping(escapers string, typ reflect.Type) func(f *filling, s string) {
	isHTML := typ == reflect.TypeFor[template.HTML]()
	switch {
	case escapers == "htmlescaper" && isHTML:
		return func(f *filling, s string) { f.out = append(f.out, s...) }
	case !isHTML && (escapers == "htmlescaper" || escapers == "rcdataescaper" || escapers == "attrescaper"):
		return (*filling).escaped
	case typ == reflect.TypeFor[template.URL]() && escapers == "urlfilter urlnormalizer attrescaper":
		return (*filling).link
	}
	return nil
}
