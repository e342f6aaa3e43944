package dag

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// glob is a compiled pattern. In ids * and ? match every character. In paths they stay inside a folder, ** crosses
// folders, and **/ also matches no folder at all. A match is linear in the text for every token of the pattern.
type glob struct {
	literal string // the text before the first wildcard: every match begins with it
	rest    []token
}

// tokenKind is the meaning of one token of a pattern.
type tokenKind uint8

const (
	// tokenRune matches one character, which it names.
	tokenRune tokenKind = iota
	// tokenAny matches one character, whichever it is.
	tokenAny
	// tokenAnyInFolder matches one character other than a slash.
	tokenAnyInFolder
	// tokenStar matches any number of characters, also none.
	tokenStar
	// tokenStarInFolder matches any number of characters other than slashes, also none.
	tokenStarInFolder
	// tokenFolders matches nothing, or any characters up to and with a slash.
	tokenFolders
)

// token is one step of a compiled pattern.
type token struct {
	kind tokenKind
	r    rune // of a tokenRune
}

// wildcard is a sequence of characters in a pattern that does not mean itself.
type wildcard struct {
	text string
	kind tokenKind
}

// The wildcards of each place in a pattern, of which the first that fits applies. A path's **/ is one only where a folder
// begins.
var (
	inIDs          = []wildcard{{"*", tokenStar}, {"?", tokenAny}}
	inFolders      = []wildcard{{"**", tokenStar}, {"*", tokenStarInFolder}, {"?", tokenAnyInFolder}}
	atFolderStarts = append([]wildcard{{"**/", tokenFolders}}, inFolders...)
)

// newGlob compiles a pattern for ids, or for paths.
func newGlob(pattern string, path bool) glob {
	end := strings.IndexAny(pattern, "*?")
	if end < 0 {
		return glob{literal: pattern}
	}
	g := glob{literal: pattern[:end]}
	for at := end; at < len(pattern); {
		t, length := nextToken(wildcardsAfter(pattern[:at], path), pattern[at:])
		g.rest = append(g.rest, t)
		at += length
	}
	return g
}

// wildcardsAfter returns the wildcards that apply behind the beginning of a pattern.
func wildcardsAfter(beginning string, path bool) []wildcard {
	switch {
	case !path:
		return inIDs
	case beginning == "", strings.HasSuffix(beginning, "/"):
		return atFolderStarts
	}
	return inFolders
}

// nextToken compiles the beginning of what is left of a pattern and returns how many bytes it consists of.
func nextToken(wildcards []wildcard, rest string) (t token, length int) {
	for _, w := range wildcards {
		if strings.HasPrefix(rest, w.text) {
			return token{kind: w.kind}, len(w.text)
		}
	}
	r, length := utf8.DecodeRuneInString(rest)
	return token{kind: tokenRune, r: r}, length
}

// exact reports whether the pattern has no wildcard.
func (g glob) exact() bool { return g.rest == nil }

// endsFreely reports whether the pattern matches every text that begins with its literal.
func (g glob) endsFreely() bool { return len(g.rest) == 1 && g.rest[0].kind == tokenStar }

// match reports whether the whole text matches.
func (g glob) match(text string) bool {
	if g.exact() {
		return text == g.literal
	}
	text, ok := strings.CutPrefix(text, g.literal)
	switch {
	case !ok:
		return false
	case g.endsFreely():
		return true
	}
	return matchTokens(g.rest, []rune(text))
}

// matchTokens computes, token by token, at which positions of the text a match of the tokens so far can end. Nothing is
// tried twice, so that no pattern is slow.
func matchTokens(tokens []token, text []rune) bool {
	now, next := make([]bool, len(text)+1), make([]bool, len(text)+1)
	now[0] = true
	for _, t := range tokens {
		if t.many() {
			t.stretch(text, now, next)
		} else {
			t.step(text, now, next)
		}
		if !slices.Contains(next, true) {
			return false
		}
		now, next = next, now
	}
	return now[len(text)]
}

// step fills next from now for a token that matches one character.
func (t token) step(text []rune, now, next []bool) {
	next[0] = false
	for i, r := range text {
		next[i+1] = now[i] && t.matches(r)
	}
}

// stretch fills next from now for a token that matches any number of characters.
func (t token) stretch(text []rune, now, next []bool) {
	copy(next, now) // of no characters
	open := false   // a match that began at some position before goes on
	for i, r := range text {
		open = (open || now[i]) && t.crosses(r)
		if open && t.endsWith(r) {
			next[i+1] = true
		}
	}
}

// many reports whether the token matches any number of characters, and not exactly one.
func (t token) many() bool {
	switch t.kind {
	case tokenStar, tokenStarInFolder, tokenFolders:
		return true
	case tokenRune, tokenAny, tokenAnyInFolder:
	}
	return false
}

// matches reports whether a token for one character matches it.
func (t token) matches(r rune) bool {
	switch t.kind {
	case tokenRune:
		return r == t.r
	case tokenAnyInFolder:
		return r != '/'
	case tokenAny, tokenStar, tokenStarInFolder, tokenFolders:
	}
	return true
}

// crosses reports whether a match of a token for many characters may contain a character.
func (t token) crosses(r rune) bool {
	if t.kind == tokenStarInFolder {
		return r != '/'
	}
	return true
}

// endsWith reports whether a match of a token for many characters may end with a character.
func (t token) endsWith(r rune) bool {
	if t.kind == tokenFolders {
		return r == '/'
	}
	return true
}

// matchesAny reports whether at least one glob matches.
func matchesAny(globs []glob, value string) bool {
	return slices.ContainsFunc(globs, func(g glob) bool { return g.match(value) })
}
