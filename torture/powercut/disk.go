package powercut

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
)

const (
	sector   = 512
	pageSize = 4096 // of the engine
)

// node is a file or folder, whatever its name.
type node struct {
	what    Kind
	isFile  bool
	durable []byte           // of a file: what is surely on disk
	pending []*change        // of a file: what may be, in the order of the calls
	names   map[string]*node // of a folder: what is surely on disk
	renames []*change        // of a folder: what may be
	last    string           // what was done last, for Disk.Window
}

// change is a call that is not surely on disk.
type change struct {
	call   *call
	node   *node // of a change to a folder: what the name stands for
	ended  bool
	caught bool // by a sync that has begun
}

// Kind is what a file is for, as far as its syncs matter.
type Kind string

// Kinds of files and folders.
const (
	State   Kind = "state"
	Segment Kind = "segment"
	Folder  Kind = "folder"
	other   Kind = "other"
)

// Sync is one kind of sync: what is synced and whether a meta page is in it.
type Sync struct {
	Kind Kind
	Meta bool
}

// Disk is a disk at one moment of a log, and what a power cut could make of it.
type Disk struct {
	// Ignored tells of a sync that it shall have no effect; nil: none.
	Ignored func(Sync) bool

	root    string
	live    map[string]*node // by path, as the process sees it
	changes map[*call]*change
	syncs   map[*call][]*change
	ahead   bool // the archive was committed to after the state
}

// NewDisk returns a disk with nothing but the folder root.
func NewDisk(root string) *Disk {
	root = filepath.Clean(root)
	return &Disk{
		root: root, live: map[string]*node{root: newFolder()},
		changes: map[*call]*change{}, syncs: map[*call][]*change{},
	}
}

func newFolder() *node { return &node{what: Folder, names: map[string]*node{}} }

func kindOf(path string) Kind {
	switch name := strings.TrimSuffix(filepath.Base(path), ".new"); {
	case name == "state.db":
		return State
	case strings.HasSuffix(name, ".db"):
		return Segment
	}
	return other
}

// step takes the disk past one event.
func (d *Disk) step(e event) error {
	c := e.call
	if c == nil {
		return nil
	}
	if e.end {
		switch {
		case c.kind == sync:
			d.settle(c)
		case d.changes[c] != nil:
			d.changes[c].ended = true
			delete(d.changes, c)
		}
		return nil
	}
	switch c.kind {
	case sync:
		return d.catch(c)
	case write, resize:
		n := d.live[c.path]
		if n == nil || !n.isFile {
			return fmt.Errorf("%s is written to, but was never made", c.path)
		}
		n.pending = append(n.pending, d.note(c, nil))
		n.last = "pages written, not synced"
		if isMeta(c) {
			n.last = "meta page written, not synced"
		} else if c.kind == resize {
			n.last = "grown, not synced"
		}
		return nil
	}
	return d.rename(c)
}

func isMeta(c *call) bool {
	return c.kind == write && c.offset < 2*pageSize && len(c.data) == pageSize
}

func (d *Disk) note(c *call, n *node) *change {
	ch := &change{call: c, node: n}
	d.changes[c] = ch
	return ch
}

// rename takes in a change to a folder.
func (d *Disk) rename(c *call) error {
	folder := d.live[filepath.Dir(c.path)]
	if folder == nil {
		return fmt.Errorf("%s is in a folder that was never made", c.path)
	}
	var n *node
	switch c.kind {
	case create:
		if d.live[c.path] != nil {
			return nil // it was there
		}
		n = &node{what: kindOf(c.path), isFile: true, last: "made, not synced"}
		d.live[c.path] = n
	case makeFolder:
		n = newFolder()
		d.live[c.path] = n
	case rename:
		if filepath.Dir(c.to) != filepath.Dir(c.path) {
			return fmt.Errorf("%s moves to another folder, which is not modelled", c.path)
		}
		if n = d.live[c.path]; n == nil {
			return fmt.Errorf("%s is renamed, but was never made", c.path)
		}
		delete(d.live, c.path)
		d.live[c.to] = n
		n.last = "renamed, folder not synced"
	case remove:
		if d.live[c.path] == nil {
			return nil // a socket
		}
		delete(d.live, c.path)
	}
	folder.renames = append(folder.renames, d.note(c, n))
	return nil
}

// catch begins a sync: it makes durable what had ended by now.
func (d *Disk) catch(c *call) error {
	n := d.live[c.path]
	if n == nil {
		return fmt.Errorf("%s is synced, but was never made", c.path)
	}
	caught := []*change{}
	for _, list := range [][]*change{n.pending, n.renames} {
		for _, ch := range list {
			if ch.ended {
				caught = append(caught, ch)
			}
		}
	}
	what := Sync{Kind: n.what, Meta: len(caught) > 0 && isMeta(caught[len(caught)-1].call)}
	if d.Ignored != nil && d.Ignored(what) {
		caught = nil
	}
	d.syncs[c] = caught
	return nil
}

