package mailpipe

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"buzon/ticket"
)

// Inspection is what the desk sees in a message, as `buzon inspect` prints it:
// one JSON object a line.
type Inspection struct {
	File             string                `json:"file"`
	Error            string                `json:"error,omitempty"` // why it can't be understood
	From             string                `json:"from"`
	FromName         string                `json:"from_name"`
	To               []string              `json:"to"`
	Subject          string                `json:"subject"`
	MessageID        string                `json:"message_id"`
	Date             string                `json:"date"` // RFC 3339; empty: none
	Kind             ticket.Kind           `json:"kind"`
	KindReason       string                `json:"kind_reason"`
	AutoReplyAllowed bool                  `json:"auto_reply_allowed"`
	Courtesy         bool                  `json:"courtesy"`
	ReplyText        string                `json:"reply_text"`
	QuotedText       string                `json:"quoted_text"`
	Signature        string                `json:"signature"`
	Text             string                `json:"text"`
	Forwarded        *InspectedForward     `json:"forwarded"`
	Attachments      []InspectedAttachment `json:"attachments"`
	Bounce           *ticket.Bounce        `json:"bounce"`
	InReplyTo        []string              `json:"in_reply_to"`
	References       []string              `json:"references"`
	Tags             []string              `json:"tags"`
	Commands         []ticket.Command      `json:"commands"`
	Warnings         []string              `json:"warnings"`
}

// InspectedForward is a forwarded message; From is "Name <addr>".
type InspectedForward struct {
	From    string `json:"from"`
	Subject string `json:"subject"`
	Text    string `json:"text"`
}

// InspectedAttachment is an attachment, decoded.
type InspectedAttachment struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	Size   int64  `json:"size"` // octets
	Inline bool   `json:"inline"`
	SHA256 string `json:"sha256"` // of the decoded bytes, hexadecimal
}

// Inspect reads a message for people to look at. Unlike Understand it decodes
// the attachments. Error is set where the desk would put it into quarantine.
func Inspect(file string, raw []byte, opt Options) Inspection {
	m := Understand(raw, opt)
	in := Inspection{
		File: file, Error: m.Quarantine, From: m.From.Addr, FromName: m.From.Name, To: []string{}, Subject: m.Subject,
		MessageID: m.MessageID, Kind: m.Kind, KindReason: m.KindReason, AutoReplyAllowed: m.AutoReplyAllowed, Courtesy: m.Courtesy,
		ReplyText: m.ReplyText, QuotedText: m.QuotedText, Signature: m.Signature, Text: withoutImages(m.Text, m.Attachments),
		Attachments: []InspectedAttachment{}, Bounce: m.Bounce, InReplyTo: orEmpty(m.InReplyTo), References: orEmpty(m.References),
		Tags: []string{}, Commands: m.Commands, Warnings: orEmpty(m.Warnings),
	}
	for _, a := range m.To {
		in.To = append(in.To, a.Addr)
	}
	if !m.Date.IsZero() {
		in.Date = m.Date.Format(time.RFC3339)
	}
	if f := m.Forwarded; f != nil {
		from := f.From.Name
		if f.From.Addr != "" {
			from = fmt.Sprintf("%s <%s>", f.From.Name, f.From.Addr)
		}
		in.Forwarded = &InspectedForward{From: from, Subject: f.Subject, Text: f.Text}
	}
	for _, a := range m.Attachments {
		content, err := DecodeAttachment(raw, a)
		if err != nil {
			in.Warnings = append(in.Warnings, err.Error())
		}
		sum := sha256.Sum256(content)
		in.Attachments = append(in.Attachments, InspectedAttachment{
			Name: a.Name, Type: a.Type, Size: int64(len(content)), Inline: a.Inline, SHA256: hex.EncodeToString(sum[:]),
		})
	}
	for _, n := range ticket.Tags(m.Subject) {
		in.Tags = append(in.Tags, n.String())
	}
	if in.Commands == nil {
		in.Commands = []ticket.Command{}
	}
	return in
}

// withoutImages takes out the lines that say where a named image stands: nobody
// wrote them, and the list of attachments names the images.
func withoutImages(text string, files []ticket.Attachment) string {
	for _, a := range files {
		if line := imageLine(a.Name); a.Inline && strings.Contains(text, line) {
			text = strings.ReplaceAll(text, "\n\n"+line+"\n\n", "\n\n")
			text = strings.ReplaceAll(text, line, "")
		}
	}
	return strings.Trim(text, "\n")
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// DecodeAttachment returns the decoded bytes of an attachment of the message raw.
// It returns an error when the attachment does not lie within raw, or not in the
// container that it is said to be packed in.
func DecodeAttachment(raw []byte, a ticket.Attachment) ([]byte, error) {
	return decodeAttachment(raw, a, 0)
}

// decodeAttachment is DecodeAttachment inside a number of containers.
func decodeAttachment(raw []byte, a ticket.Attachment, depth int) ([]byte, error) {
	if a.Offset < 0 || a.Length < 0 || a.Offset > int64(len(raw)) || a.Length > int64(len(raw))-a.Offset {
		return nil, fmt.Errorf("decoding attachment %q: octets %d to %d lie outside the message of %d octets",
			a.Name, a.Offset, a.Offset+a.Length, len(raw))
	}
	content := decodeTransfer(raw[a.Offset:a.Offset+a.Length], a.Encoding)
	if a.Packed == 0 {
		return content, nil
	}
	c, _ := openContainer(content, depth+1)
	if c == nil || a.Packed < 0 || a.Packed > len(c.files) {
		return nil, fmt.Errorf("decoding attachment %q: file %d is not in its container", a.Name, a.Packed)
	}
	return c.files[a.Packed-1].content(), nil
}

// SplitMbox reads the messages of an mbox file (RFC 4155) and calls each with one
// after the other; what does not begin with a "From " line is one message. Lines
// quoted as ">From " are given back their form. It returns the first error of
// reading or of each.
func SplitMbox(r io.Reader, each func(raw []byte) error) error {
	in := bufio.NewReaderSize(r, 64<<10)
	var message []byte
	mbox, first, empty := false, true, true // empty: the line before
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			starts := empty && isEnvelopeLine(line) && (first || mbox)
			switch {
			case starts && first:
				mbox = true
			case starts:
				if err := each(bytes.TrimSuffix(bytes.TrimSuffix(message, []byte("\n")), []byte("\r"))); err != nil {
					return err
				}
				message = nil
			default:
				if mbox && bytes.HasPrefix(bytes.TrimLeft(line, ">"), []byte("From ")) && line[0] == '>' {
					line = line[1:]
				}
				message = append(message, line...)
			}
			first = false
			empty = len(bytes.TrimRight(line, "\r\n")) == 0
		}
		if err == io.EOF {
			if len(message) > 0 || first {
				return each(message)
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading mbox: %w", err)
		}
	}
}

// isEnvelopeLine tells the line that mbox puts above a message: "From ", the
// sender, a date.
func isEnvelopeLine(line []byte) bool {
	return bytes.HasPrefix(line, []byte("From ")) && len(line) < 300 && hasYear(string(line))
}
