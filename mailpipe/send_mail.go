package mailpipe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/emersion/go-smtp"

	"buzon/ticket"
)

// fate is what became of one attempt to send a mail.
type fate int

const (
	fateSent      fate = iota
	fateTemporary      // this mail: try it again later
	fatePermanent      // this mail: never
	fateQuota          // the account may not send more for now: no mail's fault
	fateDown           // no usable connection: no mail's fault
	fateStale          // a kept connection had ended before this mail began
	fateUntried        // stopped before this mail began
)

// attempt is the outcome of an attempt.
type attempt struct {
	fate fate
	err  error // of fateDown, an *AccountError if anything is known
	// hard, of fateQuota, means a limit by the day and not a rate.
	hard bool
}

// send hands a mail over. It tells whether the connection may be used again. When
// ctx ends the connection is closed under it.
func (l *smtpLink) send(ctx context.Context, row *ticket.Outgoing, box Outbox) (result attempt, usable bool) {
	stop := context.AfterFunc(ctx, func() { l.raw.Close() })
	defer stop()
	fresh := !l.used
	l.used = true

	utf8 := NeedsUTF8(row)
	if ok, _ := l.client.Extension("SMTPUTF8"); utf8 && !ok {
		return attempt{fate: fatePermanent, err: errors.New("the address or the header is not ASCII, and the smarthost does not offer SMTPUTF8 (RFC 6531)")}, true
	}
	size := chunksSize(row.Chunks)
	if limit, ok := l.client.MaxMessageSize(); ok && limit > 0 && size > int64(limit) {
		return attempt{fate: fatePermanent, err: fmt.Errorf("the mail has %d octets, and the smarthost takes at most %d", size, limit)}, true
	}
	// The library adds BODY=8BITMIME where it is offered. Elsewhere 8-bit
	// attachments are sent as they are: servers that neither offer nor pass
	// them have died out.
	err := l.client.Mail(row.EnvelopeFrom, &smtp.MailOptions{Size: size, UTF8: utf8})
	if err != nil {
		result, usable = judgeReply("MAIL FROM", err)
		if !fresh && !usable {
			result.fate = fateStale
		}
		return result, usable && l.reset()
	}
	if err := l.client.Rcpt(row.To, nil); err != nil {
		result, usable = judgeReply("RCPT TO", err)
		return result, usable && l.reset()
	}
	body, err := l.client.Data()
	if err != nil {
		result, usable = judgeReply("DATA", err)
		return result, usable && l.reset()
	}
	// From here on an error must not end in the final dot: half a mail would be
	// taken for a whole one. Only closing the connection says so.
	if err := l.raw.SetDeadline(time.Now().Add(l.data)); err != nil {
		return attempt{fate: fateTemporary, err: err}, false
	}
	if err := writeChunks(body, row.Chunks, box); err != nil {
		l.raw.Close()
		return attempt{fate: fateTemporary, err: fmt.Errorf("sending the body: %w", err)}, false
	}
	if err := body.Close(); err != nil {
		// Without an answer nobody knows whether the mail was taken; it is sent
		// again, with the same bytes and Message-ID, rather than not at all.
		result, usable = judgeReply("end of data", err)
		return result, usable && l.reset()
	}
	l.sent++
	return attempt{fate: fateSent}, true
}

// reset makes the connection ready for the next mail. The library greets anew
// after a RSET, and does so in Extension, which then hides an error.
func (l *smtpLink) reset() bool {
	return l.client.Reset() == nil && l.client.Hello(l.hostname) == nil
}

// judgeReply sorts what went wrong with a command. usable tells whether the
// connection is still in step.
func judgeReply(verb string, err error) (result attempt, usable bool) {
	var reply *smtp.SMTPError
	if !errors.As(err, &reply) {
		return attempt{fate: fateTemporary, err: fmt.Errorf("%s: %w", verb, err)}, false
	}
	result.err = fmt.Errorf("%s: %s", verb, replyText(reply))
	usable = reply.Code != 421
	switch class := reply.Code / 100; {
	case reply.Code == 530, reply.Code == 534, reply.Code == 535, reply.Code == 538:
		// RFC 4954, section 6: the login is missing, no longer valid or too weak.
		result.fate = fateDown
		result.err = &AccountError{Doing: "sending", Err: result.err, Permanent: true,
			Hint: "the smarthost wants a login that it does not have; set username and auth, and check the password"}
		return result, false
	case isQuotaReply(reply):
		result.fate, result.hard = fateQuota, class == 5
	case reply.Code == 503:
		// Out of sequence: the two sides have lost each other, which says
		// nothing about the mail.
		result.fate, usable = fateTemporary, false
	case class == 4:
		result.fate = fateTemporary
	case class == 5:
		result.fate = fatePermanent
	default:
		result.fate, usable = fateTemporary, false
	}
	return result, usable
}