// settle ends a sync.
func (d *Disk) settle(c *call) {
	n := d.live[c.path]
	caught := d.syncs[c]
	delete(d.syncs, c)
	if len(caught) == 0 {
		return
	}
	meta := false
	for _, ch := range caught {
		ch.caught = true
		switch {
		case n.isFile:
			n.durable = apply(n.durable, ch.call)
			meta = meta || isMeta(ch.call)
		default:
			renameIn(n.names, ch)
		}
	}
	gone := func(ch *change) bool { return ch.caught }
	n.pending = slices.DeleteFunc(n.pending, gone)
	n.renames = slices.DeleteFunc(n.renames, gone)
	switch {
	case meta:
		n.last = ""
		d.ahead = n.what == Segment
	case n.isFile:
		n.last = "pages synced, meta page not written"
	default:
		for _, child := range n.names {
			if child.last == "renamed, folder not synced" {
				child.last = ""
			}
		}
	}
}

func apply(content []byte, c *call) []byte {
	switch c.kind {
	case resize:
		return sized(content, c.offset)
	case write:
		return put(content, c.offset, c.data)
	}
	return content
}

// sized cuts off or adds zeros.
func sized(content []byte, size int64) []byte {
	if more := size - int64(len(content)); more > 0 {
		return append(content, make([]byte, more)...)
	}
	return content[:size]
}

func put(content []byte, offset int64, data []byte) []byte {
	if end := offset + int64(len(data)); end > int64(len(content)) {
		content = sized(content, end)
	}
	copy(content[offset:], data)
	return content
}

func renameIn(names map[string]*node, ch *change) {
	name := filepath.Base(ch.call.path)
	switch ch.call.kind {
	case remove:
		delete(names, name)
	case rename:
		if names[name] == ch.node {
			delete(names, name)
		}
		name = filepath.Base(ch.call.to)
		fallthrough
	default:
		names[name] = ch.node
	}
}

// Luck decides what of the changes that were not synced is on the disk. The zero
// value: nothing.
type Luck struct {
	Random *rand.Rand // nil: All decides
	All    bool
	Share  float64 // how likely a change is there
	Torn   float64 // how likely a write that is there is there in part
}

func (l Luck) there() bool {
	if l.Random == nil {
		return l.All
	}
	return l.Random.Float64() < l.Share
}

// Image is a disk's content: nil for a folder, by path below the root.
type Image map[string][]byte

// Cut is what a power cut leaves.
func (d *Disk) Cut(l Luck) Image {
	image := Image{}
	d.cut(image, d.live[d.root], "", l)
	return image
}

func (d *Disk) cut(image Image, n *node, path string, l Luck) {
	if n.isFile {
		content := append([]byte{}, n.durable...) // never nil
		for _, ch := range n.pending {
			if l.there() {
				content = l.land(content, ch.call)
			}
		}
		image[path] = content
		return
	}
	image[path] = nil
	names := maps.Clone(n.names)
	// A file system with a journal keeps the order of changes; one without need
	// not.
	inOrder := l.Random == nil || l.Random.IntN(2) == 0
	for _, ch := range n.renames {
		if l.there() {
			renameIn(names, ch)
		} else if inOrder {
			break
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		d.cut(image, names[name], filepath.Join(path, name), l)
	}
}

// land puts a write, or some of its sectors, into a file.
func (l Luck) land(content []byte, c *call) []byte {
	if c.kind != write || l.Random == nil || l.Random.Float64() >= l.Torn {
		return apply(content, c)
	}
	share := l.Random.Float64()
	for from := 0; from < len(c.data); from += sector {
		if l.Random.Float64() < share {
			content = put(content, c.offset+int64(from), c.data[from:min(from+sector, len(c.data))])
		}
	}
	return content
}

// Live is the disk as a process sees it without a power cut.
func (d *Disk) Live() Image { return d.Cut(Luck{All: true}) }

// Windows names what was under way on the disk.
func (d *Disk) Windows() []string {
	var found []string
	for path, n := range d.live {
		if n.isFile && n.what != other && n.last != "" {
			what := string(n.what)
			if strings.HasSuffix(path, ".new") {
				what = "first " + what
			}
			found = append(found, what+": "+n.last)
		} else if !n.isFile && len(n.renames) > 0 && !strings.Contains(strings.Join(found, "\n"), "folder: ") {
			found = append(found, "folder: changed, not synced")
		}
	}
	if d.ahead {
		found = append(found, "archive synced, not applied")
	}
	if len(found) == 0 {
		found = append(found, "nothing under way")
	}
	return found
}
