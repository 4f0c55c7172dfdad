package routing

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// decoder fills a Config from the syntax tree of a file and notes where
// everything stands. The library's own decoding stops at the first wrong type
// and takes keys in any case; this one reports every mistake and goes on.
type decoder struct {
	*source
	config reflect.Value
	table  reflect.Value // that key lines belong to; invalid: skip them
	path   string        // of table
	maps   map[string]mapEntry
}

// mapEntry is an element of a map, which can be stored only when it is whole.
type mapEntry struct{ into, key, element reflect.Value }

// decode reads the text into config. When it returns false the text is not TOML,
// and the one problem says where.
func (s *source) decode(config *Config) bool {
	d := decoder{source: s, config: reflect.ValueOf(config).Elem(), maps: map[string]mapEntry{}}
	d.table = d.config
	var parser unstable.Parser
	parser.Reset(s.text)
	for parser.NextExpression() {
		d.expression(parser.Expression())
	}
	if err := parser.Error(); err != nil {
		offset := len(s.text)
		var syntax *unstable.ParserError
		if errors.As(err, &syntax) {
			// Both slices end where the same array ends.
			offset = min(max(cap(s.text)-cap(syntax.Highlight), 0), offset)
		}
		message, hint := syntaxHelp(s.text, offset, err.Error())
		s.problems = Problems{s.problem("", offset, hint, message)}
		return false
	}
	for _, m := range d.maps {
		if m.into.IsNil() {
			m.into.Set(reflect.MakeMap(m.into.Type()))
		}
		m.into.SetMapIndex(m.key, m.element)
	}
	s.validate()
	return true
}

// validate asks the library for what the syntax tree does not show: keys and
// tables defined twice in roundabout ways, numbers out of range. It reports one
// mistake, unless one in the same line is known.
func (s *source) validate() {
	var document map[string]any
	var invalid *toml.DecodeError
	err := toml.Unmarshal(s.text, &document)
	switch {
	case err == nil:
	case errors.As(err, &invalid):
		line, column := invalid.Position()
		if slices.ContainsFunc(s.problems, func(p Problem) bool { return p.Line == line }) {
			return
		}
		path := ""
		for _, key := range invalid.Key() {
			path = childPath(path, key)
		}
		s.problems = append(s.problems, Problem{File: s.name, Line: line, Column: column,
			Key: path, Message: strings.TrimPrefix(invalid.Error(), "toml: ")})
	default:
		s.problems = append(s.problems, s.problem("", 0, "", err.Error()))
	}
}

func (d *decoder) expression(e *unstable.Node) {
	if e.Kind == unstable.KeyValue {
		if d.table.IsValid() {
			d.keyValue(d.table, d.path, e)
		}
		return
	}
	d.table, d.path = d.header(e)
}

// header finds, or makes, the table that a [header] or [[header]] opens.
func (d *decoder) header(e *unstable.Node) (reflect.Value, string) {
	t, ok := d.walk(d.config, "", e.Key())
	if !ok {
		return reflect.Value{}, ""
	}
	known := d.spots[t.path]
	switch {
	case isTableList(t.value.Type()):
		if e.Kind != unstable.ArrayTable {
			d.mistake(t, fmt.Sprintf("write [[%s]]", headerOf(t.path)), "is a list of tables")
		}
		if !known.set {
			d.spots[t.path] = spot{key: t.start, value: t.start, set: true, bad: known.bad}
		}
		return d.appendTable(t.value, t.path, t.start)
	case t.value.Kind() == reflect.Struct || t.value.Kind() == reflect.Map:
		if e.Kind == unstable.ArrayTable {
			d.mistake(t, fmt.Sprintf("write [%s]", t.path), "is one table, not a list")
		} else if known.set {
			line, _ := d.position(known.key)
			d.mistake(t, fmt.Sprintf("put its keys under line %d", line), "is opened twice")
		}
		d.spots[t.path] = spot{key: t.start, value: t.start, set: true, bad: d.bad(t.path)}
		return t.value, t.path
	default:
		d.mistake(t, "write "+lastPart(t.path)+" = …", "is a key, not a table")
		return reflect.Value{}, ""
	}
}

func (d *decoder) appendTable(list reflect.Value, path string, offset int) (reflect.Value, string) {
	path = elementPath(path, list.Len())
	list.Set(reflect.Append(list, reflect.Zero(list.Type().Elem())))
	d.spots[path] = spot{key: offset, value: offset, set: true}
	return list.Index(list.Len() - 1), path
}

