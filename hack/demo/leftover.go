package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const (
	// homePattern is how the folder of a demo is named, below the folder for temporary files.
	homePattern = "airflow-oam-demo-"
	// lockName is a file that a running demo has locked. The system releases the lock when the process ends, whatever ended it.
	lockName = "running"
	// endGrace is the time that a leftover process has to end in order.
	endGrace = 10 * time.Second
)

// newHome makes the folder of a demo below temp and locks it. Temporary files of the processes that the demo starts
// belong into it as well: their environment then names the folder, which is how the next demo finds what this one left.
func newHome(temp string) (home string, lock *os.File, err error) {
	if home, err = os.MkdirTemp(temp, homePattern); err != nil {
		return "", nil, err
	}
	if lock, err = lockHome(home); err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(home))
	}
	scratch := filepath.Join(home, "tmp")
	return home, lock, errors.Join(os.Mkdir(scratch, 0o700), os.Setenv("TMPDIR", scratch))
}

// lockHome locks the folder of a demo. It fails with syscall.EWOULDBLOCK while the demo that made it runs.
func lockHome(home string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(home, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// endLeftovers ends the processes of demos below temp that were ended by force, and removes their folders. Demos that
// still run are left alone, and so are the logs of a demo that failed: its processes have ended.
func endLeftovers(temp string, say func(format string, arguments ...any)) error {
	homes, err := filepath.Glob(filepath.Join(temp, homePattern+"*"))
	if err != nil {
		return err
	}
	for _, home := range homes {
		lock, err := lockHome(home)
		if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, os.ErrPermission) {
			continue // it runs, or is another user's
		}
		if err != nil {
			return err
		}
		if err := endLeftover(home, say); err != nil {
			return errors.Join(err, lock.Close())
		}
		if err := lock.Close(); err != nil {
			return err
		}
	}
	return nil
}

// endLeftover ends the processes whose environment names a folder, and removes the folder where there were any.
func endLeftover(home string, say func(format string, arguments ...any)) error {
	found := processesOf(home)
	if len(found) == 0 {
		return nil
	}
	say("an earlier demo was ended by force: end %d processes that it left, and remove %s", len(found), home)
	signalAll(found, syscall.SIGTERM)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(endGrace); len(found) > 0 && time.Now().Before(deadline); found = processesOf(home) {
		<-tick.C
	}
	signalAll(found, syscall.SIGKILL)
	for deadline := time.Now().Add(endGrace); len(found) > 0; found = processesOf(home) {
		if time.Now().After(deadline) {
			return fmt.Errorf("processes %v of an earlier demo do not end: end them, and remove %s", found, home)
		}
		<-tick.C
	}
	return os.RemoveAll(home)
}

func signalAll(processes []int, signal syscall.Signal) {
	for _, pid := range processes {
		_ = syscall.Kill(pid, signal) // one that has ended meanwhile is as wanted
	}
}

// processesOf gives the processes, but for this one, whose environment names a folder. It reads /proc of Linux; what cannot be
// read is another user's or has ended.
func processesOf(home string) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var found []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		environment, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "environ"))
		if err == nil && bytes.Contains(environment, []byte("="+home+"/")) {
			found = append(found, pid)
		}
	}
	return found
}
