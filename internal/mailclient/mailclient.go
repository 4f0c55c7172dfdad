// Package mailclient writes replies, new mails and forwarded ones in the forms in
// which well-known mail programs write them: their headers, their quoting, their
// HTML. The forms are
// synthetic, made after what such programs are seen to send; no program wrote
// them.
package mailclient

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"time"
)

// Received is the mail that is answered.
type Received struct {
	From       string // Name <address>
	ReplyTo    string // address; empty: that of From
	To         string // whom it was sent to
	Subject    string
	MessageID  string // without brackets
	References []string
	Text, HTML string // bodies, decoded
}

// Read reads a mail as a mail program does to show it: its headers and its text
// and HTML bodies, which are plain or alternative and quoted-printable, as the
// desk's own are.
func Read(raw []byte) (Received, error) {
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return Received{}, err
	}
	words := new(mime.WordDecoder)
	header := func(name string) string {
		s, err := words.DecodeHeader(m.Header.Get(name))
		if err != nil {
			return m.Header.Get(name)
		}
		return s
	}
	got := Received{
		From: header("From"), To: address(header("To")), Subject: header("Subject"),
		MessageID: strings.Trim(m.Header.Get("Message-ID"), "<>"),
	}
	got.ReplyTo = address(m.Header.Get("Reply-To"))
	for _, id := range strings.Fields(m.Header.Get("References")) {
		got.References = append(got.References, strings.Trim(id, "<>"))
	}
	return got, got.bodies(m.Header.Get("Content-Type"), m.Header.Get("Content-Transfer-Encoding"), m.Body)
}

func (r *Received) bodies(contentType, encoding string, body io.Reader) error {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(kind, "multipart/") {
		if strings.EqualFold(encoding, "quoted-printable") {
			body = quotedprintable.NewReader(body)
		}
		text, err := io.ReadAll(body)
		if err != nil {
			return err
		}
		s := strings.ReplaceAll(string(text), "\r\n", "\n")
		switch {
		case kind == "text/html" && r.HTML == "":
			r.HTML = s
		case kind == "text/plain" && r.Text == "":
			r.Text = s
		}
		return nil
	}
	parts := multipart.NewReader(body, params["boundary"])
	for {
		p, err := parts.NextRawPart()
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := r.bodies(p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), p); err != nil {
			return err
		}
	}
}

// Reply is what the user has written: an answer, a new mail, or what stands above a
// forwarded one.
type Reply struct {
	From      string // Name <address>
	Text      string
	MessageID string // without brackets
	Date      time.Time
}

// Client is a mail program.
type Client struct {
	Name string
	// write returns the text and the HTML part; either may be empty.
	write func(to Received, r Reply) (text, page string)
	// noReferences: only In-Reply-To is sent.
	noReferences bool
}

// Clients are the programs whose forms are known.
var Clients = []Client{
	{Name: "gmail-web", write: gmail},
	{Name: "gmail-android", write: gmailAndroid},
	{Name: "outlook-desktop", write: outlookDesktop},
	{Name: "outlook-web", write: outlookWeb},
	{Name: "outlook-mobile", write: outlookMobile, noReferences: true},
	{Name: "apple-mail", write: appleMail},
	{Name: "iphone", write: iphone},
	{Name: "thunderbird", write: thunderbird},
	{Name: "thunderbird-below", write: thunderbirdBelow},
	{Name: "samsung", write: samsung},
}

// Named returns the client with a name.
func Named(name string) (Client, bool) {
	for _, c := range Clients {
		if c.Name == name {
			return c, true
		}
	}
	return Client{}, false
}

// Write makes the raw message (RFC 5322), with CRLF line ends, and says to which
// address it goes.
func (c Client) Write(to Received, r Reply) (raw []byte, recipient string) {
	recipient = to.ReplyTo
	if recipient == "" {
		recipient = address(to.From)
	}
	subject := to.Subject
	if !strings.HasPrefix(strings.ToLower(subject), "re:") {
		subject = "Re: " + subject
		if strings.HasPrefix(c.Name, "outlook-desktop") {
			subject = "RE: " + to.Subject
		}
	}
	fields := []string{"In-Reply-To: <" + to.MessageID + ">"}
	if !c.noReferences {
		fields = append(fields, "References: <"+strings.Join(append(append([]string{}, to.References...), to.MessageID), ">\r\n <")+">")
	}
	text, page := c.write(to, r)
	return message(r, recipient, subject, fields, text, page), recipient
}

