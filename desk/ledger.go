package desk

import (
	"context"
	"strings"

	"buzon/store"
	"buzon/ticket"
)

// Load returns how far the desk has come with a mailbox; see mailpipe.Ledger.
func (d *Desk) Load(_ context.Context, account, mailbox string) (st ticket.MailboxState, unsettled []uint32, err error) {
	err = d.Store.View(func(tx *store.Tx) error {
		st, unsettled, err = tx.LedgerLoad(account, mailbox)
		return err
	})
	return st, unsettled, err
}

// Save records how far the desk has come with a mailbox.
func (d *Desk) Save(ctx context.Context, account, mailbox string, st ticket.MailboxState, settled []uint32) error {
	return d.Store.Update(ctx, func(tx *store.Tx) error {
		return tx.LedgerSave(account, mailbox, st, settled)
	})
}

// Accepts tells whether the desk takes mail to an address: a topic's, with or
// without plus, another of its own, or postmaster at one of its domains
// (RFC 5321, section 4.5.1). Signed addresses are plus forms of these, so an
// expired one is still taken.
func (d *Desk) Accepts(addr string) bool {
	table := d.Table()
	if table.TopicByAddress(addr) != nil || table.Own(addr) {
		return true
	}
	key := ticket.AddressKey(addr)
	local, domain, ok := strings.Cut(key, "@")
	if local != "postmaster" {
		return false
	}
	if !ok || domain == strings.ToLower(table.Config.Desk.Hostname) {
		return true
	}
	for _, t := range table.Topics {
		if ticket.Domain(t.Sender()) == domain {
			return true
		}
	}
	return false
}

// Own tells whether an address is the desk's own, so that mail from it has come back.
func (d *Desk) Own(addr string) bool { return d.Table().Own(addr) }
