package mailpipe

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"strings"
	"time"

	"buzon/ticket"
)

// identity computes the keys by which copies of a message are recognised. The
// content hash takes each leaf in a form that relays don't change: base64
// without white space, quoted-printable decoded, line ends as LF, without blanks
// at the ends of lines and of the text.
func identity(m *ticket.Message, raw []byte, parts []part) (identityKey, variantKey string) {
	h := sha256.New()
	h.Write([]byte(strings.Join(strings.Fields(m.Subject), " ")))
	for i := range parts {
		if p := &parts[i]; !p.isContainer() {
			h.Write([]byte{0})
			hashLeaf(h, p, p.body.of(raw))
		}
	}
	return identityKeys(m, h.Sum(nil))
}

// sealIdentity sets the keys of a message whose parts were not read: its content
// is all of its bytes.
func sealIdentity(m *ticket.Message, raw []byte) {
	sum := sha256.Sum256(raw)
	m.IdentityKey, m.VariantKey = identityKeys(m, sum[:])
}

func identityKeys(m *ticket.Message, content []byte) (identityKey, variantKey string) {
	hashed := hex.EncodeToString(content)
	id := strings.ToLower(m.MessageID)
	if id == "" {
		return hashed, ""
	}
	date := ""
	if !m.Date.IsZero() {
		date = m.Date.UTC().Format(time.RFC3339)
	}
	variantKey = strings.Join([]string{id, m.From.Key(), date}, "\x00")
	return variantKey + "\x00" + hashed, variantKey
}

// hashLeaf hashes a text in decoded form, and other content that came as base64
// in that form, which is cheaper and no relay changes it.
func hashLeaf(h hash.Hash, p *part, body []byte) {
	switch {
	case p.encoding == "base64" && p.kind != "text":
		for pos := 0; pos < len(body); {
			line, next := lineAt(body, pos)
			h.Write(bytes.TrimSpace(line))
			pos = next
		}
		return
	case p.encoding == "base64" || p.encoding == "quoted-printable":
		body = decodeTransfer(body, p.encoding)
	}
	empty := 0 // lines held back: those at the end don't count
	for pos := 0; pos < len(body); {
		line, next := lineAt(body, pos)
		pos = next
		line = bytes.TrimRight(line, " \t\r")
		if len(line) == 0 {
			empty++
			continue
		}
		for ; empty > 0; empty-- {
			h.Write([]byte{'\n'})
		}
		h.Write(line)
		h.Write([]byte{'\n'})
	}
}
