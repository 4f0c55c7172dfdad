package mailpipe

// The words by which mail programs mark quotes, forwards and signatures, in
// lower case. Spanish and English come first because they are met most.

// labelKind is what a line of a quoted header says.
type labelKind uint

const (
	labelFrom labelKind = 1 << iota
	labelTo
	labelCc
	labelDate
	labelSubject
	labelOther
)

// headerLabels are the names of quoted header lines in the languages that mail
// programs speak.
var headerLabels = map[string]labelKind{
	"de": labelFrom, "from": labelFrom, "von": labelFrom, "da": labelFrom, "van": labelFrom, "fra": labelFrom,
	"från": labelFrom, "od": labelFrom, "от": labelFrom, "від": labelFrom, "lähettäjä": labelFrom, "feladó": labelFrom,
	"expeditor": labelFrom, "de la": labelFrom, "kimden": labelFrom, "gönderen": labelFrom, "remitente": labelFrom, "expeditorul": labelFrom,
	"expéditeur": labelFrom, "mittente": labelFrom, "remetente": labelFrom, "absender": labelFrom, "afzender": labelFrom,
	"avsändare": labelFrom, "afsender": labelFrom, "avsender": labelFrom, "saatja": labelFrom, "šalje": labelFrom,
	"pošiljatelj": labelFrom, "nadawca": labelFrom, "odesílatel": labelFrom, "odosielateľ": labelFrom,
	"отправитель": labelFrom, "відправник": labelFrom, "差出人": labelFrom, "发件人": labelFrom, "寄件者": labelFrom,
	"보낸 사람": labelFrom, "من": labelFrom, "מאת": labelFrom, "mailto": 0, "autor": labelFrom, "送信元": labelFrom, "送信者": labelFrom,

	"para": labelTo, "to": labelTo, "an": labelTo, "a": labelTo, "à": labelTo, "aan": labelTo, "til": labelTo, "till": labelTo,
	"do": labelTo, "komu": labelTo, "кому": labelTo, "vastaanottaja": labelTo, "címzett": labelTo, "către": labelTo,
	"kime": labelTo, "alıcı": labelTo, "destinatario": labelTo, "destinataire": labelTo, "destinatário": labelTo,
	"empfänger": labelTo, "mottaker": labelTo, "mottagare": labelTo, "modtager": labelTo, "saaja": labelTo, "za": labelTo,
	"prima": labelTo, "adresat": labelTo, "príjemca": labelTo, "宛先": labelTo, "收件人": labelTo, "收件者": labelTo,
	"받는 사람": labelTo, "إلى": labelTo, "אל": labelTo, "для": labelTo, "destinatar": labelTo, "destinatarul": labelTo, "pre": labelTo, "送信先": labelTo,

	"cc": labelCc, "kopie": labelCc, "kopia": labelCc, "kopi": labelCc, "копия": labelCc, "копія": labelCc, "kópia": labelCc,
	"kopio": labelCc, "másolat": labelCc, "copia": labelCc, "copie": labelCc, "copie à": labelCc, "cópia": labelCc,
	"bilgi": labelCc, "dw": labelCc, "do wiadomości": labelCc, "con copia": labelCc, "kopia till": labelCc, "抄送": labelCc,
	"bcc": labelCc, "cco": labelCc, "副本": labelCc, "참조": labelCc, "kopija": labelCc,

	"fecha": labelDate, "enviado": labelDate, "enviado el": labelDate, "enviada em": labelDate, "enviado em": labelDate,
	"enviada": labelDate, "date": labelDate, "sent": labelDate, "data": labelDate, "datum": labelDate, "gesendet": labelDate,
	"gesendet am": labelDate, "envoyé": labelDate, "envoyé le": labelDate, "inviato": labelDate, "verzonden": labelDate,
	"dato": labelDate, "sendt": labelDate, "skickat": labelDate, "lähetetty": labelDate, "päiväys": labelDate,
	"päivämäärä": labelDate, "elküldve": labelDate, "dátum": labelDate, "wysłano": labelDate, "wysłane": labelDate,
	"odesláno": labelDate, "odoslané": labelDate, "odoslaná": labelDate, "отправлено": labelDate, "дата": labelDate,
	"відправлено": labelDate, "надіслано": labelDate, "trimis": labelDate, "dată": labelDate, "tarih": labelDate,
	"gönderilen": labelDate, "gönderme tarihi": labelDate, "gönderildi": labelDate, "kuupäev": labelDate,
	"kuupäevast": labelDate, "日付": labelDate, "日期": labelDate, "送信日時": labelDate, "发送时间": labelDate,
	"날짜": labelDate, "보낸 날짜": labelDate, "التاريخ": labelDate, "תאריך": labelDate, "poslano": labelDate, "sendedato": labelDate,

	"asunto": labelSubject, "subject": labelSubject, "assunto": labelSubject, "betreff": labelSubject, "objet": labelSubject,
	"sujet": labelSubject, "oggetto": labelSubject, "onderwerp": labelSubject, "emne": labelSubject, "ämne": labelSubject,
	"aihe": labelSubject, "tárgy": labelSubject, "temat": labelSubject, "předmět": labelSubject, "predmet": labelSubject,
	"тема": labelSubject, "subiect": labelSubject, "subiectul": labelSubject, "konu": labelSubject, "teema": labelSubject, "naslov": labelSubject,
	"件名": labelSubject, "主题": labelSubject, "主旨": labelSubject, "제목": labelSubject, "الموضوع": labelSubject,
	"נושא": labelSubject, "assumpte": labelSubject, "sujeto": labelSubject,

	"reply-to": labelOther, "responder a": labelOther, "importancia": labelOther, "importance": labelOther,
	"adjuntos": labelOther, "attachments": labelOther, "organization": labelOther, "reply to": labelOther,
	"antwort an": labelOther, "répondre à": labelOther, "rispondi a": labelOther, "responder para": labelOther,
	"priority": labelOther, "priorité": labelOther, "newsgroups": labelOther, "message-id": labelOther,
	"odpowiedź do": labelOther, "odgovori na": labelOther, "vastausosoite": labelOther, "válaszcím": labelOther,
	"beantwoorden - aan": labelOther, "svara till": labelOther, "svar til": labelOther, "răspuns către": labelOther,
	"ответ на": labelOther, "yanıt adresi": labelOther, "odpovědět": labelOther, "відповідь": labelOther,
	"répondre": labelOther, "resent-from": labelOther,
}

