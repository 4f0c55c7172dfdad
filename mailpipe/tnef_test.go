package mailpipe

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"buzon/ticket"
)

// tnefWriter writes TNEF streams ([MS-OXTNEF]).
type tnefWriter struct{ bytes.Buffer }

func newTNEF(page uint32) *tnefWriter {
	w := &tnefWriter{}
	w.Write(tnefSignature)
	w.Write([]byte{7, 0})
	w.attribute(1, attCodePage, binary.LittleEndian.AppendUint64(nil, uint64(page)))
	return w
}

func (w *tnefWriter) attribute(level byte, id uint32, value []byte) {
	w.WriteByte(level)
	sum := uint16(0)
	for _, c := range value {
		sum += uint16(c)
	}
	w.Write(binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, id), uint32(len(value))))
	w.Write(value)
	w.Write(binary.LittleEndian.AppendUint16(nil, sum))
}

// file begins an attachment.
func (w *tnefWriter) file(title string, data []byte, props ...[]byte) *tnefWriter {
	w.attribute(2, attRenderingOf, make([]byte, 14))
	if title != "" {
		w.attribute(2, attTitle, append([]byte(title), 0))
	}
	if data != nil {
		w.attribute(2, attData, data)
	}
	if len(props) > 0 {
		w.attribute(2, attFileProps, propList(props...))
	}
	return w
}

func propList(props ...[]byte) []byte {
	return append(binary.LittleEndian.AppendUint32(nil, uint32(len(props))), bytes.Join(props, nil)...)
}

func fixedProp(id, kind uint16, value []byte) []byte {
	return append(binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(nil, kind), id), value...)
}

func longProp(id, kind uint16, value []byte) []byte {
	out := fixedProp(id, kind, binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, 1), uint32(len(value))))
	out = append(out, value...)
	return append(out, make([]byte, -len(value)&3)...)
}

func wideProp(id uint16, s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s + "\x00")) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return longProp(id, typeUnicode, b)
}

// namedProp is a property with a name, two values and no meaning for us.
func namedProp(name string) []byte {
	out := append(fixedProp(0x8001, typeString8|typeMultiple, make([]byte, 16)), 1, 0, 0, 0)
	var b []byte
	for _, u := range utf16.Encode([]rune(name + "\x00")) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	out = append(binary.LittleEndian.AppendUint32(out, uint32(len(b))), b...)
	out = append(out, make([]byte, -len(b)&3)...)
	out = append(out, 2, 0, 0, 0)
	return append(out, "\x02\x00\x00\x00a\x00\x00\x00\x05\x00\x00\x00abcd\x00\x00\x00\x00"...)
}

// storedRTF wraps RTF as MAPI keeps it uncompressed.
func storedRTF(rtf string) []byte {
	out := binary.LittleEndian.AppendUint32(nil, uint32(len(rtf)+12))
	out = binary.LittleEndian.AppendUint32(out, uint32(len(rtf)))
	return append(append(out, "MELA\x00\x00\x00\x00"...), rtf...)
}

// winmail is a message with text (unless it is empty) and a winmail.dat.
func winmail(text string, stream []byte) []byte {
	head := "From: Ana <ana@example.org>\r\nTo: mesa@example.edu\r\nSubject: Envio\r\nMessage-ID: <w@example.org>\r\n" +
		"Date: Tue, 24 Nov 2026 10:00:00 -0500\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=M\r\n\r\n"
	if text != "" {
		head += "--M\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + text + "\r\n"
	}
	return []byte(head + "--M\r\nContent-Type: application/ms-tnef; name=\"winmail.dat\"\r\nContent-Transfer-Encoding: base64\r\n" +
		"Content-Disposition: attachment; filename=\"winmail.dat\"\r\n\r\n" + base64Text(stream) + "--M--\r\n")
}

func base64Text(b []byte) string {
	var out strings.Builder
	for ; len(b) > 57; b = b[57:] {
		out.WriteString(base64.StdEncoding.EncodeToString(b[:57]) + "\r\n")
	}
	return out.String() + base64.StdEncoding.EncodeToString(b) + "\r\n"
}

