package mailpipe

import (
	"strings"

	"golang.org/x/net/html"
)

// htmlAttrs are the attributes of interest of an element.
type htmlAttrs struct {
	id, class, style, typ, href, src, alt, width, height string
	hidden                                               bool
}

func readAttrs(z *html.Tokenizer) htmlAttrs {
	var a htmlAttrs
	for more := true; more; {
		var key, value []byte
		key, value, more = z.TagAttr()
		switch string(key) {
		case "id":
			a.id = string(value)
		case "class":
			a.class = string(value)
		case "style":
			a.style = lower(strings.ReplaceAll(string(value), " ", ""))
		case "type":
			a.typ = string(value)
		case "href":
			a.href = string(value)
		case "src":
			a.src = string(value)
		case "alt":
			a.alt = string(value)
		case "width":
			a.width = string(value)
		case "height":
			a.height = string(value)
		case "hidden":
			a.hidden = true
		}
	}
	return a
}

// isInvisible tells what mail clients don't show: preview lines of newsletters,
// counters, answers prepared by a robot.
func (a *htmlAttrs) isInvisible() bool {
	return a.hidden || strings.Contains(a.style, "display:none") || strings.Contains(a.style, "visibility:hidden") ||
		strings.Contains(a.style, "mso-hide:all") || strings.Contains(a.style, "font-size:0;") || strings.HasSuffix(a.style, "font-size:0")
}

func (a *htmlAttrs) isTiny() bool {
	return a.width == "1" || a.height == "1" || a.width == "0" || a.height == "0"
}

// quoteClasses mark the containers in which mail programs put what
// they quote.
var quoteClasses = []string{
	"gmail_quote", "gmail_attr", "yahoo_quoted", "moz-cite-prefix", "protonmail_quote", "zmail_extra", "tutanota_quote",
	"front-blockquote", "WordSection1_quote", "mailmate_quote", "email-quoted-reply", "OutlookMessageHeader", "cite_quoted",
	"moz-email-headers-table", "gmail_extra",
}

var quoteClassesIndex = indexed(quoteClasses)

// restMarks stand in front of what is quoted, as an element of their own.
var restMarks = map[string]bool{
	"divRplyFwdMsg": true, "appendonsend": true, "OLK_SRC_BODY_SECTION": true, "stopSpelling": true, "stopspelling": true,
	"mail-editor-reference-message-container": true, "reply-intro": true,
	"ms-outlook-mobile-reference-message": true,
}

// enterQuote notes the quote containers of mail programs. They are hints to the
// cutting of the reply, which goes by the text.
func (r *htmlRenderer) enterQuote(tag string, a *htmlAttrs, void bool) {
	id := strings.TrimPrefix(a.id, "x_")
	if restMarks[id] || strings.Contains(a.class, "ms-outlook-mobile-reference-message") {
		r.block(1)
		r.restQuoted = true
		return
	}
	if a.class == "" || void || len(r.boxes) >= maxDepth {
		return
	}
	if !quoteClassesIndex.in(a.class) {
		return
	}
	for _, class := range quoteClasses {
		if strings.Contains(a.class, class) && (class != "gmail_extra" || strings.Contains(a.class, "quote")) {
			r.block(1)
			r.boxes = append(r.boxes, quoteBox{tag, 1})
			return
		}
	}
}

func (r *htmlRenderer) image(a *htmlAttrs) {
	cid, ok := strings.CutPrefix(a.src, "cid:")
	if !ok || r.imageName == nil || a.isTiny() {
		return
	}
	name := r.imageName(strings.Trim(cid, "<> "))
	if name == "" {
		return
	}
	r.block(1)
	r.write(imageLine(name))
	r.block(1)
}

// imageLine stands in the text where a message shows an attached image.
func imageLine(name string) string { return "[imagen: " + name + "]" }

// closeLink writes the address of a link behind its text, unless that is it.
func (r *htmlRenderer) closeLink() {
	if r.href == "" {
		return
	}
	href := r.href
	r.href = ""
	text := strings.TrimSpace(r.linkText.String())
	bare := func(s string) string {
		_, after, ok := strings.Cut(s, "://")
		if !ok {
			after = s
		}
		return strings.TrimSuffix(strings.TrimPrefix(after, "www."), "/")
	}
	if text == "" || strings.EqualFold(bare(text), bare(href)) {
		return
	}
	r.space = true
	r.write("<" + cleanLine(href, maxHref) + ">")
}
