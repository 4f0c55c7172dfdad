package mailpipe

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"
	"pgregory.net/rapid"

	"buzon/ticket"
)

func TestQuotaReply(t *testing.T) {
	for _, c := range []struct {
		code int
		text string
		want bool
	}{
		// Google
		{550, "5.4.5 Daily user sending limit exceeded. For more information on Gmail sending limits go to https://support.google.com/a/answer/166852", true},
		{550, "5.7.1 Daily SMTP relay limit exceeded for user.", true},
		{421, "4.7.28 Our system has detected an unusual rate of unsolicited mail originating from your IP address.", true},
		{450, "4.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages from being delivered.", false},
		{452, "4.2.2 The recipient's inbox is out of storage space.", false},
		// Microsoft
		{550, "5.1.90 Your message can't be sent because you've reached your daily limit for message recipients", true},
		{554, "5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException", true},
		{451, "4.7.500 Server busy. Please try again later from [192.0.2.1].", false},
		{552, "5.2.2 Mailbox quota exceeded", false},
		// Others
		{451, "4.7.1 Greylisted for 300 seconds, rate of first contact", false},
		{450, "4.7.1 Error: too much mail from 192.0.2.1", true},
		{451, "Hourly sending limit reached, try later", true},
		{454, "first line\n4.7.0 rate limited", true},
		{552, "5.3.4 Message size exceeds fixed limit", false},
		{550, "5.7.1 Sender rate: message too large, size limit exceeded", false},
		{550, "5.7.1 Relaying denied", false},
		{550, "5.1.1 No such user", false},
		{452, "4.3.1 Insufficient system storage", false},
	} {
		reply := &smtp.SMTPError{Code: c.code, Message: c.text}
		if got := isQuotaReply(reply); got != c.want {
			t.Errorf("%d %s: %t", c.code, c.text, got)
		}
		if a, _ := judgeReply("DATA", reply); c.want != (a.fate == fateQuota) || a.hard != (c.want && c.code >= 500) {
			t.Errorf("%d %s: %+v", c.code, c.text, a)
		}
	}
}

func TestJudgeReply(t *testing.T) {
	for _, c := range []struct {
		err    error
		fate   fate
		usable bool
	}{
		{errors.New("connection reset"), fateTemporary, false},
		{&smtp.SMTPError{Code: 450}, fateTemporary, true},
		{&smtp.SMTPError{Code: 421}, fateTemporary, false},
		{&smtp.SMTPError{Code: 501}, fatePermanent, true},
		{&smtp.SMTPError{Code: 503}, fateTemporary, false},
		{&smtp.SMTPError{Code: 530}, fateDown, false},
		{&smtp.SMTPError{Code: 535}, fateDown, false},
		{&smtp.SMTPError{Code: 250}, fateTemporary, false},
		{&smtp.SMTPError{Code: 354}, fateTemporary, false},
	} {
		a, usable := judgeReply("MAIL FROM", c.err)
		if a.fate != c.fate || usable != c.usable || !strings.HasPrefix(replyText(a.err), "MAIL FROM: ") && c.fate != fateDown {
			t.Errorf("%v: %+v, usable %t", c.err, a, usable)
		}
	}
}

// TestCRLF: however a text is cut into writes, its line ends are made CRLF.
func TestCRLF(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SliceOf(rapid.StringOf(rapid.RuneFrom([]rune("a.\r\n\r\n")))).Draw(t, "pieces")
		var got bytes.Buffer
		w := &crlfWriter{w: &got}
		for _, p := range pieces {
			if n, err := w.Write([]byte(p)); n != len(p) || err != nil {
				t.Fatal(n, err)
			}
		}
		if err := w.flush(); err != nil {
			t.Fatal(err)
		}
		want := strings.NewReplacer("\r\n", "\r\n", "\r", "\r\n", "\n", "\r\n").Replace(strings.Join(pieces, ""))
		if got.String() != want {
			t.Fatalf("%q became %q, not %q", pieces, got.String(), want)
		}
	})
}

// TestWriteChunks reads a large range piece by piece, and notices a short one.
func TestWriteChunks(t *testing.T) {
	large := bytes.Repeat([]byte("0123456789\r\n"), 100_000)
	box := &memoryOutbox{archive: memoryArchive{1: large}}
	chunks := []ticket.Chunk{{Literal: []byte("x\r\n")}, {Archive: ticket.ArchiveRef{Seq: 1}, Offset: 12, Length: int64(len(large)) - 24}, {Literal: []byte("\r\nend")}}
	var got bytes.Buffer
	if err := writeChunks(&got, chunks, box); err != nil {
		t.Fatal(err)
	}
	if want := "x\r\n" + string(large[12:len(large)-12]) + "\r\nend"; got.String() != want {
		t.Error("not the same bytes")
	}
	if got := chunksSize(chunks); got != int64(len(large))-24+8 {
		t.Error(got)
	}
	if err := writeChunks(&got, chunks, shortBox{box}); err == nil {
		t.Error("a short read was not noticed")
	}
}

// shortBox returns less than it is asked for.
type shortBox struct{ *memoryOutbox }

func (b shortBox) ReadAt(ref ticket.ArchiveRef, offset, length int64) ([]byte, error) {
	return b.memoryOutbox.ReadAt(ref, offset, length-1)
}
