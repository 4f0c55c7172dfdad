// Package buzon holds the example configuration, so that the program can show
// it, run the demo with it, and check itself against it.
package buzon

import _ "embed"

// ExampleConfig is config.example.toml.
//
//go:embed config.example.toml
var ExampleConfig []byte
