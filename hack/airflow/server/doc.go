// Package server installs, starts and stops a real Apache Airflow on this
// machine, without containers: for the demo, the tests and people at the shell.
//
// An installation is a virtual environment below the cache folder, made once
// from the lock of a release. A server is a home folder with its own database,
// secrets and logs, and up to three processes that listen on 127.0.0.1 alone.
// Several servers run side by side, of equal and of different releases; each
// needs its own home and about 1 GiB of memory.
//
// Where the releases differ is in this package: what is set, what is started,
// how people prove who they are, and where an operation is found.
package server
