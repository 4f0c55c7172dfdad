package routing

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// source is the text of a configuration file, and where each key and value
// stands in it. Paths are written like topic[3].addresses[1].
type source struct {
	name     string
	text     []byte
	spots    map[string]spot
	problems Problems
	warnings Problems
}

// spot is where a key stands. A key with a mistake that was reported is bad: its
// value is the zero value, and nothing more is said about it.
type spot struct {
	key, value int // offsets in octets
	set        bool
	bad        bool
}

// set tells whether the file gives the key a value that could be read.
func (s *source) set(path string) bool { return s.spots[path].set && !s.spots[path].bad }

// bad tells whether a mistake was reported for the key already.
func (s *source) bad(path string) bool { return s.spots[path].bad }

// guessed tells whether a key does not stand in the file, but a misspelt one that
// was probably meant to be it.
func (s *source) guessed(path string) bool { return s.spots[path].bad && !s.spots[path].set }

// spoil marks a key as reported, whether it stands in the file or is only what
// a misspelt one was probably meant to be.
func (s *source) spoil(path string) {
	at := s.spots[path]
	at.bad = true
	s.spots[path] = at
}

// rejectf reports a mistake in the value of a key. A key that is absent is
// reported at the table that should hold it.
func (s *source) rejectf(path, hint, format string, args ...any) {
	s.problems = append(s.problems, s.problem(path, s.valueOffset(path), hint, fmt.Sprintf(format, args...)))
	s.spoil(path)
}

// warnf is rejectf for what is no mistake.
func (s *source) warnf(path, hint, format string, args ...any) {
	p := s.problem(path, s.valueOffset(path), hint, fmt.Sprintf(format, args...))
	p.Warning = true
	s.warnings = append(s.warnings, p)
}

func (s *source) valueOffset(path string) int {
	at, ok := s.spots[path]
	if ok && at.set {
		return at.value
	}
	for parent := parentPath(path); parent != ""; parent = parentPath(parent) {
		if at, ok := s.spots[parent]; ok && at.set {
			return at.key
		}
	}
	return 0
}

func (s *source) problem(path string, offset int, hint, message string) Problem {
	line, column := s.position(offset)
	return Problem{File: s.name, Line: line, Column: column, Key: path, Message: message, Hint: hint}
}

// position counts lines and, in the line, characters, both from 1.
func (s *source) position(offset int) (line, column int) {
	before := s.text[:min(max(offset, 0), len(s.text))]
	start := bytes.LastIndexByte(before, '\n') + 1
	return 1 + bytes.Count(before, []byte("\n")), 1 + utf8.RuneCount(before[start:])
}

// childPath names a key inside a table. Names that TOML would not let stand bare
// are quoted.
func childPath(table, name string) string {
	bare := name != ""
	for _, c := range []byte(name) {
		bare = bare && (c == '-' || c == '_' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z')
	}
	if !bare {
		name = strconv.Quote(name)
	}
	if table == "" {
		return name
	}
	return table + "." + name
}

// elementPath names an item of a list.
func elementPath(list string, i int) string { return list + "[" + strconv.Itoa(i) + "]" }

// parentPath is the path without its last part; empty at the top.
func parentPath(path string) string { return path[:max(strings.LastIndexAny(path, ".["), 0)] }
