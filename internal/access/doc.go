// Package access holds the values of which access is decided: what an Airflow stores, what should hold there and for which
// causes, the steps between, and what is proved.
//
// It is pure, and so are the packages below it: values in, values out. There is no context, client, clock or logger, inputs
// are never changed, and every result is sorted, so that equal inputs give equal results. desire.Of says what should hold,
// plan.New which steps lead there from what was observed, proof.Assess what an observation proves about each grant and
// policy. None of the three packages knows another one.
//
// # What is ours
//
// A role is managed when the inventory holds it, or when it has a name that only the operator gives: oam.…, or <inventoried
// policy role>~<hash> or ~g<number>. The members of a managed role are exact; no user stays in one without a cause, whatever
// the mode. Roles that are not managed never appear in a plan, and neither do Airflow's own roles and the operator's account,
// whatever the inventory, a policy or a grant says. One rule reaches further: a grant that ended and whose removal was not
// proved revokes the role that it pinned, and its successors, from its user, even when the inventory lost them.
//
// # Causes
//
// A membership has one or more causes: a policy whose standing member the user is, or a live grant. Members.Causes is the
// answer to "why does carol have role X". Steps carry the causes that they serve and those that ended; every text about a
// step is derived from them.
package access
