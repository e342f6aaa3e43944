// Package kind is the life that all kinds share: what happens to an object from the moment it is read until the moment
// its finalizer is removed, whatever kind it is of.
//
// # One pass over an object
//
// A pass is get, gather, decide, hold, store, create, announce, release, collect, in this order ([Reconciler.Reconcile]):
//
//   - get reads the object from the cache. An object that is gone is forgotten.
//   - gather reads everything that the decision depends on, and writes nothing.
//   - decide is a pure function from what was read to a verdict.
//   - hold adds the finalizer, before anything outside of Kubernetes can follow from the verdict.
//   - store records the verdict in a copy of the object and writes its status: one patch, which fails when another writer
//     was first, and no patch when nothing changed.
//   - announce turns each new entry of the history into an Event and a line of the log, and measures.
//   - release removes the finalizer of a deleted object once the verdict says that nothing is left to prove.
//   - collect deletes an object when its retention is over.
//
// An error ends the pass. [OutcomeOf] classes it and [Settle] says what the queue does about it: this is the only table
// from an error to a reaction. An end that was decided and could not be stored is latched in memory: a clock that steps
// back before the next pass does not revoke the decision.
//
// # Who is woken
//
// Our own status writes wake no object. An object is reconciled when its spec, metadata or deletion changes, when an object
// changes that it depends on (Watches), when a report about its Airflow says something new about it (Wakes), and when time
// alone changes the verdict (NextAt), at most [MaxWait] later, so that a stepped clock cannot hide an ending. What
// revokes access goes before everything else in the queue ([PriorityEnding]).
//
// # How to add a kind
//
//  1. Put its type with accessors and reasons into api/v1alpha1, and its decision, a pure function from facts to a
//     verdict that embeds decision.Verdict, into internal/decision/<kind>.
//  2. Make a package controllers/<kind> with a function New(env) that fills in a [Kind]: its name, an empty object, where
//     the common parts of its status are, Gather, Decide and Watches. Gather reads by the indexes of [Cache]; where it
//     needs another one, [Indexes] is the list. Decide wraps the verdict of internal/decision/<kind> and says how the
//     fields of the kind's own status are recorded.
//  3. Where passes over an Airflow say something about it, add Wakes, which compares two reports; where its end is to be
//     reached before everything else, Ends; where it is deleted after a retention, EndedAt.
//  4. Write the markers for its rights beside New (+kubebuilder:rbac) and run make generate.
//  5. Add it to controllers.Setup, to depguard in .golangci.yml, and to the diagram in docs/architecture.md.
//
// That is 120 to 160 lines, and none of them is about finalizers, patches, events, retries, queues or caches.
// controllers/policy is the shortest example.
package kind
