// Package load measures a help desk from outside: it feeds it a stream of mail by
// SMTP or IMAP, is the smarthost that it sends to, times both, and accounts for
// every message.
package load

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-smtp"

	"buzon/internal/stream"
)

// Sent is a message that was handed in.
type Sent struct {
	*stream.Message
	Dot      time.Time // when its last octet was written
	Accepted time.Time // when the answer to it came
}

// A Way hands messages in, one after the other.
type Way interface {
	// Send hands one in and tells when its final octet was written.
	Send(m *stream.Message) (dot time.Time, err error)
	Close() error
}

// SMTP is a Way: one connection, kept open.
type SMTP struct{ client *smtp.Client }

// DialSMTP connects to host:port, without TLS.
func DialSMTP(addr string) (*SMTP, error) {
	c, err := smtp.Dial(addr)
	if err != nil {
		return nil, err
	}
	return &SMTP{c}, nil
}

// Send sends a message and waits for the answer to its final dot.
func (s *SMTP) Send(m *stream.Message) (dot time.Time, err error) {
	if err := s.client.Mail(m.From, &smtp.MailOptions{Size: int64(len(m.Raw))}); err != nil {
		return dot, err
	}
	if err := s.client.Rcpt(m.To, nil); err != nil {
		return dot, err
	}
	body, err := s.client.Data()
	if err != nil {
		return dot, err
	}
	if _, err := body.Write(m.Raw); err != nil {
		return dot, err
	}
	dot = time.Now()
	return dot, body.Close()
}

// Close ends the session.
func (s *SMTP) Close() error { return errors.Join(s.client.Quit()) }

// IMAP is a Way: it puts messages into a mailbox, as a final delivery does, with
// Delivered-To and Return-Path on top.
type IMAP struct {
	client  *imapclient.Client
	mailbox string
}

// Login says which mailbox to put messages into.
type Login struct {
	Addr               string // host:port
	TLS                bool   // from the beginning (RFC 8314); otherwise none
	Insecure           bool   // certificates are not checked
	Username, Password string
	Mailbox            string
}

// DialIMAP connects and logs in.
func DialIMAP(l Login) (*IMAP, error) {
	var c *imapclient.Client
	var err error
	if l.TLS {
		c, err = imapclient.DialTLS(l.Addr, &imapclient.Options{TLSConfig: &tls.Config{InsecureSkipVerify: l.Insecure}})
	} else {
		c, err = imapclient.DialInsecure(l.Addr, nil)
	}
	if err != nil {
		return nil, err
	}
	if err := c.Login(l.Username, l.Password).Wait(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return &IMAP{c, l.Mailbox}, nil
}

// Send appends a message to the mailbox (RFC 9051, section 6.3.12).
func (i *IMAP) Send(m *stream.Message) (dot time.Time, err error) {
	raw := slices.Concat([]byte("Delivered-To: "+m.To+"\r\nReturn-Path: <"+m.From+">\r\n"), m.Raw)
	cmd := i.client.Append(i.mailbox, int64(len(raw)), nil)
	if _, err := cmd.Write(raw); err != nil {
		return dot, err
	}
	dot = time.Now()
	if err := cmd.Close(); err != nil {
		return dot, err
	}
	_, err = cmd.Wait()
	return dot, err
}

// Close logs out.
func (i *IMAP) Close() error {
	return errors.Join(i.client.Logout().Wait(), i.client.Close())
}

// Feed says how messages are handed in.
type Feed struct {
	Dial        func() (Way, error)
	Connections int
	Rate        float64 // a second, over all connections; 0: as fast as they are taken
	Count       int
	// Next makes the next message of a connection, which begins at 0. Each calls
	// it for itself, after its last one was answered.
	Next func(connection int) *stream.Message
}

// Run hands in all messages, and returns them in the order of their sending on each
// connection, when the last one is answered. With a rate a message may be late,
// when all connections are busy; late is by how much at most. The first failure
// ends it.
func (f *Feed) Run(ctx context.Context) (sent []Sent, late time.Duration, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ways := make([]Way, f.Connections)
	for i := range ways {
		if ways[i], err = f.Dial(); err != nil {
			return nil, 0, err
		}
		defer ways[i].Close()
	}
	lists, lates := make([][]Sent, f.Connections), make([]time.Duration, f.Connections)
	start := time.Now()
	var sending sync.WaitGroup
	for c, way := range ways {
		sending.Go(func() {
			for i := c; i < f.Count && ctx.Err() == nil; i += f.Connections {
				m := f.Next(c)
				if f.Rate > 0 {
					due := start.Add(time.Duration(float64(i) / f.Rate * float64(time.Second)))
					if wait := time.Until(due); wait > 0 {
						select {
						case <-time.After(wait):
						case <-ctx.Done():
							return
						}
					} else {
						lates[c] = max(lates[c], -wait)
					}
				}
				dot, err := way.Send(m)
				if err != nil {
					cancel(fmt.Errorf("message %s (%s): %w", m.MessageID, m.Form, err))
					return
				}
				lists[c] = append(lists[c], Sent{m, dot, time.Now()})
			}
		})
	}
	sending.Wait()
	return slices.Concat(lists...), slices.Max(lates), context.Cause(ctx)
}
