package desk

import (
	"errors"

	"buzon/store"
	"buzon/ticket"
)

// adoption is an address that becomes a person's.
type adoption struct {
	person  ticket.PersonID
	address string
}

// checkQuestions tells whether what is asked was not asked, and what is answered
// not answered, meanwhile.
func (c *change) checkQuestions(tx *store.Tx) error {
	for _, q := range c.asked {
		if _, err := tx.Question(q.ID); !errors.Is(err, store.ErrNotFound) {
			return orStale(err)
		}
	}
	for _, q := range c.decided {
		now, err := tx.Question(q.ID)
		if err != nil {
			return err
		}
		if now.Answer != "" || now.Warned && q.Answer == "" {
			return errStale
		}
	}
	return nil
}

func (c *change) writePeople(tx *store.Tx) error {
	for _, p := range c.people {
		if err := tx.PutPerson(p); err != nil {
			return err
		}
	}
	for _, p := range c.touched {
		now, err := tx.Person(p.ID)
		if err != nil {
			return err
		}
		p.Also = now.Also // changed below only, whatever the snapshot had
		if err := tx.PutPerson(p); err != nil {
			return err
		}
	}
	for _, a := range c.adopted {
		person, err := tx.Person(a.person)
		if err != nil {
			return err
		}
		if person.Has(a.address) {
			continue
		}
		person.Also = append(person.Also, ticket.AlsoAddress{Addr: ticket.AddressKey(a.address), Since: c.now})
		if err := tx.PutPerson(person); err != nil {
			return err
		}
		err = tx.Append(&ticket.Event{
			At: c.now, Kind: ticket.EventAddress, Person: person.ID, Digest: tx.Digest([]byte(ticket.AddressKey(a.address))),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// writeQuestions stores what is asked, now that what is held has a number, and
// what was answered.
func (c *change) writeQuestions(tx *store.Tx) error {
	for _, q := range c.asked {
		if q.Kind == store.QuestionRelease {
			q.Held = c.held.ID
		}
		if err := tx.PutQuestion(q); err != nil {
			return err
		}
		c.event(ticket.Event{Kind: ticket.EventAsked, Person: q.Person, Detail: q.Kind})
	}
	for _, q := range c.decided {
		if err := tx.PutQuestion(q); err != nil {
			return err
		}
	}
	return nil
}
