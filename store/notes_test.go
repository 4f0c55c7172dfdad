package store

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.etcd.io/bbolt"
	"pgregory.net/rapid"
)

// Whatever is noted, placed, rolled back and read anew, index rows are as they would be
// if each had been put in its place at once.
func TestNotes(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		dir := t.TempDir()
		s := openAt(t, dir, Options{})
		model := map[string]string{}
		name := rapid.Map(rapid.IntRange(0, 60), func(n int) string { return fmt.Sprintf("%c%d", 'a'+n%3, n) })
		names := []string{bucketMessageIDs, bucketTicketStatus, bucketTicketDue}
		check := func(r *rapid.T, tx *Tx) {
			for _, bucket := range names {
				var want []string
				for _, key := range slices.Sorted(maps.Keys(model)) {
					if rest, ok := strings.CutPrefix(key, bucket+"/"); ok {
						want = append(want, rest+"="+model[key])
					}
				}
				var up, down []string
				for k, v := range tx.ascend(bucket, nil, nil) {
					up = append(up, string(k)+"="+string(v))
					if got := tx.get(bucket, k); got == nil || !bytes.Equal(got, v) {
						r.Fatalf("%s is %q in order, and %q by itself", k, v, got)
					}
				}
				for k, v := range tx.descend(bucket, nil) {
					down = append(down, string(k)+"="+string(v))
				}
				slices.Reverse(down)
				if !slices.Equal(up, want) || !slices.Equal(down, want) {
					r.Fatalf("%s: upwards %q, downwards %q, want %q", bucket, up, down, want)
				}
				var some, wanted []string
				for k := range tx.ascend(bucket, []byte("b"), []byte("b3")) {
					some = append(some, string(k))
				}
				for _, row := range want {
					if key, _, _ := strings.Cut(row, "="); key[0] == 'b' && key >= "b3" {
						wanted = append(wanted, key)
					}
				}
				if !slices.Equal(some, wanted) {
					r.Fatalf("%s: %q, want %q", bucket, some, wanted)
				}
			}
		}
		r.Repeat(map[string]func(*rapid.T){
			"change": func(r *rapid.T) {
				kept := rapid.Bool().Draw(r, "kept")
				changed := maps.Clone(model)
				type row struct {
					bucket, key, value string
					gone               bool
				}
				var rows []row
				for range rapid.IntRange(1, 20).Draw(r, "rows") {
					rows = append(rows, row{rapid.SampledFrom(names).Draw(r, "bucket"), name.Draw(r, "key"),
						rapid.SampledFrom([]string{"", "1", "2"}).Draw(r, "value"), rapid.IntRange(0, 2).Draw(r, "gone") == 0})
				}
				refused := errors.New("no")
				err := s.Update(t.Context(), func(tx *Tx) error {
					for _, row := range rows {
						var err error
						if at := row.bucket + "/" + row.key; row.gone {
							delete(changed, at)
							err = tx.del(row.bucket, []byte(row.key))
						} else {
							changed[at] = row.value
							err = tx.put(row.bucket, []byte(row.key), []byte(row.value))
						}
						if err != nil {
							return err
						}
					}
					if !kept {
						return refused
					}
					return nil
				})
				if kept && err != nil || !kept && !errors.Is(err, refused) {
					r.Fatal(err)
				}
				if kept {
					model = changed
				}
			},
			"place": func(r *rapid.T) {
				limit := rapid.IntRange(1, 30).Draw(r, "limit")
				force := rapid.Bool().Draw(r, "force")
				update(t, s, func(tx *Tx) error { return tx.notes.place(tx.tx, limit, force && !tx.notes.placing) })
			},
			"restart": func(r *rapid.T) {
				if err := s.Close(); err != nil {
					r.Fatal(err)
				}
				s = openAt(t, dir, Options{})
			},
			"": func(r *rapid.T) {
				view(t, s, func(tx *Tx) error { check(r, tx); return nil })
				update(t, s, func(tx *Tx) error { check(r, tx); return nil })
			},
		})
		if err := s.Close(); err != nil {
			r.Fatal(err)
		}
		tamper(t, filepath.Join(dir, stateFile), placeAll)
		db, err := openFile(filepath.Join(dir, stateFile), openReadOnly)
		if err != nil {
			r.Fatal(err)
		}
		defer db.Close()
		err = db.View(func(b *bbolt.Tx) error {
			if k, _ := b.Bucket([]byte(bucketIndexNoted)).Cursor().First(); k != nil {
				return errors.New("all is in its place, and the log is not empty")
			}
			check(r, &Tx{tx: b})
			return nil
		})
		if err != nil {
			r.Fatal(err)
		}
	})
}

