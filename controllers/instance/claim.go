package instance

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

// claimedBy is the problem that another instance claims the Airflow; nil where none does, or where the mode grants nothing
// anyway.
func claimedBy(afi *v1alpha1.AirflowInstance, claim access.Claim) *problem {
	switch {
	case !claim.Taken(), !afi.Enforces():
		return nil
	}
	return stalledBy(v1alpha1.ConditionReady, v1alpha1.ReasonEndpointTaken, foreignClaim(claim))
}

// foreignClaim says who claims an Airflow, and both ways out.
func foreignClaim(claim access.Claim) string {
	return fmt.Sprintf("the AirflowInstance with UID %s claims this Airflow: to take it over with its roles, set spec.takeOver to that UID;"+
		" if that instance is gone and its roles are to stay, delete the role %s in Airflow", claim.Foreign, claim.ForeignRole())
}

// describeClaim adopts that the claim was read back. What spec.takeOver asks for is done when no claim is left that it names.
func describeClaim(afi *v1alpha1.AirflowInstance, claim access.Claim) {
	if !claim.Mine() {
		return
	}
	afi.Status.Claim = &v1alpha1.InstanceClaim{Role: claim.Role}
	if claim.Complete {
		afi.Status.Claim.TookOver = afi.Spec.TakeOver
	}
}

// releaseClaim deletes the claim of an abandoned instance, where a connection is at hand and one request suffices. A claim
// that stays grants nothing; another instance takes the Airflow over from it.
func releaseClaim(ctx context.Context, s *scope) {
	switch {
	case s.client == nil, s.afi.Status.Claim == nil, s.r.Clock.Now().Before(s.notBefore):
		return
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	role := s.afi.Status.Claim.Role
	if err := s.client.DeleteRole(ctx, role); err != nil && !airflow.IsNotFound(err) {
		log.FromContext(ctx).Info("the claim on an abandoned Airflow stays: delete its role there", "role", role, "error", err.Error())
	}
}

// logChanges logs what a pass changed in Airflow, and what deleted roles contained. Deleted roles are Events, too.
func logChanges(ctx context.Context, s *scope) {
	left, events := map[string][]string{}, 0
	for _, step := range s.report.Changes {
		for _, role := range leaves(step) {
			left[role] = append(left[role], step.Username)
		}
		logger := log.FromContext(ctx).WithValues("step", access.Describe(step))
		if step.Kind != access.StepDeleteRole {
			logger.Info("changed in Airflow, and read back")
			continue
		}
		content := access.Content(step, left[step.Role])
		logger.Info("changed in Airflow, and read back", "content", content)
		if events++; events <= maxDrift {
			eventf(s, corev1.EventTypeNormal, v1alpha1.ReasonRoleDeleted, "Delete", "%s; %s", access.Describe(step), content)
		}
	}
}

// leaves are the roles that a user leaves by a step.
func leaves(step access.Step) []string {
	switch step.Kind {
	case access.StepRemoveMember, access.StepRemoveReplaced:
		return step.Roles
	case access.StepSwapMember:
		return step.Replaced
	case access.StepAddMember, access.StepCreateRole, access.StepWidenRole, access.StepReplaceRole, access.StepNarrowRole, access.StepDeleteRole:
	}
	return nil
}

// eventf sends an Event about the instance.
func eventf(s *scope, kind, reason, action, format string, args ...any) {
	if s.r.Recorder != nil {
		s.r.Recorder.Eventf(s.afi, nil, kind, reason, action, format, args...)
	}
}
