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
	"dari": labelFrom, "từ": labelFrom, "จาก": labelFrom, "från / from": labelFrom,
	"feladó / from": labelFrom, "nuo": labelFrom, "no": labelFrom, "frá": labelFrom, "pošiljalac": labelFrom, "из": labelFrom,
	"από": labelFrom, "desde": labelFrom, "remitent": labelFrom, "de / from": labelFrom, "보낸사람": labelFrom, "發件人": labelFrom, "寄件人": labelFrom,

	"para": labelTo, "to": labelTo, "an": labelTo, "a": labelTo, "à": labelTo, "aan": labelTo, "til": labelTo, "till": labelTo,
	"do": labelTo, "komu": labelTo, "кому": labelTo, "vastaanottaja": labelTo, "címzett": labelTo, "către": labelTo,
	"kime": labelTo, "alıcı": labelTo, "destinatario": labelTo, "destinataire": labelTo, "destinatário": labelTo,
	"empfänger": labelTo, "mottaker": labelTo, "mottagare": labelTo, "modtager": labelTo, "saaja": labelTo, "za": labelTo,
	"prima": labelTo, "adresat": labelTo, "príjemca": labelTo, "宛先": labelTo, "收件人": labelTo, "收件者": labelTo,
	"받는 사람": labelTo, "إلى": labelTo, "אל": labelTo, "для": labelTo, "destinatar": labelTo, "destinatarul": labelTo, "pre": labelTo, "送信先": labelTo,
	"προς": labelTo, "kepada": labelTo, "đến": labelTo, "ถึง": labelTo, "kam": labelTo, "kime / to": labelTo, "pour": labelTo, "per a": labelTo,
	"받는사람": labelTo, "destinatarios": labelTo, "empfaenger": labelTo, "mottagare / to": labelTo, "لـ": labelTo, "עבור": labelTo,

	"cc": labelCc, "kopie": labelCc, "kopia": labelCc, "kopi": labelCc, "копия": labelCc, "копія": labelCc, "kópia": labelCc,
	"kopio": labelCc, "másolat": labelCc, "copia": labelCc, "copie": labelCc, "copie à": labelCc, "cópia": labelCc,
	"bilgi": labelCc, "dw": labelCc, "do wiadomości": labelCc, "con copia": labelCc, "kopia till": labelCc, "抄送": labelCc,
	"bcc": labelCc, "cco": labelCc, "副本": labelCc, "참조": labelCc, "kopija": labelCc,
	"κοιν": labelCc, "κοινοποίηση": labelCc, "עותק": labelCc, "نسخة": labelCc, "cc / kopie": labelCc, "ccn": labelCc, "cci": labelCc, "bilgi (cc)": labelCc,

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
	"enviados": labelDate, "fecha de envío": labelDate, "fecha y hora": labelDate, "ημερομηνία": labelDate, "στάλθηκε": labelDate, "datums": labelDate,
	"tanggal": labelDate, "ngày": labelDate, "วันที่": labelDate, "sent on": labelDate, "date / fecha": labelDate, "date sent": labelDate, "datum / date": labelDate,
	"verzonden op": labelDate, "dato / tid": labelDate, "send": labelDate, "gesendet / sent": labelDate, "보낸날짜": labelDate, "發送時間": labelDate,
	"寄件日期": labelDate, "傳送日期": labelDate, "sendt dato": labelDate, "надіслано / sent": labelDate, "נשלח": labelDate, "تم الإرسال": labelDate,
	"date d'envoi": labelDate, "saadetud": labelDate, "послано": labelDate, "изпратено": labelDate, "дата отправки": labelDate, "время": labelDate, "hora": labelDate,

	"asunto": labelSubject, "subject": labelSubject, "assunto": labelSubject, "betreff": labelSubject, "objet": labelSubject,
	"sujet": labelSubject, "oggetto": labelSubject, "onderwerp": labelSubject, "emne": labelSubject, "ämne": labelSubject,
	"aihe": labelSubject, "tárgy": labelSubject, "temat": labelSubject, "předmět": labelSubject, "predmet": labelSubject,
	"тема": labelSubject, "subiect": labelSubject, "subiectul": labelSubject, "konu": labelSubject, "teema": labelSubject, "naslov": labelSubject,
	"件名": labelSubject, "主题": labelSubject, "主旨": labelSubject, "제목": labelSubject, "الموضوع": labelSubject,
	"נושא": labelSubject, "assumpte": labelSubject, "sujeto": labelSubject,
	"θέμα": labelSubject, "subjek": labelSubject, "perihal": labelSubject, "chủ đề": labelSubject, "เรื่อง": labelSubject, "tema": labelSubject,
	"относно": labelSubject, "zadeva": labelSubject, "efni": labelSubject, "主題": labelSubject, "title": labelSubject, "título": labelSubject,

	"reply-to": labelOther, "responder a": labelOther, "importancia": labelOther, "importance": labelOther,
	"adjuntos": labelOther, "attachments": labelOther, "organization": labelOther, "reply to": labelOther,
	"antwort an": labelOther, "répondre à": labelOther, "rispondi a": labelOther, "responder para": labelOther,
	"priority": labelOther, "priorité": labelOther, "newsgroups": labelOther, "message-id": labelOther,
	"odpowiedź do": labelOther, "odgovori na": labelOther, "vastausosoite": labelOther, "válaszcím": labelOther,
	"beantwoorden - aan": labelOther, "svara till": labelOther, "svar til": labelOther, "răspuns către": labelOther,
	"ответ на": labelOther, "yanıt adresi": labelOther, "odpovědět": labelOther, "відповідь": labelOther,
	"répondre": labelOther, "resent-from": labelOther,
	"sent by": labelOther, "enviado por": labelOther, "adjunto": labelOther, "archivos adjuntos": labelOther, "datos adjuntos": labelOther, "anexos": labelOther, "prioridad": labelOther, "importância": labelOther,
	"wichtigkeit": labelOther, "anlagen": labelOther, "pièces jointes": labelOther, "allegati": labelOther, "bijlagen": labelOther, "sensitivity": labelOther,
	"confidencialidad": labelOther, "organización": labelOther, "responder-a": labelOther, "reply-to / responder": labelOther,
}

