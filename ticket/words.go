package ticket

import (
	"unicode"
	"unicode/utf8"
)

// Lengths of a word in a search, in characters: what is shorter says nothing, and of
// what is longer the beginning counts.
const (
	minWord = 2
	maxWord = 24
)

// plainLetters are the letters from U+00C0 to U+017F without their accents, as far as
// one letter stands for them; a space stands for itself.
const plainLetters = "" +
	"aaaaaa ceeeeiiii nooooo ouuuuy  aaaaaa ceeeeiiii nooooo ouuuuy y" +
	"aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiii  jjkk lllllll" +
	"lllnnnnnnnnnoooooo  rrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs"

// foldLetter is a letter or digit in the form in which texts are searched: lower
// case, without accents.
func foldLetter(r rune) rune {
	switch {
	case r < utf8.RuneSelf:
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	case r >= 0xC0 && r <= 0x17F:
		if plain := plainLetters[r-0xC0]; plain != ' ' {
			return rune(plain)
		}
	}
	return unicode.ToLower(r)
}

// Words calls yield with each word of a text, as texts are searched: runs of letters
// and digits of two characters or more, in lower case and without accents, however
// these are written (U+00F1, or U+006E U+0303), no longer than 24 characters. The
// word is good until yield returns; false ends it.
func Words(text string, yield func(word []byte) bool) {
	var buf [maxWord * utf8.UTFMax]byte
	word, n := buf[:0], 0
	for _, r := range text {
		switch {
		case r < utf8.RuneSelf && !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'),
			r >= utf8.RuneSelf && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.Is(unicode.Mn, r):
			if n >= minWord && !yield(word) {
				return
			}
			word, n = buf[:0], 0
		case r >= utf8.RuneSelf && unicode.Is(unicode.Mn, r):
			// An accent by itself belongs to the letter before it.
		default:
			if n++; n <= maxWord {
				word = utf8.AppendRune(word, foldLetter(r))
			}
		}
	}
	if n >= minWord {
		yield(word)
	}
}