var (
	quotaWords   = regexp.MustCompile(`(?i)\b(daily|hourly|sending|submission|outbound|rate|per (day|hour|minute))\b|submissionquota`)
	limitWords   = regexp.MustCompile(`(?i)limit|quota|exceed`)
	rateWords    = regexp.MustCompile(`(?i)\b(rate|limits?|limited|quota|throttl\w+|too (many|much|fast)|slow down)\b`)
	enhancedCode = regexp.MustCompile(`\b[45]\.\d{1,3}\.\d{1,3}\b`)
	notQuota     = regexp.MustCompile(`(?i)gr[ae]y-?list|\bsize\b|too (large|big)`)
)

// isQuotaReply tells a limit on what the account may send from a fault of the
// mail or its recipient: Google's 550 5.4.5, Microsoft's 5.1.90, words about a
// sending limit, and 4.7.x with words about a rate. A recipient's own limits
// (x.2.x: a full mailbox, one that gets mail too fast) are none of ours.
func isQuotaReply(reply *smtp.SMTPError) bool {
	code, text := reply.EnhancedCode, reply.Message
	if code == (smtp.EnhancedCode{}) { // the library looks at the very beginning only
		fmt.Sscanf(enhancedCode.FindString(text), "%d.%d.%d", &code[0], &code[1], &code[2])
	}
	switch {
	case code == smtp.EnhancedCode{5, 4, 5}, code == smtp.EnhancedCode{5, 1, 90}:
		return true
	case code[1] == 2 && !strings.Contains(strings.ToLower(text), "submissionquota"), notQuota.MatchString(text):
		return false
	case reply.Code/100 == 4 && code[1] == 7 && rateWords.MatchString(text):
		return true
	}
	return quotaWords.MatchString(text) && limitWords.MatchString(text)
}

// replyText is the server's reply as it is shown and stored: one line.
func replyText(err error) string {
	var reply *smtp.SMTPError
	if !errors.As(err, &reply) {
		return peerText(err.Error())
	}
	text := reply.Message
	if c := reply.EnhancedCode; c != (smtp.EnhancedCode{}) {
		text = fmt.Sprintf("%d.%d.%d %s", c[0], c[1], c[2], text)
	}
	return peerText(fmt.Sprintf("%d %s", reply.Code, text))
}

func chunksSize(chunks []ticket.Chunk) int64 {
	var n int64
	for _, c := range chunks {
		n += int64(len(c.Literal)) + c.Length
	}
	return n
}

// archivePiece is how much of an archived message is read at a time.
const archivePiece = 256 << 10

// writeChunks streams a mail's bytes, with every line end made CRLF: archived
// messages may hold others, and a relay might take a bare one for the end of the
// mail (CVE-2023-51764 and its kin).
func writeChunks(w io.Writer, chunks []ticket.Chunk, box Outbox) error {
	out := &crlfWriter{w: w}
	for _, c := range chunks {
		if c.Archive.IsZero() {
			if _, err := out.Write(c.Literal); err != nil {
				return err
			}
			continue
		}
		for offset, end := c.Offset, c.Offset+c.Length; offset < end; {
			n := min(end-offset, archivePiece)
			b, err := box.ReadAt(c.Archive, offset, n)
			if err == nil && int64(len(b)) != n {
				err = io.ErrUnexpectedEOF
			}
			if err != nil {
				return fmt.Errorf("reading archived message %s: %w", c.Archive, err)
			}
			if _, err := out.Write(b); err != nil {
				return err
			}
			offset += n
		}
	}
	return out.flush()
}

// crlfWriter makes CRLF of bare CR and bare LF.
type crlfWriter struct {
	w  io.Writer
	cr bool // a CR has come and is not written yet
}

var crlf = []byte("\r\n")

func (c *crlfWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if c.cr {
			c.cr = false
			if p[0] == '\n' {
				p = p[1:]
			}
			if _, err := c.w.Write(crlf); err != nil {
				return 0, err
			}
			continue
		}
		i := bytes.IndexAny(p, "\r\n")
		if i < 0 {
			i = len(p)
		}
		if i > 0 {
			if _, err := c.w.Write(p[:i]); err != nil {
				return 0, err
			}
			p = p[i:]
			continue
		}
		if p[0] == '\r' {
			c.cr = true
		} else if _, err := c.w.Write(crlf); err != nil {
			return 0, err
		}
		p = p[1:]
	}
	return n, nil
}

// flush writes the CR that was the last octet of all.
func (c *crlfWriter) flush() error {
	if !c.cr {
		return nil
	}
	c.cr = false
	_, err := c.w.Write(crlf)
	return err
}
