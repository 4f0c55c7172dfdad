package mailpipe

import (
	"strings"
	"testing"
)

// quoteForms are the ways in which mail programs put a quoted message below an
// answer. %s stands for quoted text of two lines.
var quoteForms = []string{
	"El lun, 3 mar 2025 a las 10:12, Mesa (<s@desk.example>) escribió:\n\n> uno\n> dos",
	"El lun, 3 de mar. de 2025 a la(s) 8:05 p. m., Mesa (s@desk.example) escribió:\n> uno\n> dos",
	"El lunes, 3 de marzo de 2025, 10:12:00 GMT-5, Mesa <s@desk.example> escribió:\n\nuno\ndos",
	"El 3/3/2025 a las 10:12, Mesa escribió:\n> uno\n> dos",
	"El 03/03/25 a las 10:12, Mesa de Ayuda de la\nFacultad escribió:\n\n> uno",
	"El 3 mar. 2025, a las 10:12, Mesa <s@desk.example> escribió:\n\nuno",
	"El 3 de marzo de 2025, 10:12, Mesa <\ns@desk.example> escribió:\n\n> uno",
	"> El 3/03/2025, a la(s) 10:12 a. m., Mesa <s@desk.example> escribió:\n> \n> uno",
	"El lun, 3 mar 2025 10:12, Mesa <s@desk.example>\nescribió:\n> uno",
	"Mesa <s@desk.example> escribió:\n> uno",
	"Mesa de Ayuda <s@desk.example> escribió el lun, 3 mar 2025 a las 10:12:\n> uno",
	"2025-03-03 10:12 GMT-05:00 Mesa <s@desk.example>:\n> uno\n> dos",
	"-----Mensaje original-----\nDe: Mesa\nEnviado el: lunes, 3 de marzo de 2025 10:12\nPara: Ana\nAsunto: x\n\nuno",
	"-------- Mensaje original --------\nDe: Mesa <s@desk.example>\nFecha: 3/3/25 10:12 a. m. (GMT-05:00)\nPara: ana@x.example\nAsunto: x\n\nuno",
	"________________________________\nDe: Mesa <s@desk.example>\nEnviado: lunes, 3 de marzo de 2025 10:12\nPara: Ana <ana@x.example>\nAsunto: x\n\nuno",
	"*De:* Mesa <s@desk.example>\n*Enviado:* lunes, 3 de marzo de 2025 10:12\n*Para:* Ana <ana@x.example>\n*Cc:* Otro <o@x.example>; Otra\n<p@x.example>\n*Asunto:* x\n\nuno",
	"De: Mesa [mailto:s@desk.example]\n\nEnviado el: lunes 10:12\n\nPara: Ana\n\nAsunto: x\n\nuno",
	"From: Mesa <s@desk.example>\nDate: lunes, 3 de marzo de 2025, 10:12\nTo: Ana\nSubject: x\nuno",
	"Fecha: Mon, 3 Mar 2025 10:12:00 -0500\nDe: s@desk.example\nPara: ana@x.example\nAsunto: x\n\nuno",
	"---- El lun, 03 mar 2025 10:12:00 -0500 Mesa <s@desk.example> escribió ----\n\nuno",
	"On Mon, Mar 3, 2025 at 10:12 AM Mesa <s@desk.example> wrote:\n\n> uno",
	"Em seg., 3 de mar. de 2025 10:12, Mesa <s@desk.example> escreveu:\n\n> uno",
	"Le lun. 3 mars 2025 à 10:12, Mesa <s@desk.example> a écrit :\n\n> uno",
	"Am 03.03.2025 um 10:12 schrieb Mesa:\n> uno",
	"Il 03/03/2025 10:12, Mesa ha scritto:\n> uno",
	"##- Responda por encima de esta línea -##\nuno",
	"----- Escriba su respuesta encima de esta línea {buzon:" + strings.Repeat("a", 40) + "} -----\nuno",
	"El lun, 3 mar 2025 a las 10:12, Mesa (<s@desk.example>) escribió:\n\n{buzon:" + strings.Repeat("a", 40) + "}\nuno",
	"> uno\n> dos",
	"On Mon, Mar 3, 2025 at 10:12 AM, Mesa wrote:\n\n> uno\n>\n (http://desk.example/c/YzOTYz) >\n> dos",
	"2025/3/3 Mesa <s@desk.example>\n\n| uno\n|\n| dos\n| ---",
	"2025-03-03 10:12 GMT-05:00 Mesa de Ayuda\n\nuno\n\ndos",
	"De: Mesa <s@desk.example> Enviado: lunes, 3 de marzo de 2025 10:12 Para: Ana <ana@x.example> Asunto: x\n\nuno",
	"Mesa de Ayuda\n<s@desk.example> escribió:\n\n> uno",
	"From: mesa@desk.example\nDate: Mon, 03 Mar 2025 10:12:00 -0500\n\nuno\n\ndos",
}

