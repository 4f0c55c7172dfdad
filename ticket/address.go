package ticket

import "strings"

// Address is a mailbox of RFC 5322 with its display name. The name proves
// nothing and is never matched on.
type Address struct {
	Name string `json:"name,omitempty"`
	Addr string `json:"addr"`
}

// Key is the address in the form in which addresses are compared: lower case,
// without surrounding space. Local parts are compared without regard to case,
// as every mailbox provider in use does (RFC 5321, section 2.4 allows more).
func (a Address) Key() string { return AddressKey(a.Addr) }

// IsZero tells whether there is no address.
func (a Address) IsZero() bool { return a.Addr == "" }

// AddressKey brings an address into the form in which addresses are compared.
func AddressKey(addr string) string { return strings.ToLower(strings.TrimSpace(addr)) }

// Domain is what follows the last @, in lower case; empty when there is none.
func Domain(addr string) string {
	if i := strings.LastIndexByte(addr, '@'); i >= 0 {
		return strings.ToLower(addr[i+1:])
	}
	return ""
}

// SplitPlus divides local+detail@domain into its base address and the detail.
// Without a plus the detail is empty. The base is returned as an address key.
func SplitPlus(addr string) (base, detail string) {
	key := AddressKey(addr)
	at := strings.LastIndexByte(key, '@')
	if at < 0 {
		return key, ""
	}
	local, domain := key[:at], key[at:]
	head, detail, ok := strings.Cut(local, "+")
	if !ok || head == "" {
		return key, ""
	}
	return head + domain, detail
}

// MaxLocalPart is the longest local part that every relay takes, in octets
// (RFC 5321, section 4.5.3.1.1).
const MaxLocalPart = 64

// WithPlus makes local+detail@domain of an address. It returns the empty string
// when the local part would exceed MaxLocalPart.
func WithPlus(addr, detail string) string {
	at := strings.LastIndexByte(addr, '@')
	if at < 0 || at+1+len(detail) > MaxLocalPart {
		return ""
	}
	return addr[:at] + "+" + detail + addr[at:]
}
