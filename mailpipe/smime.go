package mailpipe

import (
	"bytes"
	"compress/zlib"
	"io"
	"strings"
)

// cmsKind is what a CMS object holds (RFC 5652, RFC 8551).
type cmsKind int

const (
	cmsUnknown cmsKind = iota
	cmsSigned          // readable, with a signature
	cmsEncrypted
	cmsCompressed
)

// Object identifiers in DER.
var (
	oidSigned        = []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02}
	oidEnveloped     = []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x03}
	oidEncrypted     = []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x06}
	oidAuthEnveloped = []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x17}
	oidCompressed    = []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x09}
)

// Tags of ASN.1 that CMS needs; berConstructed is set beside one.
const (
	berInteger     = 0x02
	berOctets      = 0x04
	berOID         = 0x06
	berSequence    = 0x30
	berSet         = 0x31
	berExplicit    = 0xa0 // [0] EXPLICIT
	berConstructed = 0x20
)

// readCMS finds out what a CMS object is, and the message in it if it is only
// signed (RFC 8551, section 3.5.2) or compressed (RFC 3274). The signature is not
// verified. It reads DER and BER, and takes time linear in the length.
func readCMS(b []byte) (kind cmsKind, inner []byte) {
	b = berEnter(b, berSequence)
	oid, rest := berValue(b, berOID)
	second := byte(berSet) // of SignedData: the digests' algorithms
	switch {
	case bytes.Equal(oid, oidSigned):
		kind = cmsSigned
	case bytes.Equal(oid, oidEnveloped), bytes.Equal(oid, oidEncrypted), bytes.Equal(oid, oidAuthEnveloped):
		return cmsEncrypted, nil
	case bytes.Equal(oid, oidCompressed):
		kind, second = cmsCompressed, berSequence // the algorithm: zlib is the only one
	default:
		return cmsUnknown, nil
	}
	data := berEnter(berEnter(rest, berExplicit), berSequence)
	_, data = berValue(data, berInteger) // version
	algorithms, size := berHeader(data)
	if algorithms.tag != second || algorithms.indefinite || algorithms.size < 0 || algorithms.size > len(data)-size {
		return kind, nil
	}
	content := berEnter(data[size+algorithms.size:], berSequence)
	_, content = berValue(content, berOID)
	inner, _ = berOctetString(berEnter(content, berExplicit), 0)
	if kind == cmsCompressed {
		return kind, inflate(inner)
	}
	return kind, inner
}

// Bounds of what is unpacked from a compressed message: a small one may be packed
// well, a large one may not, so that no mail grows far beyond its size in memory.
const (
	maxInflated   = 16 << 20 // octets
	inflatedFloor = 1 << 20  // octets that any may have
	maxInflation  = 10       // times the compressed size, beyond the floor
)

// inflate unpacks zlib data (RFC 1950); nil: it is none, broken, or over a bound.
func inflate(packed []byte) []byte {
	z, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil
	}
	bound := min(maxInflated, max(inflatedFloor, maxInflation*len(packed)))
	out, err := io.ReadAll(io.LimitReader(z, int64(bound)+1))
	if err != nil || len(out) > bound {
		return nil
	}
	return out
}

// berHead is the identifier and length of one element (X.690, section 8.1).
type berHead struct {
	tag        byte
	size       int // octets of content
	indefinite bool
}

// berHeader reads the head at the start of b and returns the octets that it
// takes; none for what is no element.
func berHeader(b []byte) (h berHead, n int) {
	if len(b) < 2 || b[0]&0x1f == 0x1f { // long tags don't occur
		return berHead{}, 0
	}
	h.tag = b[0]
	switch first := b[1]; {
	case first < 0x80:
		h.size = int(first)
		return h, 2
	case first == 0x80:
		h.indefinite = true
		return h, 2
	default:
		n := int(first & 0x7f)
		if n > 4 || len(b) < 2+n {
			return berHead{}, 0
		}
		for _, c := range b[2 : 2+n] {
			h.size = h.size<<8 | int(c)
		}
		return h, 2 + n
	}
}

