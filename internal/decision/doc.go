// Package decision says what becomes of grants and policies: Grant and Policy take everything that was read and give
// the status that should be stored, what to tell people, and when to look again.
//
// It is pure: values in, values out. There is no context, client, clock or logger in it and inputs are never changed.
// Equal facts give equal verdicts, so that a verdict may be computed again after a conflict or a restart.
package decision
