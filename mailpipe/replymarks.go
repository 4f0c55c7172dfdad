package mailpipe

import "strings"

// isFramedSender tells ">>> X <x@y> 03/03/2025 10:12 >>>", below which nothing
// has quote signs.
func isFramedSender(s string) bool {
	s = strings.TrimSpace(s)
	return strings.HasPrefix(s, ">>>") && strings.HasSuffix(s, ">>>") && len(s) > 10 && hasTime(s)
}

// isNotesLine tells "X ---03/03/2025 10:12:00 AM---text", which Lotus Notes puts
// above what it quotes.
func isNotesLine(s string) bool {
	_, after, ok := strings.Cut(s, " ---")
	date, _, closed := strings.Cut(after, "---")
	return ok && closed && len(date) < 40 && hasNumericDate(date) && hasTime(date)
}

// loneSender tells "De: X <x@y>" in a paragraph of its own: all that some
// programs say of what they quote.
func (c *cutter) loneSender(i int) bool {
	if c.lines[i].headerLabel() != labelFrom {
		return false
	}
	_, value := headerLabel(c.lines[i].bare)
	return bracketed(value) && strings.HasSuffix(value, ">") && strings.IndexByte(value, '<') > 0 &&
		(i == 0 || c.lines[i-1].bare == "") && i+1 < len(c.lines) && c.lines[i+1].bare == ""
}

// datedSender tells "From: x@y" and "Date: …, 10:12" in a paragraph of their own:
// what some desks put above the message that they show again.
func (c *cutter) datedSender(i int) bool {
	if c.lines[i].headerLabel() != labelFrom || i > 0 && c.lines[i-1].bare != "" || i+2 >= len(c.lines) || c.lines[i+2].bare != "" {
		return false
	}
	date := &c.lines[i+1]
	return strings.Contains(c.lines[i].bare, "@") && date.headerLabel() == labelDate && hasTime(date.bare) && hasYear(date.bare)
}

// flatHeader tells a quoted header whose lines were run together into one: "De: X
// <x@y> Enviado: lunes 10:12 Para: Y Asunto: Z".
func (l *line) flatHeader() bool {
	if l.headerLabel() != labelFrom || !strings.Contains(l.bare, "@") || !hasTime(l.bare) {
		return false
	}
	var kinds labelKind
	for i := 0; i < len(l.bare); i++ {
		if l.bare[i] == ' ' {
			kind, _ := labelAt(l.bare, i+1)
			kinds |= kind
		}
	}
	return kinds&labelDate != 0 && kinds&(labelTo|labelSubject) == labelTo|labelSubject
}

// isDecoration tells a line drawn with signs on both sides: ">> news <<".
func isDecoration(s string) bool {
	return strings.HasPrefix(s, ">>") && strings.HasSuffix(strings.TrimRight(s, " \t\r"), "<<")
}

// headerBlock tells whether a quoted header (De:, Enviado:, Para:, Asunto:)
// begins at line i: a sender and two other things within a few lines.
func (c *cutter) headerBlock(i int) bool {
	var kinds labelKind
	var addressed, timed bool
	loose := 0
	for k := i; k < len(c.lines) && k < i+16; k++ {
		l := &c.lines[k]
		if l.quoted != c.lines[i].quoted && l.bare != "" {
			break
		}
		if l.bare == "" {
			next := c.nextText(k)
			if next >= len(c.lines) || next > k+2 {
				break
			}
			if c.lines[next].headerLabel() == 0 {
				break
			}
			continue
		}
		label := l.headerLabel()
		if label == 0 {
			if loose++; loose > 3 {
				break
			}
			continue
		}
		loose = 0
		if label&kinds&(labelFrom|labelSubject) != 0 {
			break // another block
		}
		kinds |= label
		addressed = addressed || strings.Contains(l.bare, "@")
		timed = timed || label == labelDate && (hasTime(l.bare) || isSentLabel(l.bare))
	}
	others := 0
	for _, kind := range []labelKind{labelTo, labelDate, labelSubject} {
		if kinds&kind != 0 {
			others++
		}
	}
	if kinds&labelFrom == 0 || others < 2 {
		return false
	}
	// a memo at the top of a letter has the same form, and people list places and days
	if c.hints.reply || c.hints.forward {
		return addressed || timed
	}
	return addressed && (timed || !c.allBlank(0, i))
}

// headerLabel reads "Label: value"; 0: it is none.
func headerLabel(s string) (labelKind, string) {
	colon := strings.IndexByte(s, ':')
	wide := strings.Index(s, "：")
	size := 1
	if colon < 0 || wide >= 0 && wide < colon {
		colon, size = wide, len("：")
	}
	if colon < 0 || colon > 40 {
		return 0, ""
	}
	label := lower(strings.Trim(s[:colon], " \t*_\u00a0"))
	return headerLabels[label], strings.Trim(s[colon+size:], " \t*")
}

// isSentLabel tells a date's label that only mail has: "Enviado el", not "Fecha".
func isSentLabel(s string) bool {
	return hasPrefix(strings.ToLower(strings.TrimLeft(s, "*_ ")), sentLabels)
}

// isOriginalLine tells "-----Mensaje original-----" and its kin.
func isOriginalLine(s string) bool {
	if !strings.HasPrefix(s, "--") && !strings.HasPrefix(s, "__") {
		return false
	}
	inner := strings.Trim(s, "-—_=*:> \t")
	if len(inner) > 60 {
		return false
	}
	return originalMarkers[strings.ToLower(inner)]
}

// previousReplies stand below a ruler, above what some forums quote.
var previousReplies = phraseSet("previous replies", "previous messages", "respuestas anteriores", "mensajes anteriores", "réponses précédentes", "frühere antworten", "respostas anteriores")

// isDrawn tells a line of signs only.
func isDrawn(s string) bool {
	return len(s) >= 2 && mayBeDrawn(s[0]) && strings.Trim(s, "_-—=*") == ""
}

// mayBeDrawn tells the first octet of a drawn line.
func mayBeDrawn(c byte) bool { return c == '_' || c == '-' || c == '=' || c == '*' || c == "—"[0] }

// isRuler tells a line that is drawn only, long enough to be a program's.
func isRuler(s string) bool {
	return len(s) >= 5 && mayBeDrawn(s[0]) && strings.Trim(s, "_-—=*") == ""
}
