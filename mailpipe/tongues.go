package mailpipe

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// tongue is how mail programs of one language write the line above a quote:
// a word that begins it, the date, the name, a verb. All in lower case.
type tongue struct {
	starts string // first words
	verbs  string // the word that tells of writing, without its helpers
	// asides stand right before the verb where a person tells of a letter: "me
	// escribió". The line above a quote has a name there.
	asides string
	// lone verbs are as common in prose; they count only as the last word.
	lone string
}

// tongues by language. Programs mix them (an English line with a Spanish date),
// so a line may take its words from several.
var tongues = map[string]tongue{
	"es": {starts: "el en", verbs: "escribió escribio escribiste escribieron escribía escribe escrito", asides: "me te le nos les os se lo ya no así que había he has hemos han"},
	"en": {starts: "on at", verbs: "wrote writes written", lone: "said", asides: "i we he she they who never he've also which that just once"},
	"pt": {starts: "em no a às", verbs: "escreveu escreveram escreve", asides: "me te lhe nos lhes se não que você"},
	"fr": {starts: "le", verbs: "écrit ecrit écrivait", asides: "m'a nous vous t'a lui j'ai est être pas sera"},
	"de": {starts: "am", verbs: "schrieb schrieben geschrieben", lone: "schreibt sagte", asides: "ich er sie mir uns ihm ihr wer wir"},
	"it": {starts: "il in", verbs: "scritto scrisse scrive", asides: "mi ti ci vi gli ho avevo è stato"},
	"nl": {starts: "op", verbs: "schreef geschreven", asides: "ik hij zij mij ons wie"},
	"sv": {starts: "den på", verbs: "skrev skrevs", asides: "jag han hon mig oss"},
	"da": {starts: "den på d.", verbs: "skrev skreiv"},
	"is": {starts: "þann", verbs: "skrifaði ritaði"},
	"fi": {starts: "ti ma ke to pe la su", verbs: "kirjoitti kirjoittaa"},
	"et": {starts: "", verbs: "kirjutas"},
	"lv": {starts: "", verbs: "rakstīja"},
	"lt": {starts: "", verbs: "rašė parašė"},
	"pl": {starts: "w dnia dn. śr pon wt czw pt sob niedz", verbs: "napisał napisała napisal napisali pisze"},
	"cs": {starts: "dne dňa v", verbs: "napsal napsala napisal napísal napísala"},
	"hr": {starts: "dana u", verbs: "napisao napisala napisal piše"},
	"sr": {starts: "дана у пон уто сре чет пет суб нед", verbs: "написао написала пише"},
	"hu": {starts: "", verbs: "írta írt"},
	"ro": {starts: "pe în la in", verbs: "scris", asides: "mi-a ne-a v-a"},
	"ru": {starts: "в во пн вт ср чт пт сб вс", verbs: "написал написала пишет писал писала"},
	"uk": {starts: "у в о нд", verbs: "написав написала пише писав"},
	"bg": {starts: "на", verbs: "написа"},
	"el": {starts: "στις την", verbs: "έγραψε εγραψε έγραψες"},
	"tr": {starts: "", verbs: "yazdı yazmış yazdi"},
	"ca": {starts: "el missatge", verbs: "escriure escrit escrigué", asides: "em et"},
	"gl": {starts: "o", verbs: "escribiu"},
	"eu": {starts: "", verbs: "idatzi"},
	"sq": {starts: "më", verbs: "shkroi"},
	"mk": {starts: "на", verbs: "напиша"},
	"af": {starts: "op", verbs: "geskryf skryf"},
	"az": {starts: "", verbs: "yazıb yazmışdı"},
	"be": {starts: "у", verbs: "напісаў напісала піша"},
	"sl": {starts: "v dne", verbs: "napisal napisala piše"},
	"eo": {starts: "je", verbs: "skribis"},
	"vi": {starts: "vào", verbs: "viết"},
	"id": {starts: "pada", verbs: "menulis"},
	"he": {starts: "ב ב- ביום בתאריך", verbs: "כתב כתבה"},
	"ar": {starts: "في بتاريخ", verbs: "كتب كتبت"},
	"fa": {starts: "در", verbs: "نوشت"},
	"th": {starts: "เมื่อ ในวันที่ วันที่", verbs: "เขียนว่า"},
	"hi": {starts: "", verbs: "लिखा"},
}

// quotingWords begin the line of programs that say no more than whom they quote.
var quotingWords = []string{"quoting ", "citando ", "citando a ", "zitat von ", "citerar ", "selon ", "цитирую ", "mensaje citado por ", "missatge de ", "bericht van ",
	"citat av ", "citat fra ", "lainaus ", "cytowanie ", "citace "}

// joinedVerbs belong to scripts that put no space between words.
var joinedVerbs = []string{"写道", "寫道", "写了", "書きました", "のメッセージ", "のメール", "작성", "님이", "เขียน"}

