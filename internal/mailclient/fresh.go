package mailclient

import (
	"fmt"
	"html"
	"time"
)

// form is how a client writes what is new in a mail.
type form struct {
	before, after        string // around the HTML
	open, closing, empty string // around each of its lines
	sign, signHTML       string // what the client adds below by itself
	noHTML, noText       bool
	fwd                  string // begins the subject of a forwarded mail
	forward              func(original Received, r Reply) (text, page string)
}

var forms = map[string]form{
	"gmail-web": {
		before: `<div dir="ltr">`, after: `</div>`, open: "<div>", closing: "</div>", empty: "<br>",
		fwd: "Fwd: ", forward: forwardGmail,
	},
	"gmail-android": {
		before: `<div dir="auto">`, after: `</div>`, open: `<div dir="auto">`, closing: "</div>", empty: "<br>",
		fwd: "Fwd: ", forward: forwardGmail,
	},
	"outlook-desktop": {
		before: `<html xmlns:o="urn:schemas-microsoft-com:office:office" xmlns="http://www.w3.org/TR/REC-html40"><body lang=ES-CO link="#0563C1"><div class=WordSection1>`,
		after:  `</div></body></html>`, open: "<p class=MsoNormal>", closing: "<o:p></o:p></p>", empty: "&nbsp;",
		fwd: "RV: ", forward: forwardOutlook("Enviado el:", `<div><div style='border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm'><p class=MsoNormal>`, `<o:p></o:p></p></div></div>`),
	},
	"outlook-web": {
		before: `<html><head><meta http-equiv="Content-Type" content="text/html; charset=utf-8"></head><body dir="ltr">`, after: "</body></html>",
		open: `<div class="elementToProof" style="font-family: Aptos; font-size: 12pt;">`, closing: "</div>", empty: "<br>",
		fwd: "RV: ", forward: forwardOutlook("Enviado:", `<div id="appendonsend"></div><hr style="display:inline-block;width:98%" tabindex="-1"><div id="divRplyFwdMsg" dir="ltr">`, `<div>&nbsp;</div></div>`),
	},
	"outlook-mobile": {
		before: "<html><body>", after: "</body></html>", open: `<div dir="auto">`, closing: "</div>", empty: "<br>",
		sign: "Obtener Outlook para Android<https://aka.ms/AAb9ysg>", signHTML: `<div id="ms-outlook-mobile-signature" dir="auto"><div><br></div>Obtener <a href="https://aka.ms/AAb9ysg">Outlook para Android</a></div>`,
		fwd: "RV: ", forward: forwardOutlook("Enviado:", `<hr style="display:inline-block;width:98%" tabindex="-1"><div id="divRplyFwdMsg" dir="ltr">`, `<div>&nbsp;</div></div>`),
	},
	"apple-mail": {
		before: `<html><body style="overflow-wrap: break-word; -webkit-nbsp-mode: space; line-break: after-white-space;">`, after: "</body></html>",
		open: "<div>", closing: "</div>", empty: "<br>", fwd: "Fwd: ", forward: forwardApple,
	},
	"iphone": {
		before: `<html><body dir="auto">`, after: "</body></html>", open: "<div>", closing: "</div>", empty: "<br>",
		sign: "Enviado desde mi iPhone", signHTML: `<br id="lineBreakAtBeginningOfSignature"><div dir="ltr">Enviado desde mi iPhone</div>`,
		fwd: "Fwd: ", forward: forwardApple,
	},
	"thunderbird": {
		before: `<!DOCTYPE html><html><head><meta http-equiv="content-type" content="text/html; charset=UTF-8"></head><body>`, after: "</body></html>",
		open: "<p>", closing: "</p>", empty: "<br>", noText: true, fwd: "Fwd: ", forward: forwardThunderbird,
	},
	"thunderbird-below": {noHTML: true, fwd: "Fwd: ", forward: forwardThunderbird},
	"samsung": {
		before: `<html><body dir="auto">`, after: "</body></html>", open: `<div dir="auto">`, closing: "</div>", empty: "<br>",
		sign: "\nEnviado desde mi Galaxy", signHTML: `<div><br></div><div id="composer_signature" dir="auto"><div style="font-size:12px;color:#575757" dir="auto">Enviado desde mi Galaxy</div></div>`,
		fwd: "Fwd: ", forward: forwardSamsung,
	},
}

// Compose makes the raw message (RFC 5322) of a new mail, with CRLF line ends.
func (c Client) Compose(to, subject string, r Reply) []byte {
	text, page := forms[c.Name].fresh(r.Text, "", "")
	return message(r, to, subject, nil, text, page)
}

// Forward makes the raw message of a mail that passes another one on, inline.
func (c Client) Forward(original Received, to string, r Reply) []byte {
	f := forms[c.Name]
	text, page := f.fresh(r.Text, "", "")
	if f.forward != nil {
		below, belowPage := f.forward(original, r)
		text, page = f.fresh(r.Text, below, belowPage)
	}
	return message(r, to, f.fwd+original.Subject, []string{"References: <" + original.MessageID + ">"}, text, page)
}

