package postoffice

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// account is a user with their mailboxes. imapmemserver holds the messages but
// shows them to IMAP clients only, so the account remembers each one by its place.
type account struct {
	user *imapmemserver.User
	// validity is added to imapmemserver's UIDVALIDITY, which counts from 1.
	validity uint32

	mutex    sync.Mutex // held over every change, so that mails keeps in step
	password string
	mails    map[place]Mail
}

// place is where a message lies: the UIDVALIDITY, as imapmemserver counts it,
// names the mailbox, through renames too.
type place struct {
	validity uint32
	uid      imap.UID
}

func newAccount(username string, now time.Time) *account {
	a := &account{
		user: imapmemserver.NewUser(username, ""),
		// In tenths of a second, which uint32 holds for 13 years before it wraps.
		validity: uint32(now.UnixMilli() / 100),
		mails:    map[place]Mail{},
	}
	for _, name := range folders {
		// Neither can fail: the user is new.
		a.user.Create(name, nil)
		a.user.Subscribe(name)
	}
	return a
}

func (a *account) setPassword(password string) {
	a.mutex.Lock()
	a.password = password
	a.mutex.Unlock()
}

// login checks a password.
func (a *account) login(password string) bool {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return a.password == password
}

// append puts a mail into a mailbox. Clients that IDLE there are told.
func (a *account) append(mailbox string, m Mail) error {
	_, err := a.appendWith(mailbox, m, &imap.AppendOptions{Time: m.At})
	return err
}

func (a *account) appendWith(mailbox string, m Mail, options *imap.AppendOptions) (*imap.AppendData, error) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	data, err := a.user.Append(mailbox, bytes.NewReader(m.Raw), options)
	if err != nil {
		return nil, err
	}
	a.mails[place{data.UIDValidity, data.UID}] = m
	data.UIDValidity += a.validity
	return data, nil
}

// messages returns the mails of a mailbox with UIDs above after, in order, and
// the highest UID that the mailbox has had.
func (a *account) messages(mailbox string, after imap.UID) ([]Mail, imap.UID, error) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	view := imapmemserver.NewUserSession(a.user)
	selected, err := view.Select(mailbox, nil)
	if err != nil {
		return nil, after, err
	}
	defer view.Close()
	found, err := uids(view, imap.SearchCriteria{UID: []imap.UIDSet{{{Start: after + 1}}}})
	if err != nil {
		return nil, after, err
	}
	// A range that begins beyond the end finds the last message (RFC 9051, section 9).
	found = slices.DeleteFunc(found, func(uid imap.UID) bool { return uid <= after })
	flags := map[imap.UID][]imap.Flag{}
	for _, flag := range selected.Flags {
		if len(found) == 0 {
			break
		}
		flagged, err := uids(view, imap.SearchCriteria{Flag: []imap.Flag{flag}})
		if err != nil {
			return nil, after, err
		}
		for _, uid := range flagged {
			flags[uid] = append(flags[uid], wellKnown(flag))
		}
	}
	var mails []Mail
	for _, uid := range found {
		m := a.mails[place{selected.UIDValidity, uid}]
		m.Flags = flags[uid]
		mails = append(mails, m)
	}
	return mails, max(after, selected.UIDNext-1), nil
}

func uids(view *imapmemserver.UserSession, criteria imap.SearchCriteria) ([]imap.UID, error) {
	data, err := view.Search(imapserver.NumKindUID, &criteria, &imap.SearchOptions{ReturnAll: true})
	if err != nil {
		return nil, err
	}
	return data.AllUIDs(), nil
}

// wellKnown undoes imapmemserver's lower case for the flags of RFC 9051.
func wellKnown(flag imap.Flag) imap.Flag {
	for _, f := range []imap.Flag{imap.FlagSeen, imap.FlagAnswered, imap.FlagFlagged, imap.FlagDeleted, imap.FlagDraft} {
		if strings.EqualFold(string(f), string(flag)) {
			return f
		}
	}
	return flag
}

// imapSession is a client's session: imapmemserver's, with what it does amiss
// set right. The server calls nothing but Login and Close before the login.
type imapSession struct {
	*imapmemserver.UserSession // nil before the login
	office                     *Office
	account                    *account
	selected                   uint32 // UIDVALIDITY of the mailbox, as imapmemserver counts it
}

var _ imapserver.SessionIMAP4rev2 = (*imapSession)(nil)

// Login is imapserver.Session's.
func (s *imapSession) Login(username, password string) error {
	a := s.office.account(username)
	if a == nil || !a.login(password) {
		return imapserver.ErrAuthFailed
	}
	s.account, s.UserSession = a, imapmemserver.NewUserSession(a.user)
	return nil
}

