package mailpipe

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"buzon/ticket"
)

// takeParallel is how many messages of a page are under way at once: enough for those
// that wait for a commit to share it. They are in memory already, and what is costly
// the pipe bounds by itself.
const takeParallel = 64

// imapMeta is what is known of a message before it is loaded.
type imapMeta struct {
	size     int64 // RFC822.SIZE; some servers (Exchange) only estimate it
	received time.Time
}

// imapMail is a message as it was loaded.
type imapMail struct {
	uid uint32
	imapMeta
	raw []byte
}

func uidSet(uids []uint32) imap.UIDSet {
	var set imap.UIDSet
	for _, uid := range uids {
		set.AddNum(imap.UID(uid))
	}
	return set
}

// fetchMeta asks for sizes and dates. UIDs that the server says nothing about
// are missing from the result, which need not mean that they are gone.
func (c *imapConn) fetchMeta(uids []uint32) (map[uint32]imapMeta, error) {
	metas := make(map[uint32]imapMeta, len(uids))
	err := c.do(c.limits.command, func() error {
		command := c.client.Fetch(uidSet(uids), &imap.FetchOptions{UID: true, RFC822Size: true, InternalDate: true})
		for message := command.Next(); message != nil; message = command.Next() {
			var uid uint32
			meta := imapMeta{size: -1}
			for item := message.Next(); item != nil; item = message.Next() {
				switch item := item.(type) {
				case imapclient.FetchItemDataUID:
					uid = uint32(item.UID)
				case imapclient.FetchItemDataRFC822Size:
					meta.size = item.Size
				case imapclient.FetchItemDataInternalDate:
					meta.received = item.Time
				}
			}
			if meta.size >= 0 {
				metas[uid] = meta
			}
		}
		return command.Close()
	})
	if err != nil {
		return nil, fmt.Errorf("asking for the sizes of %d messages: %w", len(uids), err)
	}
	return metas, nil
}

// fetchBodies loads messages, with BODY.PEEK[] so that they don't become \Seen.
// It returns none unless the whole command ended well, and refuses to load more
// than limit octets. A UID may be missing from the result.
func (c *imapConn) fetchBodies(uids []uint32, expected, limit int64) (map[uint32][]byte, error) {
	bodies := make(map[uint32][]byte, len(uids))
	section := &imap.FetchItemBodySection{Peek: true}
	within := c.limits.body + time.Duration(expected/slowest)*time.Second
	err := c.do(within, func() error {
		command := c.client.Fetch(uidSet(uids), &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{section}})
		for message := command.Next(); message != nil; message = command.Next() {
			var uid uint32
			for item := message.Next(); item != nil; item = message.Next() {
				switch item := item.(type) {
				case imapclient.FetchItemDataUID:
					uid = uint32(item.UID)
				case imapclient.FetchItemDataBodySection:
					if item.Literal == nil || !item.MatchCommand(section) {
						continue
					}
					limit -= item.Literal.Size()
					raw, err := c.readLiteral(item.Literal, limit >= 0)
					if err != nil {
						// The command is abandoned where it stands. To read on, as
						// its Close does, would race with the library's goroutine,
						// which goes on to find the connection broken.
						return err
					}
					bodies[uid] = raw
				}
			}
		}
		return command.Close()
	})
	if err != nil {
		return nil, fmt.Errorf("loading %d messages: %w", len(uids), err)
	}
	return bodies, nil
}

// readLiteral reads a literal whole, or fails and breaks the connection.
func (c *imapConn) readLiteral(literal imap.LiteralReader, affordable bool) ([]byte, error) {
	if !affordable {
		c.raw.Close()
		io.Copy(io.Discard, literal) // what is buffered; lets the library's goroutine go on
		return nil, fmt.Errorf("the server sends a message of %d octets, far more than it announced", literal.Size())
	}
	raw := make([]byte, literal.Size())
	if _, err := io.ReadFull(literal, raw); err != nil {
		c.raw.Close()
		return nil, fmt.Errorf("the connection broke inside a message: %w", err)
	}
	// The end of the literal must be seen too, which takes nothing from the
	// connection any more.
	if _, err := literal.Read(make([]byte, 1)); err != io.EOF {
		c.raw.Close()
		return nil, fmt.Errorf("reading the end of a message: %w", err)
	}
	return raw, nil
}

// confirm decides about a message whose length is not the RFC822.SIZE that the
// server gave. Exchange gives estimates by default, so the size alone proves
// nothing; but a message that arrives twice with the same bytes is whole, since
// both times it was framed by its own length.
func (c *imapConn) confirm(m imapMail, limit int64) error {
	again, err := c.fetchBodies([]uint32{m.uid}, int64(len(m.raw)), limit)
	if err != nil {
		return err
	}
	if raw, ok := again[m.uid]; !ok || !bytes.Equal(raw, m.raw) {
		return &imapMismatch{size: m.size, got: len(m.raw)}
	}
	return nil
}

// imapMismatch is a message that does not arrive as it was announced.
type imapMismatch struct {
	size int64
	got  int
}

func (e *imapMismatch) Error() string {
	return fmt.Sprintf("the message arrives with %d octets, the server says it has %d, and a second try differs", e.got, e.size)
}