func TestQuoteForms(t *testing.T) {
	for _, quote := range quoteForms {
		for _, above := range []string{"Respuesta.", "Buenos días:\n\nRespuesta con fecha 3/3/2025 y De: todo.\n\nSaludos,\nAna"} {
			c := cutReply(above+"\n\n"+quote+"\n", replyHints{reply: true})
			if c.reply != above || c.signature != "" || c.forwarded != nil {
				t.Errorf("%q\nreply %q\nquoted %q", quote, c.reply, c.quoted)
			}
		}
		if c := cutReply(quote, replyHints{reply: true}); c.reply != "" {
			t.Errorf("nothing new above %q, reply %q", quote, c.reply)
		}
	}
}

// TestNotCut are texts of answers in which nothing is quoted.
func TestNotCut(t *testing.T) {
	for _, text := range []string{
		"El profesor me escribió:\nque no podía.",
		"El 3 de marzo me escribió lo siguiente:\nno hay cupo.",
		"De: todo un poco\nhay en el formato.",
		"Asunto: matrícula\nNo puedo entrar.",
		"Los datos son:\nPara: el decano\nPor: mí",
		"El horario es 10:12:\nlunes y martes",
		"Mi correo es ana@x.example y el código:\n123",
		"----\nPunto 1\n----\nPunto 2",
		"Enviado desde mi computador ayer, pero no llegó.\nQuedo atenta.\nAna",
		"a > b\nb < c",
		"Aviso: legal no soy",
		"Adjunto:\n* uno\n* dos",
		"Esto es lo que Ana escribió:\n| código | nota |\n| 1 | 5 |",
		"De: ana@x.example\nFecha: 3/3/2025 10:12\nLugar: aula 4",
		"2025-03-03 10:12 GMT-05:00 es la hora, no otra.",
		"Desde mi celular no se puede abrir el archivo.", "No abre.\nDisculpe la brevedad.", "Lo hice de nuevo.\nDesde mi móvil tampoco.",
	} {
		if c := cutReply(text, replyHints{reply: true}); c.reply != text || c.quoted != "" || c.signature != "" {
			t.Errorf("%q\nreply %q\nquoted %q\nsignature %q", text, c.reply, c.quoted, c.signature)
		}
	}
}

// TestSharedLine: an answer on the line of the attribution keeps its words only.
func TestSharedLine(t *testing.T) {
	for _, mark := range []string{" ", " --- ", "--- ", "\t---- "} {
		c := cutReply("Respuesta."+mark+"On Mon, Mar 3, 2025 at 10:12 AM, s@desk.example wrote:\n> uno", replyHints{reply: true})
		if c.reply != "Respuesta." {
			t.Errorf("%q: reply %q, quoted %q", mark, c.reply, c.quoted)
		}
	}
	if c := cutReply("A- El 3/3/2025 a las 10:12, s@desk.example escribió:\n> uno", replyHints{reply: true}); c.reply != "A-" {
		t.Errorf("a dash at a word's end is the word's: reply %q, quoted %q", c.reply, c.quoted)
	}
}

func TestInterleaved(t *testing.T) {
	c := cutReply("Hola:\n\nEl 3/3/2025 a las 10:12, Mesa escribió:\n> ¿Código?\n123\n> ¿Programa?\n\nSistemas\n> Gracias\n\nHasta luego\n\nEnviado desde mi iPhone\n", replyHints{reply: true})
	if want := "Hola:\n\n123\n\nSistemas\n\nHasta luego"; c.reply != want || c.signature != "Enviado desde mi iPhone" {
		t.Errorf("reply %q, signature %q", c.reply, c.signature)
	}
}

