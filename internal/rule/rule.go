// Package rule is a PLACEHOLDER until the real one is merged: it knows no CEL, only rules without an expression and the
// identities "requester" and "requester.lowerAscii()".
package rule

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// Input of rules.
type Input struct {
	Requester string
	Duration  time.Duration
	StartsAt  *time.Time
	Access    []v1alpha1.AccessLevel
	Dags      []Dag
	Reason    string
	Emergency bool
	Now       time.Time
}

// Dag that a request names.
type Dag struct {
	ID           string
	Tags, Owners []string
	Path         string
}

// Rules of a policy.
type Rules struct{ rules []v1alpha1.RequestRule }

// RulesOf compiles rules.
func RulesOf(rules []v1alpha1.RequestRule) (*Rules, error) { return &Rules{rules}, nil }

// First is the first rule that fits.
func (r *Rules) First(groups []string, _ Input) (*v1alpha1.RequestRule, error) {
	for i := range r.rules {
		fits := &r.rules[i]
		if len(fits.Groups) > 0 && !slices.ContainsFunc(groups, func(g string) bool { return slices.Contains(fits.Groups, g) }) {
			continue
		}
		if fits.When != "" {
			return nil, fmt.Errorf("rule %q: the placeholder knows no CEL", fits.Name)
		}
		return fits, nil
	}
	return nil, nil
}

// Identity of people.
type Identity struct{ identity *v1alpha1.Identity }

// IdentityOf compiles an identity.
func IdentityOf(i *v1alpha1.Identity) (*Identity, error) { return &Identity{i}, nil }

// Subject of a requester.
func (i *Identity) Subject(requester string) (v1alpha1.Subject, error) {
	value := requester
	if strings.Contains(i.identity.Email+i.identity.Username, "lowerAscii") {
		value = strings.ToLower(requester)
	}
	if i.identity.Username != "" {
		return v1alpha1.Subject{Username: value}, nil
	}
	if !strings.Contains(value, "@") {
		return v1alpha1.Subject{}, errors.New("no e-mail")
	}
	return v1alpha1.Subject{Email: value}, nil
}