// imapPage is what loading one page brought.
type imapPage struct {
	mails []imapMail // to be taken now, oldest first
	done  []uint32   // need nothing more
	rest  []uint32   // did not fit any more
	// What is in none of these is to be looked at again.
}

// load brings one page: the messages of uids, up to PageBytes.
func (w *IMAPWorker) load(c *imapConn, uids []uint32) (page imapPage, err error) {
	metas, err := c.fetchMeta(uids)
	if err != nil {
		return page, err
	}
	var wanted []uint32
	var total int64
	for i, uid := range uids {
		meta, ok := metas[uid]
		if len(wanted) > 0 && total+meta.size > w.cfg.PageBytes && meta.size <= w.cfg.MaxMessage {
			page.rest = uids[i:]
			break
		}
		switch {
		case !ok:
			w.fault(uids, uid, errors.New("the server does not tell its size"))
		case w.isOld(uid, meta):
			page.done = append(page.done, uid)
		case meta.size > w.cfg.MaxMessage:
			w.leaveTooLarge(uid, meta.size)
			page.done = append(page.done, uid)
		default:
			wanted = append(wanted, uid)
			total += meta.size
		}
	}
	if len(wanted) == 0 {
		return page, nil
	}
	limit := w.cfg.PageBytes + w.cfg.MaxMessage
	bodies, err := c.fetchBodies(wanted, total, limit)
	if err != nil {
		return page, err
	}
	for _, uid := range wanted {
		raw, ok := bodies[uid]
		if !ok {
			w.fault(uids, uid, errors.New("the server does not send it"))
			continue
		}
		m := imapMail{uid, metas[uid], raw}
		if int64(len(raw)) != m.size {
			if err := c.confirm(m, limit); err != nil {
				var mismatch *imapMismatch
				if !errors.As(err, &mismatch) && !isRefusal(err) {
					return page, err
				}
				w.strike(uid, err)
				continue
			}
			w.log.Debug("server's message size is not exact", ticket.LogUID, uid, ticket.LogSize, len(raw))
		}
		page.mails = append(page.mails, m)
	}
	return page, nil
}

// isOld tells whether a message that a rescan meets was there before the first
// look at the mailbox, and is to be left alone.
func (w *IMAPWorker) isOld(uid uint32, meta imapMeta) bool {
	return uid < w.state.RescanBelow && meta.received.Before(w.state.Since) && !w.cfg.Backlog
}

func (w *IMAPWorker) envelope(m imapMail) ticket.Envelope {
	s := &w.state
	env := ticket.Envelope{
		Account: w.cfg.Account, Mailbox: w.cfg.Mailbox, UIDValidity: s.UIDValidity, UID: m.uid, Received: m.received,
		Backlog: m.uid < s.BacklogBelow || m.uid < s.RescanBelow && m.received.Before(s.Since),
	}
	if env.Received.IsZero() {
		env.Received = w.now()
	}
	return env
}

// takeAll offers the messages to the desk, several at a time, but never a
// message before those of the same page that it answers: the desk could not
// thread it. It returns the UIDs that were taken, ascending, and the first
// error; after one, no further message is offered.
func (w *IMAPWorker) takeAll(ctx context.Context, mails []imapMail) (taken []uint32, err error) {
	var (
		slots   = make(chan struct{}, takeParallel)
		ended   = make([]chan struct{}, len(mails))
		parents = parentsWithin(mails)
		mu      sync.Mutex
		wg      sync.WaitGroup
	)
	for i := range mails {
		ended[i] = make(chan struct{})
		wg.Go(func() {
			defer close(ended[i])
			for _, p := range parents[i] {
				<-ended[p] // always an earlier one, so this can't become a circle
			}
			slots <- struct{}{}
			defer func() { <-slots }()
			mu.Lock()
			stop := err != nil
			mu.Unlock()
			if stop {
				return
			}
			_, e := w.take.Take(ctx, w.envelope(mails[i]), mails[i].raw)
			mu.Lock()
			defer mu.Unlock()
			if e == nil {
				taken = append(taken, mails[i].uid)
			} else if err == nil {
				err = e
			}
		})
	}
	wg.Wait()
	slices.Sort(taken)
	return taken, err
}

// parentsWithin finds, for each message, the earlier ones that it refers to.
func parentsWithin(mails []imapMail) [][]int {
	parents := make([][]int, len(mails))
	byID := make(map[string]int, len(mails))
	for i, m := range mails {
		id, refs := threadHeaders(m.raw)
		for _, ref := range refs {
			if p, ok := byID[ref]; ok && !slices.Contains(parents[i], p) {
				parents[i] = append(parents[i], p)
			}
		}
		if id != "" {
			byID[id] = i
		}
	}
	return parents
}

// threadHeaders reads what orders messages. It need not be right about odd
// headers: without order the desk threads a little worse, and that is all.
func threadHeaders(raw []byte) (id string, refs []string) {
	const limit = 64 << 10
	r := textproto.NewReader(bufio.NewReader(bytes.NewReader(raw[:min(len(raw), limit)])))
	header, _ := r.ReadMIMEHeader()
	for _, key := range []string{"In-Reply-To", "References"} {
		for _, value := range header[key] {
			refs = append(refs, strings.Fields(value)...)
		}
	}
	return strings.TrimSpace(header.Get("Message-Id")), refs
}