// TestSignatures: each is taken off an answer.
func TestSignatures(t *testing.T) {
	for _, signature := range []string{
		"-- \nAna Gómez\nTel. 555", "--\nAna", "Enviado desde mi iPhone", "Enviado desde mi Samsung Galaxy", "Enviado desde Outlook para Android",
		"Obtener Outlook para iOS<https://aka.ms/o0ukef>", "Sent from my iPhone", "Get Outlook for Android<https://aka.ms/x>", "Enviado do meu iPhone",
		"Envoyé de mon iPhone", "Von meinem iPhone gesendet", "Inviato da iPhone", "Enviado desde Correo para Windows",
		"AVISO DE CONFIDENCIALIDAD: este correo\nes confidencial.\n\nNo lo imprima.", "Aviso legal. Este mensaje…", "CONFIDENTIALITY NOTICE: this",
		"________________\nAna Gómez\nCódigo 1", "Enviado con correo seguro de Proton Mail.", "Sent from mobile", "— Sent from Mailbox", "Get TypeApp for Android", "Enviat des del meu iPhone",
		"Baixar o Outlook para iOS", "Provenance : Courrier pour Windows", "Desde mi celular.", "(via mobile)", "Sin virus. www.avast.com", "Remitente notificado con Mailtrack",
		"Enviado desde mi iPhone\n\n-- \nAna Gómez", "Obtener Outlook para iOS\n\nAVISO DE CONFIDENCIALIDAD: esto\nes suyo.", "Enviado desde mi iPhone\nDisculpe la brevedad y los errores.", "This message has been scanned for viruses and\ndangerous content.", "Yahoo Mail: Busca, organiza, conquista", "\u1427", "Enviado desde mi iPhone\n\u1427",
	} {
		for _, quote := range []string{"", "\n\n> uno"} {
			c := cutReply("Respuesta.\n\n"+signature+quote, replyHints{reply: true})
			if c.reply != "Respuesta." || strings.Join(strings.Fields(c.signature), " ") != strings.Join(strings.Fields(signature), " ") {
				t.Errorf("%q: reply %q, signature %q", signature+quote, c.reply, c.signature)
			}
		}
		if c := cutReply("/para ana@uni.example\nLlamó.\n\n"+signature, replyHints{}); c.reply != "/para ana@uni.example\nLlamó." {
			t.Errorf("%q: below a command the reply is %q", signature, c.reply)
		}
		if c := cutReply("Solicitud.\n\n"+signature, replyHints{}); !strings.HasSuffix(c.reply, signature) {
			t.Errorf("a first message keeps its whole text: %q", c.reply)
		}
	}
}

func TestForwardForms(t *testing.T) {
	for _, head := range []string{
		"---------- Forwarded message ---------\nDe: Deca <d@x.example>\nDate: lun, 3 mar 2025 a las 9:00\nSubject: Acta\nTo: <ana@x.example>\n\n",
		"---------- Mensaje reenviado ---------\nDe: Deca <d@x.example>\nFecha: lun, 3 mar 2025\nAsunto: Acta\nPara: Ana <ana@x.example>\n\n",
		"-------- Mensaje reenviado --------\nAsunto: \tActa\nFecha: \tMon, 3 Mar 2025 09:00:00 -0500\nDe: \tDeca <d@x.example>\nPara: \tAna <ana@x.example>\n\n",
		"Inicio del mensaje reenviado:\n\nDe: Deca <d@x.example>\nAsunto: Acta\nFecha: 3 de marzo de 2025, 9:00:00 COT\nPara: ana@x.example\n\n",
		"De: Deca <d@x.example>\nEnviado el: lunes, 3 de marzo de 2025 9:00\nPara: Ana\nCC: Otro <o@x.example>\nAsunto: Acta\n\n",
		"________________________________\nDe: Deca <d@x.example>\nEnviado: lunes 9:00\nPara: Ana\nAsunto: Acta\n\n",
		"-----Mensaje original-----\nDe: Deca [mailto:d@x.example]\nEnviado el: lunes 9:00\nPara: Ana\nAsunto: Acta\n\n",
		"----- Mensaje reenviado ----- De: Deca <d@x.example>Para: Ana <ana@x.example>Enviado: lunes, 3 de marzo de 2025 09:00:00 COTAsunto: Acta\n",
	} {
		for _, above := range []string{"", "Para su trámite."} {
			c := cutReply(above+"\n\n"+head+"Cuerpo uno.\n\nCuerpo dos.", replyHints{forward: true})
			f := c.forwarded
			if f == nil {
				t.Errorf("%q: no forward, reply %q", head, c.reply)
				continue
			}
			if c.reply != above || f.From.Addr != "d@x.example" || f.From.Name != "Deca" || f.Subject != "Acta" || f.Text != "Cuerpo uno.\n\nCuerpo dos." {
				t.Errorf("%q: reply %q, forwarded %+v", head, c.reply, *f)
			}
		}
	}
}
