// Package plan finds the steps that lead from what is observed to what should hold, and what others changed.
//
// # The order of steps
//
// One promise holds at every point between two steps, for every user: a user who retains access does not lose it, even for
// an instant. Access is retained when the user has it both before and after the plan. There is one exception: access
// without a cause is revoked first, even if another cause that is not in Airflow yet would cover it.
//
// Airflow joins the permissions of all roles of a user into one flat set, and most of what is below a DAG is guarded by a
// right on the DAG together with a global right. It is therefore not enough to look at single permissions. The order makes
// sure that the set of every user contains, at every point, all that it held before the plan or all that it holds after
// it: roles gain before users move, a user moves in one write, and roles lose after that. The phases are:
//
//  0. Create the claim of the instance. It stands alone in its plan: under no claim nothing else is created or widened, and
//     no user gets a role (desire.Of).
//  1. Revoke roles without a cause.
//  2. Create roles, with all that they should hold. No user has them yet.
//  3. Widen roles. Users who leave a role that is widened move before that: see below.
//  4. Move users who have a role that loses permissions.
//  5. Replace the permissions of roles that gain and lose in one write. Where a member of such a role leaves a role, joins
//     one of this kind or has two of them, it is widened to the union in phase 3 and narrowed in phase 6 instead.
//  6. Narrow roles.
//  7. Move all other users: the roles that they join are exactly as they should be by now.
//  8. Delete roles that have no member.
//
// What the order does not prevent is more access than before and after, for the duration of a plan: two rights may meet in
// the set of one user, and a user whose own roles lose permissions may join a role that is yet to lose some. The default
// of leastPrivilege, Warn, tolerates the first permanently; docs/design/grant-roles.md has the reasons. No user ever holds
// any other permission that they hold neither before nor after the plan. In particular, a grant never gains what its policy
// gains later: the holder of a pinned, narrower grant leaves the role of the policy before that is widened. Phase 3 is
// therefore three: roles that no such user leaves are widened, so that the roles that these users come to are complete;
// these users move; the roles that they left are widened.
//
// Whoever applies a plan may stop after any step, observe, and ask for another: the promises hold over all of them
// together, and the end is the same.
//
// # Where roles only grow
//
// On a server that only adds permissions to a role, making roles, moving users and deleting roles do the work of narrowing:
// desire.Of lets another role, a successor, carry what the role carried, and dooms the old one. Its members move in one write
// each, as between any two roles. Where roles cannot be deleted either, doomed roles are emptied and stay in the inventory
// as retired. StepNarrowRole and StepReplaceRole are never planned there. The rules are in package desire.
//
// # What is left out
//
// While nothing may be granted (access.Giving), no role is created or widened and no user gets one. Members without a cause are
// revoked in every case. What becomes of the permissions of roles is their access.Upkeep: a pass that may only revoke narrows them
// in place, where the server can do that; under an instance or a policy that is told to leave things as they are, they
// stay. What others took away is not restored while it is contested or while the instance only reports drift: the plan then
// aims at what is desired less what was taken, so that everything above also holds for it.
package plan