// weekdays begin the line in many programs: at least three letters of them, as
// they are shortened.
const weekdays = "lunes martes miércoles miercoles jueves viernes sábado sabado domingo monday tuesday wednesday thursday friday saturday sunday " +
	"segunda terça quarta quinta sexta lundi mardi mercredi jeudi vendredi samedi dimanche montag dienstag mittwoch donnerstag freitag samstag sonntag " +
	"lunedì martedì mercoledì giovedì venerdì sabato domenica maandag dinsdag woensdag donderdag vrijdag zaterdag zondag mandag tirsdag onsdag torsdag " +
	"fredag lørdag søndag måndag tisdag lördag söndag pondělí úterý středa čtvrtek pátek sobota neděle ponedjeljak utorak srijeda četvrtak petak subota nedjelja"

var (
	verbWords  = make(map[string]bool)
	loneVerbs  = make(map[string]bool)
	startWords = make(map[string]bool)
	asideWords = make(map[string]bool)
	weekWords  = make(map[string]bool)
)

func init() {
	for _, t := range tongues {
		for set, words := range map[*map[string]bool]string{&verbWords: t.verbs, &loneVerbs: t.lone, &startWords: t.starts, &asideWords: t.asides} {
			for _, w := range strings.Fields(words) {
				(*set)[w] = true
			}
		}
	}
	for _, w := range strings.Fields(weekdays) {
		letters := 0
		for i := range w {
			if letters++; letters > 2 {
				weekWords[w[:i]] = true
			}
		}
		weekWords[w] = true
	}
	for kind, set := range map[wordKind]map[string]bool{verbWord: verbWords, loneVerb: loneVerbs, helperVerb: helperVerbs, asideWord: asideWords} {
		for w := range set {
			wordKinds[w] |= kind
		}
	}
}

// wordKind is what a word is in the line above a quote, as bits: findVerb looks
// each word up but once.
type wordKind byte

const (
	verbWord wordKind = 1 << iota
	loneVerb
	helperVerb
	asideWord
)

var wordKinds = map[string]wordKind{}

// nextWord returns the bounds of the next run of letters, digits and what stands
// inside words from i on; start is len(s) when there is none.
func nextWord(s string, i int) (start, end int) {
	start = -1
	for i < len(s) {
		r, n := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(s[i:])
		}
		inside := r|0x20 >= 'a' && r|0x20 <= 'z' || r >= '0' && r <= '9' ||
			r >= utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.M, r)) || start >= 0 && (r == '\'' || r == '’' || r == '-')
		if inside && start < 0 {
			start = i
		} else if !inside && start >= 0 {
			return start, i
		}
		i += n
	}
	if start < 0 {
		return len(s), len(s)
	}
	return start, len(s)
}

// findVerb finds the verb of a line above a quote, and whether nothing but its
// ending or punctuation follows.
func findVerb(text string) (found, last bool) {
	aside := false
	for i := 0; i < len(text); {
		start, end := nextWord(text, i)
		if start == end {
			break
		}
		word := lower(text[start:end])
		kind := wordKinds[word]
		if kind&(verbWord|loneVerb) != 0 {
			last = verbEnding(text[end:])
			if !aside && !objectAfter(text[end:]) && (last || kind&loneVerb == 0) {
				return true, last
			}
		}
		if kind&helperVerb == 0 {
			aside = kind&asideWord != 0 && text[start:end] == word // in lower case: Han and Lo are names
		}
		i = end
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r >= 0x0E00 }) {
		for _, verb := range joinedVerbs {
			if at := strings.Index(text, verb); at >= 0 {
				return true, verbEnding(text[at+len(verb):])
			}
		}
	}
	return false, false
}

// objectAfter tells "schrieb mir", "wrote me": a person tells of a letter.
func objectAfter(rest string) bool {
	start, end := nextWord(rest, 0)
	return objectWords[rest[start:end]]
}

var objectWords = phraseSet("mir", "uns", "dir", "ihm", "euch", "me", "us", "mig", "oss", "mij", "ons", "meg", "til", "to", "lo", "que", "that", "dass", "this", "esto")

// helperVerbs stand between the name and the verb.
var helperVerbs = phraseSet("a", "ha", "je", "va", "heeft", "hat", "đã", "har")

// verbEnding tells whether s is what may stand behind the verb: "(a):", "/la:",
// " je:", " du:".
func verbEnding(s string) bool {
	letters := 0
	for _, r := range s {
		if unicode.IsLetter(r) {
			letters++
		} else if unicode.IsDigit(r) || r == '@' {
			return false
		}
	}
	return letters <= 3
}

// directionMarks are the invisible signs around lines of right-to-left scripts.
const directionMarks = "\u200e\u200f\u202a\u202b\u202c"

func isQuoting(low string) bool { return hasPrefix(strings.TrimLeft(low, "-—_* "), quotingWords) }

// beginsDated tells whether a line begins as one above a quote does: with one of
// the first words, a day of the week or a digit.
func beginsDated(low string) bool {
	low = strings.TrimLeft(low, "-—_*[( \t"+directionMarks)
	if low == "" {
		return false
	}
	if isDigit(low[0]) || low[0] >= 0xE3 { // scripts of East Asia: 在 2016年…
		return true
	}
	start, end := nextWord(low, 0)
	word := low[start:end]
	return startWords[word] || weekWords[word]
}
