package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"go.etcd.io/bbolt"
)

const (
	manifestFile   = "manifest.json"
	manifestFormat = 1
	// nameState is the state's name in a manifest; the others' are segments'.
	nameState = "state"
)

// Manifest says what is in a backup folder. It is written last, so that the
// files that it names are whole.
type Manifest struct {
	Format  int          `json:"format"`
	Version string       `json:"version"` // of the program
	Made    time.Time    `json:"made"`    // when it was begun
	Journal JournalEnd   `json:"journal"`
	Files   []BackupFile `json:"files"` // the state and then the segments
}

// JournalEnd says how far the journal goes.
type JournalEnd struct {
	Length uint64 `json:"length"` // events
	Head   string `json:"head"`   // SHA-256 of the last one, as the next one has it in Prev
}

// BackupFile is a file of a backup.
type BackupFile struct {
	Name     string    `json:"name"` // "state", or the segment
	File     string    `json:"file"` // path in the backup folder
	Size     int64     `json:"size"` // octets
	SHA256   string    `json:"sha256"`
	Modified time.Time `json:"modified"` // the original, when it was copied
}

// BackupResult tells what Backup did.
type BackupResult struct {
	Manifest
	Copied       int   `json:"copied"`        // files
	CopiedOctets int64 `json:"copied_octets"` // of them
	Unchanged    int   `json:"unchanged"`     // files that the backup had already
}

// Backup copies files that nobody writes to into the folder to, which is made if
// need be and is mode 0700, its files 0600. Segments that are in the backup
// already are read and compared, and not copied. A backup that is interrupted
// leaves the one before as it was; when it is done it takes its place.
//
// It returns an error that wraps ErrCorrupt when a file is damaged, or has
// changed since the last backup although nobody wrote to it, and another when to
// holds the backup of another desk.
func Backup(ctx context.Context, f Files, to, version string, now time.Time) (*BackupResult, error) {
	b := &backup{ctx: ctx, to: to, result: &BackupResult{Manifest: Manifest{Format: manifestFormat, Version: version, Made: now.UTC()}}}
	if err := b.run(f); err != nil {
		return nil, fmt.Errorf("backing up to %s: %w", to, err)
	}
	return b.result, nil
}

// BackupFolder backs up a data folder on which nothing runs; see Backup.
func BackupFolder(ctx context.Context, dir, to, version string, now time.Time) (r *BackupResult, err error) {
	err = offline(dir, func() error {
		r, err = Backup(ctx, filesOf(dir), to, version, now)
		return err
	})
	return r, err
}

type backup struct {
	ctx    context.Context
	to     string
	before Manifest // of the last backup; zero: there is none
	result *BackupResult
}

func (b *backup) run(f Files) error {
	if err := makeFolder(filepath.Join(b.to, archiveFolder)); err != nil {
		return err
	}
	if err := syncAbove(b.to); err != nil { // as in Restore
		return err
	}
	lock, err := lockFolder(b.to)
	if err != nil {
		return err
	}
	defer lock.Close()
	b.before, err = ReadManifest(b.to)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, folder := range []string{b.to, filepath.Join(b.to, archiveFolder)} {
		if err := removeLeftovers(folder); err != nil {
			return err
		}
	}
	// gofail: var backupBegun struct{}
	if err := b.add(nameState, f.State); err != nil {
		return err
	}
	if b.result.Journal, err = b.journal(); err != nil {
		return err
	}
	// gofail: var backupMidway struct{}
	segments, err := f.segments()
	if err != nil {
		return err
	}
	for _, name := range sortedNames(segments) {
		err := b.add(name, segments[name])
		if errors.Is(err, ErrLocked) && f.Copies != nil {
			continue // begun since the copies were made: nothing of the state is in it
		} else if err != nil {
			return err
		}
	}
	return b.finish()
}

