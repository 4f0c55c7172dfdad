package desk

import (
	"crypto/sha256"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"buzon/store"
	"buzon/ticket"
)

const (
	// footersOnce is how many texts that were seen but once are remembered, and
	// only in memory: most ends of mails never come again, and cost no write.
	footersOnce = 8192
	// footersAgain is how often a known footer is noted as still in use.
	footersAgain = 7 * 24 * time.Hour
)

// footers learns which texts stand below many mails of a domain: institutions'
// notices, which nobody wrote for the mail at hand. It holds salted digests
// only. What is known is read by many at once, and replaced as a whole.
type footers struct {
	secret *ticket.MAC
	known  atomic.Pointer[map[store.FooterID]time.Time] // and when each was last noted

	mu   sync.Mutex // guards what follows, and replacing known
	once map[store.FooterID]store.FooterSighting
	ring []store.FooterID // the keys of once, the oldest at next
	next int
}

// footerNote is what a message shows of one text at its end.
type footerNote struct {
	id        store.FooterID
	domain    string
	sightings []store.FooterSighting // none: it is known and still in use
}

// open reads what is known.
func (f *footers) open(st *store.Store) error {
	f.once = map[store.FooterID]store.FooterSighting{}
	err := st.View(func(tx *store.Tx) error {
		f.secret = ticket.NewMAC([]byte(tx.Digest([]byte("footers"))))
		return nil
	})
	if err != nil {
		return err
	}
	return f.read(st)
}

// read takes over what the state knows, at the start and when it has forgotten
// some.

func (f *footers) read(st *store.Store) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return st.View(func(tx *store.Tx) error {
		known, err := tx.Footers()
		if err == nil {
			f.known.Store(&known)
		}
		return err
	})
}

// digest is salted: who knows a text or an address can't look for it in a state
// without the salt.
func (f *footers) digest(parts ...string) [sha256.Size]byte {
	ended := make([]string, 0, 2*len(parts))
	for _, p := range parts {
		ended = append(ended, p, "\x00")
	}
	return f.secret.Sum(ended...)
}

func (f *footers) id(domain, text string) (id store.FooterID) {
	of, what := f.digest("domain", domain), f.digest("text", domain, text)
	n := copy(id[:8], of[:])
	copy(id[n:], what[:])
	return id
}

// KnownFooter tells whether a paragraph, given as its digest, was seen to end so
// many mails of a domain that it is a footer.
func (d *Desk) KnownFooter(domain, digest string) bool {
	known := *d.footers.known.Load()
	if len(known) == 0 {
		return false
	}
	_, ok := known[d.footers.id(domain, digest)]
	return ok
}

// see looks at how a message ends, and returns what is to be noted: texts that
// another mail has ended with, and known ones that were not noted for long.
// Looking at the same message again gives the same.
func (f *footers) see(m *ticket.Message, now time.Time) (notes []footerNote) {
	domain := ticket.Domain(m.From.Addr)
	if domain == "" || len(m.Ending.Paragraphs) == 0 {
		return nil
	}
	var sighting store.FooterSighting
	from, opening := f.digest("sender", m.From.Key()), f.digest("opening", m.Ending.Opening)
	n := copy(sighting[:8], from[:])
	copy(sighting[n:], opening[:])
	known := *f.known.Load()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, text := range m.Ending.Paragraphs {
		id := f.id(domain, text)
		if noted, ok := known[id]; ok {
			if now.Sub(noted) >= footersAgain {
				notes = append(notes, footerNote{id: id, domain: domain})
			}
			continue
		}
		first, ok := f.once[id]
		if !ok {
			f.remember(id, sighting)
		} else if first != sighting {
			notes = append(notes, footerNote{id, domain, []store.FooterSighting{first, sighting}})
		}
	}
	return notes
}

// remember keeps a first sighting; the oldest gives way.
func (f *footers) remember(id store.FooterID, s store.FooterSighting) {
	if len(f.ring) < footersOnce {
		f.ring = append(f.ring, id)
	} else {
		delete(f.once, f.ring[f.next])
		f.ring[f.next] = id
		f.next = (f.next + 1) % footersOnce
	}
	f.once[id] = s
}

// learn adds what a durable change has found to be footers, or still in use.
func (f *footers) learn(ids []store.FooterID, now time.Time) {
	if len(ids) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	known := maps.Clone(*f.known.Load())
	for _, id := range ids {
		known[id] = now
	}
	f.known.Store(&known)
}

// noteFooters writes what a message shows of the texts at its end.
func (c *change) noteFooters(tx *store.Tx) error {
	for _, n := range c.footers {
		known, err := tx.NoteFooter(n.id, n.sightings, c.now)
		if err != nil {
			return err
		}
		if known {
			c.learned = append(c.learned, n.id)
			if n.sightings != nil {
				c.fact("footer learned", ticket.LogFrom, n.domain, ticket.LogReason, "the same text ends many mails of the domain; from now on it is read as signature")
			}
		}
	}
	return nil
}

// pruneFooters forgets what has not been seen for long.
func (d *Desk) pruneFooters(tx *store.Tx) (int, error) {
	return tx.PruneFooters(d.Now().Add(-store.FooterMemory))
}
