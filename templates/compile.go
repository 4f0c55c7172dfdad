package templates

import (
	"fmt"
	htmltemplate "html/template"
	"reflect"
	"strconv"
	"strings"
	texttemplate "text/template"
	"text/template/parse"
)

// compiler makes a program of a template as it was parsed and, where it is a page, as
// html/template has put escapers into it. What a Data holds is known, so names are looked
// up here, once. It takes what the built-in templates are written with; anything else,
// such as a variable, a script or an attribute that needs more than quoting, leaves the
// whole template to its package.
type compiler struct {
	functions map[string]any
	trees     map[string]*parse.Tree // of the templates that can be called
	page      bool
	bodies    map[call]step // nil: it is being compiled
}

// call is a template that others call, with the type of what they give it.
type call struct {
	name string
	typ  reflect.Type
}

// scope is what the dot and $ are at a place of a template.
type scope struct{ dot, top reflect.Type }

// beyond says why a template has no program.
type beyond string

func (b beyond) Error() string { return string(b) }

func refuse(format string, args ...any) { panic(beyond(fmt.Sprintf(format, args...))) }

// compile makes the part's program, or says why there is none. The template has been
// executed before, so that a page has its escapers.
func (p *part) compile(functions map[string]any) (err error) {
	c := compiler{functions: functions, trees: map[string]*parse.Tree{}, bodies: map[call]step{}}
	var tree *parse.Tree
	switch t := p.template.(type) {
	case *texttemplate.Template:
		tree = t.Tree
		for _, t := range t.Templates() {
			c.trees[t.Name()] = t.Tree
		}
	case *htmltemplate.Template:
		tree, c.page = t.Tree, true
		for _, t := range t.Templates() {
			c.trees[t.Name()] = t.Tree
		}
	}
	defer func() {
		if r := recover(); r != nil {
			why, ok := r.(beyond)
			if !ok {
				panic(r)
			}
			err = why
		}
	}()
	data := reflect.TypeFor[Data]()
	p.program = c.list(tree.Root, scope{data, data})
	return nil
}

func (c *compiler) list(list *parse.ListNode, s scope) step {
	if list == nil {
		return func(*filling, reflect.Value) {}
	}
	var steps []step
	for _, n := range list.Nodes {
		steps = append(steps, c.node(n, s))
	}
	return func(f *filling, dot reflect.Value) {
		for _, do := range steps {
			do(f, dot)
		}
	}
}

func (c *compiler) node(n parse.Node, s scope) step {
	switch n := n.(type) {
	case *parse.TextNode:
		return func(f *filling, _ reflect.Value) { f.out = append(f.out, n.Text...) }
	case *parse.ActionNode:
		return c.action(n.Pipe, s)
	case *parse.IfNode:
		cond, then, otherwise := c.pipe(n.Pipe, s).value, c.list(n.List, s), c.list(n.ElseList, s)
		return func(f *filling, dot reflect.Value) {
			if truth(cond(f, dot)) {
				then(f, dot)
			} else {
				otherwise(f, dot)
			}
		}
	case *parse.WithNode:
		e := c.pipe(n.Pipe, s)
		then, otherwise := c.list(n.List, scope{e.typ, s.top}), c.list(n.ElseList, s)
		return func(f *filling, dot reflect.Value) {
			if v := e.value(f, dot); truth(v) {
				then(f, v)
			} else {
				otherwise(f, dot)
			}
		}
	case *parse.RangeNode:
		return c.loop(n, s)
	case *parse.TemplateNode:
		e := c.pipe(n.Pipe, s)
		body := c.body(call{n.Name, e.typ})
		return func(f *filling, dot reflect.Value) {
			top := f.top
			f.top = e.value(f, dot)
			body(f, f.top)
			f.top = top
		}
	}
	refuse("%s", n)
	return nil
}

