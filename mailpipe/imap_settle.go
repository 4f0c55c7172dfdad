package mailpipe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"buzon/ticket"
)

// The values of IMAPConfig.After.
const (
	afterMove  = "move"
	afterFlag  = "flag"
	afterLeave = "leave"
)

// settleBatch is how many messages one command settles: its UIDs stay well below
// the 8,192 octets that servers take in a line (RFC 7162, section 4).
const settleBatch = 500

// settle moves, flags or leaves messages that were taken, and records it. Only a
// broken connection or ledger is an error; what the server refuses is reported,
// and tried again at the next look.
func (w *IMAPWorker) settle(ctx context.Context, c *imapConn, uids []uint32) error {
	refused := false
	for batch := range slices.Chunk(uids, settleBatch) {
		err := w.settleOne(ctx, c, batch)
		if isRefusal(err) {
			w.board.report(problemSettling, w.diagnoseSettle(err))
			refused = true
			break
		}
		if err != nil {
			return err
		}
		// gofail: var settledUnsaved struct{}
		if err := w.save(ctx, batch); err != nil {
			return err
		}
	}
	if !refused && len(uids) > 0 {
		w.board.clear(problemSettling)
	}
	return nil
}

// settleOne settles one batch on the server.
func (w *IMAPWorker) settleOne(ctx context.Context, c *imapConn, uids []uint32) error {
	switch w.after(c) {
	case afterMove:
		if c.caps.Has(imap.CapMove) {
			return w.withFolder(c, func() error {
				// UIDs that are gone are no error; they were moved before the
				// connection broke, or by somebody else.
				return c.do(c.limits.body, func() error {
					_, err := c.client.Move(uidSet(uids), w.cfg.MoveTo).Wait()
					return err
				})
			})
		}
		return w.copyAndExpunge(ctx, c, uids)
	case afterFlag:
		return c.addFlag(uids, imap.Flag(w.cfg.Flag))
	}
	return nil
}

// copyAndExpunge moves messages on a server without MOVE. That they were copied
// is recorded before they are expunged, so that after a crash they are not
// copied again; and only those very UIDs are expunged (RFC 4315, section 2.1).
func (w *IMAPWorker) copyAndExpunge(ctx context.Context, c *imapConn, uids []uint32) error {
	var fresh []uint32
	for _, uid := range uids {
		if !slices.Contains(w.state.Copied, uid) {
			fresh = append(fresh, uid)
		}
	}
	if len(fresh) > 0 {
		err := w.withFolder(c, func() error {
			return c.do(c.limits.body, func() error {
				_, err := c.client.Copy(uidSet(fresh), w.cfg.MoveTo).Wait()
				return err
			})
		})
		if err != nil {
			return err
		}
		// gofail: var copiedUnsaved struct{}
		w.state.Copied = append(w.state.Copied, fresh...)
		if err := w.save(ctx, nil); err != nil {
			return err
		}
		// gofail: var copiedUnexpunged struct{}
	}
	if err := c.addFlag(uids, imap.FlagDeleted); err != nil {
		return err
	}
	err := c.do(c.limits.body, func() error { return c.client.UIDExpunge(uidSet(uids)).Close() })
	if err != nil {
		return err
	}
	w.state.Copied = slices.DeleteFunc(w.state.Copied, func(uid uint32) bool { return slices.Contains(uids, uid) })
	return nil
}

// withFolder runs a move or copy; when it is refused, as it is while the folder
// is missing, it creates the folder once a connection and tries again.
func (w *IMAPWorker) withFolder(c *imapConn, command func() error) error {
	err := command()
	if !isRefusal(err) || c.created {
		return err
	}
	c.created = true
	create := c.do(c.limits.command, func() error { return c.client.Create(w.cfg.MoveTo, nil).Wait() })
	if create != nil {
		if isRefusal(create) {
			return err // the first refusal says more
		}
		return create
	}
	w.log.Info("folder created", "folder", w.cfg.MoveTo)
	return command()
}

func (c *imapConn) addFlag(uids []uint32, flag imap.Flag) error {
	return c.do(c.limits.body, func() error {
		return c.client.Store(uidSet(uids), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{flag}}, nil).Close()
	})
}

// after is what to do with messages that were taken, as far as the server can.
// What it can't do is warned of once, and left.
func (w *IMAPWorker) after(c *imapConn) string {
	lack := c.lacks(&w.cfg)
	if lack == "" {
		return w.cfg.After
	}
	if w.warned != lack {
		w.warned = lack
		w.log.Warn("messages are left in the mailbox", ticket.LogReason, lack)
	}
	return afterLeave
}

// lacks says why the server can't do what is configured; empty when it can.
func (c *imapConn) lacks(cfg *IMAPConfig) string {
	switch {
	case cfg.After != afterMove && cfg.After != afterFlag:
	case c.readOnly:
		return "the mailbox is read-only for this user"
	case cfg.After == afterMove && !c.caps.Has(imap.CapMove) && !c.caps.Has(imap.CapUIDPlus):
		return "the server has neither MOVE nor UIDPLUS, so messages can't be moved safely"
	case cfg.After == afterFlag && !c.keepsFlag(cfg.Flag):
		return fmt.Sprintf("the mailbox does not keep the flag %s", cfg.Flag)
	}
	return ""
}

// keepsFlag tells whether a flag can be set for good. A server that lists none
// on a mailbox that can be written to is taken to keep all (RFC 3501, section
// 7.1, PERMANENTFLAGS), and so is one that lists \*, though that speaks of
// keywords only.
func (c *imapConn) keepsFlag(flag string) bool {
	return len(c.permanent) == 0 || slices.ContainsFunc(c.permanent, func(f imap.Flag) bool {
		return f == imap.FlagWildcard || strings.EqualFold(string(f), flag)
	})
}

func (w *IMAPWorker) diagnoseSettle(err error) error {
	ae := &AccountError{Doing: "flagging messages", Err: err, Permanent: true,
		Hint: "let this user change flags in the folder, or set after = \"leave\"; mail is taken all the same"}
	if w.cfg.After == afterMove {
		ae.Doing = fmt.Sprintf("moving messages to %q", w.cfg.MoveTo)
		ae.Hint = "create the folder, let this user write to it and delete from the mailbox, or correct move_to; mail is taken all the same"
	}
	var refused *imap.Error
	if errors.As(err, &refused) && slices.Contains(passing, refused.Code) {
		ae.Permanent = false
	}
	return ae
}
