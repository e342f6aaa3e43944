package stage

import (
	"context"
	"errors"
	"net/http"

	"github.com/airflow-oam/airflow-oam/hack/airflow/server"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

// AccountRole is the only role of the operator's account in Airflow. The account has the same name.
const AccountRole = "airflow-oam"

// CreateAccount makes the operator's account in an Airflow as docs/airflow.md shows it: a user who holds one role, with
// [airflow.AccountPermissions] and nothing else. What runs with it proves that these suffice.
func CreateAccount(ctx context.Context, s *server.Server) (server.User, error) {
	type name struct {
		Name string `json:"name"`
	}
	type action struct {
		Action   name `json:"action"`
		Resource name `json:"resource"`
	}
	var role struct {
		name
		Actions []action `json:"actions"`
	}
	role.Name = AccountRole
	for _, p := range airflow.AccountPermissions() {
		role.Actions = append(role.Actions, action{Action: name{p.Action}, Resource: name{p.Resource}})
	}
	if err := s.AsAdmin(ctx, http.MethodPost, "/auth/fab/v1/roles", role, nil); err != nil {
		return server.User{}, err
	}
	user, err := s.CreateUser(ctx, server.User{Username: AccountRole, Roles: []string{AccountRole}})
	var answer *server.StatusError
	if errors.As(err, &answer) && answer.Code == http.StatusInternalServerError {
		// Airflow 3.1.7 answers so, and makes the user all the same. Who can log in is there.
		if _, loginErr := s.Token(ctx, user.Username, user.Password); loginErr == nil {
			return user, nil
		}
	}
	return user, err
}
