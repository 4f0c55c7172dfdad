package desk

import (
	"errors"
	"slices"

	"buzon/store"
	"buzon/ticket"
)

// lookups are the people that a plan has looked up. It asks for the same few again and
// again, and nothing is written while it is worked out, so that each row is read once.
type lookups struct {
	people  map[ticket.PersonID]*ticket.Person
	ofWhom  map[string]ticket.PersonID // by any address; 0: nobody's
	ofWhose map[string]ticket.PersonID // by the registered address; 0: nobody's
}

// storedPerson is tx.Person. What it returns is the caller's.
func (p *planner) storedPerson(id ticket.PersonID) (*ticket.Person, error) {
	if known := p.lookups.people[id]; known != nil {
		return copyPerson(known), nil
	}
	person, err := p.tx.Person(id)
	if err != nil {
		return nil, err
	}
	p.lookups.keep(person)
	return person, nil
}

// registered is tx.PersonRegistered, and nil for nobody's address.
func (p *planner) registered(addr string) (*ticket.Person, error) {
	return p.byAddress(&p.lookups.ofWhose, p.tx.PersonRegistered, addr)
}

// whose is tx.PersonByAddress, and nil for nobody's address.
func (p *planner) whose(addr string) (*ticket.Person, error) {
	return p.byAddress(&p.lookups.ofWhom, p.tx.PersonByAddress, addr)
}

func (p *planner) byAddress(known *map[string]ticket.PersonID, look func(string) (*ticket.Person, error), addr string) (*ticket.Person, error) {
	key := ticket.AddressKey(addr)
	if id, ok := (*known)[key]; ok {
		if id == 0 {
			return nil, nil
		}
		return p.storedPerson(id)
	}
	person, err := look(addr)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	if *known == nil {
		*known = map[string]ticket.PersonID{}
	}
	if err != nil {
		(*known)[key] = 0
		return nil, nil
	}
	(*known)[key] = person.ID
	p.lookups.keep(person)
	return person, nil
}

func (l *lookups) keep(p *ticket.Person) {
	if l.people == nil {
		l.people = map[ticket.PersonID]*ticket.Person{}
	}
	l.people[p.ID] = copyPerson(p)
}

// copyPerson shares nothing with p that is changed in place.
func copyPerson(p *ticket.Person) *ticket.Person {
	c := *p
	c.Labels, c.Also = slices.Clone(p.Labels), slices.Clone(p.Also)
	return &c
}
