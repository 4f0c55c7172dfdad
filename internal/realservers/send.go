package realservers

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/emersion/go-smtp"
)

// Send hands a message to an SMTP server without TLS, as a mail client or a
// neighbouring server does. A refusal is returned as *smtp.SMTPError, with its
// code and enhanced code.
func Send(addr, from string, to []string, raw []byte) error {
	c, err := smtp.Dial(addr)
	if err != nil {
		return fmt.Errorf("connecting to %s: %w", addr, err)
	}
	defer c.Close()
	if err := c.Hello("client.test"); err != nil {
		return err
	}
	if err := c.SendMail(from, to, bytes.NewReader(raw)); err != nil {
		return err
	}
	return c.Quit()
}

// Refusal returns the SMTP reply code and enhanced code of a refusal, such as
// 550 and "5.1.1"; zero and empty when err is none.
func Refusal(err error) (code int, enhanced string) {
	var refused *smtp.SMTPError
	if !errors.As(err, &refused) {
		return 0, ""
	}
	e := refused.EnhancedCode
	return refused.Code, fmt.Sprintf("%d.%d.%d", e[0], e[1], e[2])
}
