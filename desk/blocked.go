package desk

// isBlocked tells whether whoever wrote is someone whose mail an agent has called
// spam, or who is on the block list, and not on the allow list. It is kept, closed,
// and nobody is told.
func (p *planner) isBlocked(who sender) bool {
	switch blocked, allowed := p.setting.Table.Listed(p.m.From.Addr); {
	case allowed != "":
		return false
	case blocked != "":
		return true
	}
	if who.person != nil && !who.person.Blocked.IsZero() {
		return true
	}
	from, err := p.known(p.m.From.Addr)
	return err == nil && from != nil && !from.Blocked.IsZero()
}
