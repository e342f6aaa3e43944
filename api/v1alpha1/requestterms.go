package v1alpha1

// Needed is how many approvers must agree where no rule says something else: 1 where nothing is set.
func (t *RequestTerms) Needed() int32 {
	if t.Approvals == nil {
		return 1
	}
	return *t.Approvals
}
