package mailpipe

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// forwardForms are the lines with which mail programs of many languages pass a
// message on: from Deca <d@x.example>, subject Acta.
var forwardForms = []string{
	"---------- Forwarded message ----------\nFrom: Deca <d@x.example>\nDate: Mon, Mar 3, 2025 at 9:00 AM\nSubject: Acta\nTo: ana@x.example\n",
	"Begin forwarded message:\n\nFrom: Deca <d@x.example>\nSubject: Acta\nDate: March 3, 2025 at 9:00:00 AM EST\nTo: ana@x.example\n",
	"---------- Mensagem encaminhada ---------\nDe: Deca <d@x.example>\nData: seg., 3 de mar. de 2025 09:00\nAssunto: Acta\nPara: ana@x.example\n",
	"Início da mensagem reencaminhada:\n\nDe: Deca <d@x.example>\nAssunto: Acta\nData: 3 de março de 2025, 09:00\nPara: ana@x.example\n",
	"---------- Message transféré ---------\nDe : Deca <d@x.example>\nDate : lun. 3 mars 2025 à 09:00\nObjet : Acta\nÀ : ana@x.example\n",
	"Début du message transféré :\n\nDe: Deca <d@x.example>\nObjet: Acta\nDate: 3 mars 2025 à 09:00:00 UTC+1\nÀ: ana@x.example\n",
	"---------- Weitergeleitete Nachricht ---------\nVon: Deca <d@x.example>\nDatum: Mo., 3. März 2025 um 09:00 Uhr\nBetreff: Acta\nAn: ana@x.example\n",
	"-----Ursprüngliche Nachricht-----\nVon: Deca [mailto:d@x.example]\nGesendet: Montag, 3. März 2025 09:00\nAn: Ana\nBetreff: Acta\n",
	"---------- Messaggio inoltrato ---------\nDa: Deca <d@x.example>\nData: lun 3 mar 2025 alle ore 09:00\nOggetto: Acta\nA: ana@x.example\n",
	"---------- Doorgestuurd bericht ---------\nVan: Deca <d@x.example>\nDatum: ma 3 mrt 2025 om 09:00\nOnderwerp: Acta\nAan: ana@x.example\n",
	"---------- Vidarebefordrat meddelande ---------\nFrån: Deca <d@x.example>\nDatum: mån 3 mars 2025 kl 09:00\nÄmne: Acta\nTill: ana@x.example\n",
	"---------- Videresendt meddelelse ---------\nFra: Deca <d@x.example>\nDato: man. 3. mar. 2025 kl. 09.00\nEmne: Acta\nTil: ana@x.example\n",
	"---------- Edelleenlähetetty viesti ---------\nLähettäjä: Deca <d@x.example>\nPäivämäärä: ma 3. maalisk. 2025 klo 9.00\nAihe: Acta\nVastaanottaja: ana@x.example\n",
	"---------- Przekazana wiadomość ---------\nOd: Deca <d@x.example>\nData: pon., 3 mar 2025 o 09:00\nTemat: Acta\nDo: ana@x.example\n",
	"---------- Přeposlaná zpráva ---------\nOd: Deca <d@x.example>\nDatum: po 3. 3. 2025 v 9:00\nPředmět: Acta\nKomu: ana@x.example\n",
	"---------- Preposlaná správa ---------\nOd: Deca <d@x.example>\nDátum: po 3. 3. 2025 o 9:00\nPredmet: Acta\nKomu: ana@x.example\n",
	"---------- Továbbított üzenet ---------\nFeladó: Deca <d@x.example>\nDátum: 2025. márc. 3., H, 9:00\nTárgy: Acta\nCímzett: ana@x.example\n",
	"---------- Mesaj redirecționat ---------\nDe la: Deca <d@x.example>\nDată: lun., 3 mar. 2025 la 09:00\nSubiect: Acta\nCătre: ana@x.example\n",
	"---------- Пересылаемое сообщение ---------\nОт: Deca <d@x.example>\nДата: пн, 3 мар. 2025 г. в 09:00\nТема: Acta\nКому: ana@x.example\n",
	"---------- Переслане повідомлення ---------\nВід: Deca <d@x.example>\nДата: пн, 3 бер. 2025 р. о 09:00\nТема: Acta\nКому: ana@x.example\n",
	"---------- Yönlendirilmiş mesaj ---------\nKimden: Deca <d@x.example>\nTarih: 3 Mar 2025 Pzt, 09:00\nKonu: Acta\nKime: ana@x.example\n",
	"---------- Proslijeđena poruka ---------\nOd: Deca <d@x.example>\nDatum: pon, 3. ožu 2025. u 09:00\nNaslov: Acta\nZa: ana@x.example\n",
	"---------- Edastatud kiri ---------\nSaatja: Deca <d@x.example>\nKuupäev: E, 3. märts 2025 kell 09:00\nTeema: Acta\nSaaja: ana@x.example\n",
	"________________________________\n差出人: Deca <d@x.example>\n送信日時: 2025年3月3日 9:00\n宛先: ana@x.example\n件名: Acta\n",
	"________________________________\n发件人: Deca <d@x.example>\n发送时间: 2025年3月3日 9:00\n收件人: ana@x.example\n主题: Acta\n",
	"________________________________\n보낸 사람: Deca <d@x.example>\n보낸 날짜: 2025년 3월 3일 월요일 오전 9:00\n받는 사람: ana@x.example\n제목: Acta\n",
	"________________________________\nמאת: Deca <d@x.example>\nתאריך: 3 במרץ 2025 9:00\nאל: ana@x.example\nנושא: Acta\n",
}

