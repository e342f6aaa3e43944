package dag

import "strings"

// glob is a compiled pattern. In ids * and ? match every character. In paths they stay inside a folder, ** crosses
// folders, and **/ also matches no folder at all. A match is linear in the text for every token of the pattern.
type glob struct {
	literal string // what every match begins with
	rest    []token
}

type tokenKind uint8

const (
	tokenRune tokenKind = iota
	tokenAny            // one character
	tokenAnyInFolder
	tokenStar // any characters
	tokenStarInFolder
	tokenFolders // nothing, or any characters up to and with a slash
)

type token struct {
	kind tokenKind
	r    rune
}

// newGlob compiles a pattern for ids, or for paths.
func newGlob(pattern string, path bool) glob {
	end := strings.IndexAny(pattern, "*?")
	if end < 0 {
		return glob{literal: pattern}
	}
	g := glob{literal: pattern[:end]}
	star, one := tokenStar, tokenAny
	if path {
		star, one = tokenStarInFolder, tokenAnyInFolder
	}
	runes := []rune(pattern[end:])
	atStart := end == 0 || pattern[end-1] == '/'
	for i := 0; i < len(runes); i++ {
		r := runes[i]
		switch {
		case r == '?':
			g.rest = append(g.rest, token{kind: one})
		case r != '*':
			g.rest = append(g.rest, token{kind: tokenRune, r: r})
		case !path || i+1 == len(runes) || runes[i+1] != '*':
			g.rest = append(g.rest, token{kind: star})
		case atStart && i+2 < len(runes) && runes[i+2] == '/':
			g.rest = append(g.rest, token{kind: tokenFolders})
			r, i = '/', i+2
		default:
			g.rest = append(g.rest, token{kind: tokenStar})
			i++
		}
		atStart = r == '/'
	}
	return g
}

// exact says whether the pattern has no wildcard.
func (g glob) exact() bool { return g.rest == nil }

// match says whether the whole text matches.
func (g glob) match(text string) bool {
	if g.exact() {
		return text == g.literal
	}
	text, ok := strings.CutPrefix(text, g.literal)
	if !ok {
		return false
	}
	if len(g.rest) == 1 && g.rest[0].kind == tokenStar {
		return true
	}
	return matchTokens(g.rest, []rune(text))
}

// matchTokens keeps, token by token, the set of positions in the text that the tokens so far can end at.
func matchTokens(tokens []token, text []rune) bool {
	now, next := make([]bool, len(text)+1), make([]bool, len(text)+1)
	now[0] = true
	for _, t := range tokens {
		if !advance(t, text, now, next) {
			return false
		}
		now, next = next, now
	}
	return now[len(text)]
}

// advance fills next from now for one token and says whether any position is left.
func advance(t token, text []rune, now, next []bool) bool {
	// open is true while a star that began before this position goes on.
	alive, open := now[0] && t.many(), now[0]
	next[0] = alive
	for i, r := range text {
		i++
		if t.many() {
			open = open && (t.kind != tokenStarInFolder || r != '/')
			next[i] = now[i] || open && (t.kind != tokenFolders || r == '/')
			open = open || now[i]
		} else {
			next[i] = now[i-1] && t.takes(r)
		}
		alive = alive || next[i]
	}
	return alive
}

// many says whether the token matches any number of characters.
func (t token) many() bool {
	return t.kind == tokenStar || t.kind == tokenStarInFolder || t.kind == tokenFolders
}

// takes says whether a token for one character matches it.
func (t token) takes(r rune) bool {
	return t.kind == tokenAny || t.kind == tokenAnyInFolder && r != '/' || t.kind == tokenRune && r == t.r
}
