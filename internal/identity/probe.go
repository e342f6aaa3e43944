package identity

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// maxAnswer bounds what of an unexpected answer is shown.
const maxAnswer = 200

// probe writes a lie, in a dry run: the operator withdraws the request of another user. The API server must refuse it by the
// policy, and for nothing else.
func (p *Prover) probe(ctx context.Context, request *v1alpha1.AccessRequest, operator string) error {
	if request.Spec.Requester == operator {
		return fmt.Errorf("%w: %s requests for itself, so that nothing distinguishes the requester from the operator: request with another account",
			ErrNotProved, text.Quoted(operator))
	}
	lie := fmt.Appendf(nil, `{"metadata":{"uid":%q},"spec":{"withdrawn":true}}`, request.UID)
	err := p.api.Patch(ctx, request.DeepCopy(), client.RawPatch(types.MergePatchType, lie), client.DryRunAll)
	if err == nil {
		return p.missing("is not applied to this request, the API server accepts a false name: check its binding, and that this is Kubernetes 1.31 or newer")
	}
	var answer apierrors.APIStatus
	if !errors.As(err, &answer) {
		return fmt.Errorf("try to withdraw the request: %w", err)
	}
	status := answer.Status()
	if status.Code == http.StatusForbidden && status.Details != nil && len(status.Details.Causes) > 0 &&
		strings.HasPrefix(status.Details.Causes[0].Message, "ValidatingAdmissionPolicy '"+p.name+"' with binding") {
		return nil
	}
	switch status.Code {
	case http.StatusForbidden, http.StatusUnprocessableEntity, http.StatusBadRequest:
		return p.missing("is not what refused a false name on this request. Remove the cause, or create the request again: " +
			text.Cut(text.Plain(status.Message), maxAnswer))
	}
	return fmt.Errorf("try to withdraw the request: %w", err)
}
