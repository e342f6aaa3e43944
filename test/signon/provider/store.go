package provider

import (
	"context"
	"crypto/rsa"
	"errors"
	"sync"

	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// store is the library's example of a storage, with our clients and users.
type store struct {
	*storage.Storage
	provider *Provider
	users    userStore
	signing  op.SigningKey
	public   *rsa.PublicKey

	mutex     sync.Mutex
	redirects []string
}

var (
	_ op.Storage                  = (*store)(nil)
	_ op.ClientCredentialsStorage = (*store)(nil)
)

func newStore(p *Provider, users []User) *store {
	s := &store{provider: p, users: userStore(users)}
	s.Storage = storage.NewStorageWithClients(s.users, map[string]*storage.Client{})
	s.signing, _ = s.SigningKey(context.Background()) // the example has one key, and no errors
	if private, ok := s.signing.Key().(*rsa.PrivateKey); ok {
		s.public = &private.PublicKey
	}
	return s
}

func (s *store) allow(redirects []string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.redirects = redirects
}

func (s *store) username(subject string) string {
	if user := s.users.find(subject); user != nil {
		return user.Username
	}
	return ""
}

// GetClientByClientID implements op.OPStorage.
func (s *store) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	switch id {
	case s.provider.ClientID:
		return storage.WebClient(id, s.provider.ClientSecret, s.redirects...), nil
	case s.provider.ClusterID:
		return storage.WebClient(id, s.provider.ClusterSecret, clusterRedirect), nil
	case s.provider.MachineID:
		return machine{storage.WebClient(id, s.provider.MachineSecret)}, nil
	}
	return nil, errors.New("no such client")
}

// AuthorizeClientIDSecret implements op.OPStorage.
func (s *store) AuthorizeClientIDSecret(_ context.Context, id, secret string) error {
	known := map[string]string{
		s.provider.ClientID: s.provider.ClientSecret, s.provider.MachineID: s.provider.MachineSecret, s.provider.ClusterID: s.provider.ClusterSecret,
	}
	if secret == "" || known[id] != secret {
		return errors.New("no such client, or another secret")
	}
	return nil
}

// ClientCredentials implements op.ClientCredentialsStorage.
func (s *store) ClientCredentials(ctx context.Context, id, secret string) (op.Client, error) {
	if err := s.AuthorizeClientIDSecret(ctx, id, secret); err != nil {
		return nil, err
	}
	return s.GetClientByClientID(ctx, id)
}

// ClientCredentialsTokenRequest implements op.ClientCredentialsStorage.
func (s *store) ClientCredentialsTokenRequest(_ context.Context, id string, scopes []string) (op.TokenRequest, error) {
	return &machineRequest{subject: id, audience: []string{s.provider.Audience}, scopes: scopes}, nil
}

// SetUserinfoFromToken implements op.OPStorage, for the user data.
func (s *store) SetUserinfoFromToken(ctx context.Context, info *oidc.UserInfo, id, subject, origin string) error {
	err := s.Storage.SetUserinfoFromToken(ctx, info, id, subject, origin)
	s.users.complete(info)
	return err
}

// SetUserinfoFromRequest implements op.CanSetUserinfoFromRequest, for ID tokens.
func (s *store) SetUserinfoFromRequest(ctx context.Context, info *oidc.UserInfo, request op.IDTokenRequest, scopes []string) error {
	err := s.Storage.SetUserinfoFromRequest(ctx, info, request, scopes)
	s.users.complete(info)
	return err
}

// machine is a client that gets JWTs by client credentials.
type machine struct{ *storage.Client }

// GrantTypes implements op.Client.
func (machine) GrantTypes() []oidc.GrantType {
	return []oidc.GrantType{oidc.GrantTypeClientCredentials}
}

// AccessTokenType implements op.Client.
func (machine) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }

// machineRequest is a request for such a token.
type machineRequest struct {
	subject          string
	audience, scopes []string
}

// GetSubject implements op.TokenRequest.
func (r *machineRequest) GetSubject() string { return r.subject }

// GetAudience implements op.TokenRequest.
func (r *machineRequest) GetAudience() []string { return r.audience }

// GetScopes implements op.TokenRequest.
func (r *machineRequest) GetScopes() []string { return r.scopes }

// userStore are the users in the form of the library's example.
type userStore []User

var _ storage.UserStore = userStore(nil)

func (s userStore) find(subject string) *User {
	for i := range s {
		if s[i].Subject == subject {
			return &s[i]
		}
	}
	return nil
}

// complete adds the claims that the example does not know. ID tokens carry the
// profile too, as those of Authentik do, and Google's own claim id.
func (s userStore) complete(info *oidc.UserInfo) {
	user := s.find(info.Subject)
	if user == nil {
		return
	}
	info.PreferredUsername, info.Nickname, info.Email = user.Username, user.Nickname, user.Email
	info.AppendClaims("id", user.Subject)
	if len(user.Groups) > 0 {
		info.AppendClaims("groups", user.Groups)
	}
}

// GetUserByID implements storage.UserStore.
func (s userStore) GetUserByID(id string) *storage.User {
	user := s.find(id)
	if user == nil {
		return nil
	}
	return &storage.User{ID: user.Subject, Username: user.Username, FirstName: user.Nickname, LastName: "Example", Email: user.Email, EmailVerified: true}
}

// GetUserByUsername implements storage.UserStore.
func (s userStore) GetUserByUsername(name string) *storage.User {
	for i := range s {
		if s[i].Username == name {
			return s.GetUserByID(s[i].Subject)
		}
	}
	return nil
}

// ExampleClientID implements storage.UserStore.
func (s userStore) ExampleClientID() string { return "" }