func TestForwardLanguages(t *testing.T) {
	for _, form := range forwardForms {
		for _, above := range []string{"", "Para su trámite.\n\nAna"} {
			c := cutReply(above+"\n\n"+form+"\nUno.\n\nDos.", replyHints{forward: true})
			f := c.forwarded
			if f == nil {
				t.Errorf("%q: no forward", form)
				continue
			}
			if c.reply != above || f.From.Addr != "d@x.example" || f.From.Name != "Deca" || f.Subject != "Acta" || f.Text != "Uno.\n\nDos." {
				t.Errorf("%q: reply %q, forwarded %+v", form, c.reply, *f)
			}
			if len(f.To) != 1 && !strings.Contains(form, "An: Ana") {
				t.Errorf("%q: to %+v", form, f.To)
			}
		}
	}
}

func TestForwardSubjects(t *testing.T) {
	for _, prefix := range []string{"Fwd", "FW", "Fw", "RV", "Rv", "TR", "WG", "I", "ENC", "Enc", "VS", "VB", "Doorst", "PD", "YNT", "转发", "[#000123] RV", "Fwd[2]"} {
		if subject := prefix + ": Acta"; !isForwardSubject(subject) || isReplySubject(subject) {
			t.Errorf("%q is no forward's", subject)
		}
	}
	for _, subject := range []string{"Re: Acta", "RE: Fwd: Acta", "Acta", "Información: Acta", "Interesado en: x", "R: Acta", "AW: Acta", "SV: Acta"} {
		if isForwardSubject(subject) {
			t.Errorf("%q is a forward's", subject)
		}
	}
}

