package mailpipe

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"buzon/ticket"
)

const (
	maxGlimpses     = 500       // messages whose sender and subject a look reads
	maxGlimpseBytes = 8 << 10   // octets of the two header fields of one
	glimpseRoom     = 512 << 10 // octets that the others may have above their share
)

// LookInto counts what has come into a mailbox since an earlier look, and reads sender
// and subject of the latest 500. It opens the mailbox for reading only (EXAMINE, RFC
// 9051, section 6.3.3) and fetches no bodies, so all stays as it is. since is the State of the look
// before; with the zero value nothing counts, and the State says where the next one
// begins. Where UIDVALIDITY has changed, what arrived after the look before counts. now
// is the time of this one. Its errors are as those of CheckAccount.
func LookInto(ctx context.Context, cfg IMAPConfig, since ticket.MailboxState, now time.Time) (ticket.Arrivals, error) {
	cfg = cfg.withDefaults()
	seen, err := lookInto(ctx, &cfg, since)
	if err != nil {
		return seen, fmt.Errorf("account %s: %w", cfg.Account, err)
	}
	seen.State.Since = now.Truncate(time.Second) // INTERNALDATE has whole seconds
	return seen, nil
}

func lookInto(ctx context.Context, cfg *IMAPConfig, since ticket.MailboxState) (seen ticket.Arrivals, err error) {
	c, err := dialIMAP(ctx, &cfg.Server, defaultIMAPLimits, func() {})
	if err != nil {
		return seen, err
	}
	defer c.close()
	selected, err := c.openMailbox(cfg.Mailbox, &imap.SelectOptions{ReadOnly: true})
	if err != nil {
		return seen, err
	}
	next := uint32(selected.UIDNext)
	seen.State = ticket.MailboxState{UIDValidity: selected.UIDValidity, Next: next}
	first, anew := since.Next, since.UIDValidity != selected.UIDValidity
	if anew {
		first = 1
	}
	if since.UIDValidity == 0 || first >= next {
		c.logout()
		return seen, nil
	}
	uids, err := c.search(imap.UIDSet{{Start: imap.UID(first), Stop: imap.UID(next - 1)}})
	if err == nil && anew && len(uids) > 0 {
		uids, err = c.arrivedAfter(uids, since.Since)
	}
	if err != nil {
		return seen, err
	}
	seen.Count = len(uids)
	if seen.Count > 0 {
		seen.Newest, err = c.glimpses(uids[max(0, len(uids)-maxGlimpses):])
	}
	if err == nil {
		c.logout()
	}
	return seen, err
}

// arrivedAfter keeps the messages whose INTERNALDATE is after an instant.
func (c *imapConn) arrivedAfter(uids []uint32, instant time.Time) ([]uint32, error) {
	metas, err := c.fetchMeta(uids)
	return slices.DeleteFunc(uids, func(uid uint32) bool { return !metas[uid].received.After(instant) }), err
}

// glimpses reads sender and subject of messages, and returns the newest first. One that
// the server says nothing about is left out.
func (c *imapConn) glimpses(uids []uint32) ([]ticket.Glimpse, error) {
	section := &imap.FetchItemBodySection{
		Specifier: imap.PartSpecifierHeader, HeaderFields: []string{"From", "Subject"}, Peek: true,
		Partial: &imap.SectionPartial{Size: maxGlimpseBytes},
	}
	found := make(map[uint32]ticket.Glimpse, len(uids))
	left := int64(len(uids)*maxGlimpseBytes + glimpseRoom)
	err := c.do(c.limits.body, func() error {
		command := c.client.Fetch(uidSet(uids), &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{section}})
		for message := command.Next(); message != nil; message = command.Next() {
			var uid uint32
			var raw []byte
			for item := message.Next(); item != nil; item = message.Next() {
				switch item := item.(type) {
				case imapclient.FetchItemDataUID:
					uid = uint32(item.UID)
				case imapclient.FetchItemDataBodySection:
					if item.Literal == nil {
						continue
					}
					left -= item.Literal.Size()
					var err error
					if raw, err = c.readLiteral(item.Literal, left >= 0); err != nil {
						return err // as in fetchBodies
					}
				}
			}
			found[uid] = readGlimpse(raw)
		}
		return command.Close()
	})
	if err != nil {
		return nil, fmt.Errorf("reading the senders of %d messages: %w", len(uids), err)
	}
	var list []ticket.Glimpse
	for _, uid := range slices.Backward(uids) {
		if g, ok := found[uid]; ok {
			list = append(list, g)
		}
	}
	return list, nil
}

func readGlimpse(raw []byte) ticket.Glimpse {
	m := Understand(append(raw, "\r\n\r\n"...), Options{})
	return ticket.Glimpse{From: m.From, Subject: m.Subject}
}
