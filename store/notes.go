package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tidwall/btree"
	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

// A message adds some thirty index rows, most of them under hashes. To put each in its
// place would be to read and write as many pages. Instead a job's index rows are noted
// together in one row of bucketIndexNoted, which is the log, and kept in memory, sorted;
// reads see both. When notesGathered are there they are brought to their places in the
// order of their keys, so that neighbours share a page, a few with each commit, and rows
// of the log that hold nothing else are dropped. This is the upper level of a
// log-structured merge tree (O'Neil et al., 1996) above the engine's.
//
// A note that is in its place and in the log still is noted again after a restart,
// which changes nothing.

// notedBuckets are the buckets whose rows are noted. The log names a bucket by its
// place in the list: names are only ever added, at the end. All are derived, so that
// what is rebuilt needs no log. bucketOutboxDue is not among them: it is read from the
// end at which rows are taken off, and would be read through all that say so.
var notedBuckets = []string{
	bucketTicketNumber, bucketTicketStatus, bucketTicketTopic, bucketTicketAssignee, bucketTicketAsker, bucketTicketDue,
	bucketPersonAddress, bucketPersonAlso,
	bucketMessageTransport, bucketMessageIdentity, bucketMessageVariant, bucketMessageIDs,
	bucketOutboxID, bucketOutboxState, bucketOutboxFinished,
	bucketLedgerUnsettled, bucketJournalTicket, bucketAutomatic,
}

// notedAs is a bucket's place in notedBuckets.
var notedAs = func() map[string]int {
	m := make(map[string]int, len(notedBuckets))
	for i, name := range notedBuckets {
		m[name] = i
	}
	return m
}()

const (
	// notesGathered is how many notes there are when they are brought to their places:
	// some 6 MB. The more there are, the more of them share a page.
	notesGathered = 32768
	// A commit brings placedAtLeast notes to their places and placedPerNote for each
	// one that it adds, so that there are ever fewer.
	placedAtLeast = 64
	placedPerNote = 3

	placedTogether = 4096 // when nothing else is done in the transaction

	notesDegree = 16  // of the trees: what a commit changes of them it copies
	noteGone    = 128 // in the log, with a bucket's place: the row is deleted
)

// note is an index row as it shall be.
type note struct {
	key, value []byte
	gone       bool // there shall be none
}

type noteTree = btree.BTreeG[note]

func newNoteTree() *noteTree {
	return btree.NewBTreeGOptions(func(a, b note) bool { return bytes.Compare(a.key, b.key) < 0 },
		btree.Options{Degree: notesDegree, NoLocks: true})
}

// notes are the index rows that are not in their places, as of one transaction. They
// are not changed once that has been committed: the next one makes a copy, which
// shares what it does not change.
type notes struct {
	trees []*noteTree // one for each of notedBuckets
	n     int         // in all trees

	// bringing notes to their places
	placing bool
	tree    int    // where it is
	after   []byte // the last key that was brought there
	last    uint64 // row of the log that was the last when it began

	own   []bool // trees that are this transaction's own already
	added int    // in this transaction
}

func newNotes() *notes {
	n := &notes{trees: make([]*noteTree, len(notedBuckets)), own: make([]bool, len(notedBuckets))}
	for i := range n.trees {
		n.trees[i], n.own[i] = newNoteTree(), true
	}
	return n
}

// next is a copy for the next transaction.
func (n *notes) next() *notes {
	c := *n
	c.trees, c.own, c.added = slices.Clone(n.trees), make([]bool, len(n.trees)), 0
	return &c
}

func (n *notes) writable(tree int) *noteTree {
	if !n.own[tree] {
		n.trees[tree], n.own[tree] = n.trees[tree].Copy(), true
	}
	return n.trees[tree]
}

// set notes a row. One that shall be gone and never came to its place leaves no note:
// queues are read from the end at which rows are taken off.
func (n *notes) set(b *bbolt.Tx, tree int, row note) {
	n.added++
	if placed := b.Bucket([]byte(notedBuckets[tree])); row.gone && (placed == nil || placed.Get(row.key) == nil) {
		n.drop(tree, row)
		return
	}
	if _, replaced := n.writable(tree).Set(row); !replaced {
		n.n++
	}
}