func TestSpokenDates(t *testing.T) {
	day := func(hour, minute, second int) time.Time {
		return time.Date(2025, 3, 13, hour, minute, second, 0, time.UTC)
	}
	for text, want := range map[string]time.Time{
		"jue, 13 mar 2025 a las 9:05":                    day(9, 5, 0),
		"jueves, 13 de marzo de 2025 21:05":              day(21, 5, 0),
		"jueves, 13 de marzo de 2025 9:05 p. m.":         day(21, 5, 0),
		"13 de marzo de 2025, 9:05:07 a. m. COT":         day(9, 5, 7),
		"13 de marzo de 2025, 12:05 a. m.":               day(0, 5, 0),
		"13/3/25 9:05 a. m. (GMT-05:00)":                 day(14, 5, 0),
		"13/03/2025 09:05":                               day(9, 5, 0),
		"03/13/2025 9:05 PM":                             day(21, 5, 0),
		"2025-03-13 09:05":                               day(9, 5, 0),
		"jueves, 13 de marzo de 2025, 9:05:00 GMT-5":     day(14, 5, 0),
		"Jueves, 13 de Marzo 2025 9:05:00":               day(9, 5, 0),
		"Thursday, March 13, 2025 9:05 AM":               day(9, 5, 0),
		"March 13, 2025 at 9:05:00 AM EST":               day(9, 5, 0),
		"13. März 2025 um 09:05 Uhr":                     day(9, 5, 0),
		"jeu. 13 mars 2025 à 09:05":                      day(9, 5, 0),
		"qui., 13 de mar. de 2025 09:05":                 day(9, 5, 0),
		"gio 13 mar 2025 alle ore 09:05":                 day(9, 5, 0),
		"2025年3月13日 9:05":                                {},
		"el jueves, 13 de marzo de 2025 a las 9:05":      day(9, 5, 0),
		"13 de marzo de 2025":                            day(0, 0, 0),
		"mañana a las 9":                                 {},
		"31 de febrero de 2025":                          {},
		"":                                               {},
		"13/13/13/13/13":                                 {},
		"99999999999999999999 de marzo de 2025 99:99:99": {},
		"13 mar 2025 9:05 -0500":                         day(14, 5, 0),
	} {
		if got := readSpokenDate(text); !got.Equal(want) {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// TestAttachedForward: a forward as attachment is read like one in the text.
func TestAttachedForward(t *testing.T) {
	inner := "From: Deca <d@x.example>\nTo: ana@x.example\nSubject: =?utf-8?Q?Acta_n=C2=BA_3?=\nDate: Mon, 3 Mar 2025 09:00:00 -0500\nMIME-Version: 1.0\n" +
		"Content-Type: text/html; charset=utf-8\n\n<p>Cuerpo <b>uno</b>.</p>\n"
	build := func(subject, text string, attached ...string) []byte {
		raw := "From: Ana <ana@x.example>\nSubject: " + subject + "\nMessage-ID: <1@x>\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n" + text + "\n"
		for _, a := range attached {
			raw += "--b\nContent-Type: message/rfc822\n\n" + a
		}
		return []byte(raw + "--b--\n")
	}
	for name, c := range map[string]struct {
		raw  []byte
		read bool
	}{
		"forward":           {build("RV: Acta", "Para su trámite.", inner), true},
		"nothing but it":    {build("Acta", "", inner), true},
		"evidence attached": {build("Me llegó esto", "¿Es suyo?", inner), false},
		"two of them":       {build("RV: Acta", "Van dos.", inner, inner), false},
	} {
		m := Understand(c.raw, Options{})
		checkInvariants(t, c.raw, m)
		if (m.Forwarded != nil) != c.read {
			t.Errorf("%s: forwarded %+v", name, m.Forwarded)
		} else if f := m.Forwarded; f != nil && (f.From.Addr != "d@x.example" || f.Subject != "Acta nº 3" || f.Text != "Cuerpo uno." || f.Date.IsZero() || len(f.To) != 1) {
			t.Errorf("%s: %+v", name, *f)
		}
	}
	deep := "From: x@y.example\nSubject: n\n\nfin\n"
	for i := range 40 {
		deep = fmt.Sprintf("From: x@y.example\nSubject: RV: %d\nContent-Type: message/rfc822\n\n%s", i, deep)
	}
	checkInvariants(t, []byte(deep), Understand([]byte(deep), Options{}))
}

// TestFooters: configured beginnings count as signature, whatever their case.
func TestFooters(t *testing.T) {
	raw := "From: Ana <ana@x.example>\nSubject: Re: x\nIn-Reply-To: <0@x>\nMessage-ID: <1@x>\n\nRespuesta.\n\nUNIVERSIDAD DEL VALLE ALTO - Vigilada\nMineducación\n"
	opt := Options{Footers: []string{"Universidad del Valle Alto", "", "  "}}
	if m := Understand([]byte(raw), opt); m.ReplyText != "Respuesta." || !strings.HasPrefix(m.Signature, "UNIVERSIDAD") {
		t.Errorf("reply %q, signature %q", m.ReplyText, m.Signature)
	}
	if m := Understand([]byte(raw), Options{}); !strings.HasSuffix(m.ReplyText, "Mineducación") {
		t.Errorf("no footer is configured, reply %q", m.ReplyText)
	}
}

func TestStubs(t *testing.T) {
	for _, c := range []struct {
		plain, rich string
		stub        bool
	}{
		{"", "Hola", true}, {"", "", false}, {"Este mensaje está en formato HTML.", "Hola", true}, {"Your email client does not support HTML.", "Hola", true},
		{"View this email in your browser", "Hola", true}, {"Aprendo HTML con ustedes", "Aprendo HTML con ustedes", false}, {"html", "uno dos", true},
	} {
		if got := mayBeStub(c.plain) && isStub(c.plain, c.rich); got != c.stub {
			t.Errorf("%q beside %q: %v", c.plain, c.rich, got)
		}
	}
	if mayBeStub("Necesito un certificado") {
		t.Error("an ordinary text is taken for a stub")
	}
}

// TestForwardCopies: who else had got the original is kept, from a shown header
// and from an attached message.
func TestForwardCopies(t *testing.T) {
	shown := "From: ana@x.example\nSubject: RV: Acta\n\nPara su trámite.\n\n________________________________\nDe: Deca <d@x.example>\n" +
		"Enviado: lunes, 3 de marzo de 2025 9:00\nPara: ana@x.example\nCC: Luis <luis@x.example>; Eva <eva@x.example>\nAsunto: Acta\n\nAdjunto.\n"
	attached := "From: ana@x.example\nSubject: RV: Acta\nContent-Type: multipart/mixed; boundary=B\n\n--B\nContent-Type: message/rfc822\n\n" +
		"From: Deca <d@x.example>\nTo: ana@x.example\nCc: Luis <luis@x.example>, Eva <eva@x.example>\nSubject: Acta\n\nAdjunto.\n--B--\n"
	for _, raw := range []string{shown, attached} {
		f := Understand([]byte(raw), Options{}).Forwarded
		if f == nil || len(f.To) != 1 || len(f.Cc) != 2 || f.Cc[0].Addr != "luis@x.example" || f.Cc[1].Name != "Eva" || f.Text != "Adjunto." {
			t.Errorf("%q: %+v", raw, f)
		}
	}
}
