package access

// Giving is how much a pass may do: everything, or only revoke. What ends and what has no cause any more is revoked in
// either case. The zero value is everything.
type Giving struct {
	// RevokeOnly is why nothing is granted at present; nil where everything may be done.
	RevokeOnly *Problem
}

// All reports whether everything may be done.
func (g Giving) All() bool { return g.RevokeOnly == nil }

// OnlyRevoking is the Giving that grants nothing, for a reason.
func OnlyRevoking(reason, message string) Giving {
	return Giving{RevokeOnly: &Problem{Reason: reason, Message: message}}
}