// Select is imapserver.Session's.
func (s *imapSession) Select(mailbox string, options *imap.SelectOptions) (*imap.SelectData, error) {
	data, err := s.UserSession.Select(mailbox, options)
	if err != nil {
		return nil, err
	}
	s.selected = data.UIDValidity
	data.UIDValidity += s.account.validity
	return data, nil
}

// Status is imapserver.Session's.
func (s *imapSession) Status(mailbox string, options *imap.StatusOptions) (*imap.StatusData, error) {
	data, err := s.UserSession.Status(mailbox, options)
	if err == nil && options.UIDValidity {
		data.UIDValidity += s.account.validity
	}
	return data, err
}

// Append is imapserver.Session's.
func (s *imapSession) Append(mailbox string, r imap.LiteralReader, options *imap.AppendOptions) (*imap.AppendData, error) {
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	m := Mail{Raw: raw, At: options.Time}
	if m.At.IsZero() {
		m.At = s.office.opt.Now()
	}
	data, err := s.account.appendWith(mailbox, m, &imap.AppendOptions{Time: m.At, Flags: options.Flags})
	if err == nil {
		s.office.announce()
	}
	return data, err
}

// Copy is imapserver.Session's.
func (s *imapSession) Copy(numSet imap.NumSet, dest string) (*imap.CopyData, error) {
	s.account.mutex.Lock()
	data, err := s.copyLocked(numSet, dest)
	s.account.mutex.Unlock()
	if err == nil {
		s.office.announce()
	}
	return data, err
}

// copyLocked returns no data when it found nothing to copy: the server would
// write it as a COPYUID without numbers, which clients can't read.
func (s *imapSession) copyLocked(numSet imap.NumSet, dest string) (*imap.CopyData, error) {
	data, err := s.UserSession.Copy(numSet, dest)
	if err != nil || len(data.SourceUIDs) == 0 {
		return nil, err
	}
	from, _ := data.SourceUIDs.Nums()
	to, _ := data.DestUIDs.Nums()
	for i, uid := range from {
		s.account.mails[place{data.UIDValidity, to[i]}] = s.account.mails[place{s.selected, uid}]
	}
	data.UIDValidity += s.account.validity
	return data, nil
}

// Move is imapserver.SessionMove's. imapmemserver's own reports each message
// twice, once under a wrong sequence number; this one copies and expunges, and
// leaves it to the server to report what was expunged.
func (s *imapSession) Move(w *imapserver.MoveWriter, numSet imap.NumSet, dest string) error {
	s.account.mutex.Lock()
	data, err := s.copyLocked(numSet, dest)
	if data != nil {
		err = s.expungeLocked(data.SourceUIDs)
	}
	s.account.mutex.Unlock()
	if data == nil || err != nil {
		return err
	}
	s.office.announce()
	return w.WriteCopyData(data)
}

func (s *imapSession) expungeLocked(moved imap.UIDSet) error {
	gone, _ := moved.Nums()
	deleted := imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}
	if err := s.UserSession.Store(nil, moved, &deleted, nil); err != nil {
		return err
	}
	if err := s.UserSession.Expunge(nil, &moved); err != nil {
		return err
	}
	for _, uid := range gone {
		delete(s.account.mails, place{s.selected, uid})
	}
	return nil
}

// Fetch is imapserver.Session's. When a client breaks off inside a response,
// imapmemserver's own leaves that unfinished, and the server would wait for its
// end for ever before the next one. So the connection ends here.
func (s *imapSession) Fetch(w *imapserver.FetchWriter, numSet imap.NumSet, options *imap.FetchOptions) error {
	err := s.UserSession.Fetch(w, numSet, options)
	var refusal *imap.Error
	if err != nil && !errors.As(err, &refusal) {
		runtime.Goexit() // the server closes the connection in a deferred call
	}
	return err
}

// Store is imapserver.Session's.
func (s *imapSession) Store(w *imapserver.FetchWriter, numSet imap.NumSet, flags *imap.StoreFlags, options *imap.StoreOptions) error {
	defer s.office.announce()
	return s.UserSession.Store(w, numSet, flags, options)
}

// Expunge is imapserver.Session's.
func (s *imapSession) Expunge(w *imapserver.ExpungeWriter, uids *imap.UIDSet) error {
	defer s.office.announce()
	return s.UserSession.Expunge(w, uids)
}

// Idle is imapserver.Session's. imapmemserver's own overlooks what happens
// between its answer to the client and its first look, until something else
// happens; this one is in line for news before it looks.
func (s *imapSession) Idle(w *imapserver.UpdateWriter, stop <-chan struct{}) error {
	for {
		news := s.office.news()
		if err := s.UserSession.Poll(w, true); err != nil {
			return err
		}
		select {
		case <-news:
		case <-stop:
			return nil
		}
	}
}
