package stream

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"html"
	"math/rand/v2"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"time"
)

// entity is a MIME entity: the fields about its content, and its body.
type entity struct {
	fields string // each line ended by CR LF
	body   string
}

// header writes the fields of a message of a person to another.
func (s *Stream) header(from, to person, subject, messageID string) *strings.Builder {
	var h strings.Builder
	field(&h, "Received", fmt.Sprintf("from [10.0.%d.%d] by mail.%s with ESMTPSA; %s",
		s.rng.IntN(256), s.rng.IntN(256), s.Domain, s.date().Format(time.RFC1123Z)))
	field(&h, "Date", s.date().Format(time.RFC1123Z))
	field(&h, "From", address(from))
	field(&h, "To", address(to))
	field(&h, "Subject", mime.QEncoding.Encode("utf-8", subject))
	field(&h, "Message-ID", "<"+messageID+">")
	return &h
}

func field(h *strings.Builder, name, value string) { fmt.Fprintf(h, "%s: %s\r\n", name, value) }

func address(p person) string { return (&mail.Address{Name: p.name, Address: p.addr}).String() }

// assemble makes a message of its header and its content.
func assemble(h *strings.Builder, e entity) []byte {
	return []byte(h.String() + "MIME-Version: 1.0\r\n" + e.fields + "\r\n" + e.body)
}

// crlf ends the lines of a text as the wire wants them.
func crlf(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") + "\r\n" }

// lf ends the lines of a received text as this package keeps them.
func lf(text string) string { return strings.ReplaceAll(text, "\r\n", "\n") }

// plain is a text part in one of the encodings that clients use.
func (s *Stream) plain(text string) entity {
	switch s.rng.IntN(3) {
	case 0:
		return entity{"Content-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n", crlf(text)}
	case 1:
		return entity{"Content-Type: text/plain; charset=\"utf-8\"\r\nContent-Transfer-Encoding: base64\r\n", lines64([]byte(crlf(text)))}
	}
	return entity{"Content-Type: text/plain; charset=\"UTF-8\"\r\nContent-Transfer-Encoding: quoted-printable\r\n", quoted(text)}
}

func quoted(text string) string {
	var b bytes.Buffer
	w := quotedprintable.NewWriter(&b)
	w.Write([]byte(crlf(text)))
	w.Close()
	return b.String()
}

// lines64 is base64 in lines of 76 characters (RFC 2045, section 6.8).
func lines64(data []byte) string {
	text := base64.StdEncoding.EncodeToString(data)
	var b strings.Builder
	b.Grow(len(text) + len(text)/38 + 2)
	for len(text) > 76 {
		b.WriteString(text[:76])
		b.WriteString("\r\n")
		text = text[76:]
	}
	b.WriteString(text)
	b.WriteString("\r\n")
	return b.String()
}

func (s *Stream) alternative(text, htmlBody string) entity {
	return s.multipart("alternative", "", s.plain(text), entity{
		"Content-Type: text/html; charset=\"UTF-8\"\r\nContent-Transfer-Encoding: quoted-printable\r\n",
		quoted("<html><body>" + htmlBody + "</body></html>"),
	})
}

func (s *Stream) mixed(parts ...entity) entity { return s.multipart("mixed", "", parts...) }

func (s *Stream) multipart(subtype, parameters string, parts ...entity) entity {
	boundary := fmt.Sprintf("=_%d_%x", s.n, s.rng.Uint64())
	var b strings.Builder
	for _, p := range parts {
		fmt.Fprintf(&b, "--%s\r\n%s\r\n%s\r\n", boundary, p.fields, p.body)
	}
	fmt.Fprintf(&b, "--%s--\r\n", boundary)
	return entity{fmt.Sprintf("Content-Type: multipart/%s;%s boundary=\"%s\"\r\n", subtype, parameters, boundary), b.String()}
}

// attachment is a file of so many octets that don't compress.
func (s *Stream) attachment(size int) entity {
	file := pick(s, files)
	var seed [32]byte
	for i := range seed {
		seed[i] = byte(s.rng.Uint32())
	}
	data := make([]byte, size)
	rand.NewChaCha8(seed).Read(data)
	return entity{
		fmt.Sprintf("Content-Type: %s\r\nContent-Disposition: %s\r\nContent-Transfer-Encoding: base64\r\n",
			file.mediaType, mime.FormatMediaType("attachment", map[string]string{"filename": file.name})),
		lines64(data),
	}
}

// htmlText brings text into HTML as mail clients do.
func htmlText(text string) string {
	return strings.ReplaceAll(html.EscapeString(text), "\n", "<br>")
}