// unpacked are the decoded attachments of a message by name.
func unpacked(t *testing.T, raw []byte, m *ticket.Message) map[string]string {
	t.Helper()
	got := make(map[string]string)
	for _, a := range m.Attachments {
		content, err := DecodeAttachment(raw, a)
		if err != nil {
			t.Error(err)
		}
		if a.Packed > 0 && a.Size != int64(len(content)) {
			t.Errorf("%s: size %d, %d octets", a.Name, a.Size, len(content))
		}
		got[a.Name+" "+a.Type] = string(content)
	}
	return got
}

func TestTNEFFiles(t *testing.T) {
	pdf := "%PDF-1.4 " + strings.Repeat("x", 300)
	w := newTNEF(1251)
	w.attribute(1, attBody, []byte("\xcf\xf0\xe8\xe2\xe5\xf2\r\n"))
	w.file("INFORM~1.PDF", []byte(pdf), namedProp("Ünïcode"), wideProp(propLongName, "Informe año 2026.pdf"), longProp(propMIMEType, typeString8, []byte("application/pdf\x00")))
	w.file("\xcf\xf0\xe8\xe2\xe5\xf2.txt", []byte("hola"))
	w.file("", []byte("GIF89a"), fixedProp(0x3705, typeInt32, []byte{1, 0, 0, 0}), wideProp(propLongName, `C:\x\logo.gif`), wideProp(propContentID, "logo@x"))
	w.file("", nil, longProp(propFileData, typeObject, append(make([]byte, 16), "OLE"...)), wideProp(propDisplayName, "Hoja"))
	raw := winmail("", w.Bytes())
	m := Understand(raw, Options{})
	want := map[string]string{
		"Informe año 2026.pdf application/pdf": pdf, "Привет.txt text/plain": "hola", "logo.gif image/gif": "GIF89a",
		"Hoja.bin application/octet-stream": "OLE",
	}
	if diff := cmp.Diff(want, unpacked(t, raw, m)); diff != "" {
		t.Error(diff)
	}
	if m.Text != "Привет" {
		t.Errorf("text %q", m.Text)
	}
	if logo := m.Attachments[2]; !logo.Inline || logo.ContentID != "logo@x" {
		t.Errorf("%+v", logo)
	}
	if m := Understand(winmail("Adjunto.", w.Bytes()), Options{}); m.Text != "Adjunto." || len(m.Attachments) != 4 {
		t.Errorf("beside text: %q, %d files", m.Text, len(m.Attachments))
	}
}

func TestTNEFText(t *testing.T) {
	for name, c := range map[string]struct {
		prop []byte
		want string
	}{
		"plain": {wideProp(propBody, "Línea 1\r\nLínea 2"), "Línea 1\nLínea 2"},
		"html":  {longProp(propHTML, typeBinary, []byte("<p>Se\xf1or</p><p>Dos</p>\x00")), "Señor\n\nDos"},
		"rtf": {longProp(propRTF, typeBinary, storedRTF(`{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}{\f1\fcharset204 Arial;}}{\*\generator x;}`+
			`\pard Se\'f1or\par {\f1 \'cf\'f0\'e8}\u8364? \{uno\}\~dos{\v oculto}\line fin}`)), "Señor\nПри€ {uno} dos\nfin"},
		"rtf of html": {longProp(propRTF, typeBinary, storedRTF(`{\rtf1\ansi\ansicpg1252\fromhtml1{\*\htmltag64 <p>}\htmlrtf \par\htmlrtf0 Se\'f1or &lt;`+
			`{\*\htmltag84 <b>}\htmlrtf {\b\htmlrtf0 fuerte\htmlrtf }\htmlrtf0{\*\htmltag92 </b>}{\*\htmltag72 </p>}}`)), "Señor <fuerte"},
		// the example of [MS-OXRTFCP], section 4.1.1
		"compressed": {longProp(propRTF, typeBinary, []byte("\x2d\x00\x00\x00\x2b\x00\x00\x00\x4c\x5a\x46\x75\xf1\xc5\xc7\xa7\x03\x00\x0a\x00"+
			"\x72\x63\x70\x67\x31\x32\x35\x42\x32\x0a\xf3\x20\x68\x65\x6c\x09\x00\x20\x62\x77\x05\xb0\x6c\x64\x7d\x0a\x80\x0f\xa0")), "hello world"},
	} {
		w := newTNEF(1252)
		w.attribute(1, attMessageProps, propList(fixedProp(0x0017, typeInt32, make([]byte, 4)), c.prop))
		m := Understand(winmail("", w.Bytes()), Options{})
		if m.Text != c.want || len(m.Attachments) != 0 {
			t.Errorf("%s: %q, files %v", name, m.Text, m.Attachments)
		}
	}
}