func (c *compiler) loop(n *parse.RangeNode, s scope) step {
	e := c.pipe(n.Pipe, s)
	if e.typ.Kind() != reflect.Slice {
		refuse("range over %s", e.typ)
	}
	each, none := c.list(n.List, scope{e.typ.Elem(), s.top}), c.list(n.ElseList, s)
	return func(f *filling, dot reflect.Value) {
		list := e.value(f, dot)
		for i := range list.Len() {
			each(f, list.Index(i))
		}
		if list.Len() == 0 {
			none(f, dot)
		}
	}
}

// body compiles a template that another calls.
func (c *compiler) body(of call) step {
	body, known := c.bodies[of]
	if known && body == nil {
		refuse("template %q calls itself", of.name)
	}
	if !known {
		tree := c.trees[of.name]
		if tree == nil || tree.Root == nil {
			refuse("no template %q", of.name)
		}
		c.bodies[of] = nil
		body = c.list(tree.Root, scope{of.typ, of.typ})
		c.bodies[of] = body
	}
	return body
}

// escaperPrefix begins the names that html/template gives to its escapers, which stand
// at the end of what a page shows.
const escaperPrefix = "_html_template_"

// action is a place that shows something.
func (c *compiler) action(pipe *parse.PipeNode, s scope) step {
	cmds := pipe.Cmds
	var escapers []string
	for len(cmds) > 0 {
		last := cmds[len(cmds)-1].Args
		name, ok := last[0].(*parse.IdentifierNode)
		if !ok || !strings.HasPrefix(name.Ident, escaperPrefix) {
			break
		}
		escapers = append([]string{strings.TrimPrefix(name.Ident, escaperPrefix)}, escapers...)
		cmds = cmds[:len(cmds)-1]
	}
	plain := *pipe
	plain.Cmds = cmds
	e := c.pipe(&plain, s)
	shown := e.shown()
	if !c.page {
		return func(f *filling, dot reflect.Value) { f.out = append(f.out, shown(f, dot)...) }
	}
	write := escaping(strings.Join(escapers, " "), e.typ)
	if write == nil {
		refuse("%s of %s", pipe, e.typ)
	}
	return func(f *filling, dot reflect.Value) { write(f, shown(f, dot)) }
}

// pipe compiles commands, each of which has the value of the one before as its last
// argument.
func (c *compiler) pipe(pipe *parse.PipeNode, s scope) expr {
	if pipe == nil || len(pipe.Decl) > 0 || len(pipe.Cmds) == 0 {
		refuse("%s", pipe)
	}
	var e expr
	for i, cmd := range pipe.Cmds {
		name, ok := cmd.Args[0].(*parse.IdentifierNode)
		switch {
		case ok:
			var args []expr
			for _, arg := range cmd.Args[1:] {
				args = append(args, c.operand(arg, s))
			}
			if i > 0 {
				args = append(args, e)
			}
			e = c.call(name.Ident, args)
		case i > 0 || len(cmd.Args) > 1:
			refuse("%s", cmd)
		default:
			e = c.operand(cmd.Args[0], s)
		}
	}
	return e
}

func (c *compiler) operand(n parse.Node, s scope) expr {
	switch n := n.(type) {
	case *parse.DotNode:
		return dotExpr(s)
	case *parse.FieldNode:
		return dotExpr(s).fields(n.Ident)
	case *parse.ChainNode:
		return c.operand(n.Node, s).fields(n.Field)
	case *parse.PipeNode:
		return c.pipe(n, s)
	case *parse.IdentifierNode:
		return c.call(n.Ident, nil)
	case *parse.VariableNode:
		if n.Ident[0] == "$" {
			top := valueExpr(s.top, func(f *filling, _ reflect.Value) reflect.Value { return f.top })
			return top.fields(n.Ident[1:])
		}
	case *parse.StringNode:
		return textExpr(func(*filling, reflect.Value) string { return n.Text })
	case *parse.NumberNode:
		if i, err := strconv.Atoi(n.Text); err == nil && n.IsInt && int64(i) == n.Int64 {
			return constant(i)
		}
	}
	refuse("%s", n)
	return expr{}
}
