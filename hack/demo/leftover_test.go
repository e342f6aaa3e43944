package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// leave starts a process as a demo would, and ends the demo's lock as the end of its process does.
func leave(t *testing.T, temp string, running bool) (home string, child *exec.Cmd) {
	t.Helper()
	t.Setenv("TMPDIR", "") // newHome changes it
	home, lock, err := newHome(temp)
	if err != nil {
		t.Fatal(err)
	}
	child = exec.Command("sleep", "300")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = child.Process.Kill()
		_ = lock.Close()
	})
	if !running {
		if err := lock.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return home, child
}

func TestTheNextDemoEndsWhatAnEarlierOneLeft(t *testing.T) {
	temp := t.TempDir()
	home, child := leave(t, temp, false)
	ended := make(chan struct{})
	go func() {
		_ = child.Wait() // killed by a signal, whatever that returns
		close(ended)
	}()
	var said []string
	if err := endLeftovers(temp, func(format string, arguments ...any) { said = append(said, fmt.Sprintf(format, arguments...)) }); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Fatal("the process still runs")
	}
	if _, err := os.Stat(home); !os.IsNotExist(err) {
		t.Errorf("the folder is still there: %v", err)
	}
	if len(said) != 1 || !strings.Contains(said[0], home) {
		t.Errorf("it said %q", said)
	}
}

func TestARunningDemoIsLeftAlone(t *testing.T) {
	temp := t.TempDir()
	home, child := leave(t, temp, true)
	if err := endLeftovers(temp, t.Logf); err != nil {
		t.Fatal(err)
	}
	if got := processesOf(home); len(got) != 1 || got[0] != child.Process.Pid {
		t.Errorf("processes of the running demo: %v, want %d", got, child.Process.Pid)
	}
}

func TestLogsOfAFailedDemoAreKept(t *testing.T) {
	temp := t.TempDir()
	home, child := leave(t, temp, false)
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	if err := endLeftovers(temp, t.Logf); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(home); err != nil {
		t.Error(err)
	}
}
