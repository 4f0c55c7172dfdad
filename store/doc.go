// Package store keeps the desk's data in one folder: the state (tickets,
// entries, people, messages, outbox, ledger, journal and their indexes) in
// state.db, and beside it the archive: raw messages in archive/, a segment a
// month. Both are bbolt files. A write returns when it is durable, and writes
// that wait at the same time share one commit.
//
// The state's engine is called in engine.go, commit.go, tx.go and notes.go, the
// archive's in archive.go; the other files say what the nouns look like in the state.
package store
