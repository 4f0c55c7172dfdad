package mailpipe

import (
	"bytes"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"buzon/ticket"
)

// ErrNotCopyable is returned for a file whose encoded body can't stand in
// another message as it is.
var ErrNotCopyable = errors.New("the file can't be copied as it is")

// Composer puts drafts into MIME form. It holds no state, so one may be used by
// many goroutines if Random may.
type Composer struct {
	// Hostname stands in the Message-ID of a draft that has none.
	Hostname string
	// Random feeds boundaries; nil means crypto/rand.
	Random io.Reader
}

// Compose makes a complete message (RFC 5322, RFC 2045 to 2049) of a draft, as a
// list of literals and of ranges of archived messages. Literals hold only CRLF
// line ends and no line over 998 octets; they are ASCII unless an address is not
// (see NeedsUTF8). What is human text is cleaned of control characters; what has
// a syntax, such as an address, is refused when it breaks it. A run of up to 40
// ASCII letters and digits in subject or text stays in one piece in one literal,
// so that the caller can replace a placeholder in it.
//
// It returns an error that wraps ErrNotCopyable when a file can't be copied;
// CanCopy tells beforehand. A file with Content needs no copying.
func (c *Composer) Compose(d *ticket.Draft) ([]ticket.Chunk, error) {
	a := assemblies.Get().(*assembly)
	defer a.release()
	a.random = c.Random
	if a.random == nil {
		a.random = rand.Reader
	}
	body, err := c.body(d)
	if err != nil {
		return nil, fmt.Errorf("composing mail to %q: %w", d.To.Addr, err)
	}
	if err := c.header(a, d); err != nil {
		return nil, fmt.Errorf("composing mail to %q: %w", d.To.Addr, err)
	}
	if err := a.part(body); err != nil {
		return nil, fmt.Errorf("composing mail to %q: %w", d.To.Addr, err)
	}
	if !bytes.HasSuffix(a.buf.Bytes(), []byte("\r\n")) {
		a.buf.WriteString("\r\n")
	}
	a.flush()
	return a.chunks, nil
}

