package postoffice

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/mail"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// smtpSession is one SMTP connection.
type smtpSession struct {
	office *Office
	conn   *smtp.Conn
	from   string
	to     []string
}

func (o *Office) newSMTPSession(c *smtp.Conn) (smtp.Session, error) {
	s := &smtpSession{office: o, conn: c}
	return s, s.failure("EHLO", c.Hostname())
}

// failure asks for a scripted failure.
func (s *smtpSession) failure(verb, arg string) error {
	err := s.office.failure(verb, arg)
	var reply *smtp.SMTPError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrDisconnect):
		s.conn.Conn().(*conn).kill()
		return err
	case errors.As(err, &reply):
		return reply
	}
	return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: err.Error()}
}

// AuthMechanisms is smtp.AuthSession's.
func (s *smtpSession) AuthMechanisms() []string { return []string{sasl.Plain} }

// Auth is smtp.AuthSession's.
func (s *smtpSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		if err := s.failure("AUTH", username); err != nil {
			return err
		}
		if a := s.office.account(username); a == nil || !a.login(password) {
			return smtp.ErrAuthFailed
		}
		return nil
	}), nil
}

// Mail is smtp.Session's.
func (s *smtpSession) Mail(from string, _ *smtp.MailOptions) error {
	if err := s.failure("MAIL", from); err != nil {
		return err
	}
	s.from = from
	return nil
}

// Rcpt is smtp.Session's.
func (s *smtpSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if err := s.failure("RCPT", to); err != nil {
		return err
	}
	if s.office.opt.Intercept == nil && s.office.owner(to) == nil {
		return unknown(to)
	}
	s.to = append(s.to, to)
	return nil
}

func unknown(to string) error {
	return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: fmt.Sprintf("<%s>: nobody here has this address", to)}
}

// Data is smtp.Session's. Either every recipient gets the mail or none does,
// but for what Intercept has done.
func (s *smtpSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := s.failure("DATA", s.from); err != nil {
		return err
	}
	owners := make([]*account, len(s.to)) // nil: intercepted
	for i, to := range s.to {
		if intercept := s.office.opt.Intercept; intercept != nil && intercept(s.from, to, raw) {
			continue
		}
		if owners[i] = s.office.owner(to); owners[i] == nil {
			return unknown(to)
		}
	}
	for i, to := range s.to {
		m := Mail{From: s.from, To: to, Raw: raw, At: s.office.opt.Now()}
		s.office.mutex.Lock()
		s.office.sent = append(s.office.sent, m)
		s.office.mutex.Unlock()
		if owners[i] == nil {
			continue
		}
		if err := s.office.deliver(owners[i], m); err != nil {
			return err
		}
	}
	return s.failure("DONE", s.from)
}

// Reset is smtp.Session's.
func (s *smtpSession) Reset() { s.from, s.to = "", nil }

// Logout is smtp.Session's.
func (s *smtpSession) Logout() error { return nil }

// senderOf guesses the envelope sender of a mail that came without an envelope.
func senderOf(raw []byte) string {
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return ""
	}
	for _, field := range []string{"Return-Path", "From"} {
		value := m.Header.Get(field)
		if value == "" {
			continue
		}
		if list, err := mail.ParseAddressList(value); err == nil {
			return list[0].Address
		}
		if field == "Return-Path" {
			return "" // the null one, or one that can't be read
		}
	}
	return ""
}

// withCRLF makes every line end CR LF, as IMAP servers do for what they store.
func withCRLF(raw []byte) []byte {
	out := make([]byte, 0, len(raw)+len(raw)/40)
	for i, c := range raw {
		if c == '\n' && (i == 0 || raw[i-1] != '\r') {
			out = append(out, '\r')
		}
		out = append(out, c)
	}
	return out
}
