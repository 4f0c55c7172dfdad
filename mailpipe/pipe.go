// Package mailpipe is mail in and out. In: the IMAP workers and the SMTP
// listener hand raw messages to a Pipe, which archives and understands them and
// passes them to a Receiver. Out: a Composer puts drafts into MIME form, and a
// Sender drains an Outbox to the smarthost. It knows messages, not tickets'
// rules, and reaches the rest of the desk only through the interfaces below.
package mailpipe

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"buzon/ticket"
)

// Archive keeps raw messages.
type Archive interface {
	// Put returns when raw is durable. Bytes that nothing refers to later are
	// swept by the archive itself.
	Put(ctx context.Context, raw []byte) (ticket.ArchiveRef, error)
}

// Receiver takes understood messages.
type Receiver interface {
	// Receive applies a message and returns when its effects are durable. An
	// error means that the message was not taken, or that nobody knows; offer it
	// again later, which is harmless. A message that can't be handled is not an
	// error: it is quarantined.
	Receive(ctx context.Context, m *ticket.Message) (ticket.Outcome, error)
}

// Directory knows which addresses are ours.
type Directory interface {
	// Accepts tells whether mail to the address is taken: topics, signed reply
	// and bounce addresses, postmaster.
	Accepts(addr string) bool
}

// Ledger remembers what was taken from which mailbox. The Receiver itself
// records each message taken, together with its effects; what remains is how far
// the worker has come, and which messages it has moved or flagged since.
type Ledger interface {
	// Load returns the state of a mailbox, and the UIDs that were taken under
	// its UIDVALIDITY and are not settled.
	Load(ctx context.Context, account, mailbox string) (state ticket.MailboxState, unsettled []uint32, err error)
	// Save stores the state and marks UIDs as settled: moved, flagged or left,
	// so that nothing more is to be done with them.
	Save(ctx context.Context, account, mailbox string, state ticket.MailboxState, settled []uint32) error
}

// Outbox is the durable queue of outgoing mail.
type Outbox interface {
	// Due returns up to limit waiting rows whose NextTry is not after now, with
	// their chunks, the most urgent class first and the oldest first in it, and
	// leaves out the rows whose ids are in skip: those that the caller has not
	// done with. What it returns is the caller's until it is reported on, or until
	// a later call does not skip it. next is when a further row falls due; zero:
	// none is known.
	Due(ctx context.Context, now time.Time, limit int, skip func(id uint64) bool) (rows []*ticket.Outgoing, next time.Time, err error)
	// Report records an attempt. For one that is neither sent nor permanent,
	// next is when to try again.
	Report(ctx context.Context, id uint64, result ticket.Result, next time.Time) error
	// ReadAt reads part of an archived message, for a chunk.
	ReadAt(ref ticket.ArchiveRef, offset, length int64) ([]byte, error)
}

// Pipe is the way in: archive and understand, side by side, then receive.
type Pipe struct {
	Archive  Archive
	Receiver Receiver
	Log      *slog.Logger
	// Reading says what messages are read with, at present; nil: nothing is the
	// desk's own.
	Reading func() Options
	// Received, if set, is told of each message taken, for metrics.
	Received func(account string, out ticket.Outcome, took time.Duration)

	slots chan struct{}
}

// NewPipe makes a pipe that understands at most parallel messages at once, and has
// no more large ones (over 1 MiB) than that under way, so that a burst of them can't
// exhaust memory. Small ones that wait for a commit hold up nobody: the more wait,
// the more share it.
func NewPipe(parallel int) *Pipe {
	return &Pipe{slots: make(chan struct{}, max(parallel, 1))}
}

// Take takes a message whole. When it returns without error the message is
// durable and applied, and may be acknowledged; otherwise it must be offered
// again. raw is not kept.
func (p *Pipe) Take(ctx context.Context, env ticket.Envelope, raw []byte) (ticket.Outcome, error) {
	start := time.Now()
	id := correlationID()
	log := p.Log.With(ticket.LogMessage, id)
	log.Info("received", ticket.LogAccount, env.Account, ticket.LogMailbox, env.Mailbox, ticket.LogUID, env.UID,
		ticket.LogRemote, env.Remote, ticket.LogSize, len(raw))

	large := len(raw) > freeMessage
	if large {
		if err := p.enter(ctx); err != nil {
			return ticket.Outcome{}, err
		}
		defer p.leave()
	}
	type archived struct {
		ref ticket.ArchiveRef
		err error
	}
	done := make(chan archived, 1)
	go func() {
		ref, err := p.Archive.Put(ctx, raw)
		done <- archived{ref, err}
	}()
	var opt Options
	if p.Reading != nil {
		opt = p.Reading()
	}
	if !large {
		if err := p.enter(ctx); err != nil {
			<-done // raw is in use until then
			return ticket.Outcome{}, err
		}
	}
	m := Understand(raw, opt)
	if !large {
		p.leave()
	}
	m.ID, m.Envelope, m.SHA256, m.Size = id, env, sha256.Sum256(raw), int64(len(raw))
	a := <-done
	if a.err != nil {
		log.Error("not archived", ticket.LogError, a.err)
		return ticket.Outcome{}, fmt.Errorf("archiving message %s: %w", id, a.err)
	}
	// gofail: var archivedUnapplied struct{}
	m.Archive = a.ref
	out, err := p.Receiver.Receive(ctx, m)
	if err != nil {
		if !errors.Is(err, context.Canceled) {
			log.Error("not taken", ticket.LogError, err)
		}
		return out, fmt.Errorf("receiving message %s: %w", id, err)
	}
	if p.Received != nil {
		p.Received(env.Account, out, time.Since(start))
	}
	return out, nil
}

// enter waits for a slot.
func (p *Pipe) enter(ctx context.Context) error {
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *Pipe) leave() { <-p.slots }

// correlationID is short enough to type and unique enough for a log.
func correlationID() string {
	var b [6]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
