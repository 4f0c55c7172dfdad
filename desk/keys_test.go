package desk_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"buzon/ticket"
)

// What an old key signed works until it expires by itself, and the key is dropped
// afterwards.
func TestRotateKeys(t *testing.T) {
	o := open(t)
	n, confirmation, notification := o.opened()
	if err := o.desk.RotateKeys(context.Background()); err != nil {
		t.Fatal(err)
	}
	if out := o.send(reply(confirmation, laura, "Sigue igual.")); out.Event != ticket.EventReplied || out.Number != n {
		t.Errorf("a requester's old token: %+v", out)
	}
	update := o.only(o.sent(), "ana@privada.example")
	if out := o.send(reply(notification, ana, "Lo miro.")); out.Event != ticket.EventAnswered {
		t.Errorf("an agent's old token: %+v", out)
	}
	if out := o.send(reply(update, ana, "Ya quedó.")); out.Event != ticket.EventAnswered {
		t.Errorf("a new token: %+v", out)
	}
	o.sent()
	list, err := o.desk.Keys()
	if err != nil || len(list) != 2 || list[0].Signs || !list[1].Signs {
		t.Fatalf("keys %+v, %v", list, err)
	}
	if want := o.clock().Add(401 * 24 * time.Hour); !list[0].Until.Equal(want) {
		t.Errorf("the old key is good until %s, want %s", list[0].Until, want)
	}
	if err := o.desk.DropKeys(context.Background()); err != nil {
		t.Fatal(err)
	}
	if list, _ = o.desk.Keys(); len(list) != 2 {
		t.Errorf("%d keys: one was dropped too early", len(list))
	}
	o.pass(402 * 24 * time.Hour)
	if err := o.desk.DropKeys(context.Background()); err != nil {
		t.Fatal(err)
	}
	if list, _ = o.desk.Keys(); len(list) != 1 || !list[0].Signs {
		t.Errorf("keys %+v", list)
	}
	if ring, err := o.store.Keyring(); err != nil || ring.Len() != 1 {
		t.Errorf("the store has %d keys, %v", ring.Len(), err)
	}
}

// There are never more keys than a token can name, and none is dropped early.
func TestTooManyKeys(t *testing.T) {
	o := open(t)
	n, confirmation, _ := o.opened()
	for range ticket.MaxKeys - 1 {
		if err := o.desk.RotateKeys(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.desk.RotateKeys(context.Background()); !errors.Is(err, ticket.ErrTooManyKeys) {
		t.Errorf("one more: %v", err)
	}
	if out := o.send(reply(confirmation, laura, "Sigue igual.")); out.Event != ticket.EventReplied || out.Number != n {
		t.Errorf("the first key's token: %+v", out)
	}
	o.pass(402 * 24 * time.Hour)
	if err := o.desk.RotateKeys(context.Background()); err != nil {
		t.Errorf("when the old ones have expired: %v", err)
	}
}
