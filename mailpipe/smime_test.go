package mailpipe

import (
	"bytes"
	"compress/zlib"
	"encoding/asn1"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
)

// ber writes one element of definite length.
func ber(tag byte, content ...[]byte) []byte {
	body := bytes.Join(content, nil)
	switch n := len(body); {
	case n < 0x80:
		return append([]byte{tag, byte(n)}, body...)
	case n < 0x100:
		return append([]byte{tag, 0x81, byte(n)}, body...)
	default:
		return append([]byte{tag, 0x82, byte(n >> 8), byte(n)}, body...)
	}
}

// loose writes one element of indefinite length (X.690, section 8.1.3.6).
func loose(tag byte, content ...[]byte) []byte {
	return append(append([]byte{tag, 0x80}, bytes.Join(content, nil)...), 0, 0)
}

func cms(oid []byte, content ...[]byte) []byte {
	return ber(berSequence, ber(berOID, oid), ber(berExplicit, ber(berSequence, content...)))
}

var (
	oidData   = []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01}
	noSigners = ber(berSet)
	version   = ber(berInteger, []byte{1})
)

func signedDER(inner string) []byte {
	return cms(oidSigned, version, ber(berSet, ber(berSequence, ber(berOID, oidData))),
		ber(berSequence, ber(berOID, oidData), ber(berExplicit, ber(berOctets, []byte(inner)))), noSigners)
}

// signedBER is what programs write that don't know the length beforehand.
func signedBER(inner string) []byte {
	half := len(inner) / 2
	return loose(berSequence, ber(berOID, oidSigned), loose(berExplicit, loose(berSequence, version, noSigners,
		loose(berSequence, ber(berOID, oidData), loose(berExplicit,
			loose(berOctets|berConstructed, ber(berOctets, []byte(inner[:half])), ber(berOctets, []byte(inner[half:]))))),
		noSigners)))
}

func compressedDER(inner string) []byte {
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	_, _ = z.Write([]byte(inner)) // a buffer takes everything
	_ = z.Close()
	oidZlib := []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x03, 0x08}
	return cms(oidCompressed, ber(berInteger, []byte{0}), ber(berSequence, ber(berOID, oidZlib)),
		ber(berSequence, ber(berOID, oidData), ber(berExplicit, ber(berOctets, packed.Bytes()))))
}

func opaque(smimeType string, content []byte) []byte {
	return []byte("From: Ana <ana@example.org>\r\nSubject: Firmado\r\nMessage-ID: <s@example.org>\r\nDate: Tue, 24 Nov 2026 10:00:00 -0500\r\n" +
		"MIME-Version: 1.0\r\nContent-Type: application/pkcs7-mime; " + smimeType + "name=\"smime.p7m\"\r\n" +
		"Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=smime.p7m\r\n\r\n" + base64Text(content))
}

const signedInner = "Content-Type: multipart/mixed; boundary=I\r\n\r\n--I\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\nSe\xf1or, firmo.\r\n" +
	"--I\r\nContent-Type: application/pdf; name=acta.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQ=\r\n--I--\r\n"

func TestOpaqueSignature(t *testing.T) {
	var whole asn1.RawValue
	if rest, err := asn1.Unmarshal(signedDER(signedInner), &whole); err != nil || len(rest) > 0 {
		t.Fatalf("the test's own DER: %v", err)
	}
	for name, content := range map[string][]byte{
		"DER": signedDER(signedInner), "BER": signedBER(signedInner), "twice": signedDER(string(opaque("", signedDER(signedInner)))),
		"cut short": signedDER(signedInner + strings.Repeat(" ", 300))[:len(signedInner)+100],
	} {
		raw := opaque("smime-type=signed-data; ", content)
		m := Understand(raw, Options{})
		if m.Text != "Señor, firmo." || !slices.Contains(m.Warnings, "signed: S/MIME, not verified") {
			t.Errorf("%s: %q, %q", name, m.Text, m.Warnings)
		}
		if got := unpacked(t, raw, m); len(got) != 1 || got["acta.pdf application/pdf"] != "%PDF-1.4" {
			t.Errorf("%s: %v", name, got)
		}
	}
	nested := signedInner
	for range 2 * maxContainers {
		nested = string(opaque("", signedDER(nested)))
	}
	if m := Understand([]byte(nested), Options{}); len(m.Attachments) != 1 || m.Attachments[0].Name != "smime.p7m" || m.Text != "" {
		t.Errorf("too deep: %q, %+v", m.Text, m.Attachments)
	}
	for _, cut := range []int{0, 1, 2, 12, 20, 30, 40} {
		if kind, inner := readCMS(signedDER(signedInner)[:cut]); inner != nil {
			t.Errorf("%d octets: %v, %q", cut, kind, inner)
		}
	}
}

