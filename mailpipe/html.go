package mailpipe

import (
	"strconv"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

const (
	maxQuoteDepth = 12 // "> " signs before a line
	maxListDepth  = 12
	maxHref       = 500 // octets of a link that is shown
)

// htmlToText renders a mail's HTML as text: paragraphs, lists, links and quotes
// stay, what a reader could not see goes. It works on the token stream, not on
// a tree: in linear time, and however deep the nesting. imageName gives the name
// of the attachment that a cid: refers to.
//
// Lines inside a mail client's quote container begin with quoteMark, lines below
// a mark behind which a client quotes with restMark.
func htmlToText(src string, imageName func(cid string) string) string {
	r := htmlRenderer{imageName: imageName, hide: true}
	if r.run(src); r.hidden != "" || r.skip != "" {
		// an element that is passed over was never closed: better too much than nothing
		r = htmlRenderer{imageName: imageName}
		r.run(src)
	}
	return strings.Trim(r.out.String(), "\n")
}

// quoteBox is an element of which everything inside is quoted.
type quoteBox struct {
	tag   string
	depth int // open elements of that tag inside it, itself included
}

type htmlRenderer struct {
	imageName func(cid string) string
	hide      bool

	out       strings.Builder
	newlines  int  // line ends that the next text begins with
	space     bool // white space before the next text
	lineStart bool
	started   bool

	skip        string // raw element being passed over: style, script …
	hidden      string // tag of the hidden element being passed over
	hiddenDepth int

	lastDepth  int    // quote depth of the line before
	quotes     []bool // open blockquotes; true: shown with "> "
	quoteDepth int
	boxes      []quoteBox
	restQuoted bool // a client's mark was met behind which all is quoted
	lists      []int
	pre        int
	tight      bool // the last paragraph has no margin
	href       string
	linkText   strings.Builder
}

func (r *htmlRenderer) run(src string) {
	r.lineStart = true
	z := html.NewTokenizer(strings.NewReader(src))
	for {
		switch z.Next() {
		case html.ErrorToken:
			r.closeLink()
			return
		case html.TextToken:
			if r.skip == "" && r.hidden == "" {
				r.text(z.Text())
			}
		case html.StartTagToken:
			name, attrs := z.TagName()
			r.start(z, name, attrs, false)
		case html.SelfClosingTagToken:
			name, attrs := z.TagName()
			r.start(z, name, attrs, true)
		case html.EndTagToken:
			name, _ := z.TagName()
			r.end(name)
		}
	}
}

func (r *htmlRenderer) start(z *html.Tokenizer, name []byte, hasAttrs, selfClosing bool) {
	tag := atom.Lookup(name)
	if r.hidden != "" {
		if r.hidden == string(name) && !selfClosing {
			r.hiddenDepth++
		}
		return
	}
	if r.skip != "" {
		return
	}
	var a htmlAttrs
	if hasAttrs {
		a = readAttrs(z)
		if r.hide && !selfClosing && !isVoid(tag) && tag != atom.Body && tag != atom.Html && a.isInvisible() {
			r.hidden, r.hiddenDepth = string(name), 1
			return
		}
	}
	for i := range r.boxes {
		if r.boxes[i].tag == string(name) && !selfClosing {
			r.boxes[i].depth++
		}
	}
	if hasAttrs {
		r.enterQuote(string(name), &a, selfClosing || isVoid(tag))
	}
	switch tag {
	case atom.Style, atom.Script, atom.Title, atom.Noscript:
		if !selfClosing {
			r.skip = string(name)
		}
	case atom.Template, atom.Object, atom.Svg, atom.Select:
		if r.hide && !selfClosing {
			r.skip = string(name)
		}
	case atom.Br:
		r.lineBreak()
	case atom.P:
		r.tight = strings.HasPrefix(a.class, "MsoNormal") // Outlook's lines, without a margin
		r.block(r.paragraph())
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Table, atom.Dl:
		r.block(2)
	case atom.Div, atom.Tr, atom.Section, atom.Article, atom.Header, atom.Footer, atom.Center, atom.Form, atom.Dt, atom.Dd,
		atom.Address, atom.Fieldset, atom.Tbody, atom.Caption:
		r.block(1)
	case atom.Hr:
		r.block(2)
	case atom.Td, atom.Th:
		r.space = true
	case atom.Pre, atom.Textarea:
		r.block(1)
		r.pre++
	case atom.Ul, atom.Ol:
		r.block(1)
		if len(r.lists) < maxListDepth {
			r.lists = append(r.lists, map[bool]int{true: 1, false: 0}[tag == atom.Ol])
		}
	case atom.Li:
		r.item()
	case atom.Blockquote:
		r.block(2)
		cited := !strings.Contains(a.style, "border:none") || a.typ == "cite"
		r.quotes = append(r.quotes, cited)
		if cited {
			r.quoteDepth++
		}
		r.block(2)
	case atom.A:
		r.closeLink()
		if strings.HasPrefix(a.href, "http") && len(a.href) <= maxHref {
			r.href = a.href
			r.linkText.Reset()
		}
	case atom.Img:
		r.image(&a)
	}
}

func (r *htmlRenderer) end(name []byte) {
	tag := atom.Lookup(name)
	if r.hidden != "" {
		if r.hidden == string(name) {
			if r.hiddenDepth--; r.hiddenDepth == 0 {
				r.hidden = ""
			}
		}
		return
	}
	if r.skip != "" {
		if r.skip == string(name) {
			r.skip = ""
		}
		return
	}
	switch tag {
	case atom.P:
		r.block(r.paragraph())
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Table, atom.Dl:
		r.block(2)
	case atom.Div, atom.Tr, atom.Section, atom.Article, atom.Header, atom.Footer, atom.Center, atom.Form, atom.Dt, atom.Dd,
		atom.Address, atom.Fieldset, atom.Li, atom.Caption:
		r.block(1)
	case atom.Td, atom.Th:
		r.space = true
	case atom.Pre, atom.Textarea:
		r.pre = max(r.pre-1, 0)
		r.block(1)
	case atom.Ul, atom.Ol:
		if len(r.lists) > 0 {
			r.lists = r.lists[:len(r.lists)-1]
		}
		r.block(1)
	case atom.Blockquote:
		if n := len(r.quotes); n > 0 {
			if r.quotes[n-1] {
				r.quoteDepth--
			}
			r.quotes = r.quotes[:n-1]
		}
		r.block(2)
	case atom.A:
		r.closeLink()
	}
	kept := r.boxes[:0]
	for _, b := range r.boxes {
		if b.tag == string(name) {
			b.depth--
		}
		if b.depth > 0 {
			kept = append(kept, b)
		} else {
			r.block(1)
		}
	}
	r.boxes = kept
}

func isVoid(tag atom.Atom) bool {
	switch tag {
	case atom.Area, atom.Base, atom.Br, atom.Col, atom.Embed, atom.Hr, atom.Img, atom.Input, atom.Link, atom.Meta,
		atom.Param, atom.Source, atom.Track, atom.Wbr:
		return true
	}
	return false
}

// block asks for n line ends before the next text.
func (r *htmlRenderer) block(n int) {
	if r.started {
		r.newlines = max(r.newlines, n)
	}
	r.space = false
}

// paragraph is how many line ends the present <p> stands between.
func (r *htmlRenderer) paragraph() int {
	if r.tight {
		return 1
	}
	return 2
}

// lineBreak is a <br>: always one more line end, unless a block begins anyway.
func (r *htmlRenderer) lineBreak() {
	if r.started {
		r.newlines = min(r.newlines+1, 3)
	}
	r.space = false
}

func (r *htmlRenderer) item() {
	r.block(1)
	indent := ""
	if n := len(r.lists); n > 1 {
		indent = strings.Repeat("  ", n-1)
	}
	mark := "* "
	if n := len(r.lists); n > 0 && r.lists[n-1] > 0 {
		mark = strconv.Itoa(r.lists[n-1]) + ". "
		r.lists[n-1]++
	}
	r.write(indent + mark)
}

// text writes character data, white space folded outside of <pre>.
func (r *htmlRenderer) text(data []byte) {
	if r.pre > 0 {
		for i, line := range strings.Split(cleanText(string(data)), "\n") {
			if i > 0 {
				r.lineBreak()
			}
			if line != "" {
				r.write(line)
			}
		}
		return
	}
	for text := string(data); text != ""; {
		end := 0
		for end < len(text) && !isHTMLSpace(text[end]) {
			end++
		}
		if end == 0 {
			r.space = true
			text = text[1:]
			continue
		}
		word := text[:end]
		text = text[end:]
		if s := cleanText(word); s != "" {
			if strings.Trim(s, " \n") == "" { // &nbsp;
				r.space = true
				if !r.started || r.newlines > 0 {
					r.blank()
				}
				continue
			}
			r.write(s)
		}
	}
}

func isHTMLSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' }

// blank keeps a line on which only &nbsp; stands: Outlook's empty line.
func (r *htmlRenderer) blank() {
	if r.started && r.newlines == 1 {
		r.newlines = 2
	}
	r.space = false
}

// write puts s behind the line ends and the space that are due.
func (r *htmlRenderer) write(s string) {
	if r.started {
		for ; r.newlines > 0; r.newlines-- {
			r.out.WriteByte('\n')
			r.lineStart = true
			if r.newlines > 1 {
				r.prefix(true)
			}
		}
	}
	r.newlines = 0
	if r.lineStart {
		r.prefix(false)
	} else if r.space {
		r.out.WriteByte(' ')
	}
	r.lineStart, r.space, r.started = false, false, true
	r.out.WriteString(s)
	if r.href != "" && r.linkText.Len() < maxHref {
		r.linkText.WriteString(s)
	}
}

// prefix writes what a line begins with.
func (r *htmlRenderer) prefix(empty bool) {
	switch {
	case r.restQuoted:
		r.out.WriteRune(restMark)
	case len(r.boxes) > 0:
		r.out.WriteRune(quoteMark)
	}
	depth := r.quoteDepth
	if empty {
		depth = min(depth, r.lastDepth)
	} else {
		r.lastDepth = depth
	}
	if depth > 0 {
		signs := strings.Repeat("> ", min(depth, maxQuoteDepth))
		if empty {
			signs = strings.TrimRight(signs, " ")
		}
		r.out.WriteString(signs)
	}
}