// message puts a mail together, in two parts where it has a text and a page.
func message(r Reply, to, subject string, fields []string, text, page string) []byte {
	var b strings.Builder
	field := func(name, value string) { fmt.Fprintf(&b, "%s: %s\r\n", name, value) }
	field("From", r.From)
	field("To", to)
	field("Subject", encoded(subject))
	field("Date", r.Date.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	field("Message-ID", "<"+r.MessageID+">")
	for _, f := range fields {
		b.WriteString(f + "\r\n")
	}
	field("MIME-Version", "1.0")
	part := func(kind, body string) {
		fmt.Fprintf(&b, "Content-Type: %s; charset=\"utf-8\"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n%s\r\n", kind, crlf(body))
	}
	switch {
	case page == "":
		part("text/plain", text)
	case text == "":
		part("text/html", page)
	default:
		field("Content-Type", `multipart/alternative; boundary="=_alternativa"`)
		b.WriteString("\r\n--=_alternativa\r\n")
		part("text/plain", text)
		b.WriteString("--=_alternativa\r\n")
		part("text/html", page)
		b.WriteString("--=_alternativa--\r\n")
	}
	return []byte(b.String())
}

func crlf(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\n", "\r\n")
}

// encoded writes a subject in one encoded word (RFC 2047) where it needs one.
func encoded(s string) string {
	for _, r := range s {
		if r > '~' {
			var q strings.Builder
			for _, c := range []byte(s) {
				fmt.Fprintf(&q, "=%02X", c)
			}
			return "=?UTF-8?Q?" + q.String() + "?="
		}
	}
	return s
}

func address(from string) string {
	if i := strings.LastIndexByte(from, '<'); i >= 0 {
		return strings.TrimSuffix(strings.TrimSpace(from[i+1:]), ">")
	}
	return strings.TrimSpace(from)
}

func name(from string) string {
	before, _, _ := strings.Cut(from, "<")
	return strings.TrimSpace(before)
}

func quoted(text string) string {
	return "> " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n> ")
}

// lines makes HTML of a text, each line in an element.
func lines(text, open, closing, empty string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if line == "" {
			line = empty
		} else {
			line = html.EscapeString(line)
		}
		b.WriteString(open + line + closing)
	}
	return b.String()
}

// originalPage is the mail's HTML as it is quoted, without what stands around its body.
func originalPage(to Received) string {
	page := to.HTML
	if page == "" {
		return "<div>" + lines(to.Text, "", "<br>", "") + "</div>"
	}
	if i := strings.Index(page, "<body"); i >= 0 {
		page = page[i:]
		page = page[strings.Index(page, ">")+1:]
	}
	page, _, _ = strings.Cut(page, "</body>")
	return page
}

var days = []string{"dom", "lun", "mar", "mié", "jue", "vie", "sáb"}
var months = []string{"ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sept", "oct", "nov", "dic"}

func gmailIntro(to Received, r Reply) string {
	d := r.Date.Add(-time.Hour)
	return fmt.Sprintf("El %s, %d %s %d a las %s, %s (", days[d.Weekday()], d.Day(), months[d.Month()-1], d.Year(), d.Format("15:04"), name(to.From))
}

func gmail(to Received, r Reply) (string, string) {
	from := address(to.From)
	text := r.Text + "\n\n" + gmailIntro(to, r) + "<\n" + from + ">) escribió:\n\n" + quoted(to.Text) + "\n>\n"
	page := `<div dir="ltr">` + lines(r.Text, "<div>", "</div>", "<br>") + `</div><br><div class="gmail_quote gmail_quote_container"><div dir="ltr" class="gmail_attr">` +
		html.EscapeString(gmailIntro(to, r)) + `&lt;<a href="mailto:` + from + `">` + from + `</a>&gt;) escribió:<br></div>` +
		`<blockquote class="gmail_quote" style="margin:0px 0px 0px 0.8ex;border-left:1px solid rgb(204,204,204);padding-left:1ex">` + originalPage(to) + `</blockquote></div>`
	return text, page
}

