package store

import (
	"context"
	"path/filepath"
	"testing"
	"time"
)

// patient starts n patient updates, which wait for as long as it takes, and returns
// when they do.
func patient(t *testing.T, s *Store, n int) (done chan error) {
	t.Helper()
	done = make(chan error, n)
	for range n {
		go func() { done <- s.UpdatePatiently(context.Background(), func(*Tx) error { return nil }) }()
	}
	if n < company {
		waitFor(t, "the updates to wait", func() bool { return waiting(s.state) == n })
	}
	return done
}

func ended(t *testing.T, done chan error, n int) {
	t.Helper()
	for range n {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestPatientUpdates(t *testing.T) {
	s := newStore(t)
	s.state.patience = time.Hour
	before := txid(t, filepath.Join(s.dir, stateFile))

	// They go with the next that is in a hurry.
	done := patient(t, s, company-1)
	if after := txid(t, filepath.Join(s.dir, stateFile)); after != before {
		t.Errorf("%d commits before there was need for one", after-before)
	}
	update(t, s, func(*Tx) error { return nil })
	ended(t, done, company-1)
	if after := txid(t, filepath.Join(s.dir, stateFile)); after != before+1 {
		t.Errorf("%d commits instead of one", after-before)
	}

	// Enough of them are company to each other.
	ended(t, patient(t, s, company), company)

	// One alone goes when its patience ends.
	s.state.patience = time.Millisecond
	if err := s.UpdatePatiently(t.Context(), func(*Tx) error { return nil }); err != nil {
		t.Error(err)
	}

	// None is forgotten when the store is closed.
	s.state.patience = time.Hour
	done = patient(t, s, 1)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	ended(t, done, 1)
}
