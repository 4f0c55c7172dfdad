package mailpipe

import (
	"slices"
	"strings"

	"buzon/ticket"
)

// completeByText fills in what the delivery-status part did not say, from the
// words of the server.
func completeByText(b *ticket.Bounce, m *ticket.Message, head header, text bounceBody) {
	if b.OriginalMessageID == "" {
		b.OriginalMessageID = textMessageID(text.returned)
	}
	if b.OriginalMessageID == "" {
		b.OriginalMessageID = textMessageID(text.said)
	}
	delayed := saysDelayed(m.Subject, text.said)
	if len(b.Recipients) == 0 {
		readWrittenStatus(b, text)
	}
	if !anyRecipient(b) {
		found := recipientsByText(m, head, text)
		if len(b.Recipients) == 1 && len(found) == 1 { // a report that names nobody
			b.Recipients[0].Address = found[0].Address
		} else {
			b.Recipients = found
		}
	}
	words := newSaid(text.said, b.Recipients)
	for i := range b.Recipients {
		complete(&b.Recipients[i], words, delayed)
	}
}

// readWrittenStatus reads the fields of a delivery status that stand in the text,
// because some server on the way took the parts of the message for it.
func readWrittenStatus(b *ticket.Bounce, text bounceBody) {
	for _, where := range []string{text.said, text.returned} {
		low := strings.ToLower(where)
		at := strings.Index(low, "final-recipient:")
		if at < 0 || len(low) != len(where) {
			continue
		}
		if mta := strings.Index(low[:at], "reporting-mta:"); mta >= 0 {
			at = mta
		} else if original := strings.LastIndex(low[:at], "original-recipient:"); original >= 0 && at-original < maxDiagnostic {
			at = original
		}
		readStatus(b, []byte(where[at:]))
		return
	}
}

func anyRecipient(b *ticket.Bounce) bool {
	for _, r := range b.Recipients {
		if r.Address != "" {
			return true
		}
	}
	return false
}

// complete fills in what is missing of one recipient: what is said about it, its
// status, its action, and the class of reasons.
func complete(r *ticket.BouncedRecipient, words *saidWords, delayed bool) {
	about := words.about(r.Address)
	said := r.Diagnostic
	if said == "" && (len(words.places) == 1 || words.mentions(r.Address)) {
		said = about
		if line := heardLine(words.text); line != "" && len(words.places) == 1 && !strings.Contains(about, line) {
			said = line + " (" + cutBytes(about, maxDiagnostic/2) + ")"
		}
		r.Diagnostic = cleanLine(said, maxDiagnostic)
	} else if _, told := bestReply(serverReplies(said)); !told && saidStatus(said) == "" {
		// "X-Unix; 77" is what a program returned; the transcript says what that meant
		if line := replyLine(about); line != "" {
			said = cutBytes(said, maxDiagnostic/2) + " (" + line + ")"
			r.Diagnostic = cleanLine(said, maxDiagnostic)
		}
	}
	if r.Action == "" {
		r.Action = "failed"
		if delayed || strings.HasPrefix(r.Status, "4") && words.delayed {
			r.Action = "delayed"
		}
	}
	delayed = r.Action == "delayed"
	// the code of the server that refused says more than that of the one that reports
	if code := saidStatus(said); code != "" && (r.Status == "" || strings.HasSuffix(r.Status, ".0.0") ||
		code[0] == r.Status[0] && !strings.HasSuffix(code, ".0.0")) {
		r.Status = code
	}
	if r.Status == "" {
		r.Status = statusByWords(said, delayed)
		if strings.HasSuffix(r.Status, ".0.0") && about != said {
			r.Status = statusByWords(about, delayed)
		}
		if strings.HasSuffix(r.Status, ".0.0") && len(words.places) == 1 {
			if whole := statusByWords(cutBytes(words.text, 4*maxDiagnostic), delayed); !strings.HasSuffix(whole, ".0.0") {
				r.Status = r.Status[:1] + whole[1:]
			}
		}
	}
	if r.Action == "failed" || r.Action == "delayed" {
		r.Reason = bounceReason(r.Status, cutBytes(said, maxDiagnostic), delayed)
		if r.Reason == ticket.BounceOther && about != said {
			r.Reason = bounceReason(r.Status, cutBytes(about, maxDiagnostic), delayed)
		}
	}
}

