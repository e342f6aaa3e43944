// Package desire decides what should hold in an Airflow: roles, their permissions and members, each with its causes.
//
// Of reads from top to bottom: which policy has which role name, what each policy comes to, what each grant comes to, which
// roles stay in the inventory, and which causes are withheld because roles would combine to more than was granted. Its parts
// are:
//
//   - stock: the roles that are there, in Airflow and in the inventory, and the role that carries a policy or grant (where
//     the server only adds permissions, that may be a successor);
//   - levels: the permissions that access levels come to on this server;
//   - guard: DAGs that are no longer selected, and whether the loss is believed, held or released.
//
// The decision is the same after every step on the way to it, so that a pass may stop anywhere.
package desire
