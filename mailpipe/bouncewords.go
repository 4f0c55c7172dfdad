package mailpipe

// The words by which mail servers tell that, and why, they did not deliver.

// returnedMarks stand above the returned message in the text of a bounce.
var returnedMarks = []string{
	"this is a copy of", "copy of the message", "copy of your message", "below this line is a copy", "unsent message",
	"returned message", "original message", "message header", "header of the original", "message follows", "headers follow",
	"original mail", "mensaje original", "returned mail follows", "original message headers", "ursprüngliche nachricht",
	"text of message", "message text follows", "contents of", "copia del mensaje", "rejected message", "body of message generated",
	"undelivered message", "your message was", "received header",
}

// bounceSubjects are phrases of subjects of bounces, in lower case.
var bounceSubjects = []string{
	"undeliver", "undelivered", "returned mail", "delivery status notification", "failure notice", "delivery fail", "delivery error",
	"mail delivery", "returned to sender", "message undeliverable", "non-delivery", "nondeliver", "could not be delivered", "not deliver",
	"delivery notification", "delivery problem", "delivery report", "mail failure", "mail system error", "mail error", "message delayed",
	"delayed mail", "delivery delay", "delivery has failed", "returned email", "user unknown", "unknown user", "rejected mail", "mail rejected",
	"no se puede entregar", "no se pudo entregar", "no se ha podido entregar", "no entregado", "no entregable", "error de entrega",
	"error en la entrega", "fallo en la entrega", "fallo de entrega", "entrega fallida", "devuelto", "mensaje rechazado", "correo no entregado",
	"notificación de estado de entrega", "notificación del estado de entrega", "estado de entrega", "entrega retrasada", "retraso en la entrega",
	"unzustellbar", "nicht zugestellt", "zustellung", "non remis", "échec de la remise", "échec de remise", "non distribuable",
	"não entregue", "falha na entrega", "não foi possível entregar", "mancata consegna", "mancato recapito", "impossibile recapitare",
	"message status - undeliverable", "message notification", "warning: could not send", "warning: message", "could not send message",
	"cannot send message", "nondeliverable", "undelivery", "mail could not", "delivery attempt", "nicht zustellbar", "delivery incomplete", "(failure)",
	"permanent delivery", "bounced", "returned message", "mail not delivered", "failed mail", "message bounce", "problem delivering",
	"couldn't be delivered", "address not found", "recipient rejected", "message blocked", "rejected:",
	"error en el envío", "error de envío", "fallo en el envío", "fallo de envío", "pudo ser entregado", "no entrega", "se pudo enviar", "mensaje no enviado", "correo no enviado", "fallo al entregar", "fallo al enviar", "problema de entrega",
	"problemas de entrega", "problemas en la entrega", "problema en la entrega", "correo rechazado", "imposible entregar", "imposible enviar", "dirección no encontrada", "dirección de correo inexistente", "usuario desconocido", "usuario inexistente", "buzón lleno",
	"buzón inexistente", "devolución de correo", "devolución del mensaje", "notificación de entrega", "sistema de correo", "no es posible entregar", "remise impossible", "impossible de remettre", "é possível entregar", "devolvida", "não enviada",
	"te bezorgen", "onbestelbaar", "niet bezorgd", "olevererbar", "gick inte att leverera", "ikke leveres", "kunne ikke lever", "ikke levert", "toimitus epäonnistui", "toimittaa", "można dostarczyć", "niedostarczon", "zwrot wiadomości",
	"nedoruč", "недоставлен", "не доставлен", "удается доставить", "недоставлено", "не доставлено", "kézbesíthet", "kézbesít", "teslim edilemedi", "iletilemedi", "nelivrat", "δεν ήταν δυνατή η παράδοση", "配信不能", "送信エラー", "配信エラー", "配信できません", "無法投遞",
	"无法投递", "退信", "傳遞失敗", "投递失败", "배달되지", "전송 실패",
}

// bounceTexts are phrases of the text of bounces, in lower case.
var bounceTexts = []string{
	"could not be delivered", "couldn't be delivered", "wasn't delivered", "was not delivered", "were not delivered", "not be delivered",
	"unable to deliver", "delivery failed", "delivery has failed", "failed to deliver", "permanent error", "permanent fatal errors",
	"undeliverable", "undelivered", "unable to be delivered", "user unknown", "unknown user", "mailbox is full", "mailbox full", "quota exceeded",
	"delivery to the following", "following recipient", "following address", "delivery failure", "delivery error", "transcript of session follows", "returned to sender",
	"no se pudo entregar", "no se ha podido entregar", "no se ha entregado", "no se entregó", "no fue entregado", "no pudo ser entregado",
	"no existe", "buzón está lleno", "dirección de correo no", "not have been delivered", "has been delayed", "delivery is delayed", "will be retried",
	"nicht zugestellt", "n'a pas pu être", "não foi entregue", "não pôde ser entregue", "non è stato", "final-recipient:", "no such user", "does not exist",
	"mail delivery", "host unknown", "fatal error", "delivery attempt", "delivering your", "was undeliverable", "unreachable", "deliver mail", "rejected", "failed",
	"nicht ausgeliefert", "unzustellbar", "deferred", "postponed", "full mailbox", "mailbox unavailable", "rcpt to:<",
	"no es posible entregar", "imposible entregar", "no se encontró", "inexistente", "no pudo entregarse", "no pudo enviarse", "não foi possível entregar", "impossible de remettre", "impossibile recapitare", "konnte nicht", "kon niet worden", "nie można dostarczyć", "не удалось доставить",
	"cuota excedida", "ha superado la cuota", "fue rechazado", "ha sido rechazado", "devuelto al remitente",
}

// delayedWords tell that the server tries on.
var delayedWords = []string{
	"will be retried", "will keep trying", "still trying", "will continue to try", "will continue trying", "not need to resend", "not need to re-send", "delivery is delayed", "has been delayed",
	"is delayed for", "not yet been delivered", "delivery attempts will continue", "this is only a warning", "warning message only", "this is a warning", "seguirá intentando", "seguiremos intentando", "se seguirá",
	"volverá a intentar", "intentaremos entregar", "gmail will retry", "gmail volverá", "was delayed", "temporarily", "no es necesario que vuelva a enviar", "no hace falta que vuelvas a enviar", "temporary failure report",
	"wird weiterhin versucht", "weitere zustellversuche", "continuará tentando",
}

// givenUpWords tell that it doesn't, whatever else is said.
var givenUpWords = []string{
	"giving up", "gave up", "given up", "permanent error", "permanent fatal", "permanent failure", "permanent delivery", "permanently", "could not be delivered to one or more of its recipients. this is a permanent",
	"i'm not going to try again", "failed permanently", "no further delivery", "will not be retried", "won't try again", "has failed to these", "no se volverá a intentar", "error permanente",
}

// listRefusals are what mailing list managers answer to mail that they don't take.
var listRefusals = []string{
	"you are not a member of this mailing list", "are not member", "not a member of this list", "you are not allowed to post to this mailing list", "only members", "only subscribers may post", "not subscribed to this list",
	"non-members are not allowed", "your message has been rejected", "your message was rejected", "message rejected from", "has been automatically rejected", "no es miembro de esta lista", "no está suscrito", "no tiene permiso para enviar",
	"request to mailing list", "rejected by the list", "your mail has not been forwarded to the list",
}
