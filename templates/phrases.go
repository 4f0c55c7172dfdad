package templates

import (
	"strconv"
	"strings"
)

// Phrase says something short in a language: what was done, why something was
// not, the title of a list. {1}, {2} … in it stand for the arguments, which are
// never looked into. An unknown key is shown as it is.
func Phrase(lang, key string, args ...string) string {
	text, ok := phrases[key][baseLanguage(lang)]
	if !ok {
		return key
	}
	pairs := make([]string, 0, 2*len(args))
	for i, a := range args {
		pairs = append(pairs, "{"+strconv.Itoa(i+1)+"}", a)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// phrases by key and language.
var phrases = map[string]map[string]string{
	// What was done.
	"did.sent":        {"es": "Su respuesta se le envió a {1}.", "en": "Your answer was sent to {1}."},
	"did.delayed":     {"es": "Su respuesta saldrá hacia {1} a las {2}; hasta entonces /deshacer la retira.", "en": "Your answer leaves for {1} at {2}; until then /undo takes it back."},
	"did.noted":       {"es": "Quedó una nota interna; no le llegó a quien hizo la solicitud.", "en": "An internal note was kept; the requester was not sent it."},
	"did.closed":      {"es": "La solicitud quedó cerrada.", "en": "The request is closed."},
	"did.resolved":    {"es": "La solicitud quedó resuelta.", "en": "The request is resolved."},
	"did.waiting":     {"es": "La solicitud quedó a la espera de quien la hizo.", "en": "The request waits for the requester."},
	"did.open":        {"es": "La solicitud quedó abierta.", "en": "The request is open."},
	"did.answered":    {"es": "La solicitud quedó marcada como contestada.", "en": "The request is marked as answered."},
	"did.unanswered":  {"es": "La solicitud quedó pendiente de respuesta.", "en": "The request is marked as not answered."},
	"did.assigned":    {"es": "La solicitud quedó a cargo de {1}.", "en": "The request is now assigned to {1}."},
	"did.released":    {"es": "La solicitud volvió a {1}.", "en": "The request went back to {1}."},
	"did.transferred": {"es": "La solicitud pasó al tema {1}, a cargo de {2}.", "en": "The request moved to topic {1}, assigned to {2}."},
	"did.referred":    {"es": "{1} participa ahora en la solicitud.", "en": "{1} now takes part in the request."},
	"did.withdrawn":   {"es": "{1} ya no participa en la solicitud.", "en": "{1} no longer takes part in the request."},
	"did.priority":    {"es": "Prioridad: {1}.", "en": "Priority: {1}."},
	"did.due":         {"es": "Vence: {1}.", "en": "Due: {1}."},
	"did.labelled":    {"es": "Etiquetas: {1}.", "en": "Labels: {1}."},
	"did.marked":      {"es": "Etiquetas de {1}: {2}.", "en": "Labels of {1}: {2}."},
	"did.subject":     {"es": "Asunto interno: {1}", "en": "Internal subject: {1}"},
	"did.field":       {"es": "{1}: {2}", "en": "{1}: {2}"},
	"did.requester":   {"es": "La solicitud es ahora de {1}.", "en": "The request is now {1}'s."},
	"did.renamed":     {"es": "Quien hizo la solicitud se llama ahora {1}.", "en": "The requester's name is now {1}."},
	"did.merged":      {"es": "Esta solicitud ({1}) quedó unida a la {2}, que es la que sigue.", "en": "This request ({1}) was merged into {2}, which goes on."},
	"did.linked":      {"es": "Quedó vinculada con la solicitud {1}.", "en": "It is linked with request {1}."},
	"did.split":       {"es": "El mensaje {1} es ahora la solicitud {2}.", "en": "Message {1} is now request {2}."},
	"did.spam":        {"es": "La solicitud quedó cerrada como correo no deseado, y los correos de {1} se cerrarán en silencio.", "en": "The request is closed as junk, and mail from {1} will be closed silently."},
	"did.deleted":     {"es": "La solicitud quedó borrada.", "en": "The request is deleted."},
	"did.away":        {"es": "Está ausente hasta el {1}: las solicitudes nuevas van al equipo.", "en": "You are away until {1}: new requests go to the team."},
	"did.back":        {"es": "Recibe solicitudes de nuevo.", "en": "You get requests again."},
	"did.undone":      {"es": "Se deshizo lo de su correo de las {1}.", "en": "What your mail of {1} did was taken back."},
	"did.unsent":      {"es": "Su respuesta no se envió.", "en": "Your answer was not sent."},
	"did.toolate":     {"es": "Su respuesta ya había salido y no se puede retirar.", "en": "Your answer had left already and can't be taken back."},
	"did.notagain":    {"es": "No se pudo deshacer: {1}", "en": "It could not be undone: {1}"},
	"did.language":    {"es": "De ahora en adelante le escribimos en español.", "en": "From now on we write to you in English."},
	"did.thanks":      {"es": "Gracias por decírnoslo.", "en": "Thank you for telling us."},

	// Why nothing was done.
	"no.unknown":   {"es": "{1}", "en": "{1}"},
	"no.argument":  {"es": "{1}: falta decir {2}", "en": "{1}: it lacks the {2}"},
	"no.extra":     {"es": "{1}: no lleva nada detrás; escriba el texto en la línea siguiente", "en": "{1}: nothing follows it; write the text on the next line"},
	"no.allowed":   {"es": "{1}: usted no puede hacerlo en el tema {2}", "en": "{1}: you may not do that in topic {2}"},
	"no.who":       {"es": "{1}: no hay agente, equipo ni dirección que se llame así", "en": "{1}: there is no agent, team or address of that name"},
	"no.whoOf":     {"es": "{1}: puede ser {2}", "en": "{1}: it may be {2}"},
	"no.topic":     {"es": "{1}: no hay tema que se llame así; los hay: {2}", "en": "{1}: there is no such topic; there are: {2}"},
	"no.date":      {"es": "{1}: no se entiende la fecha", "en": "{1}: the date is not understood"},
	"no.past":      {"es": "{1}: esa fecha ya pasó", "en": "{1}: that date is past"},
	"no.priority":  {"es": "{1}: las prioridades son baja, normal, alta y urgente", "en": "{1}: priorities are low, normal, high and urgent"},
	"no.number":    {"es": "{1}: no hay solicitud de ese número", "en": "{1}: there is no request of that number"},
	"no.itself":    {"es": "{1}: es esta misma solicitud", "en": "{1}: it is this very request"},
	"no.pair":      {"es": "{1}: escriba nombre=valor", "en": "{1}: write name=value"},
	"no.value":     {"es": "{1}: ese valor no sirve para «{2}»; puede ser {3}", "en": "{1}: “{2}” can't have that value; it may be {3}"},
	"no.entry":     {"es": "{1}: no hay mensaje de ese número en la solicitud; están en el historial", "en": "{1}: there is no message of that number in the request; the history lists them"},
	"no.canned":    {"es": "{1}: no hay respuesta preparada que se llame así; las hay: {2}", "en": "{1}: there is no canned answer of that name; there are: {2}"},
	"no.cannedOf":  {"es": "{1}: puede ser {2}", "en": "{1}: it may be {2}"},
	"no.label":     {"es": "{1}: no la tiene", "en": "{1}: it is not there"},
	"no.nobody":    {"es": "{1}: no participa en la solicitud", "en": "{1}: does not take part in the request"},
	"no.requester": {"es": "{1}: es quien hizo la solicitud", "en": "{1}: is the requester"},
	"no.own":       {"es": "{1}: es una dirección de la mesa de ayuda", "en": "{1}: is an address of the desk"},
	"no.status":    {"es": "{1}: no se puede desde el estado en que está", "en": "{1}: not from the state that it is in"},
	"no.new":       {"es": "{1}: solo sirve en un correo nuevo a un tema", "en": "{1}: only in a new mail to a topic"},
	"no.address":   {"es": "{1}: escriba una dirección de correo completa, como ana@ejemplo.edu", "en": "{1}: write a whole mail address, such as ana@example.edu"},
	"no.yourself":  {"es": "{1}: es una dirección suya; escriba sin esa línea", "en": "{1}: that address is yours; write without that line"},
	"no.blocked":   {"es": "{1}: esa persona está bloqueada", "en": "{1}: that person is blocked"},
	"no.foralone":  {"es": "{1}: debe ser la única orden del correo; las demás van después, en respuesta al aviso", "en": "{1}: it must be the only command of the mail; send the others in reply to what you are told"},
	"no.forone":    {"es": "{1}: detrás va una sola dirección y nada más; el tema es el de la dirección a la que usted escribe", "en": "{1}: one address and nothing else goes behind it; the topic is that of the address that you write to"},
	"no.together":  {"es": "{1}: debe ir sola, sin otras órdenes ni texto", "en": "{1}: it stands alone, without other commands or text"},
	"no.undo":      {"es": "{1}: no hay nada suyo que deshacer en esta solicitud", "en": "{1}: there is nothing of yours to take back in this request"},
	"no.moved":     {"es": "{1}: desde entonces llegó algo más a la solicitud", "en": "{1}: something has come in since"},
	"no.note":      {"es": "{1}: no va con /nota en el mismo correo", "en": "{1}: it does not go with /note in one mail"},
	"no.empty":     {"es": "(el correo no dice nada)", "en": "(the mail says nothing)"},
	"no.nothing":   {"es": "{1}: no hay texto que dejar", "en": "{1}: there is no text to keep"},
	"no.lang":      {"es": "{1}: puede ser español o inglés", "en": "{1}: it may be Spanish or English"},
	"no.copy":      {"es": "{1}: a esa dirección no se le puede copiar", "en": "{1}: that address can't be copied"},
	"no.toomany":   {"es": "Se pueden sumar {1} personas a una solicitud, y ya las tiene.", "en": "{1} people can be added to a request, and it has them already."},
	"no.confirm":   {"es": "{1}: la confirmación no es válida o ya se usó", "en": "{1}: the confirmation is not valid or was used"},
	"ask.bare":     {"es": "Su correo dice solo «{1}», así que no se hizo nada todavía. ¿Es una orden o es la respuesta?", "en": "Your mail says only “{1}”, so nothing was done yet. Is it a command or the answer?"},
	"ask.command":  {"es": "Es una orden", "en": "It is a command"},
	"ask.answer":   {"es": "Es la respuesta", "en": "It is the answer"},
	"ask.delete":   {"es": "¿Borrar la solicitud {1}? Motivo: {2}. Nadie la verá más. Si no la confirma, no se borra.", "en": "Delete request {1}? Reason: {2}. Nobody will see it any more. Unless you confirm, it stays."},
	"ask.confirm":  {"es": "Sí, borrarla", "en": "Yes, delete it"},

	"ask.mine":     {"es": "Sí, fui yo", "en": "Yes, this was me"},
	"ask.always":   {"es": "Sí, y esa dirección también es mía", "en": "Yes, and that address is mine too"},
	"ask.notmine":  {"es": "No fui yo", "en": "No, it was not me"},
	"ask.me":       {"es": "Sí, soy yo", "en": "Yes, it is me"},
	"ask.notme":    {"es": "No soy yo", "en": "No, it is not me"},
	"ask.address":  {"es": "A su solicitud {1} llegó un mensaje desde {2}, que no es la dirección con la que la hizo. ¿Es suya también?", "en": "A message for your request {1} came from {2}, which is not the address that you made it with. Is it yours too?"},
	"hint.address": {"es": "Si dice que sí, lo que escriba desde allí contará como suyo. Le seguimos contestando solo a esta dirección.", "en": "If you say yes, what you write from there counts as yours. We still answer to this address only."},

	// What became of a question that was asked by mail.
	"word.released":  {"es": "El correo retenido se tramitó como suyo.", "en": "The held mail was dealt with as yours."},
	"word.always":    {"es": "El correo retenido se tramitó como suyo, y lo que envíe desde {1} contará como suyo.", "en": "The held mail was dealt with as yours, and what you send from {1} counts as yours."},
	"word.dropped":   {"es": "El correo retenido se descartó: no se le envió a nadie.", "en": "The held mail was dropped: it was sent to nobody."},
	"word.confirmed": {"es": "Lo que escriba desde {1} contará como suyo.", "en": "What you write from {1} counts as yours."},
	"word.refused":   {"es": "Lo que llegue desde {1} seguirá marcado como sin comprobar.", "en": "What comes from {1} stays marked as not verified."},
	"word.already":   {"es": "Esta pregunta ya se había resuelto; su respuesta no cambió nada.", "en": "This question was dealt with before; your answer changed nothing."},
	"word.expired":   {"es": "El plazo para responder ya pasó, y su respuesta no cambió nada. Pídale a quien administra la mesa de ayuda que lo revise.", "en": "The time to answer is over, and your answer changed nothing. Ask the operators of the desk to look at it."},
	"word.elsewhere": {"es": "Llegó una respuesta a esta pregunta desde {1}, que no es una dirección suya, y no cambió nada. Responda desde la dirección en que recibe este correo.", "en": "An answer to this question came from {1}, which is not an address of yours, and changed nothing. Reply from the address at which you get this mail."},
	"word.unclear":   {"es": "No se entendió si es un sí o un no, así que no se hizo nada ni se le envió a nadie lo que escribió.", "en": "It was not clear whether it is a yes or a no, so nothing was done, and what you wrote was sent to nobody."},
	"word.rest":      {"es": "Lo que escribió debajo no se le envió a nadie.", "en": "What you wrote below was sent to nobody."},

	// Titles.
	"title.left":        {"es": "{1} ya no atiende solicitudes; la {2} pasa a {3}.", "en": "{1} no longer attends to requests; {2} goes to {3}."},
	"title.question":    {"es": "Su respuesta sobre la solicitud {1}", "en": "Your answer about request {1}"},
	"title.address":     {"es": "¿Es suya la dirección {1}?", "en": "Is {1} your address?"},
	"title.done":        {"es": "Hecho:", "en": "Done:"},
	"title.show":        {"es": "Conversación de la solicitud {1}", "en": "Conversation of request {1}"},
	"title.history":     {"es": "Historial de la solicitud {1}", "en": "History of request {1}"},
	"title.others":      {"es": "Otras solicitudes de {1}", "en": "Other requests of {1}"},
	"title.mine":        {"es": "Sus solicitudes", "en": "Your requests"},
	"title.team":        {"es": "Solicitudes de su equipo", "en": "Requests of your team"},
	"title.overdue":     {"es": "Solicitudes vencidas", "en": "Overdue requests"},
	"title.waiting":     {"es": "A la espera de quien las hizo", "en": "Waiting for the requester"},
	"title.search":      {"es": "Solicitudes que hablan de «{1}»", "en": "Requests that speak of “{1}”"},
	"title.none":        {"es": "No hay ninguna.", "en": "There are none."},
	"title.more":        {"es": "Hay más; aquí van las {1} más recientes.", "en": "There are more; these are the {1} newest."},
	"title.help":        {"es": "Lo que puede escribir en la primera línea", "en": "What you can write on the first line"},
	"title.assigned":    {"es": "{1} le asignó la solicitud {2}.", "en": "{1} assigned request {2} to you."},
	"title.teamed":      {"es": "{1} pasó la solicitud {2} a {3}.", "en": "{1} gave request {2} to {3}."},
	"title.transferred": {"es": "{1} trasladó la solicitud {2} al tema {3}.", "en": "{1} moved request {2} to topic {3}."},
	"title.referred":    {"es": "{1} le pide participar en la solicitud {2}.", "en": "{1} asks you to take part in request {2}."},
	"title.undone":      {"es": "{1} deshizo su orden: la solicitud {2} ya no está a su cargo.", "en": "{1} took the order back: request {2} is no longer yours."},
	"title.answered":    {"es": "{1} contestó la solicitud {2}, que está a su cargo.", "en": "{1} answered request {2}, which is yours."},
	"title.both":        {"es": "{1} y {2} contestaron la solicitud {3} casi al tiempo; las dos respuestas se enviaron.", "en": "{1} and {2} answered request {3} at nearly the same time; both answers were sent."},
	"title.behalf":      {"es": "Se abrió la solicitud {1} a nombre de {2}. Si no fue usted, escriba /spam.", "en": "Request {1} was opened in the name of {2}. If it was not you, write /spam."},
	"title.news":        {"es": "Con mensajes nuevos", "en": "With new messages"},
	"title.ofteam":      {"es": "De su equipo, sin tomar", "en": "Your team's, not taken"},
	"title.heldmail":    {"es": "Correo retenido a su nombre: {1}. Los avisos con que puede dejarlo pasar le llegaron antes.", "en": "Mail held in your name: {1}. You were sent what lets it through."},
	"title.reminders":   {"es": "{1} solicitudes esperan respuesta", "en": "{1} requests are waiting for an answer"},
	"title.soon":        {"es": "Vencen pronto", "en": "Due soon"},
	"title.escalated":   {"es": "De otras personas, que no han contestado", "en": "Other people's, who have not answered"},
	"title.digest":      {"es": "Resumen del {1}", "en": "Digest of {1}"},
	"title.state":       {"es": "Estado de su solicitud {1}", "en": "State of your request {1}"},
	"title.states":      {"es": "Sus solicitudes", "en": "Your requests"},
	"title.open":        {"es": "Esta persona tiene otra solicitud abierta: {1}, «{2}».", "en": "This person has another open request: {1}, “{2}”."},
	"title.solved":      {"es": "{1} dio por terminada su solicitud {2}; quedó cerrada.", "en": "{1} needs nothing more in request {2}; it is closed."},
	"title.unhelped":    {"es": "{1} dijo que la respuesta a la solicitud {2} no le sirvió.", "en": "{1} said that the answer to request {2} did not help."},
	"title.merged":      {"es": "Su solicitud {1} sigue en la {2}, que trata de lo mismo.", "en": "Your request {1} goes on in {2}, which is about the same."},
	"line.status":       {"es": "Estado: {1}", "en": "State: {1}"},
	"line.assignee":     {"es": "La atiende: {1}", "en": "Assigned to: {1}"},
	"line.updated":      {"es": "Última novedad: {1}", "en": "Latest news: {1}"},
	"line.due":          {"es": "Respuesta prevista: {1}", "en": "Answer expected: {1}"},
	"line.limited":      {"es": "Si tiene solicitudes con nosotros, le escribimos a la dirección con la que las hizo.", "en": "If you have requests with us, we have written to the address that you made them with."},

	// Words.
	"word.low": {"es": "baja", "en": "low"}, "word.normal": {"es": "normal", "en": "normal"},
	"word.high": {"es": "alta", "en": "high"}, "word.urgent": {"es": "urgente", "en": "urgent"},
	"word.requester": {"es": "quien hizo la solicitud", "en": "the requester"},
	"word.desk":      {"es": "la mesa de ayuda", "en": "the desk"},

	// What stands in the thread.
	"event.command":  {"es": "{1}: {2}", "en": "{1}: {2}"},
	"event.helped":   {"es": "Quien hizo la solicitud dijo que la respuesta le sirvió.", "en": "The requester said that the answer helped."},
	"event.unhelped": {"es": "Quien hizo la solicitud dijo que la respuesta no le sirvió.", "en": "The requester said that the answer did not help."},
	"event.merged":   {"es": "{1} unió la solicitud {2} a esta.", "en": "{1} merged request {2} into this one."},
	"event.linked":   {"es": "{1} la vinculó con la solicitud {2}.", "en": "{1} linked it with request {2}."},
	"event.split":    {"es": "{1} la separó de la solicitud {2}.", "en": "{1} split it off request {2}."},

	// Buttons.
	"act.take": {"es": "Tomar", "en": "Take"}, "act.note": {"es": "Nota interna", "en": "Internal note"},
	"act.close": {"es": "Cerrar", "en": "Close"}, "act.transfer": {"es": "Trasladar", "en": "Transfer"},
	"act.undo": {"es": "Deshacer", "en": "Undo"}, "act.help": {"es": "Ayuda", "en": "Help"},
	"act.spam":   {"es": "No fui yo", "en": "It was not me"},
	"act.merge":  {"es": "Unirla a la {1}", "en": "Merge it into {1}"},
	"act.status": {"es": "Para saber cómo va, responda", "en": "To see how it is going, reply"},
	"act.helped": {"es": "Me sirvió", "en": "It helped"}, "act.nothelped": {"es": "No me sirvió", "en": "It did not help"},
}
