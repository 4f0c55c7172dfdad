package store

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"buzon/ticket"
)

// Question is something that a person was asked by mail, at their registered
// address, and that only they can answer, once: the tokens of that mail name the
// question.
type Question struct {
	ID      ticket.ID       `json:"id"`
	Kind    string          `json:"kind"` // QuestionRelease or QuestionAddress
	Person  ticket.PersonID `json:"person"`
	Ticket  ticket.ID       `json:"ticket"`
	Held    uint64          `json:"held,omitempty"`    // HeldRow that is asked about
	Address string          `json:"address,omitempty"` // that is asked about, or that the mail came from
	At      time.Time       `json:"at"`
	Expires time.Time       `json:"expires"`

	Answer   string    `json:"answer,omitempty"` // AnswerYes, -Always or -No; empty: none yet
	Answered time.Time `json:"answered,omitzero"`
	// Warned says that the person was told of an answer from an address that is
	// not theirs; they are told once.
	Warned bool `json:"warned,omitempty"`
}

// Kinds of a Question.
const (
	QuestionRelease = "release" // was the held mail theirs?
	QuestionAddress = "address" // is the address theirs?
)

// Answers to a Question.
const (
	AnswerYes    = "yes"
	AnswerAlways = "always" // and the address is theirs
	AnswerNo     = "no"
)

// Question returns a question, or ErrNotFound.
func (tx *Tx) Question(id ticket.ID) (*Question, error) {
	q := new(Question)
	if err := tx.load(bucketQuestions, id[:], q); err != nil {
		return nil, fmt.Errorf("reading question %s: %w", id, err)
	}
	return q, nil
}

// PutQuestion stores a question, new or changed. It returns an error when it has
// no ID, or when it is answered already.
func (tx *Tx) PutQuestion(q *Question) error {
	switch old, err := tx.Question(q.ID); {
	case q.ID.IsZero():
		return errors.New("storing a question: it has no id")
	case err == nil && old.Answer != "":
		return fmt.Errorf("storing question %s: %w: it is answered", q.ID, ErrStale)
	case err != nil && !errors.Is(err, ErrNotFound):
		return err
	}
	return tx.save(bucketQuestions, q.ID[:], q)
}

// questions checks that what each question is about exists.
func (v *verifier) questions(tx *Tx) error {
	return rows(tx, bucketQuestions, v.bad, func(k []byte, q *Question) error {
		where := "questions: " + q.ID.String()
		if !bytes.Equal(k, q.ID[:]) {
			v.differf("%s: it stands at %x", where, k)
		}
		v.person(tx, where, q.Person)
		v.place(tx, where, q.Ticket, 0)
		if q.Kind == QuestionRelease {
			v.number(tx, where, bucketHeld, q.Held)
		}
		return nil
	})
}
