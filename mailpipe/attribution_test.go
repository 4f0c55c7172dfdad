package mailpipe

import (
	"strings"
	"testing"
)

// strongLines are lines above quotes that need no quote signs below them.
var strongLines = []string{
	// Spanish
	"El lun, 3 mar 2025 a las 10:12, Mesa (<s@desk.example>) escribió:",
	"El lun., 3 de marzo de 2025 8:05 p. m., Mesa <s@desk.example> escribió:",
	"El 3/3/25 a las 10:12, Mesa de Ayuda escribió:",
	"El 3/3/25 a las 10:12 a. m., Mesa de Ayuda escribió:",
	"En 3 mar. 2025 10:12, en 10:12, Mesa <s@desk.example> escribió:",
	"El Mesa <s@desk.example>, 3 mar 2025 10:12 escribió:",
	"El 3 de marzo de 2025, Mesa de Ayuda escribió:",
	"Mesa de Ayuda escribió el 03/03/25 a las 10:12:",
	"El 3 mar 2025, 10:12 -0500, Mesa <s@desk.example>, escribió:",
	"----- El 3 de Mar de 2025, a las 10:12, Mesa <s@desk.example> escribió:",
	"El 03.03.2025 10:12, \"Mesa\" <s@desk.example> ha escrito:",
	// English
	"On Mon, Mar 3, 2025 at 10:12 AM Mesa <s@desk.example> wrote:",
	"On 3 Mar 2025, at 10:12, Mesa <s@desk.example> wrote:",
	"On 03/03/2025 10:12, Mesa de Ayuda wrote:",
	"On Mon, 2025-03-03 at 10:12 -0500, Mesa de Ayuda wrote:",
	"On Monday, March 3, 2025 10:12 AM, Mesa <s@desk.example> wrote:",
	"On March 3, 2025 10:12:00 AM EST, Mesa <s@desk.example> wrote:",
	"On 3/3/25, 10:12 AM, \"Mesa de Ayuda\" <s@desk.example> wrote:",
	"On 3 March 2025 at 10:12:32, Mesa (s@desk.example) wrote:",
	"On Mon, Mar 3, 2025 at 10:12:00AM -0500, Mesa wrote:",
	"On Mon Mar 03 10:12:00 2025, Mesa <s@desk.example> wrote",
	"--- On Mon, 3/3/25, Mesa <s@desk.example> wrote:",
	"At 10:12 AM 3/3/2025, Mesa <s@desk.example> wrote:",
	"Mesa <s@desk.example> wrote on 03/03/2025 10:12 AM:",
	"s@desk.example wrote:",
	"Quoting Mesa <s@desk.example>:",
	// Portuguese, French, Italian, Catalan, Galician, Romanian
	"Em seg., 3 de mar. de 2025 10:12, Mesa <s@desk.example> escreveu:",
	"Em 3 de mar. de 2025, à(s) 10:12, Mesa <s@desk.example> escreveu:",
	"No dia 3/3/2025, às 10:12, Mesa <s@desk.example> escreveu:",
	"Le lun. 3 mars 2025 à 10:12, Mesa <s@desk.example> a écrit :",
	"Le 3 mars 2025 à 10:12, Mesa a écrit :",
	"Le 03/03/2025 à 10:12, Mesa <s@desk.example> a écrit :",
	"Il giorno lun 3 mar 2025 alle ore 10:12 Mesa <s@desk.example> ha scritto:",
	"Il 03/03/2025 10:12, Mesa ha scritto:",
	"In data lunedì 3 marzo 2025 10:12:00 CET, Mesa ha scritto:",
	"El dl., 3 de març 2025, 10:12, Mesa <s@desk.example> va escriure:",
	"Missatge de Mesa <s@desk.example> del dia dl., 3 de març 2025 a les 10:12:",
	"O luns, 3 mar 2025 ás 10:12, Mesa (<s@desk.example>) escribiu:",
	"În lun., 3 mar. 2025 la 10:12, Mesa <s@desk.example> a scris:",
	"Pe 3 martie 2025 la 10:12, Mesa a scris:",
	// Germanic
	"Am Mo., 3. März 2025 um 10:12 Uhr schrieb Mesa <s@desk.example>:",
	"Am 03.03.25 um 10:12 schrieb Mesa de Ayuda:",
	"Am 03.03.2025 um 10:12 schrieb s@desk.example:",
	"Mesa <s@desk.example> schrieb am Mo., 3. März 2025, 10:12:",
	"Op ma 3 mrt 2025 om 10:12 schreef Mesa <s@desk.example>:",
	"Op 3 mrt. 2025 om 10:12 heeft Mesa <s@desk.example> het volgende geschreven:",
	"Den mån 3 mars 2025 kl 10:12 skrev Mesa <s@desk.example>:",
	"3 mars 2025 kl. 10:12 skrev Mesa <s@desk.example>:",
	"Den man. 3. mar. 2025 kl. 10.12 skrev Mesa <s@desk.example>:",
	"Den 3. mar. 2025 kl. 10.12 skrev Mesa <s@desk.example>:",
	"man. 3. mars 2025 kl. 10:12 skrev Mesa <s@desk.example>:",
	"På man. 3. mars 2025 kl. 10:12 skrev Mesa <s@desk.example>:",
	"Þann mán., 3. mar. 2025 kl. 10:12 skrifaði Mesa <s@desk.example>:",
	// Finnish, Estonian, Hungarian, Baltic
	"ma 3. maalisk. 2025 klo 10.12 Mesa (s@desk.example) kirjoitti:",
	"Mesa <s@desk.example> kirjoitti 3.3.2025 kello 10.12:",
	"Kontakt Mesa (<s@desk.example>) kirjutas kuupäeval E, 3. märts 2025 kell 10:12:",
	"Mesa <s@desk.example> ezt írta (időpont: 2025. márc. 3., H, 10:12):",
	"2025-03-03, pr, 10:12 Mesa <s@desk.example> rašė:",
	"Lietotājs Mesa (<s@desk.example>) rakstīja (2025. gada 3. marts, plkst. 10:12):",
	// Slavic
	"pon., 3 mar 2025 o 10:12 Mesa <s@desk.example> napisał(a):",
	"W dniu 3.03.2025 o 10:12, Mesa pisze:",
	"W dniu 3 marca 2025 10:12 użytkownik Mesa <s@desk.example> napisał:",
	"po 3. 3. 2025 v 10:12 odesílatel Mesa <s@desk.example> napsal:",
	"Dne 3. března 2025 10:12 Mesa <s@desk.example> napsal(a):",
	"Dňa 3. 3. 2025 o 10:12 Mesa napísal(a):",
	"pon, 3. ožu 2025. u 10:12 Mesa <s@desk.example> napisao je:",
	"V V pon., 3. mar. 2025 ob 10:12 je oseba Mesa <s@desk.example> napisala:",
	"пн, 3 мар. 2025 г. в 10:12, Mesa <s@desk.example>:",
	"3 марта 2025 г., 10:12 пользователь Mesa <s@desk.example> написал:",
	"03.03.2025 10:12, Mesa пишет:",
	"пн, 3 бер. 2025 р. о 10:12 Mesa <s@desk.example> пише:",
	"На пн, 3.03.2025 г. в 10:12 Mesa <s@desk.example> написа:",
	"пон, 3. мар 2025. у 10:12 Mesa <s@desk.example> је написао/ла:",
	// Greek, Turkish, Semitic, Asian
	"Στις Δευ 3 Μαρ 2025 στις 10:12 π.μ., ο χρήστης Mesa <s@desk.example> έγραψε:",
	"Mesa <s@desk.example>, 3 Mar 2025 Pzt, 10:12 tarihinde şunu yazdı:",
	"3 Mar 2025 10:12 tarihinde Mesa <s@desk.example> yazdı:",
	"\u202bבתאריך יום ב׳, 3 במרץ 2025 ב-10:12 מאת \u202aMesa\u202c\u200f <\u202as@desk.example\u202c\u200f>:\u202c",
	"في الاثنين، 3 مارس 2025 في 10:12 ص تمت كتابة ما يلي بواسطة Mesa <s@desk.example>:",
	"Vào Th 2, 3 thg 3, 2025 vào lúc 10:12 Mesa <s@desk.example> đã viết:",
	"Pada tanggal Sen, 3 Mar 2025 pukul 10.12 Mesa <s@desk.example> menulis:",
	"เมื่อ จ. 3 มี.ค. 2025 เวลา 10:12 Mesa <s@desk.example> เขียนว่า:",
	"2025年3月3日(月) 10:12 Mesa <s@desk.example>:",
	"2025/03/03 10:12、Mesa <s@desk.example>のメール:",
	"Mesa <s@desk.example> 于2025年3月3日周一 10:12写道：",
	"在 2025年3月3日，上午10:12，Mesa <s@desk.example> 写道：",
	"Mesa <s@desk.example> 於 2025年3月3日 週一 上午10:12寫道：",
	"2025년 3월 3일 (월) 오전 10:12, Mesa <s@desk.example>님이 작성:",
	"2025-03-03 10:12 GMT-05:00 Mesa <s@desk.example>:", "2025-03-03 10:12 GMT+01:00 Mesa:",
	"2025-03-03 10:12 mesa s@desk.example:",
}

