package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
)

// maxDifferences bounds how many differences a report spells out.
const maxDifferences = 200

// Report is what Verify found.
type Report struct {
	Tickets  int `json:"tickets"`
	Entries  int `json:"entries"`
	People   int `json:"people"`
	Messages int `json:"messages"`
	Outgoing int `json:"outgoing"`
	Journal  int `json:"journal"`

	Segments int   `json:"segments"`
	Archived int   `json:"archived"` // messages in the archive
	Octets   int64 `json:"octets"`   // of them
	// Unreferenced counts messages in the archive that no row refers to: those
	// of deliveries that were made again, and of crashes between archiving and
	// applying. They are harmless.
	Unreferenced int `json:"unreferenced"`
	// Erased counts messages whose content was erased: each has a row that says so.
	Erased int `json:"erased,omitempty"`

	Differences []string `json:"differences"`    // what is wrong, a line each
	More        int      `json:"more,omitempty"` // differences that are not spelt out
}

// Clean tells whether nothing is wrong.
func (r *Report) Clean() bool { return len(r.Differences) == 0 }

func (r *Report) differ(text string) {
	if len(r.Differences) < maxDifferences {
		r.Differences = append(r.Differences, text)
	} else {
		r.More++
	}
}

func (r *Report) differf(format string, args ...any) { r.differ(fmt.Sprintf(format, args...)) }

// bad notes a row that can't be used, and goes on.
func (r *Report) bad(bucket string, key []byte, err error) error {
	r.differf("%s: row %x: %v", bucket, key, err)
	return nil
}

// Verify checks a data folder on which nothing runs: the pages of all files, the
// journal's chain, every derived row against what the others say it must be,
// every reference from row to row, and every archived message against its row.
// It changes nothing but for a temporary file in the folder. What is wrong is in
// the report; an error means that it could not be looked at.
func Verify(ctx context.Context, dir string) (r *Report, err error) {
	err = offline(dir, func() error {
		work := filepath.Join(dir, "verify"+leftoverSuffix)
		if err := os.Mkdir(work, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
		defer os.RemoveAll(work)
		r, err = VerifyFiles(ctx, filesOf(dir), work)
		return err
	})
	return r, err
}

// VerifyFiles does what Verify does with files that nobody writes to; work is a
// folder for temporary files, which needs room for the indexes.
func VerifyFiles(ctx context.Context, f Files, work string) (*Report, error) {
	v := &verifier{Report: &Report{Differences: []string{}}, ctx: ctx, files: f}
	if err := v.run(filepath.Join(work, "derived.db")); err != nil {
		return nil, fmt.Errorf("verifying %s: %w", f.State, err)
	}
	return v.Report, nil
}

type verifier struct {
	*Report
	ctx     context.Context
	files   Files
	derived *bulk
}

// bucketArchived is made for verifying only: segment NUL seq → message id.
const bucketArchived = "archived"

func (v *verifier) run(scratch string) error {
	usable := v.pages("state", v.files.State)
	if !usable {
		return nil
	}
	db, err := openFile(v.files.State, openReadOnly)
	if err != nil {
		return err
	}
	defer db.Close()
	if v.derived, err = newBulk(scratch); err != nil {
		return err
	}
	defer os.Remove(scratch)
	defer v.derived.close()
	if err := v.derived.bucket(bucketArchived, 0); err != nil {
		return err
	}
	err = undamaged(func() error {
		return db.View(func(b *bbolt.Tx) error {
			tx, err := readTx(b)
			if err != nil {
				return err
			}
			return v.state(tx)
		})
	})
	if errors.Is(err, ErrCorrupt) {
		v.differ(err.Error())
	} else if err != nil {
		return err
	}
	return v.archive()
}

// pages checks a file's pages, and tells whether it can be read.
func (v *verifier) pages(what, path string) (usable bool) {
	if _, err := readMeta(path); err != nil {
		v.differf("%s: %v", what, err)
		return false
	}
	// Reading all of it first: the engine's own check trusts that pages lie
	// within the file.
	if err := CheckFile(path); err != nil {
		v.differf("%s: %v", what, err)
		return false
	}
	db, err := openFile(path, openReadOnly)
	if err != nil {
		v.differf("%s: %v", what, err)
		return false
	}
	defer db.Close()
	before := len(v.Differences)
	err = undamaged(func() error {
		return db.View(func(tx *bbolt.Tx) error {
			for err := range tx.Check() {
				v.differf("%s: %v", what, err)
			}
			return nil
		})
	})
	if err != nil {
		v.differf("%s: %v", what, err)
		return false
	}
	return len(v.Differences) == before
}

// state checks the state, whose pages are right.
func (v *verifier) state(tx *Tx) error {
	missing := false
	for _, name := range buckets {
		if tx.bucket(name) == nil {
			v.differf("%s: the bucket is missing", name)
			missing = true
		}
	}
	if missing {
		return nil
	}
	version := fromBE64(tx.get(bucketMeta, []byte(keyVersion)))
	if version != schemaVersion(migrations) {
		return fmt.Errorf("it has schema %d and this program knows %d; start the desk once with this version", version, schemaVersion(migrations))
	}
	for _, step := range []func(*Tx) error{v.journal, v.tickets, v.messages, v.people, v.outgoing, v.kept, v.questions, v.erasures, v.ledger, v.numbers, v.indexes} {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		if err := step(tx); err != nil {
			return err
		}
	}
	return nil
}

// journal checks the chain, up to the first event that is wrong.
func (v *verifier) journal(tx *Tx) error {
	v.Journal = tx.bucket(bucketJournal).Stats().KeyN
	if err := VerifyJournal(tx); err != nil {
		v.differf("journal: %v", err)
	}
	return nil
}

// indexes compares every derived row with what it must be.
func (v *verifier) indexes(tx *Tx) error {
	if err := derive(tx, v.derived, v.bad); err != nil {
		return err
	}
	for _, bucket := range derived {
		if bucket != bucketWords && bucket != bucketWordsNoted && bucket != bucketIndexNoted {
			compare(tx, v.derived.view(), bucket, v.differ)
		}
	}
	compareWords(tx, v.derived.view(), v.differ)
	return nil
}

// numbers checks that what is counted up is past all that was given out.
func (v *verifier) numbers(tx *Tx) error {
	last := fromBE64(tx.get(bucketMeta, []byte(keyLastNumber)))
	for k := range tx.descend(bucketTicketNumber, nil) {
		if n := fromBE64(k); n > last {
			v.differf("meta: the next ticket would get the number %d, and there is a ticket %d", last+1, n)
		}
		break
	}
	for _, name := range counted {
		b := tx.bucket(name)
		k, _ := b.Cursor().Last()
		if k == nil || name == bucketPeople {
			continue // people may be stored under numbers that were chosen
		}
		if id := fromBE64(k); id > b.Sequence() {
			v.differf("%s: the next row would get the number %d, and there is a row %d", name, b.Sequence()+1, id)
		}
	}
	return nil
}
