package store

import (
	"bytes"
	"fmt"

	"buzon/ticket"
)

// badRow is told of a row that can't be used. An error that it returns ends the
// work; without one that goes on without the row.
type badRow func(bucket string, key []byte, err error) error

// rows decodes all rows of a bucket, in order.
func rows[T any](tx *Tx, bucket string, bad badRow, fn func(key []byte, row *T) error) error {
	for k, raw := range tx.ascend(bucket, nil, nil) {
		row := new(T)
		err := decode(bucket, raw, row)
		if err != nil {
			err = bad(bucket, k, err)
		} else {
			err = fn(k, row)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// deriver works out anew what can be worked out: all derived buckets, from the
// rows of the others. It does in the order of the rows what was done when they
// were written.
type deriver struct {
	src    *Tx
	out    *bulk
	bad    badRow
	counts map[string]int
}

// derive fills the derived buckets of out, which it makes.
func derive(src *Tx, out *bulk, bad badRow) error {
	d := &deriver{src: src, out: out, bad: bad, counts: map[string]int{}}
	for _, name := range derived {
		if err := out.bucket(name, 0); err != nil {
			return err
		}
	}
	for _, step := range []func() error{d.tickets, d.people, d.messages, d.outbox, d.kept, d.ledger, d.journal, d.automatic, d.footers, d.words} {
		if err := step(); err != nil {
			return err
		}
	}
	for name, n := range d.counts {
		if err := out.put(bucketCounts, []byte(name), be64(uint64(n))); err != nil {
			return err
		}
	}
	return nil
}

// index puts index rows of a row. A key that leads elsewhere already is said:
// two rows have what only one may have.
func (d *deriver) index(bucket string, key []byte, keys []indexKey) error {
	for _, k := range keys {
		if k.bucket == bucketTicketNumber || k.bucket == bucketPersonAddress || k.bucket == bucketPersonAlso {
			if other := d.out.get(k.bucket, []byte(k.key)); other != nil {
				err := d.bad(bucket, key, fmt.Errorf("%w: row %x has the same key in %s", ErrCorrupt, other, k.bucket))
				if err != nil {
					return err
				}
			}
		}
		if err := d.out.put(k.bucket, []byte(k.key), []byte(k.value)); err != nil {
			return err
		}
	}
	return nil
}

func (d *deriver) tickets() error {
	err := rows(d.src, bucketTickets, d.bad, func(k []byte, t *ticket.Ticket) error {
		d.counts[ticketCounter(t.Status)]++
		return d.index(bucketTickets, k, ticketIndex(t))
	})
	if err != nil {
		return err
	}
	return rows(d.src, bucketEntries, d.bad, func(_ []byte, e *ticket.Entry) error {
		d.counts[countEntries]++
		id := trimMessageID(e.MessageID)
		if id == "" {
			return nil
		}
		return d.out.put(bucketMessageIDs, messageIDKey(id, MessageRef{Ticket: e.Ticket, Entry: e.Seq, Person: e.Author}), nil)
	})
}

func (d *deriver) people() error {
	return rows(d.src, bucketPeople, d.bad, func(k []byte, p *ticket.Person) error {
		d.counts[countPeople]++
		return d.index(bucketPeople, k, personIndex(p))
	})
}

// messages does what AddMessage does with the keys of each.
func (d *deriver) messages() error {
	return rows(d.src, bucketMessages, d.bad, func(k []byte, m *MessageRow) error {
		d.counts[countMessages]++
		for _, index := range messageKeys(m) {
			key := hashKey(index.key)
			if id := d.out.get(index.bucket, key); id != nil {
				var first MessageRow
				if err := d.src.load(bucketMessages, id, &first); err != nil {
					continue // said when its turn came
				}
				if !first.Ticket.IsZero() || m.Ticket.IsZero() {
					continue
				}
			}
			if err := d.out.put(index.bucket, key, be64(m.ID)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (d *deriver) outbox() error {
	return rows(d.src, bucketOutbox, d.bad, func(k []byte, o *ticket.Outgoing) error {
		d.counts[outgoingCounter(o.State)]++
		return d.index(bucketOutbox, k, outgoingIndex(o, d.src.get(bucketOutboxChunks, k) != nil))
	})
}

func (d *deriver) kept() error {
	err := rows(d.src, bucketQuarantine, d.bad, func(_ []byte, r *QuarantineRow) error {
		d.counts[quarantineShelf.counter(r.State)]++
		return nil
	})
	if err != nil {
		return err
	}
	return rows(d.src, bucketHeld, d.bad, func(_ []byte, r *HeldRow) error {
		d.counts[heldShelf.counter(r.State)]++
		return nil
	})
}

func (d *deriver) ledger() error {
	for k, row := range d.src.ascend(bucketLedger, nil, nil) {
		if len(row) == 9 && row[8] == 1 {
			continue
		}
		if err := d.out.put(bucketLedgerUnsettled, k, nil); err != nil {
			return err
		}
	}
	return nil
}

func (d *deriver) journal() error {
	return rows(d.src, bucketJournal, d.bad, func(k []byte, e *ticket.Event) error {
		d.counts[countJournal]++
		if e.Ticket.IsZero() {
			return nil
		}
		return d.out.put(bucketJournalTicket, append(e.Ticket[:len(e.Ticket):len(e.Ticket)], k...), nil)
	})
}

// automatic turns the keys round: time, address, number.
func (d *deriver) automatic() error {
	for k := range d.src.ascend(bucketAutomaticAge, nil, nil) {
		if len(k) != addressHash+16 {
			if err := d.bad(bucketAutomaticAge, k, fmt.Errorf("%w: its key has %d octets", ErrCorrupt, len(k))); err != nil {
				return err
			}
			continue
		}
		when, who, seq := k[:8], k[8:8+addressHash], k[8+addressHash:]
		if err := d.out.put(bucketAutomatic, bytes.Join([][]byte{who, when, seq}, nil), nil); err != nil {
			return err
		}
	}
	return nil
}

func (d *deriver) words() error {
	return deriveWords(d.src, d.out.view, func(k, v []byte) error { return d.out.put(bucketWords, k, v) })
}

func (d *deriver) footers() error {
	for k, raw := range d.src.ascend(bucketFooters, nil, nil) {
		d.counts[countFooters]++
		if _, err := decodeFooter(k, raw); err != nil {
			if err := d.bad(bucketFooters, k, err); err != nil {
				return err
			}
		}
	}
	return nil
}