// sentLabels begin the labels of dates that only mail has.
var sentLabels = []string{"envi", "sent", "gesend", "envoy", "inviat", "verzond", "skickat", "sendt", "wysł", "отправ", "відправ", "надісл", "trimis",
	"gönder", "lähetetty", "送信", "发送", "寄件日期", "傳送", "odesl", "odosl", "elküld", "poslano", "보낸"}

// originalMarkers stand between dashes above a quoted message.
var originalMarkers = phraseSet(
	"mensaje original", "original message", "mensagem original", "message d'origine", "message original",
	"ursprüngliche nachricht", "originalnachricht", "original-nachricht", "messaggio originale", "oorspronkelijk bericht",
	"ursprungligt meddelande", "oprindelig meddelelse", "opprinnelig melding", "alkuperäinen viesti",
	"oryginalna wiadomość", "wiadomość oryginalna", "původní zpráva", "pôvodná správa", "исходное сообщение",
	"оригинальное сообщение", "eredeti üzenet", "özgün ileti", "mesaj original", "original appointment", "cita original",
	"correo original", "missatge original", "originalmeddelande", "reply message", "mensaje anterior", "algne kiri",
	"izvorna poruka", "original email", "antwort nachricht", "mensaje de respuesta", "本来のメッセージ", "原始邮件", "原始郵件", "original e-mail",
	"originele bericht", "oorspronkelijke bericht", "original melding", "opprinnelig e-post", "opprinnelig beskjed", "oprindelig besked", "oprindelig mail",
	"ursprungligt brev", "alkuperäinen posti", "původní e-mail", "pôvodný e-mail", "originalna poruka", "izvorno sporočilo", "мейл оригинал", "оригінальне повідомлення",
	"вихідне повідомлення", "первоначальное сообщение", "исходное письмо", "оригинално съобщение", "αρχικό μήνυμα", "orijinal mesaj", "orijinal ileti",
	"asıl ileti", "mesajul original", "mesaj originar", "pesan asli", "thư gốc", "ข้อความต้นฉบับ", "元のメッセージ", "オリジナルメッセージ", "원본 메시지",
	"원본 메일", "הודעה מקורית", "الرسالة الأصلية", "original nachricht", "ursprüngliche e-mail", "e-mail original", "mensagem anterior", "messaggio precedente",
	"message précédent", "previous message", "reply to message", "replied message", "mensaje respondido", "respuesta al mensaje", "mensaje inicial",
	"email original", "correo anterior", "original mail",
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

// forwardedBy begin the line above a forwarded message that says who passed it on.
var forwardedBy = []string{
	"forwarded by ", "reenviado por ", "forwarded message from ", "weitergeleitet von ", "transféré par ", "mensaje reenviado por ", "mensaje reenviado de ",
	"forwarded message by ", "mensagem encaminhada por ", "mensagem reencaminhada por ", "message transféré par ", "message transféré de ",
	"nachricht weitergeleitet von ", "weitergeleitete nachricht von ", "messaggio inoltrato da ", "doorgestuurd door ", "doorgestuurd bericht van ",
}

// replyAbove are the lines with which help desks ask to write above them.
var replyAbove = []string{
	"reply above this line", "reply above the line", "write above this line", "type your reply above", "reply above here",
	"please reply above", "enter your reply above", "por encima de esta línea", "por encima de esta linea",
	"encima de esta línea", "encima de esta linea", "respuesta sobre esta línea", "responda sobre esta línea", "escriba sobre esta línea", "acima desta linha", "au-dessus de cette ligne",
	"oberhalb dieser zeile", "über dieser zeile", "sopra questa riga", "boven deze lijn", "boven deze regel",
	"reply above this text", "reply between these lines",
	"respond above this line", "please type your reply above", "add your reply above", "reply above to comment", "svara ovanför denna", "svar over denne linje",
	"kirjoita vastauksesi tämän rivin yläpuolelle", "odpowiedz powyżej tej linii", "pište nad tento řádek", "ответьте выше этой", "in diesem bereich antworten",
	"por favor escriba encima", "responda arriba de esta", "responde arriba de esta", "escribe arriba de esta", "escriba arriba de esta", "por encima desta linha",
	"acima dessa linha", "ci-dessus de cette ligne", "al di sopra di questa", "por sobre esta", "この行より上",
}

// mobileSignatures begin the lines that mail programs add of themselves.
var mobileSignatures = []string{
	"enviado desde mi ", "enviado desde el móvil", "enviado desde el celular", "enviado desde el iphone", "enviado desde correo", "enviado desde outlook", "enviado desde yahoo",
	"yahoo mail: busca", "yahoo mail: search", "yahoo mail: encontre", "yahoo mail: pesquise", "yahoo mail: sucht", "yahoo mail : recherchez", "yahoo mail: cerca", "enviado con correo seguro", "enviado con el correo",
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
	"enviado con spark", "enviado con bluemail", "enviado con el correo electrónico seguro", "enviado con mailspring", "enviado con airmail", "enviado con edison",
	"enviado con aqua", "enviado con tutanota", "enviado con canary", "enviado con shortwave", "enviado con superhuman", "enviado con mailbird", "enviado con blackberry",
	"enviado desde blackberry", "enviado desde nine", "enviado desde tablet", "enviado desde mail", "enviado desde android", "enviado desde gmail", "enviado desde iphone",
	"enviado desde ipad", "enviado a través de", "enviado mediante", "enviado vía ", "enviado por mi ", "obtener bluemail", "obtén bluemail", "obtener la app",
	"obtén outlook", "libre de virus", "este mensaje ha sido enviado desde", "mensaje enviado desde mi", "enviado con mi ", "mandado desde mi",
	"von meinem gerät", "gesendet aus", "envoyé avec", "inviato con", "inviato dal", "enviado pelo ", "enviado via ", "enviado com ", "verstuurd met",
	"verstuurd via", "sendt via", "skickat med", "lähetetty laitteesta", "lähetetty sähköpostista", "wysłane przy", "odoslané z", "odesláno pomocí",
	"надіслано з", "отправлено через", "отправлено при помощи", "poslano s ", "poslano iz", "poslano z ", "gönderildi", "στάλθηκε από", "trimis din",
	"trimis de la", "elküldve", "iphone-омнан", "שלחתי מה", "נשלח מה", "נשלח מ", "أرسلت من", "dikirim dari", "được gửi từ", "ส่งจาก", "来自我的", "从我的", "傳送自我的",
	"내 iphone에서", "android からの送信", "androidから送信",
	"sent from mobile", "sent from iphone", "sent from ipad", "sent by mobile", "sent by my ", "sent by newton", "get bluemail", "get typeapp", "sender notified by",
	"este correo fue enviado desde", "este mensaje fue enviado desde", "correo enviado desde", "escrito desde mi ", "enviado de samsung", "enviado desde el correo de", "enviado desde la app", "enviado desde la aplicación",
	"enviado usando ", "enviado por correo de yahoo", "enviado a partir d", "remitente notificado con", "sin virus.", "enviat des del meu", "enviat de l'", "enviado dende", "nire iphone",
	"baixar o outlook", "livre de vírus", "aconsegueix l'outlook", "envoyé à partir d", "provenance : courrier", "provenance: courrier", "garanti sans virus", "virenfrei", "privo di virus", "virus-free.",
	"verzonden vanuit", "outlook voor", "virusvrij", "skaffa outlook", "hämta outlook", "hent outlook", "virusfri", "hanki outlook", "lähetetty sähköposti", "pobierz outlook", "wolny od wirusów", "získat outlook", "získajte outlook",
	"скачать outlook", "без вирусов", "изпратено от моя", "послато са", "nosūtīts no mana", "išsiųsta iš mano", "εστάλη από", "iphone telefonumdan",
	"gửi từ ", "發自我的", "发送自", "下载 outlook", "下載 outlook", "ios 版 outlook", "android 版 outlook", "windows 版の", "ios용 outlook", "android용 outlook", "تم الإرسال من", "أُرسلت من",
}

// mobileLines are whole lines of the kind; people begin a sentence so too.
var mobileLines = phraseSet("desde mi móvil", "desde mi movil", "desde mi celular", "desde mi iphone", "desde mi ipad", "desde mi teléfono", "from my iphone", "from my ipad", "from my phone", "from mobile", "via mobile", "responder con iphone")

// excuses stand below a line of the kind, in programs of people who type little.
var excuses = []string{"brevedad", "brevity", "typos", "faltas de ortografía", "errores de", "tildes", "brevidade", "brièveté", "tippfehler"}

// sentFrom begin a line that says from which device, which then has a name.
var sentFrom = []string{"sent from ", "enviado desde ", "enviado do ", "enviado con ", "envoyé depuis ", "envoyé de ", "inviato da ", "gesendet mit ", "gesendet von ",
	"verzonden met ", "sent via ", "sent with ", "sent using "}

// footers begin the legal text that institutions put below every mail.
var footers = []string{
	"aviso de confidencialidad", "aviso legal", "nota de confidencialidad", "advertencia legal", "cláusula de confidencialidad",
	"clausula de confidencialidad", "confidencialidad:", "confidencial:", "la información contenida en este mensaje",
	"la información contenida en este correo", "la información contenida en este e", "la informacion contenida en este mensaje", "la informacion contenida en este correo", "este mensaje y sus archivos", "este correo electrónico y sus", "este correo electrónico y cualquier", "este correo electrónico y los",
	"este correo y sus", "este correo y cualquier", "este correo y los archivos",
	"este mensaje y cualquier", "este mensaje es confidencial", "este mensaje contiene información confidencial",
	"el contenido de este mensaje", "antes de imprimir este", "por favor considere el medio ambiente",
	"confidentiality", "this email and any", "this e-mail and any", "this message and any attach",
	"the information contained in this", "the information in this email", "disclaimer", "legal notice",
	"aviso de confidencialidade", "esta mensagem pode conter", "avis de confidentialité", "ce message et toutes",
	"vertraulichkeitshinweis", "diese e-mail enthält vertrauliche", "avvertenze legali", "informativa privacy",
	"caution: this email originated", "please consider the environment",
	"tratamiento de datos personales:", "protección de datos:",
	"protección de datos personales:", "habeas data:", "nota confidencial", "nota legal", "aviso importante: este", "aviso: este mensaje",
	"este mensaje puede contener", "este correo puede contener", "este email y", "este correo electrónico contiene", "este correo electrónico puede contener", "este correo electrónico es confidencial",
	"este correo contiene información", "la información contenida en el presente", "la información transmitida", "la información aquí contenida",
	"si usted no es el destinatario", "si ha recibido este mensaje por error", "si ha recibido este correo por error", "este mensaje va dirigido exclusivamente", "este mensaje va dirigido únicamente",
	"este mensaje se dirige exclusivamente", "este mensaje está dirigido únicamente", "este mensaje está dirigido exclusivamente", "piense en el medio ambiente", "por favor, antes de imprimir", "por favor piense", "no imprima este", "evite imprimir", "cuidemos el medio", "cuide el medio ambiente",
	"this message is confidential", "this email is confidential", "this e-mail is confidential", "this message contains confidential", "this email contains confidential",
	"if you are not the intended recipient", "notice: this e", "esta mensagem é confidencial", "aviso legal e de confidencialidade", "dieses dokument ist vertraulich",
	"this message has been scanned for viruses", "this email has been checked for viruses", "this email has been scanned", "este correo electrónico ha sido comprobado en busca de virus", "el software de antivirus avast",
	"este mensaje ha sido analizado por", "este mensaje ha sido escaneado", "este correo ha sido analizado", "este correo ha sido escaneado", "este email foi escaneado", "diese e-mail wurde von avast", "l'absence de virus",
	"questo messaggio è confidenziale", "le informazioni contenute", "les informations contenues", "to jest wiadomość poufna", "deze e-mail is uitsluitend",
}

// lawOpenings begin the notice on personal data, which names one of dataLaws.
var (
	lawOpenings = []string{"en cumplimiento", "dando cumplimiento", "de conformidad con", "de acuerdo con", "de acuerdo a", "según la ley", "conforme a",
		"en virtud de", "la ley 1581", "ley 1581", "ley estatutaria", "en atención a la ley", "con base en la ley", "le informamos que", "se le informa que", "al amparo de"}
	dataLaws = []string{"1581", "1377", "2016/679", "rgpd", "lopd", "3/2018", "25.326", "29733", "19.628", "lfpdppp"}
	// petitionWords are of a person who invokes the law.
	petitionWords = phraseSet("solicito", "solicitamos", "pido", "pedimos", "exijo", "exigimos", "quiero", "quisiera", "requiero", "ruego", "necesito", "mis", "mi", "interpongo")
)

func phraseSet(phrases ...string) map[string]bool {
	set := make(map[string]bool, len(phrases))
	for _, p := range phrases {
		set[p] = true
	}
	return set
}