// heardLine is the error in a transcript that another server said ("<<< 550 …",
// as sendmail and its kin write it): the first permanent one, or else the first;
// empty: there is none. 503 only says that the commands before it had failed.
func heardLine(text string) string {
	first := ""
	for line := range strings.Lines(text) {
		said, ok := strings.CutPrefix(strings.TrimSpace(line), "<<< ")
		if !ok || len(said) < 4 || !isReplyCode(said, 0) || strings.HasPrefix(said, "503") {
			continue
		}
		if said[0] == '5' {
			return said
		}
		if first == "" {
			first = said
		}
	}
	return first
}

// saidWords is the text of a bounce with the places where each recipient is
// mentioned, so that what is said about one is not taken for what is said about
// another.
type saidWords struct {
	text    string
	low     string
	delayed bool
	places  map[string][]int // by address in lower case
	starts  []int            // all places, sorted
}

// maxMentions are the mentions that are looked at for one recipient.
const maxMentions = 6

func newSaid(text string, recipients []ticket.BouncedRecipient) *saidWords {
	w := &saidWords{text: text, low: strings.ToLower(text), places: make(map[string][]int, len(recipients))}
	if len(w.low) != len(text) { // places must be the same in both
		w.low = asciiLower(text)
	}
	w.delayed = containsAny(w.low, delayedWords) && !containsAny(w.low, givenUpWords)
	for _, r := range recipients {
		addr := asciiLower(r.Address)
		if _, known := w.places[addr]; known {
			continue
		}
		var at []int
		for from := 0; addr != "" && len(at) < maxMentions; {
			i := strings.Index(w.low[from:], addr)
			if i < 0 {
				break
			}
			i += from
			from = i + len(addr)
			if (i == 0 || !isAddressByte(w.low[i-1])) && (from == len(w.low) || !isAddressByte(w.low[from]) || w.low[from] == '.') {
				at = append(at, i)
			}
		}
		w.places[addr] = at
		w.starts = append(w.starts, at...)
	}
	slices.Sort(w.starts)
	return w
}

func isAddressByte(c byte) bool {
	return c >= 'a' && c <= 'z' || isDigit(c) || strings.IndexByte("._-+@", c) >= 0
}

func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

func (w *saidWords) mentions(addr string) bool { return len(w.places[asciiLower(addr)]) > 0 }

// about is what is said about an address: from the line of a mention to the next
// mention of another; of several mentions, the one with a reply, or with words
// that tell why. An address that is not mentioned is meant by the whole text.
func (w *saidWords) about(addr string) string {
	addr = asciiLower(addr)
	best, rank := "", -1
	for _, at := range w.places[addr] {
		end := min(len(w.text), at+2*maxDiagnostic)
		for i, _ := slices.BinarySearch(w.starts, at+1); i < len(w.starts) && w.starts[i] < end; i++ {
			if !strings.HasPrefix(w.low[w.starts[i]:], addr) {
				end = max(at+len(addr), strings.LastIndexByte(w.text[:w.starts[i]], '\n'))
				break
			}
		}
		start := strings.LastIndexByte(w.text[:at], '\n') + 1
		start = max(start, at-maxDiagnostic)
		part := strings.ToValidUTF8(w.text[start:end], "")
		score := 0
		switch reply, ok := bestReply(serverReplies(part)); {
		case ok && reply.sure:
			score = 4
		case saidStatus(part) != "":
			score = 3
		case causeOf(strings.ToLower(part), w.delayed) != nil:
			score = 2
		case ok:
			score = 1
		}
		if score > rank {
			best, rank = part, score
		}
	}
	if rank < 0 || rank == 0 && len(w.places) == 1 {
		whole := cutBytes(w.text, 4*maxDiagnostic)
		if rank < 0 || saidStatus(whole) != "" || replyLine(whole) != "" {
			if line := replyLine(whole); rank >= 0 && line != "" {
				return best + "\n" + line
			}
			return whole
		}
	}
	return best
}