// keyValue sets key = value in a table. The key may be dotted.
func (d *decoder) keyValue(table reflect.Value, path string, e *unstable.Node) {
	t, ok := d.walk(table, path, e.Key())
	if !ok {
		return
	}
	if known := d.spots[t.path]; known.set {
		line, _ := d.position(known.key)
		d.mistake(t, "", fmt.Sprintf("is set twice, first in line %d", line))
		return
	}
	value := t.end
	for value < len(d.text) && strings.IndexByte(" \t=", d.text[value]) >= 0 {
		value++
	}
	d.spots[t.path] = spot{key: t.start, value: value, set: true, bad: d.bad(t.path)}
	d.assign(t.value, t.path, e.Value())
}

// target is what a key names.
type target struct {
	value      reflect.Value
	path       string
	start, end int // of the key, in octets
}

// mistake reports a mistake in a key, rather than in its value.
func (d *decoder) mistake(t target, hint, message string) {
	d.problems = append(d.problems, d.problem(t.path, t.start, hint, message))
	d.spoil(t.path)
}

// walk follows a dotted key down from a table.
func (d *decoder) walk(v reflect.Value, path string, key unstable.Iterator) (target, bool) {
	t := target{value: v, path: path, start: -1}
	for key.Next() {
		name, raw := string(key.Node().Data), key.Node().Raw
		t.end = int(raw.Offset + raw.Length)
		if t.start < 0 {
			t.start = int(raw.Offset)
		}
		table := t.path
		if isTableList(t.value.Type()) && t.value.Len() > 0 {
			table = elementPath(t.path, t.value.Len()-1)
			t.value = t.value.Index(t.value.Len() - 1)
		}
		t.path = childPath(table, name)
		switch t.value.Kind() {
		case reflect.Struct:
			field, ok := fieldByKey(t.value, name)
			if !ok {
				d.unknown(t, table, name)
				return t, false
			}
			t.value = field
		case reflect.Map:
			entry, ok := d.maps[t.path]
			if !ok {
				entry = mapEntry{t.value, reflect.ValueOf(name), reflect.New(t.value.Type().Elem()).Elem()}
				d.maps[t.path] = entry
			}
			t.value = entry.element
		default:
			hint := ""
			if isTableList(t.value.Type()) {
				hint = "write [[" + headerOf(table) + "]] above its keys"
			}
			d.mistake(t, hint, table+" has no keys of its own")
			return t, false
		}
	}
	return t, true
}

func (d *decoder) unknown(t target, table, name string) {
	keys := keysOf(t.value.Type())
	what := "keys here"
	if table == "" {
		what = "tables"
	}
	hint := suggest(name, what, keys)
	switch name {
	case "password", "client_secret", "refresh_token":
		hint = fmt.Sprintf("secrets are not written here; use %s_file or %s_env", name, name)
		d.spoil(childPath(table, name+"_file"))
	default:
		if near := nearest(name, keys); near != "" {
			d.spoil(childPath(table, near))
		}
	}
	d.mistake(t, hint, "is unknown")
}

var textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()

// assign stores a value of the file in a field, or reports why it can't.
func (d *decoder) assign(v reflect.Value, path string, n *unstable.Node) {
	wrong := func(want string) { d.rejectf(path, "", "must be %s, not %s", want, describe(n.Kind)) }
	switch {
	case v.Addr().Type().Implements(textUnmarshaler):
		if n.Kind != unstable.String {
			wrong(example(v.Type()))
		} else if err := setText(v, string(n.Data)); err != nil {
			d.rejectf(path, "", "%q %v", n.Data, err)
		}
	case v.Kind() == reflect.String:
		if n.Kind != unstable.String {
			wrong("text in quotes")
			return
		}
		v.SetString(string(n.Data))
	case v.Kind() == reflect.Bool:
		if n.Kind != unstable.Bool {
			wrong("true or false, without quotes")
			return
		}
		v.SetBool(string(n.Data) == "true")
	case v.CanInt(), v.CanUint():
		if n.Kind != unstable.Integer {
			wrong("a whole number, without quotes")
		} else if err := setText(v, string(n.Data)); err != nil {
			d.rejectf(path, "", "%v", err)
		}
	case isTableList(v.Type()):
		if n.Kind != unstable.Array {
			d.rejectf(path, "write [["+headerOf(path)+"]]", "must be a list of tables, not %s", describe(n.Kind))
			return
		}
		d.tables(v, path, n)
	case isListOfLists(v.Type()):
		if n.Kind != unstable.Array {
			wrong("a list of lists in brackets")
			return
		}
		d.lists(v, path, n)
	case v.Kind() == reflect.Slice:
		if n.Kind != unstable.Array {
			wrong("a list of texts in brackets")
			return
		}
		d.texts(v, path, n)
	default: // struct or map
		if n.Kind != unstable.InlineTable {
			d.rejectf(path, "write ["+path+"]", "must be a table, not %s", describe(n.Kind))
			return
		}
		for it := n.Children(); it.Next(); {
			d.keyValue(v, path, it.Node())
		}
	}
}

