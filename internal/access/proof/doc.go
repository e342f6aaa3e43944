// Package proof says what an observation proves: which grants are in place and which have left Airflow, whether a policy is
// in sync, who can do more than was granted, and which entries of the inventory may be dropped.
//
// A claim is exact. A grant is absent only when no role that may have come from it is stored for its user, whatever the
// inventory says, and present only when the stored role holds all that the grant gives.
package proof