func (n *notes) drop(tree int, row note) {
	if _, there := n.writable(tree).Delete(row); there {
		n.n--
	}
}

// appendNote adds a note to a row of the log: bucket, lengths, key, value.
func appendNote(log []byte, tree int, key, value []byte, gone bool) []byte {
	what := byte(tree)
	if gone {
		what |= noteGone
	}
	log = append(log, what)
	log = binary.AppendUvarint(log, uint64(len(key)))
	log = binary.AppendUvarint(log, uint64(len(value)))
	return append(append(log, key...), value...)
}

// cutNote takes the first note off a row of the log.
func cutNote(log []byte) (tree int, row note, rest []byte, err error) {
	tree, row.gone = int(log[0]&^noteGone), log[0]&noteGone != 0
	rest = log[1:]
	var lengths [2]uint64
	for i := range lengths {
		n, size := binary.Uvarint(rest)
		if size <= 0 || n > uint64(len(log)) {
			return 0, row, nil, fmt.Errorf("%w: a row of %s can't be read", ErrCorrupt, bucketIndexNoted)
		}
		lengths[i], rest = n, rest[size:]
	}
	if tree >= len(notedBuckets) || lengths[0]+lengths[1] > uint64(len(rest)) || lengths[0] == 0 {
		return 0, row, nil, fmt.Errorf("%w: a row of %s can't be read", ErrCorrupt, bucketIndexNoted)
	}
	row.key, rest = rest[:lengths[0]:lengths[0]], rest[lengths[0]:]
	row.value, rest = rest[:lengths[1]:lengths[1]], rest[lengths[1]:]
	return tree, row, rest, nil
}

// readNotes reads the log. A file that has none has no notes.
func readNotes(b *bbolt.Tx) (*notes, error) {
	n := newNotes()
	log := b.Bucket([]byte(bucketIndexNoted))
	if log == nil {
		return n, nil
	}
	return n, log.ForEach(func(_, raw []byte) error {
		for rest := bytes.Clone(raw); len(rest) > 0; {
			tree, row, more, err := cutNote(rest)
			if err != nil {
				return err
			}
			n.set(b, tree, row)
			rest = more
		}
		return nil
	})
}

// readTx is a transaction on a file that no store has open.
func readTx(b *bbolt.Tx) (*Tx, error) {
	n, err := readNotes(b)
	return &Tx{tx: b, now: time.Now, notes: n}, err
}

// note has an index row be as it is said.
func (tx *Tx) note(tree int, key, value []byte, gone bool) error {
	if !tx.tx.Writable() {
		return bbolterrors.ErrTxNotWritable
	}
	if len(key) == 0 || len(key) > bbolt.MaxKeySize { // it would not fit in its place
		return fmt.Errorf("writing to %s: a key of %d octets: %w", notedBuckets[tree], len(key), bbolterrors.ErrKeyTooLarge)
	}
	if tx.log == nil {
		tx.log = make([]byte, 0, 2048)
	}
	begin := len(tx.log)
	tx.log = appendNote(tx.log, tree, key, value, gone)
	_, row, _, err := cutNote(tx.log[begin:])
	if err != nil {
		return err
	}
	tx.notes.set(tx.tx, tree, row)
	return nil
}

// writeLog adds what was noted to the log.
func (tx *Tx) writeLog() error {
	if len(tx.log) == 0 {
		return nil
	}
	seq, err := tx.next(bucketIndexNoted)
	if err != nil {
		return err
	}
	return tx.put(bucketIndexNoted, be64(seq), tx.log)
}

