package desk

import (
	"net/url"
	"strings"
	"testing"
)

// In a mailto URL, unlike in a form, white space is %20 and line ends are CRLF
// (RFC 6068, sections 2 and 5).
func TestMailtoEscape(t *testing.T) {
	var every strings.Builder
	for c := range 256 {
		every.WriteByte(byte(c))
	}
	for _, s := range []string{"", "a+b@x.test", "#cerrar\n", "¿50 % o %40?\r\n", every.String()} {
		want := strings.NewReplacer("+", "%20", "%40", "@").Replace(url.QueryEscape(strings.ReplaceAll(s, "\n", "\r\n")))
		if got := mailtoEscape(s); got != want {
			t.Errorf("%q: got %s, want %s", s, got, want)
		}
	}
}
