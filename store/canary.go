package store

import (
	"encoding/json"
	"fmt"
	"time"

	"buzon/ticket"
)

// keyCanary begins the names, in bucketMeta, of what is known of each topic's canary.
const keyCanary = "canary/"

// Canary is what is known of the mail that the desk sends to an address of its own.
type Canary struct {
	Out       []CanaryOut   `json:"out,omitempty"`        // those that have not come back, oldest first
	Sent      time.Time     `json:"sent,omitzero"`        // the last one
	MessageID string        `json:"message_id,omitempty"` // its
	Back      time.Time     `json:"back,omitzero"`        // when one came back last
	Took      time.Duration `json:"took,omitempty"`       // how long that one was under way
}

// CanaryOut is one that is under way.
type CanaryOut struct {
	ID   ticket.ID `json:"id"`
	Sent time.Time `json:"sent"`
}

// Canary returns what is known of a topic's canary; the zero value: none was sent.
func (tx *Tx) Canary(topic string) (c Canary, err error) {
	raw := tx.get(bucketMeta, []byte(keyCanary+topic))
	if raw == nil {
		return c, nil
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return c, fmt.Errorf("reading the canary of topic %s: %w", topic, err)
	}
	return c, nil
}

// PutCanary records what is known of a topic's canary.
func (tx *Tx) PutCanary(topic string, c Canary) error {
	raw, err := json.Marshal(c)
	if err == nil {
		err = tx.put(bucketMeta, []byte(keyCanary+topic), raw)
	}
	if err != nil {
		return fmt.Errorf("recording the canary of topic %s: %w", topic, err)
	}
	return nil
}