// berEnter returns the content of the element with that tag at the start of b;
// of an indefinite or broken length, all that follows.
func berEnter(b []byte, tag byte) []byte {
	h, n := berHeader(b)
	if n == 0 || h.tag != tag {
		return nil
	}
	b = b[n:]
	if !h.indefinite && h.size >= 0 && h.size < len(b) {
		b = b[:h.size]
	}
	return b
}

// berValue takes a primitive element with that tag off b.
func berValue(b []byte, tag byte) (value, rest []byte) {
	h, n := berHeader(b)
	if n == 0 || h.tag != tag || h.indefinite || h.size < 0 || h.size > len(b)-n {
		return nil, nil
	}
	return b[n : n+h.size], b[n+h.size:]
}

// berOctetString reads an octet string at the start of b, in one piece or in
// several (X.690, section 8.7), also one that breaks off. rest is what follows.
func berOctetString(b []byte, depth int) (value, rest []byte) {
	h, n := berHeader(b)
	if n == 0 || h.tag&^berConstructed != berOctets || depth > 4 {
		return nil, nil
	}
	b = b[n:]
	end := len(b)
	if !h.indefinite && h.size >= 0 && h.size < end {
		end = h.size
	}
	if h.tag == berOctets {
		return b[:end:end], b[end:]
	}
	for in := b[:end]; len(in) > 0; {
		if h.indefinite && bytes.HasPrefix(in, []byte{0, 0}) {
			return value, in[2:]
		}
		piece, after := berOctetString(in, depth+1)
		if len(after) >= len(in) || after == nil {
			value = append(value, piece...)
			break
		}
		value, in = append(value, piece...), after
	}
	return value, b[end:]
}

// Lines of OpenPGP armor in a text (RFC 9580, sections 6.2 and 7).
const (
	armorMessage   = "-----BEGIN PGP MESSAGE-----"
	armorSigned    = "-----BEGIN PGP SIGNED MESSAGE-----"
	armorSignature = "-----BEGIN PGP SIGNATURE-----"
	armorEnd       = "-----END PGP SIGNATURE-----"
)

// withoutArmor takes the armor off a text that is signed inline: the lines
// around it, its signature, and the dashes that escape others (RFC 9580, section
// 7.1). encrypted tells that there is a message that only its reader can read.
func withoutArmor(text string) (plain string, encrypted bool) {
	if !strings.Contains(text, "-----BEGIN PGP ") {
		return text, false
	}
	const (
		outside = iota
		hashes
		signed
		signature
	)
	var out strings.Builder
	state := outside
	for line := range strings.Lines(text) {
		bare := strings.TrimRight(line, " \t\r\n")
		switch {
		case bare == armorMessage:
			encrypted = true
		case bare == armorSigned && state == outside:
			state = hashes
			continue
		case state == hashes:
			if bare == "" {
				state = signed
			}
			if bare == "" || strings.HasPrefix(bare, "Hash:") || strings.HasPrefix(bare, "Charset:") || strings.HasPrefix(bare, "NotDashEscaped:") {
				continue
			}
			state = signed
		case state == signed && bare == armorSignature:
			state = signature
			continue
		case state == signature && isArmor(bare):
			if bare == armorEnd {
				state = outside
			}
			continue
		case state == signature: // its end is missing
			state = outside
		}
		if state == signed {
			line = strings.TrimPrefix(line, "- ")
		}
		out.WriteString(line)
	}
	return out.String(), encrypted
}

// isArmor tells a line that can stand inside armor: base64, "Version: 1", the end.
func isArmor(line string) bool {
	word, _, several := strings.Cut(line, " ")
	return !several || strings.HasSuffix(word, ":") || line == armorEnd
}
