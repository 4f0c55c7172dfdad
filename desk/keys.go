package desk

import (
	"context"
	"fmt"
	"time"

	"buzon/store"
	"buzon/ticket"
)

// KeyInfo is a signing key without its secret.
type KeyInfo struct {
	ID      byte      `json:"id"`
	Created time.Time `json:"created"`
	Signs   bool      `json:"signs"`
	Until   time.Time `json:"until,omitzero"` // when it is dropped; zero while it signs
}

// Keys lists the signing keys, the oldest first.
func (d *Desk) Keys() (list []KeyInfo, err error) {
	err = d.Store.View(func(tx *store.Tx) error {
		keys, err := tx.Keys()
		for i, k := range keys {
			list = append(list, KeyInfo{ID: k.ID, Created: k.Created, Signs: i == len(keys)-1, Until: k.Until})
		}
		return err
	})
	return list, err
}

// RotateKeys makes a fresh signing key. What was signed before is verified until
// it has expired by itself. It returns an error that wraps ticket.ErrTooManyKeys
// when the oldest key can't be dropped yet.
func (d *Desk) RotateKeys(ctx context.Context) error {
	lifetime := asDuration(d.Table().Config.Desk.TokenLifetime)
	return d.changeKeys(ctx, "rotated", func(keys []ticket.Key) ([]ticket.Key, error) {
		fresh, err := ticket.RotateKeys(d.Random, keys, d.Now(), lifetime)
		if err != nil {
			return nil, fmt.Errorf("rotating the signing keys: %w; the oldest is dropped on %s", err, keys[0].Until.In(d.Table().Zone).Format(time.DateOnly))
		}
		return fresh, nil
	})
}

// DropKeys drops the signing keys all of whose tokens have expired.
func (d *Desk) DropKeys(ctx context.Context) error {
	list, err := d.Keys()
	if err != nil {
		return err
	}
	now := d.Now()
	for _, k := range list {
		if !k.Until.IsZero() && now.After(k.Until) {
			return d.changeKeys(ctx, "dropped", func(keys []ticket.Key) ([]ticket.Key, error) { return ticket.LiveKeys(keys, now), nil })
		}
	}
	return nil
}

func (d *Desk) changeKeys(ctx context.Context, detail string, edit func([]ticket.Key) ([]ticket.Key, error)) error {
	d.keysChange.Lock()
	defer d.keysChange.Unlock()
	var ring *ticket.Keyring
	err := d.Store.Update(ctx, func(tx *store.Tx) error {
		keys, err := tx.Keys()
		if err != nil {
			return err
		}
		if keys, err = edit(keys); err != nil {
			return err
		}
		if err := tx.PutKeys(keys); err != nil {
			return err
		}
		if ring, err = ticket.NewKeyring(keys); err != nil {
			return err
		}
		return tx.Append(&ticket.Event{At: d.Now().UTC(), Kind: ticket.EventKeys, Detail: detail})
	})
	if err != nil {
		return err
	}
	d.ring.Store(ring) // durable: nobody is sent a token of a key that could be lost
	d.Log.Info("signing keys "+detail, "count", ring.Len())
	return nil
}

func (d *Desk) keys() *ticket.Keyring { return d.ring.Load() }
