// Package ticket holds the nouns of the desk and their rules: messages as they
// were read, tickets and their entries, people, tokens, tags, commands and
// outgoing mail. It is pure: no I/O, no clock of its own, the standard library
// only. Every other room speaks in its types.
package ticket