// originalMarkers stand between dashes above a quoted message.
var originalMarkers = phraseSet(
	"mensaje original", "original message", "mensagem original", "message d'origine", "message original",
	"ursprüngliche nachricht", "originalnachricht", "original-nachricht", "messaggio originale", "oorspronkelijk bericht",
	"ursprungligt meddelande", "oprindelig meddelelse", "opprinnelig melding", "alkuperäinen viesti",
	"oryginalna wiadomość", "wiadomość oryginalna", "původní zpráva", "pôvodná správa", "исходное сообщение",
	"оригинальное сообщение", "eredeti üzenet", "özgün ileti", "mesaj original", "original appointment", "cita original",
	"correo original", "missatge original", "originalmeddelande", "reply message", "mensaje anterior", "algne kiri",
	"izvorna poruka", "original email", "antwort nachricht", "mensaje de respuesta", "本来のメッセージ", "原始邮件", "原始郵件", "original e-mail",
)

// forwardMarkers stand between dashes, or before a colon, above a forwarded
// message.
var forwardMarkers = phraseSet(
	"mensaje reenviado", "forwarded message", "begin forwarded message", "inicio del mensaje reenviado", "mensaje enviado",
	"mensagem encaminhada", "mensagem reencaminhada", "início da mensagem encaminhada", "início da mensagem reencaminhada",
	"message transféré", "message transmis", "message réexpédié", "début du message réexpédié", "début du message transféré",
	"weitergeleitete nachricht", "anfang der weitergeleiteten nachricht", "weitergeleitete e-mail",
	"messaggio inoltrato", "inizio messaggio inoltrato", "inizio del messaggio inoltrato",
	"doorgestuurd bericht", "begin doorgestuurd bericht", "start doorgestuurd bericht",
	"vidarebefordrat meddelande", "vidarebefordrat brev", "påbörjat vidarebefordrat meddelande", "start på vidarebefordrat meddelande",
	"videresendt meddelelse", "videresendt besked", "start på videresendt besked", "videresendt melding",
	"videresend melding", "start på videresendt melding", "edelleenlähetetty viesti", "välitetty viesti / fwd.msg",
	"välitetty viesti", "välitetty viesti alkaa", "przekazana wiadomość", "wiadomość przesłana dalej",
	"treść przekazanej wiadomości", "początek przekazywanej wiadomości", "przeposlaná zpráva", "přeposlaná zpráva",
	"začátek přeposílané zprávy", "začátek předávané zprávy", "preposlaná správa", "začiatok preposlanej správy",
	"пересылаемое сообщение", "перенаправленное сообщение", "начало переадресованного сообщения",
	"переслане повідомлення", "перенаправлене повідомлення", "початок листа, що пересилається", "továbbított üzenet",
	"továbbított levél kezdete", "mesaj redirecționat", "începe mesajul redirecționat", "iletilmiş mesaj",
	"iletilen mesaj", "yönlendirilmiş mesaj", "ileti başlangıcı", "yönlendirilen ileti", "edastatud kiri",
	"edastatud sõnum", "proslijeđena poruka", "proslijeđeno", "započni proslijeđenu poruku", "メッセージを転送", "転送されたメッセージ",
	"forwarded mail", "forwarded email", "forwarded e-mail", "missatge reenviat", "转发邮件信息", "轉寄的郵件", "傳送的郵件",
	"correo reenviado", "email reenviado", "e-mail encaminhado", "전달된 메시지", "الرسالة المعاد توجيهها", "הודעה שהועברה",
	"przesłana wiadomość", "fwd", "forwarded message from",
)

