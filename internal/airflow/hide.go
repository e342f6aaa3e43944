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
	for _, secret := range r.secrets() {
		detail = hideSecret(detail, url.QueryEscape(secret))
		detail = hideSecret(detail, secret)
	}
	return detail
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

// hideSecret replaces a secret in a text, and its parts of partOfSecret bytes and more.
func hideSecret(detail, secret string) string {
	if len(secret) < shortestSecret {
		return detail
	}
	detail = strings.ReplaceAll(detail, secret, hidden)
	if len(secret) <= partOfSecret {
		return detail
	}
	parts := map[string]bool{}
	for at := 0; at+partOfSecret <= len(secret); at++ {
		parts[secret[at:at+partOfSecret]] = true
	}
	var out strings.Builder
	written := 0 // bytes of detail that are written or hidden
	for at := 0; at+partOfSecret <= len(detail); at++ {
		if !parts[detail[at:at+partOfSecret]] {
			continue
		}
		end := at + partOfSecret
		for end < len(detail) && parts[detail[end+1-partOfSecret:end+1]] {
			end++
		}
		out.WriteString(detail[written:at])
		out.WriteString(hidden)
		written, at = end, end-1
	}
	out.WriteString(detail[written:])
	return out.String()
}