// An embedded message becomes mail that any program opens, and its files stand
// beside it.
func TestTNEFEmbedded(t *testing.T) {
	inner := newTNEF(1252)
	inner.attribute(1, attSubject, []byte("Nota: a\xf1o/2026\x00"))
	inner.attribute(1, attMessageProps, propList(wideProp(propBody, "Interior #A1"), wideProp(propSenderSMTP, "jefe@example.org")))
	inner.file("datos.csv", []byte("a,b"))
	outer := newTNEF(1252).file("", nil, longProp(propFileData, typeObject, append(make([]byte, 16), inner.Bytes()...)))
	raw := winmail("Ver adjunto", outer.Bytes())
	m := Understand(raw, Options{})
	got := unpacked(t, raw, m)
	mail := got["Nota_ año_2026.eml message/rfc822"]
	read := Understand([]byte(mail), Options{})
	if read.Subject != "Nota: año/2026" || read.Text != "Interior #A1" || read.From.Addr != "jefe@example.org" {
		t.Errorf("%q in %v", mail, got)
	}
	if got["datos.csv text/csv"] != "a,b" || len(got) != 2 || !m.Attachments[0].Private || m.Attachments[1].Private {
		t.Errorf("%+v", m.Attachments)
	}
}

func TestTNEFDamaged(t *testing.T) {
	whole := newTNEF(1252).file("a.txt", []byte("hola")).file("b.bin", bytes.Repeat([]byte("x"), 1000)).Bytes()
	names := func(stream []byte) string {
		raw := winmail("Texto", stream)
		m := Understand(raw, Options{})
		var names []string
		for _, a := range m.Attachments {
			names = append(names, fmt.Sprintf("%s:%d", a.Name, a.Packed))
		}
		unpacked(t, raw, m)
		return strings.Join(names, " ") + " " + strings.Join(m.Warnings, ";")
	}
	if got := names(whole); got != "a.txt:1 b.bin:2 " {
		t.Error(got)
	}
	if got := names(whole[:len(whole)-500]); got != "a.txt:1 b.bin:2 winmail.dat:0 damaged: winmail.dat could not be read to its end" {
		t.Error(got)
	}
	if got := names([]byte("no es TNEF")); got != "winmail.dat:0 " {
		t.Error(got)
	}
	for i := range whole { // no length is trusted
		for _, c := range []byte{0, 0x7f, 0xff} {
			bad := bytes.Clone(whole)
			bad[i] = c
			names(bad)
		}
	}
	many := newTNEF(1252)
	for range 3 * maxTNEFItems {
		many.file("x.txt", []byte("x"))
	}
	if m := Understand(winmail("Texto", many.Bytes()), Options{}); len(m.Attachments) > maxPacked+1 || m.Quarantine != "" {
		t.Errorf("%d files, %q", len(m.Attachments), m.Quarantine)
	}
	deep := newTNEF(1252).file("fin.txt", []byte("x"))
	for range 10 {
		deep = newTNEF(1252).file("", nil, longProp(propFileData, typeObject, append(make([]byte, 16), deep.Bytes()...)))
	}
	if m := Understand(winmail("Texto", deep.Bytes()), Options{}); len(m.Attachments) != maxTNEFDepth {
		t.Errorf("%d levels", len(m.Attachments))
	}
}

func TestDecodePackedOutside(t *testing.T) {
	raw := winmail("Texto", newTNEF(1252).file("a.txt", []byte("hola")).Bytes())
	a := Understand(raw, Options{}).Attachments[0]
	for _, n := range []int{-1, 2, 1 << 40} {
		a.Packed = n
		if content, err := DecodeAttachment(raw, a); err == nil {
			t.Errorf("file %d: %q", n, content)
		}
	}
}