func (f form) fresh(words, below, belowPage string) (text, page string) {
	text = words + "\n"
	if words == "" {
		text = ""
	}
	if f.sign != "" {
		text += "\n" + f.sign + "\n"
	}
	if below != "" {
		text += "\n" + below
	}
	if f.noText {
		text = ""
	}
	if !f.noHTML {
		page = f.before + lines(words, f.open, f.closing, f.empty) + f.signHTML + belowPage + f.after
	}
	return text, page
}

// headOf are the lines that stand above a forwarded mail, under labels.
func headOf(original Received, r Reply, from, date, subject, to string) [][2]string {
	d := r.Date.Add(-time.Hour)
	return [][2]string{
		{from, name(original.From) + " <" + address(original.From) + ">"},
		{date, fmt.Sprintf("%s, %d %s %d a las %s", days[d.Weekday()], d.Day(), months[d.Month()-1], d.Year(), d.Format("15:04"))},
		{subject, original.Subject},
		{to, "<" + original.To + ">"},
	}
}

func forwardGmail(original Received, r Reply) (string, string) {
	head := headOf(original, r, "De:", "Date:", "Subject:", "To:")
	text := "---------- Forwarded message ---------\n"
	for _, h := range head {
		text += h[0] + " " + h[1] + "\n"
	}
	from := address(original.From)
	page := `<br><br><div class="gmail_quote gmail_quote_container"><div dir="ltr" class="gmail_attr">---------- Forwarded message ---------<br>De: <strong class="gmail_sendername" dir="auto">` +
		html.EscapeString(name(original.From)) + `</strong> <span dir="auto">&lt;<a href="mailto:` + from + `">` + from + `</a>&gt;</span><br>`
	for _, h := range head[1:] {
		page += h[0] + " " + html.EscapeString(h[1]) + "<br>"
	}
	return text + "\n\n" + original.Text + "\n", page + `</div><br><br>` + originalPage(original) + `</div>`
}

func forwardOutlook(sent, before, after string) func(Received, Reply) (string, string) {
	return func(original Received, r Reply) (string, string) {
		text, page := "", before
		if sent == "Enviado:" {
			text = "________________________________\n"
		}
		for _, h := range headOf(original, r, "De:", sent, "Asunto:", "Para:") {
			text += h[0] + " " + h[1] + "\n"
			page += "<b>" + h[0] + "</b> " + html.EscapeString(h[1]) + "<br>"
		}
		return text + "\n" + original.Text + "\n", page + after + originalPage(original)
	}
}

func forwardApple(original Received, r Reply) (string, string) {
	text := "Inicio del mensaje reenviado:\n\n"
	page := `<div><br><blockquote type="cite"><div>Inicio del mensaje reenviado:</div><br class="Apple-interchange-newline">`
	for _, h := range headOf(original, r, "De:", "Fecha:", "Asunto:", "Para:") {
		text += h[0] + " " + h[1] + "\n"
		page += `<div style="margin: 0px;"><span><b>` + h[0] + ` </b></span><span>` + html.EscapeString(h[1]) + `<br></span></div>`
	}
	return quoted(text+"\n"+original.Text) + "\n", page + `<br><div>` + originalPage(original) + `</div></blockquote></div>`
}

func forwardThunderbird(original Received, r Reply) (string, string) {
	text := "\n-------- Mensaje reenviado --------\n"
	page := `<div class="moz-forward-container"><br><br>-------- Mensaje reenviado --------<table class="moz-email-headers-table" cellspacing="0" cellpadding="0" border="0"><tbody>`
	for _, h := range headOf(original, r, "De:", "Fecha:", "Asunto:", "Para:") {
		text += h[0] + " \t" + h[1] + "\n"
		page += `<tr><th valign="BASELINE" nowrap="nowrap" align="RIGHT">` + h[0] + ` </th><td>` + html.EscapeString(h[1]) + `</td></tr>`
	}
	return text + "\n" + original.Text + "\n", page + `</tbody></table><br><br>` + originalPage(original) + `</div>`
}

func forwardSamsung(original Received, r Reply) (string, string) {
	text := "\n-------- Mensaje original --------\n"
	page := `<div><br></div><div align="left" dir="auto" style="font-size:100%;color:#000000"><div>-------- Mensaje original --------</div>`
	for _, h := range headOf(original, r, "De:", "Fecha:", "Asunto:", "A:") {
		text += h[0] + " " + h[1] + " \n"
		page += "<div>" + h[0] + " " + html.EscapeString(h[1]) + " </div>"
	}
	return text + "\n" + original.Text + "\n", page + `<div><br></div></div>` + originalPage(original)
}
