package mailpipe

import (
	"fmt"
	"maps"
	"slices"

	"buzon/ticket"
)

// maxStrikes is how often a message may fail to load before it is passed by for
// a while.
const maxStrikes = 3

// fault notes that loading a page failed at uid, as far as is known. One message
// is enough to fail a page, so its messages are then loaded singly, and only what
// fails alone is blamed.
func (w *IMAPWorker) fault(page []uint32, uid uint32, err error) {
	if len(page) > 1 {
		w.single = max(w.single, page[len(page)-1])
		w.log.Info("loading messages one by one", ticket.LogUID, uid, ticket.LogError, err)
		return
	}
	w.strike(uid, err)
}

// strike notes that a message could not be loaded.
func (w *IMAPWorker) strike(uid uint32, err error) {
	w.strikes[uid]++
	w.log.Warn("message not loaded", ticket.LogUID, uid, ticket.LogError, err, "tries", w.strikes[uid])
	if w.strikes[uid] >= maxStrikes {
		w.stuck[uid] = w.now().Add(w.limits.stuck)
		w.stuckErr = err
		w.showMessages()
	}
}

// leaveTooLarge notes a message that is passed over because of its size.
func (w *IMAPWorker) leaveTooLarge(uid uint32, size int64) {
	w.log.Error("message left in the mailbox: too large", ticket.LogUID, uid, ticket.LogSize, size,
		ticket.LogHint, "read it in a mail client, and move it out of the folder")
	w.tooLarge[uid] = size
	w.showMessages()
}

// recheckTooLarge forgets those that somebody has taken away since.
func (w *IMAPWorker) recheckTooLarge(c *imapConn) error {
	if len(w.tooLarge) == 0 {
		return nil
	}
	left, err := c.search(uidSet(slices.Sorted(maps.Keys(w.tooLarge))))
	if err != nil {
		return err
	}
	maps.DeleteFunc(w.tooLarge, func(uid uint32, _ int64) bool { return !slices.Contains(left, uid) })
	w.showMessages()
	return nil
}

// forgetGone drops what was noted about messages that are not there any more.
// found is what there is at or above the cursor, ascending.
func (w *IMAPWorker) forgetGone(found []uint32) {
	gone := func(uid uint32) bool {
		_, there := slices.BinarySearch(found, uid)
		return !there
	}
	for uid := range w.strikes {
		if gone(uid) {
			delete(w.strikes, uid)
			delete(w.stuck, uid)
		}
	}
	for uid := range w.done {
		if gone(uid) {
			delete(w.done, uid)
		}
	}
}

// showMessages reports which messages need a person.
func (w *IMAPWorker) showMessages() {
	stuck, large := slices.Sorted(maps.Keys(w.stuck)), slices.Sorted(maps.Keys(w.tooLarge))
	ae := &AccountError{Doing: "loading messages", Permanent: true}
	switch {
	case len(stuck) > 0:
		ae.Err = fmt.Errorf("%d can't be loaded, among them UID %d: %w", len(stuck), stuck[0], w.stuckErr)
		ae.Hint = "look at it in a mail client and move it out of the folder; other mail is taken meanwhile"
	case len(large) > 0:
		ae.Err = fmt.Errorf("%d are too large, among them UID %d with %d octets", len(large), large[0], w.tooLarge[large[0]])
		ae.Hint = "read them in a mail client and move them out of the folder"
	default:
		w.board.clear(problemMessage)
		return
	}
	w.board.report(problemMessage, ae)
}
