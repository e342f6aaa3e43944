package actuator

import (
	"errors"
	"fmt"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
)

// ErrListShifted says that a list changed while it was read, three times over.
var ErrListShifted = errors.New("a list of Airflow kept changing while it was read")

// What befalls steps and users beside the errors of the client.
var (
	// errNotEffective says that Airflow accepted a write and stored something else.
	errNotEffective = errors.New("Airflow accepted the write, and a reading afterwards shows that it took no effect")
	// errRepeated says that a step took effect and was needed again, as often as a pass may carry it out.
	errRepeated = errors.New("the role was made and deleted again and again")
	// errTwins says that a name does not identify one user.
	errTwins = errors.New("Airflow has several users whose names differ only in case: remove or rename all but one")
)

// ListError is why a list cannot be read although Airflow answers.
type ListError struct {
	list list
	err  error
}

// Error names the list, and what was answered: the status, and the item that is the cause where that was found.
func (e *ListError) Error() string {
	return fmt.Sprintf("Airflow's list of %s cannot be read: %v", e.list, e.err)
}

// Unwrap gives the error of the client.
func (e *ListError) Unwrap() error { return e.err }

// reasons of lists that cannot be read.
var unreadable = map[list]string{
	listRoles: v1alpha1.ReasonRoleListUnreadable, listUsers: v1alpha1.ReasonUserListUnreadable, listDags: v1alpha1.ReasonDagListUnreadable,
}

// Problem is the error with its reason, for a condition.
func (e *ListError) Problem() access.Problem {
	return access.Problem{Reason: unreadable[e.list], Message: e.Error() + ": what needs a newer list waits, and access is revoked all the same"}
}
