package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Pages as bbolt writes them: see go.etcd.io/bbolt, internal/common/page.go,
// inode.go and bucket.go.
const (
	pageHeader   = 16
	pageElement  = 16 // of a branch page and of a leaf page alike
	pageBranch   = 0x01
	pageLeaf     = 0x02
	elementIn    = 0x01 // of a leaf's element: its value is a bucket
	bucketHeader = 16
	maxPageDepth = 64
)

// pageWalk follows every page of a file that is in use, without the engine: that
// looks at some things in goroutines whose panics bring the process down.
type pageWalk struct {
	file []byte // all of it, mapped
	meta metaPage
	seen []uint64 // a bit a page
}

// checkPages returns what is wrong with the pages that the newer meta page leads
// to: one that is not whole, is used twice, is of another kind or holds keys out
// of order.
func checkPages(path string, meta metaPage) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	// Mapped and read from its beginning to its end, which is faster than page by page,
	// above all from a disk. What can't be read is a fault, and undamaged makes an error
	// of that.
	file, err := unix.Mmap(int(f.Fd()), 0, int(meta.Pages*uint64(meta.PageSize)), unix.PROT_READ, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	defer unix.Munmap(file)
	w := &pageWalk{file: file, meta: meta, seen: make([]uint64, meta.Pages/64+1)}
	err = undamaged(func() error { return w.walk(meta.Root, nil, nil, 0) })
	if err != nil {
		return corrupt(path, err)
	}
	return nil
}

// walk follows a page and all below it. Its keys must not be below from, and
// must be below to; nil: no bound.
func (w *pageWalk) walk(id uint64, from, to []byte, depth int) error {
	page, err := w.read(id)
	switch {
	case err != nil:
		return fmt.Errorf("page %d: %w", id, err)
	case depth > maxPageDepth:
		return fmt.Errorf("page %d: pages are nested too deeply", id)
	}
	flags, count := binary.NativeEndian.Uint16(page[8:]), int(binary.NativeEndian.Uint16(page[10:]))
	if flags != pageBranch && flags != pageLeaf || pageHeader+count*pageElement > len(page) {
		return fmt.Errorf("page %d: it is no page of keys", id)
	}
	for i := range count {
		key, value, err := element(page, i, flags)
		if err != nil {
			return fmt.Errorf("page %d: %w", id, err)
		}
		if from != nil && bytes.Compare(key, from) < 0 || to != nil && bytes.Compare(key, to) >= 0 {
			return fmt.Errorf("page %d: its keys are out of order", id)
		}
		next := to
		if i+1 < count {
			if next, _, err = element(page, i+1, flags); err != nil {
				return fmt.Errorf("page %d: %w", id, err)
			}
			if bytes.Compare(key, next) >= 0 {
				return fmt.Errorf("page %d: its keys are out of order", id)
			}
		}
		at := page[pageHeader+i*pageElement:]
		switch {
		case flags == pageBranch:
			err = w.walk(binary.NativeEndian.Uint64(at[8:]), key, next, depth+1)
		case binary.NativeEndian.Uint32(at)&elementIn != 0:
			if len(value) < bucketHeader {
				return fmt.Errorf("page %d: a bucket is cut off", id)
			}
			// A small bucket has no page of its own, and lies here.
			if root := binary.NativeEndian.Uint64(value); root != 0 {
				err = w.walk(root, nil, nil, depth+1)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// read returns a page with those that continue it.
func (w *pageWalk) read(id uint64) ([]byte, error) {
	size := uint64(w.meta.PageSize)
	if id < 2 || id >= w.meta.Pages {
		return nil, errors.New("it is outside of the file")
	}
	head := w.file[id*size:]
	more := uint64(binary.NativeEndian.Uint32(head[12:]))
	if binary.NativeEndian.Uint64(head) != id || more >= w.meta.Pages-id {
		return nil, errors.New("another one is in its place")
	}
	for n := id; n <= id+more; n++ {
		if w.seen[n/64]&(1<<(n%64)) != 0 {
			return nil, errors.New("it is used twice")
		}
		w.seen[n/64] |= 1 << (n % 64)
	}
	return head[:(1+more)*size], nil
}

// element returns the key of an element, and of a leaf's the value.
func element(page []byte, i int, flags uint16) (key, value []byte, err error) {
	start := uint64(pageHeader + i*pageElement)
	at := page[start:]
	var pos, keySize, valueSize uint64
	if flags == pageBranch {
		pos, keySize = uint64(binary.NativeEndian.Uint32(at)), uint64(binary.NativeEndian.Uint32(at[4:]))
	} else {
		pos, keySize = uint64(binary.NativeEndian.Uint32(at[4:])), uint64(binary.NativeEndian.Uint32(at[8:]))
		valueSize = uint64(binary.NativeEndian.Uint32(at[12:]))
	}
	if start+pos+keySize+valueSize > uint64(len(page)) {
		return nil, nil, errors.New("a row is cut off")
	}
	rest := page[start+pos:]
	return rest[:keySize], rest[keySize : keySize+valueSize], nil
}
