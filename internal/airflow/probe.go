package airflow

import (
	"context"
	"errors"
	"net/http"
	"slices"
)

// ProbeRole is the name of the role that [Client.Probe] makes and deletes. Nobody
// is given it.
const ProbeRole = "oam.probe"

// The pairs of the probe's role: entries of a menu, which open nothing.
var (
	probeKept    = Permission{Action: "menu_access", Resource: "Docs"}
	probeDropped = Permission{Action: "menu_access", Resource: "Documentation"}
)

// Probe finds out by trying what a server can do whose version does not tell
// ([Server.Misleads]); of any other it gives [CapabilitiesOf] and sends nothing.
// It makes the role [ProbeRole] with two pairs that open nothing and that nobody
// holds, takes one away, deletes the role, and believes what it reads after each.
// A role left behind by a probe that was interrupted, or by a server that cannot
// delete, is used again. It fails with [IsConflict] where a role of that name
// holds anything else.
//
// Call it where it may write: not while a server is only observed, and after
// [Client.CheckAccount] succeeded, since an account without rights is refused as
// a server refuses everybody. Once after each [Client.Discover] that tells another
// version is enough.
func (c *Client) Probe(ctx context.Context, server Server) (Capabilities, error) {
	capabilities := CapabilitiesOf(server)
	if !server.Misleads() {
		return capabilities, nil
	}
	if err := c.makeProbe(ctx); err != nil {
		return capabilities, err
	}
	err := c.probeUpdate(ctx, &capabilities)
	if asksToWait(err) {
		return capabilities, err
	}
	// In any other case, so that nothing is left behind.
	if deleteErr := c.probeDelete(ctx, &capabilities); err == nil {
		err = deleteErr
	}
	return capabilities, err
}

// asksToWait says whether the server asked to be left alone for a while.
func asksToWait(err error) bool {
	_, wait := RetryAfter(err)
	return wait || IsThrottled(err)
}

// probeUpdate takes one pair away.
func (c *Client) probeUpdate(ctx context.Context, capabilities *Capabilities) error {
	_, err := c.UpdateRole(ctx, Role{Name: ProbeRole, Permissions: []Permission{probeKept}}, 2)
	if IsForbidden(err) {
		capabilities.RoleUpdate = RoleUpdateRefused
		return nil
	}
	if err != nil {
		return err
	}
	stored, err := c.Role(ctx, ProbeRole)
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
func (c *Client) makeProbe(ctx context.Context) error {
	both := Role{Name: ProbeRole, Permissions: []Permission{probeKept, probeDropped}}
	found, err := c.Role(ctx, ProbeRole)
	switch {
	case IsNotFound(err):
		_, err = c.CreateRole(ctx, both)
		return err
	case err != nil:
		return err
	}
	for _, p := range found.Permissions {
		if p != probeKept && p != probeDropped && p != website {
			return &Error{Cause: CauseConflict, Detail: "there is a role named " + ProbeRole + " that is not the operator's"}
		}
	}
	if slices.Contains(found.Permissions, probeDropped) {
		return nil
	}
	if _, err = c.UpdateRole(ctx, both, len(found.Permissions)); IsForbidden(err) {
		return nil // so will be the next
	}
	return err
}

// website is what servers add to every role on their own.
var website = Permission{Action: "can_read", Resource: "Website"}

// probeDelete deletes the role, and tries once more before it takes an error of
// the server for what it always does.
func (c *Client) probeDelete(ctx context.Context, capabilities *Capabilities) error {
	var err error
	for range 2 {
		if err = c.DeleteRole(ctx, ProbeRole); err == nil || IsNotFound(err) || asksToWait(err) {
			break
		}
	}
	if e, ok := errors.AsType[*Error](err); ok && (e.Status != http.StatusInternalServerError || asksToWait(err)) && !IsNotFound(err) {
		return err
	}
	capabilities.RoleDelete = Works
	_, read := c.Role(ctx, ProbeRole)
	switch {
	case IsNotFound(read):
		return nil
	case read == nil:
		capabilities.RoleDelete = Fails
		return nil
	}
	return read
}
