// Package notify tells people and programs what became of requests and grants: that a request waits for them, how it was
// decided, that access began, ends soon and ended, that an emergency was declared and has to be reviewed.
//
// Events are derived from an object before and after its status was stored ([OfRequest], [OfGrant]), so that an event is told
// when the transition happens and not again after a restart. Those that come by time ([DueOfRequest], [DueOfGrant]) are
// scheduled by the objects that a [Teller] is told of, after a restart as well. An event has the same id however often it is
// derived, and each notifier gets an id once.
//
// Nothing waits for a notifier: each has a bounded queue, from which the oldest event goes when it is full, and sends one event
// at a time, with retries. The address of a notifier is a secret: no error has a part of it, nor of an answer.
package notify
