package airflowtest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// leeway is how long after its end a token still works.
const leeway = 10 * time.Second

type claims struct {
	Subject   string `json:"sub"`
	ID        string `json:"jti"`
	Audience  string `json:"aud"`
	NotBefore int64  `json:"nbf"`
	Expires   int64  `json:"exp"`
	IssuedAt  int64  `json:"iat"`
	Role      string `json:"role,omitempty"` // Simple auth manager only
}

const tokenHeader = `{"alg":"HS256","kid":"not-used","typ":"JWT"}`

func (s *Sim) sign(text string) string {
	mac := hmac.New(sha256.New, []byte("simulated"))
	mac.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// newToken makes a token; the lock is held.
func (s *Sim) newToken(subject string, lifetime time.Duration) string {
	s.lastToken++
	now := s.clock.Now()
	c := claims{
		Subject: subject, ID: strconv.Itoa(s.lastToken), Audience: "apache-airflow",
		NotBefore: now.Unix(), IssuedAt: now.Unix(), Expires: now.Add(lifetime).Unix(),
	}
	if _, err := strconv.Atoi(subject); err != nil {
		c.Role = "admin"
	}
	payload, err := json.Marshal(c)
	if err != nil {
		panic(err) // cannot happen: plain fields
	}
	text := base64.RawURLEncoding.EncodeToString([]byte(tokenHeader)) + "." + base64.RawURLEncoding.EncodeToString(payload)
	return text + "." + s.sign(text)
}

// ExpireTokens makes every token of before this call answer 401 "Token Expired";
// of an Airflow 2, every session answer 403.
func (s *Sim) ExpireTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expiredTokens = s.lastToken
}

// RejectTokens makes every token of before this call answer 403 "Invalid JWT
// token", as after a change of the server's signing key; of an Airflow 2, every
// session answer 403.
func (s *Sim) RejectTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rejectedTokens = s.lastToken
}

// bearer gives the claims of the request's token, false where its signature is
// not ours.
func (s *Sim) bearer(r *http.Request) (c claims, signed bool) {
	_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	dot := strings.LastIndexByte(token, '.')
	if dot < 0 || !hmac.Equal([]byte(s.sign(token[:dot])), []byte(token[dot+1:])) {
		return c, false
	}
	_, payload, _ := strings.Cut(token[:dot], ".")
	text, err := base64.RawURLEncoding.DecodeString(payload)
	return c, err == nil && json.Unmarshal(text, &c) == nil
}

// sender names the user whose token the request carries.
func (s *Sim) sender(r *http.Request) string {
	if s.generation.two() {
		return s.sessionSender(r)
	}
	c, signed := s.bearer(r)
	if !signed {
		return ""
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if u := s.store.userByID[atoi(c.Subject)]; u != nil {
		return u.username
	}
	return ""
}

// authenticate gives the user of the request's token, or the answer that
// refuses it. A lock is held.
func (s *Sim) authenticate(r *http.Request) (*user, *response) {
	if s.generation.two() {
		if u := s.sessionUser(r); u != nil {
			return u, nil
		}
		return nil, detail(http.StatusForbidden, "")
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "bearer") || token == "" {
		return nil, detail(http.StatusUnauthorized, "Not authenticated")
	}
	rejected := detail(http.StatusForbidden, "Invalid JWT token")
	c, signed := s.bearer(r)
	if !signed {
		return nil, rejected
	}
	now, number := s.clock.Now(), atoi(c.ID)
	switch {
	case number <= s.rejectedTokens:
		return nil, rejected
	case number <= s.expiredTokens, now.After(time.Unix(c.Expires, 0).Add(leeway)):
		return nil, detail(http.StatusUnauthorized, "Token Expired")
	case time.Unix(c.NotBefore, 0).After(now.Add(leeway)):
		return nil, rejected
	}
	return s.userOf(atoi(c.Subject), rejected)
}

func atoi(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return -1
	}
	return n
}

// cached is what a worker remembers of a user.
type cached struct {
	until time.Time
	user  *user
	held  held
}

// userOf looks a user up as a worker of Airflow does: whom it asked for less
// than the cache's TTL ago, it does not ask for again.
func (s *Sim) userOf(id int, rejected *response) (*user, *response) {
	if s.CacheTTL() > 0 {
		s.cacheLock.Lock()
		defer s.cacheLock.Unlock()
		if c, ok := s.cache[id]; ok && s.clock.Now().Before(c.until) {
			return c.user, nil
		}
	}
	u := s.store.userByID[id]
	if u == nil || !u.active {
		return nil, rejected
	}
	if ttl := s.CacheTTL(); ttl > 0 {
		s.cache[id] = cached{until: s.clock.Now().Add(ttl), user: u, held: s.held(u)}
	}
	return u, nil
}

// heldBy gives the permissions that a worker believes the user to have.
func (s *Sim) heldBy(u *user) held {
	if s.CacheTTL() > 0 {
		s.cacheLock.Lock()
		defer s.cacheLock.Unlock()
		if c, ok := s.cache[u.id]; ok && s.clock.Now().Before(c.until) {
			return c.held
		}
	}
	return s.held(u)
}

// CacheTTL is how long a worker remembers a user's permissions.
func (s *Sim) CacheTTL() time.Duration { return time.Duration(s.cacheTTL.Load()) }