func gmailAndroid(to Received, r Reply) (string, string) {
	from := address(to.From)
	text := r.Text + "\n\n" + gmailIntro(to, r) + from + ") escribió:\n\n" + quoted(to.Text) + "\n"
	page := `<div dir="auto">` + lines(r.Text, `<div dir="auto">`, "</div>", "<br>") + `</div><br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">` +
		html.EscapeString(gmailIntro(to, r)) + `<a href="mailto:` + from + `">` + from + `</a>) escribió:<br></div><blockquote class="gmail_quote" style="margin:0 0 0 .8ex;border-left:1px #ccc solid;padding-left:1ex">` +
		originalPage(to) + `</blockquote></div>`
	return text, page
}

func outlookHeader(to Received, r Reply) [][2]string {
	return [][2]string{
		{"De:", name(to.From) + " <" + address(to.From) + ">"},
		{"Enviado el:", r.Date.Format("02/01/2006 15:04")},
		{"Para:", to.To},
		{"Asunto:", to.Subject},
	}
}

func outlookDesktop(to Received, r Reply) (string, string) {
	var text, page strings.Builder
	for _, h := range outlookHeader(to, r) {
		text.WriteString(h[0] + " " + h[1] + "\n")
		page.WriteString("<b><span lang=ES style='font-size:11.0pt'>" + h[0] + "</span></b><span lang=ES style='font-size:11.0pt'> " + html.EscapeString(h[1]) + "<br></span>")
	}
	return r.Text + "\n\n" + text.String() + "\n" + to.Text + "\n",
		`<html xmlns:o="urn:schemas-microsoft-com:office:office" xmlns="http://www.w3.org/TR/REC-html40"><head><meta name=Generator content="Microsoft Word 15 (filtered medium)"></head><body lang=ES-CO link="#0563C1"><div class=WordSection1>` +
			lines(r.Text, "<p class=MsoNormal><span style='mso-fareast-language:EN-US'>", "<o:p></o:p></span></p>", "&nbsp;") +
			`<p class=MsoNormal><o:p>&nbsp;</o:p></p><div><div style='border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm'><p class=MsoNormal>` +
			page.String() + `<o:p></o:p></p></div></div><p class=MsoNormal><o:p>&nbsp;</o:p></p>` + originalPage(to) + `</div></body></html>`
}

func outlookWeb(to Received, r Reply) (string, string) {
	text := r.Text + "\n________________________________\n"
	var page strings.Builder
	for _, h := range outlookHeader(to, r) {
		h[0] = strings.Replace(h[0], "Enviado el:", "Enviado:", 1)
		text += h[0] + " " + h[1] + "\n"
		page.WriteString("<b>" + h[0] + "</b> " + html.EscapeString(h[1]) + "<br>")
	}
	return text + "\n" + to.Text + "\n",
		`<html><head><meta http-equiv="Content-Type" content="text/html; charset=utf-8"></head><body dir="ltr">` +
			lines(r.Text, `<div class="elementToProof" style="font-family: Aptos; font-size: 12pt;">`, "</div>", "<br>") +
			`<div id="appendonsend"></div><hr style="display:inline-block;width:98%" tabindex="-1"><div id="divRplyFwdMsg" dir="ltr"><font face="Calibri, sans-serif" style="font-size:11pt" color="#000000">` +
			page.String() + `</font><div>&nbsp;</div></div>` + originalPage(to) + `</body></html>`
}

func outlookMobile(to Received, r Reply) (string, string) {
	text := r.Text + "\n\nObtener Outlook para Android<https://aka.ms/AAb9ysg>\n________________________________\n"
	var page strings.Builder
	for _, h := range outlookHeader(to, r) {
		h[0] = strings.Replace(h[0], "Enviado el:", "Enviado:", 1)
		text += h[0] + " " + h[1] + "\n"
		page.WriteString("<b>" + h[0] + "</b> " + html.EscapeString(h[1]) + "<br>")
	}
	return text + "\n" + to.Text + "\n",
		`<html><body>` + lines(r.Text, `<div dir="auto">`, "</div>", "<br>") +
			`<div id="ms-outlook-mobile-signature" dir="auto"><div><br></div>Obtener <a href="https://aka.ms/AAb9ysg">Outlook para Android</a></div><hr style="display:inline-block;width:98%" tabindex="-1"><div id="divRplyFwdMsg" dir="ltr">` +
			page.String() + `<div>&nbsp;</div></div>` + originalPage(to) + `</body></html>`
}

