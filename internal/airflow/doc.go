// Package airflow is a typed client of the REST API of one Apache Airflow 2 or 3
// with the FAB auth manager: roles, users, permissions and DAGs, and what is
// needed to know whether they can be managed at all. The client finds out by
// itself which generation it speaks to; what a server can do beyond that is told
// by [Capabilities].
//
// The package knows no Kubernetes, keeps no global state and logs nothing. It
// gives back values, and errors typed by their cause (see [Error] and the
// predicates beside it). It never tells a password or a token in an error or
// in a printed value.
//
// What it promises about HTTP:
//
//   - Every call has a deadline of its own besides the context's. It grows with
//     the number of permission pairs a call writes, since Airflow stores each
//     in a transaction of its own.
//   - Answers must be JSON and are read up to [Config.MaxBody] bytes.
//   - An Airflow 3 gets a token. An Airflow 2 gets the password once, and after it
//     the session's cookie; what it refuses with 403 is asked once more after a new
//     login, so that wrong credentials are told from missing rights.
//   - Redirects are never followed. Proxies named in the environment are
//     ignored: credentials go to the configured address and nowhere else.
//   - A write is sent at most once, but for an answer that proves that Airflow
//     refused to look at it (its token or session was rejected). Where a write may have
//     taken effect although it failed, [MaybeApplied] says so.
//   - The client does not wait. A reading that the server failed at is made again
//     at once, a few times; a write never. Retry-After is handed to the caller by
//     [RetryAfter].
package airflow
