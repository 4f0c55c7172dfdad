package templates

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestDate(t *testing.T) {
	bogota := time.FixedZone("-05", -5*60*60)
	for _, tt := range []struct {
		at     time.Time
		es, en string
	}{
		{time.Date(2026, 11, 24, 10, 15, 0, 0, bogota), "martes 24 de noviembre de 2026, 10:15", "Tuesday 24 November 2026, 10:15"},
		{time.Date(2027, 1, 2, 3, 4, 0, 0, time.UTC).In(bogota), "viernes 1 de enero de 2027, 22:04", "Friday 1 January 2027, 22:04"},
		{time.Date(2026, 9, 2, 0, 0, 0, 0, bogota), "miércoles 2 de septiembre de 2026, 00:00", "Wednesday 2 September 2026, 00:00"},
	} {
		if got := languages["es"].longDate(tt.at); got != tt.es {
			t.Errorf("got %q, want %q", got, tt.es)
		}
		if got := languages["en"].longDate(tt.at); got != tt.en {
			t.Errorf("got %q, want %q", got, tt.en)
		}
	}
}

func TestGreeting(t *testing.T) {
	for name, want := range map[string]string{
		"":                         "Hola:",
		"María José Ñáñez-O’Brian": "Hola, María José Ñáñez-O’Brian:",
		"Peña G. María":            "Hola, Peña G. María:",
		"José P.":                  "Hola, José P.:",
		"Gane en evil.example":     "Hola:",
		"http://evil.example":      "Hola:",
		"ana@example.com":          "Hola:",
		"Llame al 555 1234":        "Hola:",
		"María\nBcc":               "Hola:",
		"una oferta que de ninguna manera puede perderse nunca jamás en la vida": "Hola:",
	} {
		if got := languages["es"].greet(name); got != want {
			t.Errorf("greet(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestBody(t *testing.T) {
	files := []File{
		{Name: "foto ñ.png", ContentID: "<a+b@c>", Included: true},
		{Name: "fuera.png", ContentID: "x@y"},
		{Name: "sin.png", Included: true},
		{Name: `"><b>.png`, ContentID: `x" onerror="alert(1)`, Included: true},
	}
	const image = `" style="max-width:100%;height:auto">`
	for text, want := range map[string]string{
		"":                          "",
		"\n\na\nb\n":                "a<br>\nb",
		"a\n\nb":                    "a<br>\n<br>\nb",
		"<b>&\"'":                   "&lt;b&gt;&amp;&#34;&#39;",
		"  x\n\ty  z":               "&nbsp;&nbsp;x<br>\n&nbsp;&nbsp;&nbsp;&nbsp;y  z",
		"{{.}}":                     "{{.}}",
		"a\x00b":                    "a\uFFFDb",
		"[imagen: foto ñ.png]":      `<img src="cid:a+b@c" alt="foto ñ.png` + image,
		"a\n  [image: foto ñ.png] ": `a<br>` + "\n" + `<img src="cid:a+b@c" alt="foto ñ.png` + image,
		"[imagen: fuera.png]":       "[imagen: fuera.png]",
		"[imagen: sin.png]":         "[imagen: sin.png]",
		"[imagen: otra.png]":        "[imagen: otra.png]",
		"ver [imagen: foto ñ.png]":  "ver [imagen: foto ñ.png]",
		"[imagen:]":                 "[imagen:]",
		"[":                         "[",
		`[imagen: "><b>.png]`:       `<img src="cid:x%22%20onerror=%22alert%281%29" alt="&#34;&gt;&lt;b&gt;.png` + image,

		"https://a.co":                  link("https://a.co"),
		"HTTP://A.co":                   link("HTTP://A.co"),
		"vea https://a.co/x?y=1&z.":     "vea " + link("https://a.co/x?y=1&amp;z") + ".",
		"(https://a.co/b_(c))":          "(" + link("https://a.co/b_(c)") + ")",
		"<https://a.co>":                "&lt;" + link("https://a.co") + "&gt;",
		"«https://a.co»":                "«" + link("https://a.co") + "»",
		"https://a.co/ñ, http://b.c/ y": link("https://a.co/ñ") + ", " + link("http://b.c/") + " y",
		"xhttps://a.co":                 "xhttps://a.co",
		"javascript://a.co":             "javascript://a.co",
		"data:text/html,<b>":            "data:text/html,&lt;b&gt;",
		"https://":                      "https://",
		"https:// a":                    "https:// a",
		"https://.":                     "https://.",
		"://://https://a.co":            "://://" + link("https://a.co"),
		"https://a.co\" onclick=x":      link("https://a.co") + "&#34; onclick=x",
		"https://a.co/\u202eoc.b":       link("https://a.co/") + "\u202eoc.b",
		"https://[::1]/":                link("https://[::1]/"),
	} {
		if got := string(body(text, files)); got != want {
			t.Errorf("body(%q)\n got %q\nwant %q", text, got, want)
		}
	}
}

func link(addr string) string { return `<a href="` + addr + `">` + addr + `</a>` }

func TestFoldBlankLines(t *testing.T) {
	for in, want := range map[string]string{
		"":                       "",
		"\n\n":                   "",
		"\n\n a\n\n \t\n\nb\n\n": " a\n\nb\n",
		"a\x00\x00\x00b":         "a\n\n\nb\n",
		"-- \nx":                 "-- \nx\n",
	} {
		if got := string(foldBlankLines([]byte(in))); got != want {
			t.Errorf("foldBlankLines(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestOneLine(t *testing.T) {
	for in, want := range map[string]string{
		"":            "",
		"a b":         "a b",
		" a  b ":      "a b",
		"a\r\n b":     "a b",
		"a\u0085b":    "a b",
		"a\x00\x1b[b": "a[b",
		"ñ «x»":       "ñ «x»",
	} {
		if got := oneLine(in); got != want {
			t.Errorf("oneLine(%q) = %q, want %q", in, got, want)
		}
	}
}

// FuzzBody checks that the function lets no markup through but its own.
func FuzzBody(f *testing.F) {
	f.Add("hola https://a.co/<b>\"x\n[imagen: a]", "a", "c@d")
	f.Add("[imagen: \"]\n\thttp://ñ.co/(x)).", "\"", "\"><x")
	f.Fuzz(func(t *testing.T, text, name, cid string) {
		checkMarkup(t, string(body(text, []File{{Name: name, ContentID: cid, Included: true}})), "cid:"+url.PathEscape(strings.Trim(cid, "<> ")))
	})
}
