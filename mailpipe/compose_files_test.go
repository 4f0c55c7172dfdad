package mailpipe

import (
	"bytes"
	"encoding/base64"
	"mime"
	"strings"
	"testing"

	"github.com/jhillyerd/enmime/v2"

	"buzon/ticket"
)

// archivedFile makes a raw message around an encoded body and the file that refers to it.
func archivedFile(archive memoryArchive, a ticket.Attachment, body string) ticket.File {
	seq := uint64(len(archive) + 1)
	head := "Subject: x\r\n\r\n--b\r\nContent-Type: whatever\r\n\r\n"
	archive[seq] = []byte(head + body + "\r\n--b--\r\n")
	a.Offset, a.Length = int64(len(head)), int64(len(body))
	return ticket.File{Attachment: a, Archive: ticket.ArchiveRef{Segment: "2026-11", Seq: seq}}
}

func TestFiles(t *testing.T) {
	archive := memoryArchive{}
	pdf := bytes.Repeat([]byte{0, 1, 2, 0xff, '\n', '\r'}, 500)
	encoded := wrapBase64(base64.StdEncoding.EncodeToString(pdf))
	d := testDraft()
	d.HTML = `<p>Así: <img src="cid:foto@x"> <img src='cid:logo%40x'></p>`
	d.Files = []ticket.File{
		archivedFile(archive, ticket.Attachment{Name: "Resolución N.º 7 «matrícula».pdf", Type: "application/pdf", Encoding: "base64"}, encoded),
		archivedFile(archive, ticket.Attachment{Name: "foto.png", Type: "image/png", Encoding: "base64", ContentID: "foto@x"}, strings.TrimRight(encoded, "\r\n")),
		archivedFile(archive, ticket.Attachment{Name: "logo.png", Type: "image/png", Encoding: "BASE64", ContentID: "logo@x"}, encoded),
		archivedFile(archive, ticket.Attachment{Name: "foto10.png", Type: "image/png", Encoding: "base64", ContentID: "foto"}, encoded),
		archivedFile(archive, ticket.Attachment{Name: "notas.txt", Type: "text/plain", Encoding: "8bit", Charset: "iso-8859-1"}, "a\xf1o\r\nfin"),
		archivedFile(archive, ticket.Attachment{Name: "q.txt", Type: "text/plain", Encoding: "quoted-printable", Charset: "utf-8"}, "a=C3=B1o=20\r\n"),
		archivedFile(archive, ticket.Attachment{Name: "vacio.txt", Type: "text/plain"}, ""),
		archivedFile(archive, ticket.Attachment{Name: strings.Repeat("😀", 300) + ".docx", Type: "no type", Encoding: "7bit"}, "x"),
	}
	raw := composeBytes(t, d, archive)
	for _, f := range d.Files {
		if body := archive[f.Archive.Seq][f.Offset : f.Offset+f.Length]; !bytes.Contains(raw, body) {
			t.Errorf("%s is not verbatim", f.Name)
		}
	}
	e, err := enmime.ReadEnvelope(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range e.Errors {
		t.Error(err)
	}
	if e.HTML != d.HTML {
		t.Errorf("HTML is %q", e.HTML)
	}
	if want, got := mimeShape(e.Root), "multipart/mixed(multipart/alternative(text/plain multipart/related(text/html image/png image/png)) "+
		"application/pdf image/png text/plain text/plain text/plain application/octet-stream)"; want != got {
		t.Errorf("the structure is\n%s, not\n%s", want, got)
	}
	if top := parseMail(t, raw).Header.Get("Content-Transfer-Encoding"); top != "8bit" {
		t.Errorf("an 8-bit part, but the message says %q", top)
	}

	type found struct{ name, id, content string }
	var got []found
	for _, p := range append(e.Inlines, e.Attachments...) {
		_, params, err := mime.ParseMediaType(p.Header.Get("Content-Disposition"))
		if err != nil {
			t.Errorf("%s: %v", p.FileName, err)
		}
		if params["filename"] != p.FileName {
			t.Errorf("enmime calls it %q, mime %q", p.FileName, params["filename"])
		}
		got = append(got, found{p.FileName, p.ContentID, string(p.Content)})
	}
	want := []found{
		{"foto.png", "foto@x", string(pdf)},
		{"logo.png", "logo@x", string(pdf)},
		{"Resolución N.º 7 «matrícula».pdf", "", string(pdf)},
		{"foto10.png", "", string(pdf)},
		{"notas.txt", "", "año\r\nfin"},
		{"q.txt", "", "año \r\n"},
		{"vacio.txt", "", ""},
		{strings.Repeat("😀", 48) + ".docx", "", "x"},
	}
	if len(got) != len(want) {
		t.Fatalf("%d files, not %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("file %d: %.200q, not %.200q", i, got[i], want[i])
		}
	}
	if !bytes.Contains(raw, []byte(`filename="Resolucion N._ 7 _matricula_.pdf"`)) {
		t.Error("no ASCII name for readers that don't know RFC 2231")
	}
}

// TestFileEnds: with and without a line end of its own, a copied body is decoded
// to the same octets as in the original.
func TestFileEnds(t *testing.T) {
	for _, encoding := range []string{"7bit", "8bit", "quoted-printable"} {
		for _, body := range []string{"x", "x\r\n", "x\r\n\r\n", "\r\n", "--b", "-- "} {
			archive := memoryArchive{}
			d := testDraft()
			d.Files = []ticket.File{archivedFile(archive, ticket.Attachment{Name: "a.txt", Type: "text/plain", Encoding: encoding}, body)}
			if got := leafBodies(t, composeBytes(t, d, archive)); len(got) != 2 || strings.TrimRight(got[1], " ") != strings.TrimRight(body, " ") {
				t.Errorf("%s: %q came back as %q", encoding, body, got)
			}
		}
	}
}

func TestFilesWithoutHTML(t *testing.T) {
	archive := memoryArchive{}
	d := testDraft()
	d.Files = []ticket.File{archivedFile(archive, ticket.Attachment{Name: "foto.png", Type: "image/png", Encoding: "base64", ContentID: "foto@x", Inline: true}, "AAAA")}
	e, err := enmime.ReadEnvelope(bytes.NewReader(composeBytes(t, d, archive)))
	if err != nil {
		t.Fatal(err)
	}
	if got := mimeShape(e.Root); got != "multipart/mixed(text/plain image/png)" {
		t.Error(got)
	}
	if len(e.Attachments) != 1 {
		t.Error("a picture that nothing shows is not an attachment")
	}
}

func mimeShape(p *enmime.Part) string {
	s := p.ContentType
	if p.FirstChild != nil {
		var children []string
		for c := p.FirstChild; c != nil; c = c.NextSibling {
			children = append(children, mimeShape(c))
		}
		s += "(" + strings.Join(children, " ") + ")"
	}
	return s
}

func wrapBase64(s string) string {
	var b strings.Builder
	for ; len(s) > 76; s = s[76:] {
		b.WriteString(s[:76] + "\r\n")
	}
	return b.String() + s + "\r\n"
}
