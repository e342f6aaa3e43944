// Package airflowtest simulates an Airflow with the FAB auth manager, as far as
// the operator, and the people it serves, can see it over HTTP: roles, users,
// permissions, DAGs, tokens or sessions, and Airflow's own algorithm of
// authorization, with its answers to mistakes and its oddities. A [Generation]
// says which Airflow. A contract suite (package contract) runs against the
// simulator and real Airflows, so that it cannot drift from what it stands for.
//
// A [Sim] records every request and every change of state with the time of an
// injected clock. What was allowed to whom at which moment can be asked
// afterwards ([Sim.Spans], [Sim.AllowedBetween]). Faults are injected as a list
// of rules ([Sim.Inject]); other writers act by the methods that change state
// directly.
package airflowtest
