// Package decision has the parts that decisions about every kind of object share: the verdict, the named states and the
// conditions that each of them stands for, and the entries of an object's history. What becomes of one kind is decided in
// a package of that kind beneath: decision/grant, decision/policy.
//
// A decision about a kind is one function, Decide, from the facts that were read to a verdict. It is pure: values in,
// values out. There is no context, client, clock or logger in it, and facts are never changed. Equal facts give equal
// verdicts, so that a verdict may be computed again after a conflict or a restart.
//
// The life of an object is not decided here: when facts are read, how a verdict is stored, sent as Events and retried is
// the same for every kind and belongs to the controllers.
package decision
