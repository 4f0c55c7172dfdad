package routing

import (
	"cmp"
	"slices"

	"buzon/ticket"
)

// Role is what an agent may do beyond answering.
type Role string

const (
	RoleAgent         Role = "agent"
	RoleLead          Role = "lead"
	RoleAdministrator Role = "administrator"
)

// reaches tells whether the role is at least another one.
func (r Role) reaches(least Role) bool {
	ranks := []Role{RoleAgent, RoleLead, RoleAdministrator}
	return slices.Index(ranks, r) >= slices.Index(ranks, least)
}

// needsOf is the role that each permission takes in a topic.
func needsOf(desk *PermissionsConfig, topic *TopicConfig) map[ticket.Permission]Role {
	return map[ticket.Permission]Role{
		ticket.MayAssign:   Role(cmp.Or(topic.MayAssign, desk.MayAssign)),
		ticket.MayTransfer: Role(cmp.Or(topic.MayTransfer, desk.MayTransfer)),
		ticket.MayMerge:    Role(cmp.Or(topic.MayMerge, desk.MayMerge)),
		ticket.MayDelete:   Role(cmp.Or(topic.MayDelete, desk.MayDelete)),
		ticket.MaySee:      Role(cmp.Or(topic.MaySee, desk.MaySee)),
	}
}

// May tells whether the agent has a permission in a topic. The ticket's being
// theirs gives every agent the right to answer it, and nothing else.
func (a *Agent) May(p ticket.Permission, topic *Topic) bool {
	if p == ticket.MayAnswer || a.Role == RoleAdministrator {
		return true
	}
	return a.Role.reaches(topic.needs[p])
}

// Staffs tells whether the agent is the topic's or a member of its team.
func (a *Agent) Staffs(topic *Topic) bool { return slices.Contains(topic.Agents(), a) }

// Canned is an answer prepared in advance.
type Canned struct {
	ID, Name       string
	TextES, TextEN string
	topics         []string
}

// For tells whether the answer belongs to a topic.
func (c *Canned) For(topic *Topic) bool {
	return len(c.topics) == 0 || slices.Contains(c.topics, topic.ID)
}

// Text is the answer in a language.
func (c *Canned) Text(lang string) string {
	if lang == "en" {
		return c.TextEN
	}
	return c.TextES
}

// CannedFields are the names that may stand in braces in a canned answer.
var CannedFields = []string{"name", "number", "subject", "topic", "agent"}
