package routing

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	_ "time/tzdata" // time zones work on machines that have no list of them
)

// Load reads a configuration file. The error is Problems, with every mistake in
// the file, or a wrapped error of reading it.
func Load(path string) (*Table, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	return Parse(path, text)
}

// Parse is Load from bytes. name is what the file is called in messages;
// relative paths in it are relative to name's folder. Of the files that it names
// only calendars are read; looking at the others is CheckFiles. The error is
// Problems.
func Parse(name string, text []byte) (*Table, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // some editors put it there
	s := &source{name: name, text: text, spots: map[string]spot{}}
	config := &Config{}
	var times *timetable
	var conditions []*condition
	if s.decode(config) {
		times, conditions = check(s, config, filepath.Dir(name))
	}
	if len(s.problems) > 0 {
		s.problems.sort()
		return nil, s.problems
	}
	s.warnings.sort()
	sum := sha256.Sum256(bytes.Join(append([][]byte{text}, times.digests...), []byte("\n")))
	return compile(config, s, times, conditions, hex.EncodeToString(sum[:6])), nil
}