// place brings notes to their places: at most limit of them, and not before enough
// have gathered; with force, whatever there is.
func (n *notes) place(b *bbolt.Tx, limit int, force bool) error {
	log := b.Bucket([]byte(bucketIndexNoted))
	if !n.placing {
		if n.n < notesGathered && !force {
			return nil
		}
		n.placing, n.tree, n.after, n.last = true, 0, nil, log.Sequence()
	}
	for ; n.tree < len(n.trees); n.tree, n.after = n.tree+1, nil {
		rows := n.following(limit)
		if err := n.placeRows(b, rows); err != nil {
			return err
		}
		if limit -= len(rows); limit <= 0 {
			n.after = rows[len(rows)-1].key
			return nil
		}
	}
	// All that the log said when this began is in its place, or was noted again since.
	var old [][]byte
	c := log.Cursor()
	for k, _ := c.First(); k != nil && fromBE64(k) <= n.last && len(old) < limit; k, _ = c.Next() {
		old = append(old, bytes.Clone(k))
	}
	for _, k := range old {
		if err := log.Delete(k); err != nil {
			return fmt.Errorf("deleting from %s: %w", bucketIndexNoted, err)
		}
	}
	n.placing = len(old) == limit
	return nil
}

// following lists the next notes of the tree that is being emptied.
func (n *notes) following(limit int) []note {
	var rows []note
	n.trees[n.tree].Ascend(note{key: n.after}, func(row note) bool {
		rows = append(rows, row)
		return len(rows) < limit
	})
	return rows
}

func (n *notes) placeRows(b *bbolt.Tx, rows []note) error {
	name := notedBuckets[n.tree]
	bucket := b.Bucket([]byte(name))
	if growing[name] {
		bucket.FillPercent = growingFill
	}
	for _, row := range rows {
		var err error
		if row.gone {
			err = bucket.Delete(row.key)
		} else {
			err = bucket.Put(row.key, row.value)
		}
		if err != nil {
			return fmt.Errorf("writing to %s: %w", name, err)
		}
		n.drop(n.tree, row)
	}
	return nil
}

// placeAll brings all notes of a file to their places that no store has open.
func placeAll(b *bbolt.Tx) error {
	if b.Bucket([]byte(bucketIndexNoted)) == nil {
		return nil
	}
	n, err := readNotes(b)
	if err != nil {
		return err
	}
	for force := true; force || n.placing; force = false {
		if err := n.place(b, placedTogether, force); err != nil {
			return err
		}
	}
	return nil
}

// notebook keeps the notes that transactions see. A transaction that reads gets those
// of the commit that it sees; the last few are enough, because one that began before
// them can begin again.
type notebook struct {
	mu     sync.Mutex
	recent [8]page
	latest int

	writing *notes // of the transaction under way; its writer's alone
}

type page struct {
	txid  int
	notes *notes
}

// of returns the notes that a read transaction with this id sees; nil: they are
// no longer known.
func (nb *notebook) of(txid int) *notes {
	nb.mu.Lock()
	defer nb.mu.Unlock()
	for _, p := range nb.recent {
		if p.txid == txid {
			return p.notes
		}
	}
	return nil
}

// publish has notes seen by those who see this transaction. It is called before the
// commit, because a reader may see that before the writer knows of it. One that does
// not succeed is seen by nobody, and the next one has its id.
func (nb *notebook) publish(txid int, n *notes) {
	nb.mu.Lock()
	defer nb.mu.Unlock()
	if nb.recent[nb.latest].txid != txid {
		nb.latest = (nb.latest + 1) % len(nb.recent)
	}
	nb.recent[nb.latest] = page{txid, n}
}

// errTooOld: so many commits came between a read transaction's begin and the look for
// its notes that they are no longer known. It is begun again.
var errTooOld = errors.New("the notes of this transaction are no longer known")

// begin makes ready for a transaction that writes.
func (nb *notebook) begin(b *bbolt.Tx) error {
	n := nb.of(b.ID() - 1)
	if n == nil {
		return errors.New("the index rows of the transaction before are not known")
	}
	nb.writing = n.next()
	return nil
}

// finish ends what begin began, before the commit.
func (nb *notebook) finish(b *bbolt.Tx) error {
	if err := nb.writing.place(b, placedAtLeast+placedPerNote*nb.writing.added, false); err != nil {
		return err
	}
	nb.publish(b.ID(), nb.writing)
	return nil
}