// texts reads a list of strings. Every item keeps its place, so that the list's
// paths fit; wrong ones are empty.
func (d *decoder) texts(v reflect.Value, path string, n *unstable.Node) {
	list := []string{}
	for it := n.Children(); it.Next(); {
		item := it.Node()
		at := elementPath(path, len(list))
		offset := d.spots[path].value // arrays in arrays have no place of their own
		if item.Raw.Length > 0 {
			offset = int(item.Raw.Offset)
		}
		d.spots[at] = spot{key: offset, value: offset, set: true}
		text := ""
		if item.Kind == unstable.String {
			text = string(item.Data)
		} else {
			d.rejectf(at, "", "must be text in quotes, not %s", describe(item.Kind))
		}
		list = append(list, text)
	}
	v.Set(reflect.ValueOf(list))
}

// lists reads a list of lists of strings.
func (d *decoder) lists(v reflect.Value, path string, n *unstable.Node) {
	for it := n.Children(); it.Next(); {
		item := it.Node()
		at := elementPath(path, v.Len())
		d.spots[at] = spot{key: d.spots[path].key, value: d.spots[path].value, set: true}
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		if item.Kind != unstable.Array {
			d.rejectf(at, "", "must be a list of texts in brackets, not %s", describe(item.Kind))
			continue
		}
		d.texts(v.Index(v.Len()-1), at, item)
	}
}

// tables reads a list of inline tables.
func (d *decoder) tables(v reflect.Value, path string, n *unstable.Node) {
	for it := n.Children(); it.Next(); {
		item := it.Node()
		if item.Kind != unstable.InlineTable {
			d.rejectf(path, "write [["+headerOf(path)+"]]", "must be a list of tables")
			return
		}
		element, at := d.appendTable(v, path, int(item.Raw.Offset))
		for fields := item.Children(); fields.Next(); {
			d.keyValue(element, at, fields.Node())
		}
	}
}

// setText sets a field from the text form of its value.
func setText(v reflect.Value, text string) error {
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	switch {
	case v.Kind() == reflect.String:
		v.SetString(text)
	case v.Kind() == reflect.Bool:
		v.SetBool(text == "true")
	case v.CanInt():
		n, err := strconv.ParseInt(text, 0, v.Type().Bits())
		if err != nil {
			return errors.New("is too large a number")
		}
		v.SetInt(n)
	case v.CanUint():
		n, err := strconv.ParseUint(strings.TrimPrefix(text, "+"), 0, v.Type().Bits())
		if err != nil {
			return errors.New("must be a whole number, not negative and not too large")
		}
		v.SetUint(n)
	case v.Kind() == reflect.Slice:
		v.Set(reflect.ValueOf([]string{text}))
	}
	return nil
}

// describe names what stands in the file in words.
func describe(kind unstable.Kind) string {
	switch kind {
	case unstable.String:
		return "text"
	case unstable.Bool:
		return "true or false"
	case unstable.Integer:
		return "a number"
	case unstable.Float:
		return "a number with a point"
	case unstable.Array:
		return "a list"
	case unstable.InlineTable:
		return "a table"
	default:
		return "a date"
	}
}

func example(t reflect.Type) string {
	if t == reflect.TypeFor[Size]() {
		return `a size in quotes, such as "10 MB"`
	}
	return `a time span in quotes, such as "15m" or "2d"`
}

func isListOfLists(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Slice
}

func isTableList(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct
}

var places = regexp.MustCompile(`\[\d+\]`)

// headerOf is a path as a header names it: without the places in lists.
func headerOf(path string) string { return places.ReplaceAllString(path, "") }

// field is a field of a configuration struct, found by its key.
type field struct {
	key   string
	index []int
	tag   reflect.StructTag
}

var fieldsOfTypes sync.Map // of []field by reflect.Type

// fieldsOf lists the fields of a struct in order, with those of embedded structs
// in their place.
func fieldsOf(t reflect.Type) []field {
	if known, ok := fieldsOfTypes.Load(t); ok {
		return known.([]field)
	}
	var fields []field
	for _, f := range reflect.VisibleFields(t) {
		if !f.Anonymous {
			fields = append(fields, field{f.Tag.Get("toml"), f.Index, f.Tag})
		}
	}
	fieldsOfTypes.Store(t, fields)
	return fields
}

// fieldByKey finds the field of a struct that a key names, exactly.
func fieldByKey(v reflect.Value, key string) (reflect.Value, bool) {
	for _, f := range fieldsOf(v.Type()) {
		if f.key == key {
			return v.FieldByIndex(f.index), true
		}
	}
	return reflect.Value{}, false
}

func keysOf(t reflect.Type) []string {
	var keys []string
	for _, f := range fieldsOf(t) {
		keys = append(keys, f.key)
	}
	return keys
}

func lastPart(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }
