package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
)

// digestOf reads a file to its end.
func digestOf(ctx context.Context, f *os.File) (size int64, sum string, err error) {
	h := sha256.New()
	size, err = io.Copy(stoppable{ctx: ctx, w: h}, f)
	return size, hex.EncodeToString(h.Sum(nil)), err
}

// copyFile copies what is left of a file to a new one at path, durable but for
// its folder, and digests it. Of a failed copy nothing is left.
func copyFile(ctx context.Context, from *os.File, path string) (size int64, sum string, err error) {
	to, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, "", err
	}
	h := sha256.New()
	size, err = io.Copy(stoppable{ctx: ctx, w: io.MultiWriter(to, h)}, from)
	if err == nil {
		err = to.Sync()
	}
	if err = errors.Join(err, to.Close()); err != nil {
		os.Remove(path)
		return 0, "", fmt.Errorf("copying %s to %s: %w", from.Name(), path, err)
	}
	return size, hex.EncodeToString(h.Sum(nil)), nil
}

// writeFile writes a file so that a crash leaves the old one or the new one.
func writeFile(path string, text []byte) (err error) {
	temp := path + leftoverSuffix
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(temp)
		return err
	}
	return os.Rename(temp, path)
}