// add puts a file into the backup, under a name that says what is in it, so that
// it never takes the place of one that the last backup needs.
func (b *backup) add(name, path string) error {
	f, err := shared(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if have, err := b.have(f, name, info); err != nil || have {
		return err
	}
	if err := CheckFile(path); err != nil {
		return err
	}
	folder := b.to
	if name != nameState {
		folder = filepath.Join(b.to, archiveFolder)
	}
	temp := filepath.Join(folder, name+leftoverSuffix)
	size, sum, err := copyFile(b.ctx, f, temp)
	if err != nil {
		return err
	}
	final := filepath.Join(folder, name+"."+sum[:16]+segmentSuffix)
	if err := os.Rename(temp, final); err != nil {
		return err
	}
	file, err := filepath.Rel(b.to, final)
	if err != nil {
		return err
	}
	b.result.Files = append(b.result.Files, BackupFile{name, file, size, sum, info.ModTime().UTC()})
	b.result.Copied++
	b.result.CopiedOctets += size
	return nil
}

// have tells whether the last backup has the file as it is.
func (b *backup) have(f *os.File, name string, info os.FileInfo) (bool, error) {
	old := b.before.file(name)
	if old == nil || name == nameState {
		return false, nil
	}
	untouched := old.Modified.Equal(info.ModTime())
	if old.Size != info.Size() && !untouched {
		return false, nil
	}
	size, sum, err := digestOf(b.ctx, f)
	if err != nil {
		return false, err
	}
	if size != old.Size || sum != old.SHA256 {
		if untouched {
			return false, fmt.Errorf("%w: %s has changed since the backup of %s although nobody wrote to it; that backup is left as it is, and has it as it was",
				ErrCorrupt, f.Name(), b.before.Made.Format(time.RFC3339))
		}
		_, err := f.Seek(0, 0)
		return false, err
	}
	kept, err := os.Stat(filepath.Join(b.to, old.File))
	if err != nil || kept.Size() != old.Size {
		_, err := f.Seek(0, 0) // it is gone from the backup, or cut short
		return false, err
	}
	entry := *old
	entry.Modified = info.ModTime().UTC()
	b.result.Files = append(b.result.Files, entry)
	b.result.Unchanged++
	return true, nil
}

// journal reads how far the journal of the copied state goes, and checks that it
// goes on from where the last backup's ended.
func (b *backup) journal() (end JournalEnd, err error) {
	path := filepath.Join(b.to, b.result.Files[0].File)
	err = readState(path, func(tx *Tx) error {
		end = tx.journalEnd()
		last := b.before.Journal
		if last.Length > 0 && tx.journalHead(last.Length) != last.Head {
			return fmt.Errorf("the journal does not go on from the backup that is there, of %s: it is another desk's, or one that was restored; use another folder",
				b.before.Made.Format(time.RFC3339))
		}
		return nil
	})
	if err != nil {
		os.Remove(path)
	}
	return end, err
}

// readState reads a state that nobody writes to. Index rows that are not in their
// places are not seen, so that a damaged log of them does no harm.
func readState(path string, fn func(*Tx) error) error {
	db, err := openFile(path, openReadOnly)
	if err != nil {
		return err
	}
	defer db.Close()
	return undamaged(func() error {
		return db.View(func(tx *bbolt.Tx) error {
			if tx.Bucket([]byte(bucketJournal)) == nil {
				return corrupt(path, errors.New("it is not a state of buzon"))
			}
			return fn(&Tx{tx: tx, now: time.Now})
		})
	})
}

func (tx *Tx) journalEnd() JournalEnd {
	k, raw := tx.bucket(bucketJournal).Cursor().Last()
	if k == nil {
		return JournalEnd{Head: chainStart}
	}
	return JournalEnd{Length: fromBE64(k), Head: chain(raw)}
}

// journalHead is the digest of one event; empty when there is none.
func (tx *Tx) journalHead(seq uint64) string {
	raw := tx.get(bucketJournal, be64(seq))
	if raw == nil {
		return ""
	}
	return chain(raw)
}

func (m Manifest) file(name string) *BackupFile {
	for i := range m.Files {
		if m.Files[i].Name == name {
			return &m.Files[i]
		}
	}
	return nil
}

// finish makes the new backup count, and removes what only the last one needed.
func (b *backup) finish() error {
	text, err := json.MarshalIndent(b.result.Manifest, "", "  ")
	if err != nil {
		return err
	}
	if err := syncFolder(filepath.Join(b.to, archiveFolder)); err != nil {
		return err
	}
	if err := syncFolder(b.to); err != nil {
		return err
	}
	// gofail: var backupUncounted struct{}
	if err := writeFile(filepath.Join(b.to, manifestFile), append(text, '\n')); err != nil {
		return err
	}
	// gofail: var backupUnswept struct{}
	if err := syncFolder(b.to); err != nil {
		return err
	}
	needed := map[string]bool{}
	for _, f := range b.result.Files {
		needed[f.File] = true
	}
	for _, pattern := range []string{"*" + segmentSuffix, filepath.Join(archiveFolder, "*"+segmentSuffix)} {
		found, err := filepath.Glob(filepath.Join(b.to, pattern))
		if err != nil {
			return err
		}
		for _, path := range found {
			file, err := filepath.Rel(b.to, path)
			if err == nil && !needed[file] && backupName.MatchString(filepath.Base(file)) {
				err = os.Remove(path)
			}
			if err != nil {
				return fmt.Errorf("removing what only the last backup needed: %w", err)
			}
		}
	}
	return nil
}

var backupName = regexp.MustCompile(`^(state|\d{4}-\d{2})\.[0-9a-f]{16}\.db$`)

// ReadManifest reads and checks a backup's manifest. The error wraps
// os.ErrNotExist when there is none.
func ReadManifest(dir string) (Manifest, error) {
	var m Manifest
	path := filepath.Join(dir, manifestFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return m, fmt.Errorf("reading a backup's manifest: %w", err)
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("reading a backup's manifest: %s: %w: %w", path, ErrCorrupt, err)
	}
	if m.Format > manifestFormat {
		return m, fmt.Errorf("reading a backup's manifest: %s: %w: it has format %d", path, ErrNewer, m.Format)
	}
	if m.Format < 1 || len(m.Files) == 0 || m.Files[0].Name != nameState {
		return m, fmt.Errorf("reading a backup's manifest: %s: %w: it names no state", path, ErrCorrupt)
	}
	for i, f := range m.Files {
		if !filepath.IsLocal(f.File) || !backupName.MatchString(filepath.Base(f.File)) || i > 0 && !segmentName.MatchString(f.Name) {
			return m, fmt.Errorf("reading a backup's manifest: %s: %w: it names a file %q", path, ErrCorrupt, f.File)
		}
	}
	return m, nil
}
