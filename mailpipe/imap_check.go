package mailpipe

import (
	"context"
	"errors"
	"fmt"

	"github.com/emersion/go-imap/v2"
)

// CheckAccount tries what a worker does before it takes mail: it connects, logs
// in, opens the mailbox, and looks for the folder to move to. It changes
// nothing. Its errors say what to fix.
func CheckAccount(ctx context.Context, cfg IMAPConfig) error {
	err := checkAccount(ctx, cfg.withDefaults())
	var ae *AccountError
	if errors.As(err, &ae) && ae.Hint != "" {
		return fmt.Errorf("account %s: %w; try: %s", cfg.Account, err, ae.Hint)
	}
	if err != nil {
		return fmt.Errorf("account %s: %w", cfg.Account, err)
	}
	return nil
}

func checkAccount(ctx context.Context, cfg IMAPConfig) error {
	c, err := dialIMAP(ctx, &cfg.Server, defaultIMAPLimits, func() {})
	if err != nil {
		return err
	}
	defer c.close()
	if _, err := c.selectMailbox(cfg.Mailbox); err != nil {
		return err
	}
	if lack := c.lacks(&cfg); lack != "" {
		return &AccountError{Doing: fmt.Sprintf("checking after = %q", cfg.After), Err: errors.New(lack),
			Hint: `use after = "leave", or let this user change the mailbox`, Permanent: true}
	}
	if cfg.After == afterMove {
		err := c.do(c.limits.command, func() error {
			_, err := c.client.Status(cfg.MoveTo, &imap.StatusOptions{UIDValidity: true}).Wait()
			return err
		})
		if isRefusal(err) {
			return &AccountError{Doing: fmt.Sprintf("looking for the folder %q", cfg.MoveTo), Err: err,
				Hint: "create the folder or correct move_to", Permanent: true}
		}
		if err != nil {
			return fmt.Errorf("looking for the folder %q: %w", cfg.MoveTo, err)
		}
	}
	c.logout()
	return nil
}