// What would not fit in its place is refused at once.
func TestNoteRefused(t *testing.T) {
	s := newStore(t)
	for _, size := range []int{0, bbolt.MaxKeySize + 1} {
		err := s.Update(t.Context(), func(tx *Tx) error { return tx.put(bucketMessageIDs, make([]byte, size), nil) })
		if err == nil || !strings.Contains(err.Error(), "writing to message_ids") {
			t.Errorf("a key of %d octets: %v", size, err)
		}
	}
	if err := s.View(func(tx *Tx) error { return tx.put(bucketMessageIDs, []byte("x"), nil) }); err == nil {
		t.Error("noted in a transaction that reads")
	}
}

// A reader sees rows and notes of the same moment, however many commits there are.
func TestNotesOfOneMoment(t *testing.T) {
	s := newStore(t)
	put := func(n int) {
		update(t, s, func(tx *Tx) error {
			if err := tx.put(bucketMeta, []byte("moment"), be64(uint64(n))); err != nil {
				return err
			}
			for key := range 40 {
				if err := tx.put(bucketMessageIDs, be64(uint64(key)), be64(uint64(n))); err != nil {
					return err
				}
			}
			return tx.notes.place(tx.tx, 7, !tx.notes.placing)
		})
	}
	put(0)
	var reading sync.WaitGroup
	over := make(chan struct{})
	for range 3 {
		reading.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				err := s.View(func(tx *Tx) error {
					want, rows := tx.get(bucketMeta, []byte("moment")), 0
					for k, v := range tx.ascend(bucketMessageIDs, nil, nil) {
						if rows++; !bytes.Equal(v, want) || !bytes.Equal(tx.get(bucketMessageIDs, k), want) {
							return fmt.Errorf("row %x is of moment %d and not %d", k, fromBE64(v), fromBE64(want))
						}
					}
					if rows != 40 {
						return fmt.Errorf("%d rows", rows)
					}
					return nil
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for n := range 300 {
		put(n + 1)
	}
	close(over)
	reading.Wait()
}

// Notes are brought to their places when enough have gathered, and the log ends then.
func TestNotesGathered(t *testing.T) {
	s := newStore(t)
	total := 0
	for most := 0; total < 3*notesGathered; {
		update(t, s, func(tx *Tx) error {
			for range 500 {
				total++
				if err := tx.put(bucketMessageIDs, hashKey(fmt.Sprint(total)), nil); err != nil {
					return err
				}
			}
			return nil
		})
		most = max(most, s.notes.of(s.txid(t)).n)
		if most > notesGathered+2000 {
			t.Fatalf("%d notes", most)
		}
	}
	view(t, s, func(tx *Tx) error {
		rows, placed := 0, tx.bucket(bucketMessageIDs).Stats().KeyN
		for range tx.ascend(bucketMessageIDs, nil, nil) {
			rows++
		}
		if rows != total || placed < notesGathered {
			t.Errorf("%d rows of %d, %d in their places", rows, total, placed)
		}
		if log := tx.bucket(bucketIndexNoted).Stats().KeyN; log > total/500/2 {
			t.Errorf("the log has %d rows", log)
		}
		return nil
	})
}

func (s *Store) txid(t testing.TB) (id int) {
	view(t, s, func(tx *Tx) error { id = tx.tx.ID(); return nil })
	return id
}

// A row of the log that is lost, cut short or changed is found.
func TestVerifyFindsWhatIsWrongWithNotes(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(raw []byte) []byte // nil: the row is gone
		want   string
	}{
		"gone":                {nil, "is missing"},
		"empty":               {func([]byte) []byte { return []byte{} }, "is missing"},
		"cut short":           {func(raw []byte) []byte { return raw[:len(raw)-3] }, "index_noted can't be read"},
		"of another bucket":   {func(raw []byte) []byte { return append([]byte{100}, raw[1:]...) }, "index_noted can't be read"},
		"with a row too many": {func(raw []byte) []byte { return appendNote(raw, 0, be64(77), be64(5), false) }, "should not be there"},
		"with a row deleted":  {func(raw []byte) []byte { return appendNote(raw, 0, be64(1), nil, true) }, "is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filledFolder(t)
			tamper(t, filepath.Join(dir, stateFile), func(tx *bbolt.Tx) error {
				log := tx.Bucket([]byte(bucketIndexNoted))
				k, raw := log.Cursor().Last()
				if tt.change == nil {
					return log.Delete(k)
				}
				return log.Put(k, tt.change(bytes.Clone(raw)))
			})
			if text := strings.Join(verified(t, dir).Differences, "\n"); !strings.Contains(text, tt.want) {
				t.Errorf("want %q, got:\n%s", tt.want, text)
			}
			if strings.Contains(tt.want, "read") {
				if _, err := Open(dir, Options{}); !errors.Is(err, ErrCorrupt) {
					t.Errorf("it opens: %v", err)
				}
			}
			if _, _, err := Rebuild(t.Context(), dir, noon); err != nil {
				t.Fatal(err)
			}
			if r := verified(t, dir); !r.Clean() {
				t.Errorf("after: %q", r.Differences)
			}
		})
	}
}