// header writes the fields of the message itself; those of its body follow.
func (c *Composer) header(a *assembly, d *ticket.Draft) error {
	if d.Date.IsZero() {
		return errors.New("the draft has no date")
	}
	id := d.MessageID
	if id == "" {
		nonce, err := a.nonce()
		if err != nil {
			return err
		}
		id = nonce + "@" + c.Hostname
	}
	if !usableID(id) {
		return fmt.Errorf("%q can't be a Message-ID", id)
	}
	w := &a.buf
	plainField(w, "Date", d.Date.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	if err := addressField(w, "From", d.From); err != nil {
		return err
	}
	if err := addressField(w, "To", d.To); err != nil {
		return err
	}
	if d.ReplyTo != "" {
		if err := addressField(w, "Reply-To", ticket.Address{Name: d.From.Name, Addr: d.ReplyTo}); err != nil {
			return err
		}
	}
	textField(w, "Subject", d.Subject)
	idField(w, "Message-ID", id)
	idField(w, "In-Reply-To", d.InReplyTo)
	idField(w, "References", d.References...)
	if d.Class.Automatic() {
		// RFC 3834, section 5: a confirmation answers a message, the others
		// answer none. The second field is what Exchange heeds.
		kind := "auto-generated"
		if d.Class == ticket.ClassConfirmation {
			kind = "auto-replied"
		}
		plainField(w, "Auto-Submitted", kind)
		plainField(w, "X-Auto-Response-Suppress", "All")
	}
	if isLanguageTag(d.Language) {
		plainField(w, "Content-Language", d.Language)
	}
	plainField(w, "MIME-Version", "1.0")
	return nil
}

// body arranges the draft's text and files: text alone; alternative with HTML;
// related around the HTML and what it shows; mixed around all that and the rest.
func (c *Composer) body(d *ticket.Draft) (mimePart, error) {
	var shown, attached []mimePart
	for _, f := range d.Files {
		if f.Content == nil {
			if err := CanCopy(f.Attachment); err != nil {
				return mimePart{}, err
			}
		}
		if d.HTML != "" && usableID(f.ContentID) && refersTo(d.HTML, f.ContentID) {
			shown = append(shown, mimePart{file: &f, inline: true})
		} else {
			attached = append(attached, mimePart{file: &f})
		}
	}
	body := mimePart{mediaType: "text/plain", text: d.Text}
	if d.HTML != "" {
		html := mimePart{mediaType: "text/html", text: d.HTML}
		if len(shown) > 0 {
			html = mimePart{mediaType: "multipart/related", root: "text/html", parts: append([]mimePart{html}, shown...)}
		}
		body = mimePart{mediaType: "multipart/alternative", parts: []mimePart{body, html}}
	}
	if len(attached) > 0 {
		body = mimePart{mediaType: "multipart/mixed", parts: append([]mimePart{body}, attached...)}
	}
	return body, nil
}

// CanCopy returns nil when the attachment's encoded body may be copied verbatim
// under a new part header, and otherwise an error that wraps ErrNotCopyable. A
// binary body may hold anything, also our boundary or bare line ends, which
// no smarthost without BINARYMIME takes (RFC 3030); a multipart one needs the
// boundary that stood in its own header; a packed one is not there by itself.
func CanCopy(a ticket.Attachment) error {
	if a.Packed != 0 {
		return fmt.Errorf("%w: it lies inside another", ErrNotCopyable)
	}
	switch strings.ToLower(a.Encoding) {
	case "", "7bit", "8bit", "quoted-printable", "base64":
	default:
		return fmt.Errorf("%w: its encoding is %q", ErrNotCopyable, a.Encoding)
	}
	if strings.HasPrefix(strings.ToLower(a.Type), "multipart/") {
		return fmt.Errorf("%w: its type is %q", ErrNotCopyable, a.Type)
	}
	if a.Offset < 0 || a.Length < 0 {
		return fmt.Errorf("%w: it lies at %d, %d octets long", ErrNotCopyable, a.Offset, a.Length)
	}
	return nil
}

// NeedsUTF8 tells whether a row can only be sent to a server that offers
// SMTPUTF8 (RFC 6531): when an envelope address or the message's header is not
// ASCII. Composed headers are ASCII except for addresses.
func NeedsUTF8(row *ticket.Outgoing) bool {
	if !isASCII([]byte(row.EnvelopeFrom)) || !isASCII([]byte(row.To)) {
		return true
	}
	if len(row.Chunks) == 0 {
		return false
	}
	header, _, _ := bytes.Cut(row.Chunks[0].Literal, []byte("\r\n\r\n"))
	return !isASCII(header)
}

// refersTo tells whether the HTML shows the part with that Content-ID by a cid:
// URL (RFC 2392), which may have the @ escaped.
func refersTo(html, contentID string) bool {
	for _, ref := range []string{"cid:" + contentID, "cid:" + strings.ReplaceAll(contentID, "@", "%40")} {
		for rest := html; ; {
			_, after, ok := strings.Cut(rest, ref)
			if !ok {
				break
			}
			rest = after
			// cid:image1 does not refer to image10.
			if after == "" || strings.IndexByte("\"' \t\r\n)>&;", after[0]) >= 0 {
				return true
			}
		}
	}
	return false
}

// assembly collects chunks while a message is written.
type assembly struct {
	buf    bytes.Buffer // the literal being written
	chunks []ticket.Chunk
	random io.Reader
}

// assemblies keep the buffers in which literals are written.
var assemblies = sync.Pool{New: func() any { return new(assembly) }}

// keptBuffer is how large a buffer is kept for the next message: few have files that
// are not copied.
const keptBuffer = 256 << 10

func (a *assembly) release() {
	if a.buf.Cap() > keptBuffer {
		a.buf = bytes.Buffer{}
	}
	a.buf.Reset()
	a.chunks, a.random = nil, nil
	assemblies.Put(a)
}

// flush ends the literal being written.
func (a *assembly) flush() {
	if a.buf.Len() > 0 {
		a.chunks = append(a.chunks, ticket.Chunk{Literal: bytes.Clone(a.buf.Bytes())})
		a.buf.Reset()
	}
}

// copyFile adds the file's encoded body. What follows begins with the CRLF that
// belongs to the boundary (RFC 2046, section 5.1.1), so the range is decoded to
// the same octets whether or not it ends in a line end of its own.
func (a *assembly) copyFile(f *ticket.File) {
	if f.Length == 0 {
		return
	}
	a.flush()
	a.chunks = append(a.chunks, ticket.Chunk{Archive: f.Archive, Offset: f.Offset, Length: f.Length})
}

var nonceEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// nonce returns 24 random characters: 120 bits.
func (a *assembly) nonce() (string, error) {
	var b [15]byte
	if _, err := io.ReadFull(a.random, b[:]); err != nil {
		return "", fmt.Errorf("reading random octets: %w", err)
	}
	return nonceEncoding.EncodeToString(b[:]), nil
}