func appleIntro(to Received, r Reply) string {
	d := r.Date.Add(-time.Hour)
	return fmt.Sprintf("El %d/%02d/%d, a las %s, %s <%s> escribió:", d.Day(), int(d.Month()), d.Year(), d.Format("15:04"), name(to.From), address(to.From))
}

func appleMail(to Received, r Reply) (string, string) {
	return r.Text + "\n\n> " + appleIntro(to, r) + "\n> \n" + quoted(to.Text) + "\n",
		`<html><head><meta http-equiv="content-type" content="text/html; charset=utf-8"></head><body style="overflow-wrap: break-word; -webkit-nbsp-mode: space; line-break: after-white-space;">` +
			lines(r.Text, "<div>", "</div>", "<br>") + `<br id="lineBreakAtBeginningOfMessage"><div><br><blockquote type="cite"><div>` +
			html.EscapeString(appleIntro(to, r)) + `</div><br class="Apple-interchange-newline"><div>` + originalPage(to) + `</div></blockquote></div><br></body></html>`
}

func iphone(to Received, r Reply) (string, string) {
	return r.Text + "\n\nEnviado desde mi iPhone\n\n> " + appleIntro(to, r) + "\n> \n" + quoted(to.Text) + "\n",
		`<html><head></head><body dir="auto">` + lines(r.Text, "<div>", "</div>", "<br>") +
			`<br id="lineBreakAtBeginningOfSignature"><div dir="ltr">Enviado desde mi iPhone</div><div dir="ltr"><br><blockquote type="cite">` +
			html.EscapeString(appleIntro(to, r)) + `<br><br></blockquote></div><blockquote type="cite"><div dir="ltr">` + originalPage(to) + `</div></blockquote></body></html>`
}

func thunderbirdIntro(to Received, r Reply) string {
	d := r.Date.Add(-time.Hour)
	return fmt.Sprintf("El %d/%d/%d a las %s, %s escribió:", d.Day(), int(d.Month()), d.Year(), d.Format("15:04"), name(to.From))
}

func thunderbird(to Received, r Reply) (string, string) {
	return "", `<!DOCTYPE html><html><head><meta http-equiv="Content-Type" content="text/html; charset=UTF-8"></head><body>` +
		lines(r.Text, "<p>", "</p>", "<br>") + `<div class="moz-cite-prefix">` + html.EscapeString(thunderbirdIntro(to, r)) +
		`<br></div><blockquote type="cite" cite="mid:` + html.EscapeString(to.MessageID) + `">` + originalPage(to) + `</blockquote></body></html>`
}

func thunderbirdBelow(to Received, r Reply) (string, string) {
	return thunderbirdIntro(to, r) + "\n" + quoted(to.Text) + "\n\n" + r.Text + "\n", ""
}

func samsung(to Received, r Reply) (string, string) {
	var text strings.Builder
	for _, h := range [][2]string{{"De: ", name(to.From) + " <" + address(to.From) + "> "}, {"Fecha: ", r.Date.Format("2/1/06  3:04 p. m.") + "  (GMT-05:00) "}, {"A: ", to.To + " "}, {"Asunto: ", to.Subject + " "}} {
		text.WriteString(h[0] + h[1] + "\n")
	}
	return r.Text + "\n\n\nEnviado desde mi Galaxy\n\n-------- Mensaje original --------\n" + text.String() + "\n" + to.Text + "\n",
		`<html><head><meta http-equiv="Content-Type" content="text/html; charset=UTF-8"></head><body dir="auto">` + lines(r.Text, `<div dir="auto">`, "</div>", "<br>") +
			`<div><br></div><div id="composer_signature" dir="auto"><div style="font-size:12px;color:#575757" dir="auto">Enviado desde mi Galaxy</div></div><div><br></div><div align="left" dir="auto" style="font-size:100%;color:#000000"><div>-------- Mensaje original --------</div>` +
			lines(text.String(), "<div>", "</div>", "") + `<div><br></div></div>` + originalPage(to) + `</body></html>`
}