func TestCompressed(t *testing.T) {
	for name, content := range map[string][]byte{
		"alone": compressedDER(signedInner), "in a signature": signedDER(string(opaque("", compressedDER(signedInner)))),
		"around a signature": compressedDER(string(opaque("", signedDER(signedInner)))),
	} {
		raw := opaque("smime-type=compressed-data; ", content)
		m := Understand(raw, Options{})
		if m.Text != "Señor, firmo." || !slices.Contains(m.Warnings, "compressed: S/MIME") || m.Quarantine != "" {
			t.Errorf("%s: %q, %q", name, m.Text, m.Warnings)
		}
		if got := unpacked(t, raw, m); len(got) != 1 || got["acta.pdf application/pdf"] != "%PDF-1.4" {
			t.Errorf("%s: %v", name, got)
		}
	}
	whole := compressedDER(signedInner)
	for name, content := range map[string][]byte{
		"too large": compressedDER("Content-Type: text/plain\r\n\r\n" + strings.Repeat("a", maxInflated)), "broken": whole[:len(whole)-20],
	} {
		m := Understand(opaque("smime-type=compressed-data; ", content), Options{})
		if len(m.Attachments) != 1 || m.Attachments[0].Name != "smime.p7m" || m.Text != "" || !slices.ContainsFunc(m.Warnings, func(w string) bool { return strings.Contains(w, "unpacked") }) {
			t.Errorf("%s: %d octets of text, %+v, %q", name, len(m.Text), m.Attachments, m.Warnings)
		}
	}
}

func TestEncrypted(t *testing.T) {
	pgp := "From: a@example.org\r\nSubject: x\r\nContent-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=E\r\n\r\n" +
		"--E\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n--E\r\nContent-Type: application/octet-stream; name=encrypted.asc\r\n\r\n" +
		"-----BEGIN PGP MESSAGE-----\r\n\r\nhQEMA\r\n-----END PGP MESSAGE-----\r\n--E--\r\n"
	inline := "From: a@example.org\r\nSubject: x\r\n\r\nVa cifrado:\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nhQEMA\r\n-----END PGP MESSAGE-----\r\n"
	for _, c := range []struct {
		raw, warning, text string
		files              []string
	}{
		{string(opaque("smime-type=enveloped-data; ", cms(oidEnveloped, version))), "encrypted: S/MIME", "", []string{"smime.p7m"}},
		{string(opaque("", cms(oidAuthEnveloped, version))), "encrypted: S/MIME", "", []string{"smime.p7m"}},
		{pgp, "encrypted: PGP", "", []string{"adjunto.asc", "encrypted.asc"}},
		{inline, "encrypted: PGP", "Va cifrado:\n-----BEGIN PGP MESSAGE-----\n\nhQEMA\n-----END PGP MESSAGE-----", nil},
	} {
		m := Understand([]byte(c.raw), Options{})
		var names []string
		for _, a := range m.Attachments {
			names = append(names, a.Name)
		}
		if !slices.Contains(m.Warnings, c.warning) || m.Text != c.text || !slices.Equal(names, c.files) {
			t.Errorf("%q: %q, %q, %q", c.warning, m.Warnings, m.Text, names)
		}
	}
}

func TestDetachedSignature(t *testing.T) {
	for kind, name := range map[string]string{"application/pkcs7-signature": "adjunto.p7s", "application/pgp-signature": "adjunto.asc"} {
		raw := "From: a@example.org\r\nSubject: x\r\nContent-Type: multipart/signed; protocol=\"" + kind + "\"; boundary=S\r\n\r\n" +
			"--S\r\nContent-Type: text/plain\r\n\r\nHola\r\n--S\r\nContent-Type: " + kind + "\r\n\r\nfirma\r\n--S--\r\n"
		if m := Understand([]byte(raw), Options{}); m.Text != "Hola" || len(m.Attachments) != 1 || m.Attachments[0].Name != name {
			t.Errorf("%q, %+v", m.Text, m.Attachments)
		}
	}
}

func TestWithoutArmor(t *testing.T) {
	sig := "-----BEGIN PGP SIGNATURE-----\nVersion: GnuPG v2\nComment: a b c\n\niQEz/+=\n=abcd\n-----END PGP SIGNATURE-----\n"
	for text, want := range map[string]string{
		"hola\n": "hola\n",
		"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nHola\n- -- \nAna\n" + sig + "pie\n": "Hola\n-- \nAna\npie\n",
		"antes\n-----BEGIN PGP SIGNED MESSAGE-----\nHola\n" + sig:                                "antes\nHola\n",
		// a signature without its end hides nothing
		"-----BEGIN PGP SIGNED MESSAGE-----\n\nHola\n-----BEGIN PGP SIGNATURE-----\n\niQEz\nLo demás se lee.\nSí\n": "Hola\nLo demás se lee.\nSí\n",
		"> -----BEGIN PGP SIGNED MESSAGE-----\n> Hola\n":                                                            "> -----BEGIN PGP SIGNED MESSAGE-----\n> Hola\n",
	} {
		if got, _ := withoutArmor(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// FuzzCMS: no bytes panic, and what is read lies in them.
func FuzzCMS(f *testing.F) {
	f.Add(signedDER("Hola"))
	f.Add(signedBER("Hola"))
	f.Add(cms(oidEnveloped, version))
	f.Add(compressedDER("Hola"))
	f.Fuzz(func(t *testing.T, b []byte) {
		kind, inner := readCMS(b)
		limit := map[cmsKind]int{cmsSigned: len(b), cmsCompressed: max(inflatedFloor, maxInflation*len(b))}[kind]
		if len(inner) > limit {
			t.Fatalf("%v: %d octets of %d", kind, len(inner), len(b))
		}
		Understand([]byte("Content-Type: application/pkcs7-mime\n\n"+base64.StdEncoding.EncodeToString(b)), Options{})
	})
}
