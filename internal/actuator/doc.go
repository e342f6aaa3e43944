// Package actuator is the only writer to Airflow. There is one [Actuator] per instance; it observes, asks package access
// for the plan, carries its steps out in slices, reads back what it wrote, and reports what it proved.
//
// # Parts
//
// A pass drives: it reads what is declared, decides, carries out steps until none is left, proves, and reports. The reader
// reads Airflow and keeps the snapshot; nothing else knows what is stored there. The writer carries out the steps of one
// phase of a plan and has the reader read back what it wrote; an answer to a write proves nothing. The ledger records what
// became of steps, and which failures stand in the way of others.
//
//	pass      pass.go report.go scope.go      one pass: declare, decide, slices, prove, report
//	reader    reader.go userreading.go        lists, pages, users; snapshot.go and roster.go are what they found
//	writer    writer.go members.go roles.go   steps, batches, reading back; crew.go begins requests and stops
//	ledger    ledger.go                       tries, failures and what they block, changes
//	memory    inventory.go ending.go contest.go awaited.go   what outlives a pass, beside the snapshot
//
// # Concurrency
//
// One goroutine carries a pass. It begins requests in other goroutines, and while it waits for them it may revoke what
// comes due (pass.beside): the same goroutine then decides again and writes other users. Three locks guard what these
// goroutines share: reader.mu the snapshot, ledger.mu the ledger, tally.mu the outcomes of the requests of one phase.
// No lock is held during a request, and no method that holds one calls a method that takes another.
// Everything else belongs to the goroutine of the pass.
package actuator
