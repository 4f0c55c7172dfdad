package store

import (
	"fmt"
	"math"
)

// Turn returns the id of the agent who got a team's last ticket; empty: nobody has
// had one yet.
func (tx *Tx) Turn(team string) string { return string(tx.get(bucketTurns, []byte(team))) }

// PutTurn notes the agent who got a team's last ticket.
func (tx *Tx) PutTurn(team, agent string) error {
	if err := tx.put(bucketTurns, []byte(team), []byte(agent)); err != nil {
		return fmt.Errorf("noting whose turn it is in team %s: %w", team, err)
	}
	return nil
}

// CountTickets counts the tickets that match, without reading them. Its cost
// depends on what the rarest of the wanted values matches.
func (tx *Tx) CountTickets(f TicketFilter) int {
	n := 0
	walks := tx.walks(f)
	for at := uint64(math.MaxUint64); ; at-- {
		found, _, ok := common(walks, at)
		if !ok {
			return n
		}
		n++
		if at = found; at == 0 {
			return n
		}
	}
}
