package airflow

import (
	"context"
	"net/http"
	"slices"
)

// ProbeRole is the name of the role that [Client.Probe] makes and deletes. No user
// has it.
const ProbeRole = "oam.probe"

// The pairs of the probe's role: entries of a menu, which open nothing.
var (
	probeKept    = Permission{Action: "menu_access", Resource: "Docs"}
	probeDropped = Permission{Action: "menu_access", Resource: "Documentation"}
	// probePairs are all that the role can have: servers add the last one to every role on their own.
	probePairs = []Permission{probeKept, probeDropped, {Action: "can_read", Resource: "Website"}}
)

// probeAPI are the calls that find out what a server does by trying it.
type probeAPI struct{ roles roleAPI }

// Probe tries what a server can do whose version does not say so
// ([Server.Misleads]); of any other it returns [CapabilitiesOf] and sends nothing.
// It makes the role [ProbeRole] with two pairs that open nothing and that no user
// has, removes one, deletes the role, and believes what it reads after each.
// A role left behind by a probe that was interrupted, or by a server that cannot
// delete, is used again. It fails with [IsConflict] where a role of that name
// holds anything else.
//
// Call it where it may write: not while a server is only observed, and after
// [Client.CheckAccount] succeeded, since an account without rights is refused as
// a server refuses every account. Once after each [Client.Discover] that reports
// another version is enough.
func (p probeAPI) Probe(ctx context.Context, server Server) (Capabilities, error) {
	capabilities := CapabilitiesOf(server)
	if !server.Misleads() {
		return capabilities, nil
	}
	if err := p.makeProbe(ctx); err != nil {
		return capabilities, err
	}
	err := p.probeUpdate(ctx, &capabilities)
	if asksToWait(err) {
		return capabilities, err
	}
	// In any other case, so that nothing is left behind.
	if deleteErr := p.probeDelete(ctx, &capabilities); err == nil {
		err = deleteErr
	}
	return capabilities, err
}

// asksToWait says whether the server asked to be left alone for a while.
func asksToWait(err error) bool {
	_, wait := RetryAfter(err)
	return wait || IsThrottled(err)
}

// probeUpdate removes one pair and reads what is left.
func (p probeAPI) probeUpdate(ctx context.Context, capabilities *Capabilities) error {
	_, err := p.roles.UpdateRole(ctx, Role{Name: ProbeRole, Permissions: []Permission{probeKept}}, 2)
	if IsForbidden(err) {
		capabilities.RoleUpdate = RoleUpdateRefused
		return nil
	}
	if err != nil {
		return err
	}
	stored, err := p.roles.Role(ctx, ProbeRole)
	if err != nil {
		return err
	}
	capabilities.RoleUpdate = RoleUpdateReplace
	if slices.Contains(stored.Permissions, probeDropped) {
		capabilities.RoleUpdate = RoleUpdateAdd
	}
	return nil
}

// makeProbe brings the role about with both pairs.
func (p probeAPI) makeProbe(ctx context.Context) error {
	both := Role{Name: ProbeRole, Permissions: []Permission{probeKept, probeDropped}}
	found, err := p.roles.Role(ctx, ProbeRole)
	switch {
	case IsNotFound(err):
		_, err = p.roles.CreateRole(ctx, both)
		return err
	case err != nil:
		return err
	}
	if slices.ContainsFunc(found.Permissions, func(held Permission) bool { return !slices.Contains(probePairs, held) }) {
		return &Error{Cause: CauseConflict, Detail: "there is a role named " + ProbeRole + " that is not the operator's"}
	}
	if slices.Contains(found.Permissions, probeDropped) {
		return nil
	}
	if _, err = p.roles.UpdateRole(ctx, both, len(found.Permissions)); IsForbidden(err) {
		return nil // so will be the next
	}
	return err
}

// probeDelete deletes the role, and retries once before it regards an error of
// the server as its usual answer.
func (p probeAPI) probeDelete(ctx context.Context, capabilities *Capabilities) error {
	var err error
	for range 2 {
		if err = p.roles.DeleteRole(ctx, ProbeRole); IsNotFound(err) {
			err = nil
		}
		if err == nil || asksToWait(err) {
			break
		}
	}
	switch {
	case err == nil:
	case asksToWait(err), errorOf(err).Status != http.StatusInternalServerError:
		return err
	}
	capabilities.RoleDelete = Works
	_, read := p.roles.Role(ctx, ProbeRole)
	switch {
	case IsNotFound(read):
		return nil
	case read == nil:
		capabilities.RoleDelete = Fails
		return nil
	}
	return read
}
