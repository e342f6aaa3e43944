// Package access decides what access should hold in an Airflow, and which steps lead there.
//
// It is pure: values in, values out. There is no context, client, clock or logger in it, inputs are never changed, and
// every result is sorted, so that equal inputs give equal results. Desire says what should hold, NewPlan which steps
// lead there from what was observed, Assess what an observation proves about each grant and policy.
//
// # What is ours
//
// A role is managed when the inventory holds it, or when it has a name that only we give: oam.…, or <inventoried policy
// role>~<hash> or ~g<number>. The members of a managed role are exact; nobody stays in one without a cause, whatever the
// mode. Roles that are not managed never appear in a plan, and neither do Airflow's own roles and the operator's account, whatever
// the inventory, a policy or a grant says. One thing reaches further: a grant that ended and whose removal was not
// proved takes its user off the role that it pinned, and its successors, even when the inventory lost them.
//
// # The order of steps
//
// Two promises hold at every point between two steps, for every user. Nobody can do anything that they could do neither
// before the plan nor after it; and nobody loses, even for an instant, what they can do both before and after. The second
// has one exception: what has no cause any more goes first, even if another cause that is not in Airflow yet would
// cover it.
//
// "Can do" is what Airflow says, not what a role says. Airflow joins the permissions of all roles of a user into one
// flat set, and most of what is below a DAG is guarded by a right on the DAG together with a global right. A role that
// lets people edit tasks of A and a role that lets them trigger B together let them edit tasks of B. It is therefore not
// enough to add before taking away: for an instant the user would have both, which is more than either. Nor is it enough
// to take away before adding. Two facts help. A role is replaced in one write, and so is the list of a user's roles:
// StepReplaceRole and StepSwapMember go from before to after with nothing between. So a user whom only one step concerns
// is always safe, and most users are like that. The phases are:
//
//  1. Take off what has no cause. This only ever makes less.
//  2. Create roles, with all they should have. Nobody holds them yet.
//  3. Move users who must not see their present roles widened, such as holders of a grant whose policy now gives more.
//  4. Widen roles.
//  5. Replace roles that gain and lose.
//  6. Move users who must have their new roles before the old are narrowed.
//  7. Narrow roles.
//  8. Move everybody else: the roles that they come to are by now exactly what they should be, so that nobody joins a role
//     that still holds what is about to go.
//  9. Delete roles that nobody holds.
//
// A user whom several steps concern is looked at in detail. The planner walks the flat set of such users through the
// phases and tests both promises with Airflow's algorithm after every phase. Inside the widening and the narrowing phase the set only grows
// or only shrinks, so that its ends are enough. Inside the replacing phase the order is open, so that the least (what
// every role has both before and after) is tested for losses and the most (what it has at either time) for gains. The
// first of the three moments for moving that passes is taken.
//
// When none passes, the user crosses by a bridge: a role oam.bridge~<hash> that holds exactly what those of the user's
// managed roles held that change or go. The user is swapped onto it before the roles change, which changes nothing, and swapped from it to the
// final roles after all of them have changed, which is one step from before to after. Bridges are in the inventory like
// all roles. Plans rarely need them.
//
// Whoever applies a plan may stop after any step, observe, and ask for another: both promises hold over all of them
// together, and the end is the same. A user found on a bridge goes straight on to the final roles. The name of a bridge
// is a hash over what it holds and over the roles that its users should have; when one of these has ended since, the
// name does not fit any more, and the bridge is taken off first, like everything else that has no cause.
//
// # Where roles only grow
//
// On a server that only adds permissions to a role, or refuses to change one, making roles, moving users and deleting
// roles do the work of narrowing: Desire lets another role, a successor, carry what the role carried, and dooms the old
// one. Its members move in one write each, as between any two roles. Where roles cannot be deleted either, doomed roles
// are emptied and stay in the inventory as retired. StepNarrowRole and StepReplaceRole are never planned there, nor is
// StepWidenRole where roles cannot be changed. All rules are in successor.go.
//
// # What is left out
//
// Frozen roles keep what they have; only members without a cause leave, and where roles are frozen because nothing may be
// given (Input.TakeOnly), they also lose what their policies do not give any more. Whoever must leave a role for that
// comes to another one that holds no more, which is made if need be. What others took away is not restored while it is
// contested or while the instance only reports drift: the plan then aims at what is desired less what was taken, so that
// everything above also holds for it.
package access