// weakLines are only believed above quote signs.
var weakLines = []string{
	"Mesa escribió:", "Mesa de Ayuda escribe:", "Mesa wrote:", "On Monday, Mesa wrote:", "Mesa a écrit :", "Mesa schrieb:", "2025/03/03 Mesa <s@desk.example>",
	"3 mar 2025 10:12 de s@desk.example:", "3 de mar. de 2025 10:12 de s@desk.example:",
	"El lunes Mesa escribió:", "Mesa <s@desk.example>:", "El lunes a las 10:12 la decana escribió:",
}

func TestAttributions(t *testing.T) {
	check := func(text string, signs bool) {
		t.Helper()
		for _, above := range []string{"Respuesta.", "Sí:\n\n* uno\n* dos\n\nQuedo atenta el 3/3/2025 a las 10:12.\n\nSaludos,\nAna"} {
			below := "uno\n\ndos"
			if signs {
				below = "> uno\n>\n> dos"
			}
			c := cutReply(above+"\n\n"+text+"\n"+below, replyHints{reply: true})
			if c.reply != above || c.signature != "" || c.forwarded != nil {
				t.Errorf("%q, quote signs %v: reply %q", text, signs, c.reply)
			}
		}
	}
	for _, text := range strongLines {
		check(text, true)
		check(text, false)
		// wrapped, as programs fold at 76 columns: anywhere
		if words := strings.Split(text, " "); len(words) > 4 && !strings.HasSuffix(text, "wrote") {
			check(strings.Join(words[:len(words)-2], " ")+"\n"+strings.Join(words[len(words)-2:], " "), true)
			check(strings.Join(words[:len(words)/2], " ")+"\n"+strings.Join(words[len(words)/2:], " "), true)
		}
	}
	for _, text := range weakLines {
		check(text, true)
	}
}

