// Package powercut shows that a power cut loses nothing that was acknowledged.
//
// A recording of the running desk, made by strace, tells every write, sync and
// rename in its data folder, in order. From it a disk is built as a cut at any
// moment could have left it: what was synced by then is there; of every other
// write each sector of 512 octets may or may not be, and of every other change
// to a folder likewise, in whatever order. Each such image is opened by the store
// and compared with what had been acknowledged by then to the outside.
//
// kill -9 can't show this: what a killed process wrote stays in the page cache.
package powercut
