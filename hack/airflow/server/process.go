package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// stopGrace is how long a process may take to end before it is killed.
const stopGrace = 15 * time.Second

// process is a program of a server, leader of a process group of its own.
type process struct {
	Name string `json:"name"`
	PID  int    `json:"pid"`
	// Started tells the process from a later one with the same number.
	Started string `json:"started"`

	ended chan struct{} // closed when it has ended; nil where another program started it
}

// startProcess starts a command of the program airflow for a home folder. Its output is
// appended to logs/<name>.log, where the name is the command's first word.
func startProcess(airflow string, o Options, arguments ...string) (*process, error) {
	name := arguments[0]
	logFile, err := os.OpenFile(logPath(o.Home, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = logFile.Close() }() // the process has its own
	cmd := exec.Command(airflow, arguments...)
	cmd.Dir = o.Home
	cmd.Env = environment("AIRFLOW_HOME="+o.Home, "SCARF_ANALYTICS=false", "PYTHONUNBUFFERED=1",
		"PATH="+filepath.Dir(airflow)+string(os.PathListSeparator)+os.Getenv("PATH"))
	if len(o.PythonPath) > 0 {
		cmd.Env = append(cmd.Env, "PYTHONPATH="+strings.Join(o.PythonPath, string(os.PathListSeparator)))
	}
	cmd.Stdout, cmd.Stderr = logFile, logFile
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the %s: %w", name, err)
	}
	p := &process{Name: name, PID: cmd.Process.Pid, Started: startTime(cmd.Process.Pid), ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended is told by its log
		close(p.ended)
	}()
	return p, nil
}

// died explains why the process ended by itself, by the end of its log.
func (p *process) died(home string) error {
	content, err := os.ReadFile(logPath(home, p.Name))
	if err != nil {
		return fmt.Errorf("the %s ended: %w", p.Name, err)
	}
	err = fmt.Errorf("the %s ended; its log %s ends with:\n%s", p.Name, logPath(home, p.Name), lastLines(string(content), 20))
	if strings.Contains(strings.ToLower(string(content)), "address already in use") {
		err = errors.Join(errPortTaken, err)
	}
	return err
}

func logPath(home, name string) string { return filepath.Join(home, "logs", name+".log") }

// alive says whether the process itself still runs. One that has ended and was not collected yet does not.
func (p *process) alive() bool {
	if p.ended != nil {
		select {
		case <-p.ended:
			return false
		default:
		}
	}
	return p.Started != "" && startTime(p.PID) == p.Started
}

// stop ends the process group, by force after the grace period, and waits.
func (p *process) stop(ctx context.Context) error {
	if !p.alive() && p.ended == nil {
		return nil // the number may belong to somebody else by now
	}
	_ = syscall.Kill(-p.PID, syscall.SIGTERM)
	if waitUntil(ctx, stopGrace, func() bool { return !groupAlive(p.PID) }) {
		return nil
	}
	_ = syscall.Kill(-p.PID, syscall.SIGKILL)
	if waitUntil(context.WithoutCancel(ctx), stopGrace, func() bool { return !groupAlive(p.PID) }) {
		return nil
	}
	return fmt.Errorf("the %s (process group %d) does not end", p.Name, p.PID)
}

// startTime identifies a run of a process number; empty when there is none, or
// when it has ended and only waits to be collected.
func startTime(pid int) string {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err == nil {
		fields := statFields(stat)
		if len(fields) < 20 || fields[0] == "Z" {
			return ""
		}
		return fields[19]
	}
	if _, err := os.Stat("/proc/self/stat"); err == nil {
		return ""
	}
	// No /proc here (macOS).
	output, err := exec.Command("ps", "-o", "lstart=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(output))
}

// groupAlive says whether a process of the group still runs. Ended ones that
// nobody collected do not count.
func groupAlive(group int) bool {
	if errors.Is(syscall.Kill(-group, 0), syscall.ESRCH) {
		return false
	}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		return true
	}
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // ended meanwhile
		}
		fields := statFields(stat)
		if len(fields) > 2 && fields[0] != "Z" && fields[2] == strconv.Itoa(group) {
			return true
		}
	}
	return false
}

// statFields returns the fields after the program's name, which may hold
// anything: state, parent, group, ..., with the start time as the twentieth.
func statFields(stat []byte) []string {
	text := string(stat)
	return strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
}

// waitUntil asks every tenth of a second, and says whether the condition came.
func waitUntil(ctx context.Context, limit time.Duration, condition func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if condition() {
			return true
		}
		select {
		case <-ctx.Done():
			return condition()
		case <-tick.C:
		}
	}
}

// guardScript waits until its standard input is closed, which the system does
// when the owner ends in whatever way, and then ends the groups it was given.
const guardScript = `cat >/dev/null; for g in "$@"; do kill -s TERM -- "-$g"; done 2>/dev/null; sleep 15; for g in "$@"; do kill -s KILL -- "-$g"; done 2>/dev/null`

// guard ends a server's processes when the program that owns them is gone.
type guard struct {
	cmd   *exec.Cmd
	input *os.File
}

func startGuard(processes []*process) (*guard, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = read.Close() }()
	arguments := []string{"-c", guardScript, "guard"}
	for _, p := range processes {
		arguments = append(arguments, strconv.Itoa(p.PID))
	}
	cmd := exec.Command("/bin/sh", arguments...)
	cmd.Stdin = read
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, write.Close())
	}
	return &guard{cmd: cmd, input: write}, nil
}

// dismiss ends the guard and leaves the processes to the caller.
func (g *guard) dismiss() {
	if g == nil {
		return
	}
	_ = syscall.Kill(-g.cmd.Process.Pid, syscall.SIGKILL)
	_ = g.cmd.Wait()
	_ = g.input.Close()
}
