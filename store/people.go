package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"buzon/ticket"
)

func personKey(id ticket.PersonID) string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(id)))
}

// Person returns a person, or ErrNotFound.
func (tx *Tx) Person(id ticket.PersonID) (*ticket.Person, error) {
	p := new(ticket.Person)
	if err := tx.load(bucketPeople, []byte(personKey(id)), p); err != nil {
		return nil, fmt.Errorf("reading person %d: %w", id, err)
	}
	return p, nil
}

// PersonByAddress returns the person whose address it is, or ErrNotFound. One
// who has said that it is theirs comes before one who is registered under it:
// that was them too, before they said so. Addresses are compared by
// ticket.AddressKey.
func (tx *Tx) PersonByAddress(addr string) (*ticket.Person, error) {
	id := tx.get(bucketPersonAlso, addressKey(addr))
	if id == nil {
		return tx.PersonRegistered(addr)
	}
	return tx.Person(ticket.PersonID(binary.BigEndian.Uint32(id)))
}

// PersonRegistered returns the person whose registered address it is, or
// ErrNotFound.
func (tx *Tx) PersonRegistered(addr string) (*ticket.Person, error) {
	id := tx.get(bucketPersonAddress, addressKey(addr))
	if id == nil {
		return nil, errNoPerson
	}
	return tx.Person(ticket.PersonID(binary.BigEndian.Uint32(id)))
}

// errNoPerson is made once: who writes for the first time is looked for again and again.
var errNoPerson = fmt.Errorf("looking for a person by address: %w", ErrNotFound)

// HasPerson tells whether there is a person with an id.
func (tx *Tx) HasPerson(id ticket.PersonID) bool {
	return tx.get(bucketPeople, []byte(personKey(id))) != nil
}

// HasRegistered tells whether PersonRegistered would find a person, without reading
// who it is.
func (tx *Tx) HasRegistered(addr string) bool {
	return tx.get(bucketPersonAddress, addressKey(addr)) != nil
}

func addressKey(addr string) []byte { return hashKey(ticket.AddressKey(addr)) }

// PutPerson stores a person, new or changed. A zero ID is replaced by a fresh
// one. It returns an error when the address is empty, or is another person's, or
// when one of the further addresses is one of another person's further ones.
func (tx *Tx) PutPerson(p *ticket.Person) error {
	if err := tx.putPerson(p); err != nil {
		return fmt.Errorf("storing person %d: %w", p.ID, err)
	}
	return nil
}

func (tx *Tx) putPerson(p *ticket.Person) error {
	if p.Address.Key() == "" {
		return errors.New("there is no address")
	}
	id := p.ID
	for id == 0 {
		n, err := tx.next(bucketPeople)
		if err != nil {
			return err
		}
		if n > math.MaxUint32 {
			return errors.New("there are no more ids")
		}
		if tx.get(bucketPeople, []byte(personKey(ticket.PersonID(n)))) == nil {
			id = ticket.PersonID(n)
		}
	}
	if owner := tx.get(bucketPersonAddress, addressKey(p.Address.Addr)); owner != nil && !bytes.Equal(owner, []byte(personKey(id))) {
		return errors.New("the address is another person's")
	}
	for _, a := range p.Also {
		if owner := tx.get(bucketPersonAlso, addressKey(a.Addr)); owner != nil && !bytes.Equal(owner, []byte(personKey(id))) {
			return errors.New("a further address is another person's")
		}
	}
	var before []indexKey
	old, err := tx.Person(id)
	switch {
	case err == nil:
		before = personIndex(old)
	case !errors.Is(err, ErrNotFound):
		return err
	default:
		if err := tx.count(countPeople, 1); err != nil {
			return err
		}
	}
	p.ID = id
	if err := tx.save(bucketPeople, []byte(personKey(id)), p); err != nil {
		return err
	}
	return tx.reindex(before, personIndex(p))
}

func personIndex(p *ticket.Person) []indexKey {
	if p.Erased != nil {
		return nil
	}
	keys := []indexKey{{bucketPersonAddress, string(addressKey(p.Address.Addr)), personKey(p.ID)}}
	for _, a := range p.Also {
		keys = append(keys, indexKey{bucketPersonAlso, string(addressKey(a.Addr)), personKey(p.ID)})
	}
	return keys
}
