package store

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buzon/ticket"
)

func TestChunks(t *testing.T) {
	chunks := []ticket.Chunk{
		{Literal: []byte("Subject: hola\r\n\r\n\x00\xff")},
		{Archive: ticket.ArchiveRef{Segment: "2026-11", Seq: 1 << 40}, Offset: 300, Length: 1 << 33},
		{Literal: bytes.Repeat([]byte("ñ"), 5000)},
		{Archive: ticket.ArchiveRef{Segment: "2026-12", Seq: 1}},
	}
	raw, err := encodeChunks(chunks)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeChunks(raw)
	if diff := cmp.Diff(chunks, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	clear(raw) // what was read is its reader's own
	if diff := cmp.Diff(chunks, got); diff != "" {
		t.Error(diff)
	}
	old, err := decodeChunks([]byte(`[{"literal":"aG9sYQ=="},{"archive":{"segment":"2026-11","seq":7},"offset":3,"length":9}]`))
	want := []ticket.Chunk{{Literal: []byte("hola")}, {Archive: ticket.ArchiveRef{Segment: "2026-11", Seq: 7}, Offset: 3, Length: 9}}
	if diff := cmp.Diff(want, old); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for _, odd := range []ticket.Chunk{
		{Literal: []byte("x"), Archive: ticket.ArchiveRef{Segment: "2026-11", Seq: 7}},
		{Archive: ticket.ArchiveRef{Segment: "2026-11", Seq: 7}, Offset: -1},
	} {
		if _, err := encodeChunks([]ticket.Chunk{odd}); err == nil {
			t.Errorf("%+v was stored", odd)
		}
	}
}

// TestChunksCutOff: of a row that is cut anywhere no chunk is read that was not whole.
func TestChunksCutOff(t *testing.T) {
	chunks := []ticket.Chunk{
		{Literal: []byte("Subject: hola\r\n\r\n")},
		{Archive: ticket.ArchiveRef{Segment: "2026-11", Seq: 1000}, Offset: 300, Length: 70000},
	}
	raw, err := encodeChunks(chunks)
	if err != nil {
		t.Fatal(err)
	}
	for n := range raw {
		got, err := decodeChunks(raw[:n])
		switch {
		case err != nil && errors.Is(err, ErrCorrupt):
		case err == nil && len(got) < len(chunks) && (len(got) == 0 || cmp.Equal(got, chunks[:len(got)])):
		default:
			t.Errorf("of %d octets: %+v, %v", n, got, err)
		}
	}
}
