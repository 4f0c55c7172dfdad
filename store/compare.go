package store

import (
	"bytes"
	"fmt"
	"iter"
	"unicode"
)

// compare tells each difference between a bucket as it is and as it should be,
// one line each.
func compare(is, should *Tx, bucket string, differ func(string)) {
	compareBut(is, should, bucket, nil, differ)
}

// compareBut is compare without the rows of the first that drop tells true of.
func compareBut(is, should *Tx, bucket string, drop func(key []byte) bool, differ func(string)) {
	if is.bucket(bucket) == nil {
		differ(fmt.Sprintf("%s: the bucket is missing", bucket))
		return
	}
	zero := func([]byte) bool { return false }
	if bucket == bucketCounts {
		// A counter that was counted down to zero is there, one that never
		// counted is not.
		zero = func(v []byte) bool { return fromBE64(v) == 0 }
	}
	nextA, stopA := iter.Pull2(is.rowsUp(bucket, nil))
	defer stopA()
	nextB, stopB := iter.Pull2(should.rowsUp(bucket, nil))
	defer stopB()
	ak, av, inA := nextA()
	bk, bv, inB := nextB()
	for inA || inB {
		if inA && drop != nil && drop(ak) {
			ak, av, inA = nextA()
			continue
		}
		switch order := bytes.Compare(ak, bk); {
		case !inB || inA && order < 0:
			if !zero(av) {
				differ(fmt.Sprintf("%s: %s should not be there", bucket, shownKey(ak)))
			}
			ak, av, inA = nextA()
		case !inA || order > 0:
			if !zero(bv) {
				differ(fmt.Sprintf("%s: %s is missing", bucket, shownKey(bk)))
			}
			bk, bv, inB = nextB()
		default:
			if !bytes.Equal(av, bv) {
				differ(fmt.Sprintf("%s: %s is %s and should be %s", bucket, shownKey(ak), shownValue(av), shownValue(bv)))
			}
			ak, av, inA = nextA()
			bk, bv, inB = nextB()
		}
	}
}

// shownKey shows names as they are and the rest in hexadecimal.
func shownKey(k []byte) string {
	name, rest, ok := bytes.Cut(k, []byte{0})
	switch {
	case len(name) > 0 && !ok && printable(name):
		return string(name)
	case len(name) > 0 && ok && printable(name):
		return fmt.Sprintf("%s %x", name, rest)
	}
	return fmt.Sprintf("%x", k)
}

func printable(b []byte) bool {
	for _, r := range string(b) {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return false
		}
	}
	return true
}

func shownValue(v []byte) string {
	switch {
	case len(v) == 0:
		return "empty"
	case len(v) == 8:
		return fmt.Sprintf("%d", fromBE64(v))
	case len(v) > 32:
		return fmt.Sprintf("%x… (%d octets)", v[:32], len(v))
	}
	return fmt.Sprintf("%x", v)
}
