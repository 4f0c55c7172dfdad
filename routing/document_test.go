package routing

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"buzon"
)

var update = flag.Bool("update", false, "write docs/configuration.md anew")

// docs/configuration.md is what the types, their comments and tags, and the
// example say.
func TestDocument(t *testing.T) {
	const file = "../docs/configuration.md"
	want := document(t)
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		gotLines, wantLines := strings.Split(string(got), "\n"), strings.Split(want, "\n")
		for i := range max(len(gotLines), len(wantLines)) {
			if i >= len(gotLines) || i >= len(wantLines) || gotLines[i] != wantLines[i] {
				t.Fatalf("%s differs from the types from line %d on; run: go test ./routing -run TestDocument -update", file, i+1)
			}
		}
	}
}

// document writes the file: a section for each table, a row for each key.
func document(t *testing.T) string {
	source := readSource(t)
	examples := readExamples()
	var b strings.Builder
	b.WriteString("# Configuration\n\nGenerated from the types in `routing/config.go` and from " +
		"`config.example.toml`; a test says when it differs.\n\n" + reflow(source.types["Config"][strings.Index(source.types["Config"], "Every key"):strings.Index(source.types["Config"], "The tags of")]) + "\n")
	var section func(typ reflect.Type, header string, list bool)
	section = func(typ reflect.Type, header string, list bool) {
		title := "[" + header + "]"
		if list {
			title = "[" + title + "]"
		}
		fmt.Fprintf(&b, "\n## `%s`\n\n%s\n\n| key | what it says | value | default | example |\n|---|---|---|---|---|\n", title, sentence(source.types[typ.Name()]))
		var below []func()
		for _, f := range fieldsOf(typ) {
			field := typ.FieldByIndex(f.index)
			if isTableList(field.Type) {
				below = append(below, func() { section(field.Type.Elem(), header+"."+f.key, true) })
				continue
			}
			owner := declaring(typ, f.index).Name()
			example := examples[header+"."+f.key]
			if header == "smarthost" && example == "" {
				example = examples["outgoing."+f.key]
			}
			if example == "" {
				t.Errorf("there is no example of %s.%s", header, f.key)
			}
			cells := []string{"`" + f.key + "`", source.fields[owner+"."+field.Name], valueOf(field), "", "`" + example + "`"}
			switch def, ok := f.tag.Lookup("default"); {
			case f.tag.Get("need") != "":
				cells[3] = "required"
			case ok:
				cells[3] = "`" + def + "`"
			case field.Type.Kind() == reflect.Bool:
				cells[3] = "`false`"
			}
			for i := range cells {
				cells[i] = strings.ReplaceAll(cells[i], "|", `\|`)
			}
			b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
		}
		for _, write := range below {
			write()
		}
	}
	for _, f := range fieldsOf(reflect.TypeFor[Config]()) {
		switch typ := reflect.TypeFor[Config]().FieldByIndex(f.index).Type; {
		case isTableList(typ):
			section(typ.Elem(), f.key, true)
		case typ.Kind() == reflect.Map:
			section(typ.Elem(), f.key+".NAME", false)
		default:
			section(typ, f.key, false)
		}
	}
	return b.String()
}

// declaring is the struct in which a field of another, embedding one is written.
func declaring(typ reflect.Type, index []int) reflect.Type {
	for _, i := range index[:len(index)-1] {
		typ = typ.Field(i).Type
	}
	return typ
}

// valueOf says what may be written.
func valueOf(f reflect.StructField) string {
	if words := allowed(f.Tag); len(words) > 0 {
		return "`" + strings.Join(words, "`, `") + "`"
	}
	limits := ""
	if least := f.Tag.Get("min"); least != "" {
		limits = ", " + least + " to " + f.Tag.Get("max")
	} else if most := f.Tag.Get("max"); most != "" {
		limits = ", at most " + most
	}
	switch typ := f.Type; {
	case typ == reflect.TypeFor[Duration]():
		return "time span" + limits
	case typ == reflect.TypeFor[Size]():
		return "size" + limits
	case typ.Kind() == reflect.Bool:
		return "`true`, `false`"
	case typ.Kind() == reflect.Int || typ.Kind() == reflect.Uint64:
		return "number" + limits
	case isListOfLists(typ):
		return "list of lists"
	case typ.Kind() == reflect.Slice:
		return "list"
	case strings.HasSuffix(f.Tag.Get("kind"), "path"):
		return "path"
	case f.Tag.Get("kind") == "text":
		return "text, also several lines"
	}
	return "text"
}

// sourceText is what stands in comments.
type sourceText struct{ types, fields map[string]string }

func readSource(t *testing.T) sourceText {
	t.Helper()
	s := sourceText{map[string]string{}, map[string]string{}}
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "config.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		decl, ok := n.(*ast.GenDecl)
		if !ok || decl.Tok != token.TYPE {
			return true
		}
		for _, spec := range decl.Specs {
			spec := spec.(*ast.TypeSpec)
			s.types[spec.Name.Name] = strings.TrimPrefix(decl.Doc.Text(), spec.Name.Name+" is ")
			fields, ok := spec.Type.(*ast.StructType)
			if !ok {
				continue
			}
			for _, f := range fields.Fields.List {
				for _, name := range f.Names {
					s.fields[spec.Name.Name+"."+name.Name] = reflow(f.Comment.Text() + f.Doc.Text())
				}
			}
		}
		return true
	})
	return s
}

// reflow makes one line of a comment.
func reflow(text string) string { return strings.Join(strings.Fields(text), " ") }

// sentence is reflow with a capital.
func sentence(text string) string {
	text = reflow(text)
	return strings.ToUpper(text[:min(1, len(text))]) + text[min(1, len(text)):]
}

// readExamples returns key = value as config.example.toml has it, in effect or as
// a comment, by header and key.
func readExamples() map[string]string {
	header := regexp.MustCompile(`^(?:# )?\[+([a-z_]+(?:\.[a-z]+)?)\]+$`)
	key := regexp.MustCompile(`^(?:# )?([a-z_]+) = (.*)$`)
	examples, table := map[string]string{}, ""
	for line := range strings.Lines(string(buzon.ExampleConfig)) {
		line = strings.TrimSpace(line)
		if m := header.FindStringSubmatch(line); m != nil {
			table = m[1]
			if strings.HasPrefix(table, "oauth.") {
				table = "oauth.NAME"
			}
		}
		m := key.FindStringSubmatch(line)
		if m == nil || examples[table+"."+m[1]] != "" {
			continue
		}
		value := m[2]
		if strings.HasPrefix(value, `"""`) {
			value = `"""…"""`
		}
		examples[table+"."+m[1]] = m[1] + " = " + value
	}
	return examples
}

// Every comment of a key is there, so that the document has no empty cell.
func TestKeysAreExplained(t *testing.T) {
	fields := readSource(t).fields
	for name, text := range fields {
		if strings.HasPrefix(name, "Config.") {
			continue
		}
		if text == "" {
			t.Errorf("%s has no comment", name)
		}
	}
}
