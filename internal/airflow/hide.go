package airflow

import (
	"net/url"
	"strings"
)

const (
	// hidden takes the place of secrets in texts.
	hidden = "[hidden]"
	// partOfSecret is the length in bytes from which a part of a secret is hidden as the whole would be.
	partOfSecret = 8
	// shortestSecret is the length in bytes below which a secret is not searched for: it would be found in every text.
	shortestSecret = 3
)

// hide replaces the secrets of a request in a text that a server sent, and parts of them: a server may repeat the request in
// its error, whole or cut, as it is or escaped for a URL. Call it before the text is cut.
func hide(detail string, r request) string {
	secret := make([]bool, len(detail)) // by byte
	for _, s := range r.secrets() {
		mark(secret, detail, s)
		mark(secret, detail, url.QueryEscape(s))
	}
	var out strings.Builder
	for at := range len(detail) {
		switch {
		case !secret[at]:
			out.WriteByte(detail[at])
		case at == 0 || !secret[at-1]:
			out.WriteString(hidden)
		}
	}
	return out.String()
}

// mark notes the bytes of a text that repeat a secret, or a part of it of partOfSecret bytes and more.
func mark(marked []bool, text, secret string) {
	length := min(len(secret), partOfSecret)
	if length < shortestSecret {
		return
	}
	parts := map[string]bool{}
	for at := 0; at+length <= len(secret); at++ {
		parts[secret[at:at+length]] = true
	}
	for at := 0; at+length <= len(text); at++ {
		if parts[text[at:at+length]] {
			for i := range length {
				marked[at+i] = true
			}
		}
	}
}

// secrets are those that a request carries.
func (r request) secrets() []string {
	var secrets []string
	if r.auth != nil {
		secrets = append(secrets, r.auth.secrets...)
	}
	if login, ok := r.body.(loginBody); ok {
		secrets = append(secrets, login.Password)
	}
	return secrets
}
