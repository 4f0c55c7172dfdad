package mailpipe

import "testing"

// Behind padding a footer in the clear is no base64; joined base64 is.
func TestDecodeBase64Rest(t *testing.T) {
	for coded, want := range map[string]string{
		"SG9sYQ==\r\n\r\n_____________________\r\nlista de correo\r\nhttp://x\r\n": "Hola",
		"SG9sYQ==\r\nEnviado desde aqui\r\n":                                       "Hola",
		"SG9sYQ==\r\nIHkgYWRpb3M=\r\n":                                             "Hola y adios",
		"SG9s\nYQ":                                                                 "Hola",
		"SG 9s\nYQ=":                                                               "Hola",
		"SG9sYQ==IQ==":                                                             "Hola!",
		"-_-_":                                                                     "\xfb\xff\xbf",
		"SG9sYQ==\r\n-fin":                                                         "Hola",
	} {
		if got := string(decodeBase64([]byte(coded))); got != want {
			t.Errorf("%q: %q, want %q", coded, got, want)
		}
	}
}

func TestTransferEncoding(t *testing.T) {
	for value, want := range map[string]string{
		"": "", "7bit": "7bit", "7-bit": "7bit", "8 bit": "8bit", "BASE64": "base64", "base-64": "base64", `"base64"`: "base64", " Quoted-Printable ": "quoted-printable",
		"quoted printable": "quoted-printable", "quoted_printable;": "quoted-printable", "x-uuencode": "x-uuencode", "uue": "x-uuencode",
		"x-raro": "x-raro", "base64\r\n": "base64",
	} {
		if got := transferEncoding(value); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
}

// The names under which programs send the charsets of Windows, DOS and ISO.
func TestCharsetNames(t *testing.T) {
	for label, want := range map[string]string{
		"windows-1251": "П", "cp1251": "П", "cp-1251": "П", "win-1251": "П", "WINDOWS1251": "П", "x-cp1251": "П",
		"iso-8859-5": "Я", "iso8859-5": "Я", "cp866": "╧", "ibm866": "╧", "koi8-r": "о",
		"windows-1252": "Ï", "cp1252": "Ï", "win-1252": "Ï", "latin1": "Ï",
	} {
		if got, odd := decodeCharset([]byte{0xcf}, label); got != want || odd {
			t.Errorf("%s: %q, %v, want %q", label, got, odd, want)
		}
	}
	if _, odd := decodeCharset([]byte{0xcf}, "cp99999"); !odd {
		t.Error("an unknown code page is known")
	}
}