// replyAbove are the lines with which help desks ask to write above them.
var replyAbove = []string{
	"reply above this line", "reply above the line", "write above this line", "type your reply above", "reply above here",
	"please reply above", "enter your reply above", "por encima de esta línea", "por encima de esta linea",
	"encima de esta línea", "encima de esta linea", "sobre esta línea", "acima desta linha", "au-dessus de cette ligne",
	"oberhalb dieser zeile", "über dieser zeile", "sopra questa riga", "boven deze lijn", "boven deze regel",
	"reply above this text", "reply between these lines",
}

// wroteVerbs end, or stand in, the line above a quote.
var wroteVerbs = []string{
	"escribió", "escribio", "escribiste", "escribieron", "ha escrito", "escribía", "escribe", "wrote", "writes", "escreveu",
	"a écrit", "a ecrit", "écrivait", "schrieb", "geschrieben", "ha scritto", "scrive", "schreef", "geschreven", "skrev",
	"kirjoitti", "napisał", "napisal", "napísal", "napsal", "pisze", "написал", "написав", "пишет", "пише", "yazdı", "írta",
	"a scris", "va escriure", "ha escrit", "kirjutas", "je napisao", "写道", "寫道", "写了", "書きました", "のメッセージ", "작성",
	"yazmış", "đã viết", "كتب", "έγραψε", "sagte",
}

// attributionStarts begin the line above a quote.
var attributionStarts = []string{
	"el ", "on ", "em ", "a las ", "no dia ", "le ", "am ", "il ", "op ", "den ", "dne ", "dňa ", "w dniu ", "dnia ", "pe ",
	"în ", "la ", "в ", "on\t", "at ", "på ", "ti ", "vào ", "з ", "у ", "во ", "στις ", "em\t", "el\t", "al ", "dia ",
	"on:", "da: ", "de: ", "from: ", "von: ", "quoting ", "citando ", "zitat von ", "citerar ", "selon ", "mensaje citado por",
}

// mobileSignatures begin the lines that mail programs add of themselves.
var mobileSignatures = []string{
	"enviado desde mi ", "enviado desde el móvil", "enviado desde el celular", "enviado desde el iphone", "enviado desde correo", "enviado desde outlook", "enviado desde yahoo",
	"enviado desde un ", "enviado desde huawei", "enviado desde samsung", "enviado con la aplicación", "enviado con la app", "enviado con proton", "enviado con aqua",
	"enviado de mi ", "enviado do meu ", "enviado do outlook", "enviado do yahoo",
	"obtener outlook para", "obtenga outlook para", "descargar outlook", "descarga outlook", "consigue outlook",
	"obter o outlook", "obtenha o outlook", "get outlook for", "sent from my ", "sent from outlook", "sent from mail for",
	"sent from yahoo", "sent from a ", "sent from an ", "sent from samsung", "sent from gmail", "sent from the ", "sent from phone",
	"sent from myself", "sent via ", "sent with ", "sent using ", "envoyé de mon", "envoyé depuis", "envoyé à partir de",
	"télécharger outlook", "obtenir outlook", "von meinem iphone", "von meinem smartphone", "von meinem samsung", "von meinem android", "von meinem mobil", "gesendet von ", "gesendet mit", "diese nachricht wurde von mein",
	"holen sie sich outlook", "outlook für ", "inviato da", "scarica outlook", "ottieni outlook", "verstuurd vanaf",
	"verzonden vanaf", "verzonden met", "download outlook", "skickat från", "sendt fra", "sendt med", "lähetetty iphonesta", "lähetetty minun", "lähetetty androidista",
	"wysłane z ", "wysłano z ", "отправлено с ", "отправлено из ", "trimis de pe", "odesláno z", "iphone'umdan gönderildi",
	"iphone から送信", "iphoneから送信", "发自我的", "從我的", "나의 iphone", "sendt frå", "mobilról küldve", "saadetud minu",
	"sent on the ", "sent while ",
}

// footers begin the legal text that institutions put below every mail.
var footers = []string{
	"aviso de confidencialidad", "aviso legal", "nota de confidencialidad", "advertencia legal", "cláusula de confidencialidad",
	"clausula de confidencialidad", "confidencialidad:", "confidencial:", "la información contenida en este",
	"la informacion contenida en este", "este mensaje y sus archivos", "este correo electrónico y", "este correo y ",
	"este mensaje y cualquier", "este mensaje es confidencial", "este mensaje contiene información confidencial",
	"el contenido de este mensaje", "antes de imprimir este", "por favor considere el medio ambiente",
	"confidentiality", "this email and any", "this e-mail and any", "this message and any attach",
	"the information contained in this", "the information in this email", "disclaimer", "legal notice",
	"aviso de confidencialidade", "esta mensagem pode conter", "avis de confidentialité", "ce message et toutes",
	"vertraulichkeitshinweis", "diese e-mail enthält vertrauliche", "avvertenze legali", "informativa privacy",
	"caution: this email originated", "please consider the environment",
}

func phraseSet(phrases ...string) map[string]bool {
	set := make(map[string]bool, len(phrases))
	for _, p := range phrases {
		set[p] = true
	}
	return set
}