// FuzzTNEF: no stream panics, contents are ranges of it, text is clean.
func FuzzTNEF(f *testing.F) {
	f.Add(newTNEF(1251).file("a.txt", []byte("hola"), namedProp("x"), wideProp(propLongName, "año.txt")).Bytes())
	rtf := newTNEF(1252)
	rtf.attribute(1, attMessageProps, propList(longProp(propRTF, typeBinary, storedRTF(`{\rtf1\fromhtml1{\*\htmltag <p>}a\u8364?\'e1\par}`)), wideProp(propSubject, "s")))
	f.Add(rtf.Bytes())
	f.Add(newTNEF(932).file("", nil, longProp(propFileData, typeObject, append(make([]byte, 16), rtf.Bytes()...))).Bytes())
	packed := newTNEF(1252)
	packed.attribute(1, attMessageProps, propList(longProp(propRTF, typeBinary, []byte("\x20\x00\x00\x00\xff\x00\x00\x00LZFu\x00\x00\x00\x00\x03\x00\x0a\x00rcpg125"))))
	f.Add(packed.Bytes())
	f.Fuzz(func(t *testing.T, stream []byte) {
		c, _ := openContainer(append(bytes.Clone(tnefSignature), stream[min(4, len(stream)):]...), 1)
		if c == nil {
			return
		}
		if len(c.files) > maxTNEFItems {
			t.Fatalf("%d files", len(c.files))
		}
		for _, file := range c.files {
			if content := file.content(); int64(len(content)) != file.Size || file.Name == "" || cleanFileName(file.Name) != file.Name {
				t.Fatalf("%+v: %d octets", file.Attachment, len(content))
			}
		}
		if text := withoutMarks(c.text); cleanText(text) != text {
			t.Fatalf("text %q", text)
		}
	})
}

// BenchmarkUnderstandAttachment: an attachment costs no more than finding its
// end until its bytes are asked for: the allocations don't grow with it.
func BenchmarkUnderstandAttachment(b *testing.B) {
	for _, size := range []int{1 << 10, 1 << 20, 16 << 20} {
		raw := []byte(strings.Replace(string(winmail("Hola", bytes.Repeat([]byte{0xa5}, size))), "ms-tnef", "pdf", 1))
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if m := Understand(raw, Options{}); len(m.Attachments) != 1 {
					b.Fatal(m.Attachments)
				}
			}
		})
	}
}

// A plain attachment is not decoded to be listed.
func TestAttachmentNotDecoded(t *testing.T) {
	raw := []byte(strings.Replace(string(winmail("Hola", bytes.Repeat([]byte{0xa5}, 8<<20))), "ms-tnef", "pdf", 1))
	used := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			Understand(raw, Options{})
		}
	}).AllocedBytesPerOp()
	if used > 1<<20 {
		t.Errorf("%d octets allocated for an attachment of 8 MiB that nobody asked for", used)
	}
}

// TestTNEFCalendar: what Exchange sends of a meeting is named as its iCalendar
// form would be, and an answer to one is nobody's mail.
func TestTNEFCalendar(t *testing.T) {
	for class, want := range map[string]string{
		"IPM.Schedule.Meeting.Request": "calendar: request", "IPM.Microsoft Schedule.MtgReq": "calendar: request",
		"IPM.Schedule.Meeting.Canceled": "calendar: cancel", "IPM.Microsoft Schedule.MtgCncl": "calendar: cancel",
		"IPM.Schedule.Meeting.Resp.Pos": "calendar: reply", "IPM.Microsoft Schedule.MtgRespN": "calendar: reply",
		"IPM.Appointment": "calendar: publish", "IPM.Note": "",
	} {
		old, wide := newTNEF(1252), newTNEF(1252)
		old.attribute(1, attClass, append([]byte(class), 0))
		old.attribute(1, attBody, []byte("Comité, martes a las 10\x00"))
		wide.attribute(1, attMessageProps, propList(wideProp(propClass, class), wideProp(propBody, "Comité, martes a las 10")))
		for _, w := range []*tnefWriter{old, wide} {
			m := Understand(winmail("", w.Bytes()), Options{})
			got := ""
			for _, warning := range m.Warnings {
				if strings.HasPrefix(warning, warnCalendar) {
					got = warning
				}
			}
			if got != want || !strings.HasPrefix(m.Text, "Comit") || (m.Kind == ticket.KindAutoreply) != (want == "calendar: reply") {
				t.Errorf("%s: %q, text %q, %s", class, got, m.Text, m.Kind)
			}
		}
	}
}
