// Package airflow is a typed client of the REST API of one Apache Airflow 2 or 3
// with the FAB auth manager: roles, users, permissions and DAGs, and what is
// needed to know whether they can be managed at all. The client finds out by
// itself which generation it speaks to; [Capabilities] report what a server can do
// beyond that.
//
// A [Client] is made of parts that know only what is below them: calls about one
// subject (discovery, account, roles, users, DAGs, the probe), the reading of
// lists, the caller that speaks the server's dialect as the operator's account,
// and the transport of single HTTP requests.
//
// The package knows no Kubernetes, keeps no global state and logs nothing. It
// returns values, and errors typed by their cause (see [Error] and the
// predicates beside it). No error and no printed value holds a password or a
// token.
//
// What it promises about HTTP:
//
//   - Every call has a deadline of its own besides the context's. It grows with
//     the number of permission pairs a call writes, since Airflow stores each
//     in a transaction of its own.
//   - Answers must be JSON and are read up to [Config.MaxBody] bytes.
//   - An Airflow 3 gets a token. An Airflow 2 gets the password once, and after it
//     the session's cookie; a call that it refuses with 403 is repeated once after a
//     new login, so that wrong credentials are distinguished from missing rights.
//   - Redirects are never followed. Proxies named in the environment are
//     ignored: credentials go to the configured address and nowhere else.
//   - A write is sent at most once, but for an answer that proves that Airflow
//     refused to look at it (its token or session was rejected). Where a write may have
//     taken effect although it failed, [MaybeApplied] says so.
//   - The client does not wait. A reading that fails at the server is repeated at
//     once, a few times; a write never. [RetryAfter] reports the server's Retry-After.
package airflow