// TestProse are answers in which a person tells of mail. Nothing is quoted.
func TestProse(t *testing.T) {
	for _, text := range []string{
		"El profesor me escribió:\nque no podía.",
		"El 3 de marzo de 2025 el decano escribió:\nno hay cupo.",
		"El 3 de marzo de 2025 a las 10:12 me escribió la decana:\nque sí había.",
		"El 3/3/2025 a las 10:12 la secretaria nos escribió:\nvenga mañana.",
		"El 3 de marzo de 2025 describió el problema así:\nno abre.",
		"El lunes a las 10:12 el profesor escribió:\nno hay clase.",
		"El lunes 3 de marzo a las 10:12 fui a la oficina:\nestaba cerrada.",
		"Mesa de Ayuda escribió:\nque pague el recibo.",
		"Le escribí a registro@example.edu.co el 3 de marzo de 2025 y contestaron:\nno aplica.",
		"Mi correo es ana@x.example y el horario 10:12:\nlunes",
		"Escríbanme a ana@x.example a las 10:12:\nahí contesto.",
		"La clave la mandé a ana@x.example el 3/3/2025:\nllegó.",
		"Como ya escribí:\nno abre.",
		"La decana escribió el 3/3/25 a las 10:12:\nque sí.",
		"He wrote:\nno way.",
		"She wrote to me on Monday:\nno.",
		"On Monday I wrote:\nplease help.",
		"On March 3, 2025 the dean wrote:\nno.",
		"As the manual says on page 10:\nrestart it.",
		"On 3/3/2025 at 10:12 my teacher wrote:\nno.",
		"On the form it asks for:\nname and code",
		"En el formulario dice:\nDe: Bogotá\nPara: Cali\nFecha: 3 de marzo de 2025",
		"De: todo un poco\nPara: todos\n\nes la beca.",
		"De: Ana\nPara: Decanatura\nFecha: 3 de marzo de 2025\nAsunto: cupo\n\nYo, Ana, pido cupo.",
		"De 8:00 a 10:12:\nclase",
		"Asunto: matrícula\n\nNo puedo entrar.",
		"From: what I see, no.\nTo: me it is odd.",
		"2025-03-03 10:12:\nno abre.\n2025-03-03 10:15:\ntampoco.",
		"Mensaje original no hay.\nMensaje reenviado tampoco.",
		"El sistema muestra:\n\nForwarded message failed\n\ny se cierra.",
		"Il m'a écrit :\nnon.",
		"Le 3 mars 2025 le doyen m'a écrit :\nnon.",
		"Er schrieb mir am 3.3.2025 um 10:12:\nnein.",
		"Am 3.3.2025 um 10:12 hat er mir geschrieben:\nnein.",
		"Il 3 marzo 2025 alle 10:12 mi ha scritto il preside:\nno.",
		"Enviado el formulario a las 10:12:\nno llegó.",
		"Los pasos:\n- abrir\n- De: buscar\n- Enviado: nada\n-Fin",
		"Advertencia: el enlace no abre.\nSigo sin entrar.",
		"El presente correo es para solicitar el cupo.\nGracias.",
		"En cumplimiento de la Ley 1581 de 2012 solicito que borren mis datos.\nAna",
		"Antes de imprimir el diploma, corrijan mi nombre.\nAna",
		"La información contenida en este formulario está mal.\nAna",
		"Enviado con éxito el formulario, pero no llega.\nAna",
		"a > b\nb < c\n>> importante <<\nc",
		"a -> b:\nb -> c",
	} {
		for _, hints := range []replyHints{{reply: true}, {}} {
			if c := cutReply(text, hints); c.reply != text || c.quoted != "" || c.signature != "" || c.forwarded != nil {
				t.Errorf("%q\nreply %q\nquoted %q\nsignature %q", text, c.reply, c.quoted, c.signature)
			}
		}
	}
}
