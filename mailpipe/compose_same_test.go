package mailpipe

import (
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"buzon/ticket"
)

// oddDraft is a draft whose parts are put together at random of what texts, names and
// subjects are made of, the lengths at which lines break among them.
func oddDraft(r *rand.Rand) *ticket.Draft {
	pieces := []string{
		" ", " ", " ", "\n", "\n", "\r\n", "\t", "  ", "=", ".", "\n.", "\nFrom ", "=20", "=?", "?=", "\x00", "\xff\xfe", "\u2028", "\"", "\\",
		"ñ", "á", "🙂", "e\u0301", "<p style=\"margin:0\">", "</p>\n", "https://a.example/?b=c&d=e+f", "-- \n", "_", "(x)", ",", "@", "[#003181]", "--- \n",
	}
	write := func(n int) string {
		var b strings.Builder
		for range n {
			if r.IntN(2) == 0 {
				b.WriteString(strings.Repeat("abcdefghij0123456789", 12)[:1+r.IntN(12)])
			} else {
				b.WriteString(pieces[r.IntN(len(pieces))])
			}
			if r.IntN(60) == 0 {
				b.WriteString(strings.Repeat("Z9", 20+r.IntN(70))[r.IntN(2):])
			}
		}
		return b.String()
	}
	d := testDraft()
	d.From.Name, d.To.Name, d.Subject = write(r.IntN(6)), write(r.IntN(12)), write(r.IntN(30))
	d.Text, d.HTML = write(r.IntN(400)), write(r.IntN(400)*r.IntN(2))
	d.Date = time.Unix(r.Int64N(4e9), 0).UTC()
	d.Class = []ticket.Class{ticket.ClassAnswer, ticket.ClassConfirmation, ticket.ClassNotification}[r.IntN(3)]
	d.MessageID = []string{"a.1@b.example", ""}[r.IntN(2)]
	d.Language = []string{"es", "en-US", "", "no tag"}[r.IntN(4)]
	for range r.IntN(8) {
		d.References = append(d.References, strings.Repeat("r", 1+r.IntN(80))+"@b.example")
	}
	for range r.IntN(3) {
		id := []string{"", "c.1@b.example"}[r.IntN(2)]
		d.Files = append(d.Files, ticket.File{
			Attachment: ticket.Attachment{Name: write(r.IntN(9)), Type: []string{"image/png", "text/plain", "message/rfc822", ""}[r.IntN(4)], Charset: "utf-8", ContentID: id},
			Content:    []byte(write(r.IntN(100))),
		})
		d.HTML += "<img src=\"cid:" + id + "\">"
	}
	return d
}

// TestComposeSameAsEver shows any change of what is sent. The digest is of the first
// composer, which put units together one by one.
func TestComposeSameAsEver(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	sum := sha256.New()
	for range 4000 {
		sum.Write(composeBytes(t, oddDraft(r), nil))
	}
	const want = "fc3e60c67aba1c2d729cfc6867d5c3a2"
	if got := hex.EncodeToString(sum.Sum(nil)[:16]); got != want {
		t.Errorf("the mails' digest is %s, was %s", got, want)
	}
}
