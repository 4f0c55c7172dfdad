package ticket

import "time"

// Clock measures the time that the desk has for something. What counts as time is
// up to whoever sets it.
type Clock struct {
	Since time.Time     `json:"since,omitzero"` // it runs since then; zero: it stands still
	Used  time.Duration `json:"used,omitempty"` // before that
	Due   time.Time     `json:"due,omitzero"`   // when the time is over; zero: no limit, or it stands still
}
