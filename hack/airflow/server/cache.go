package server

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// CacheVariable is the environment variable that moves the folder of everything
// that is made once. The default is .cache in the repository.
const CacheVariable = "AIRFLOW_OAM_CACHE"

const moduleLine = "module github.com/airflow-oam/airflow-oam"

// CacheFolder returns the folder of everything that is made once, as an
// absolute path: $AIRFLOW_OAM_CACHE, else .cache in the repository that the
// working directory is in.
func CacheFolder() (string, error) {
	if folder := os.Getenv(CacheVariable); folder != "" {
		return filepath.Abs(folder)
	}
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if isModuleRoot(folder) {
			return filepath.Join(folder, ".cache"), nil
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return "", fmt.Errorf("the working directory is not in the repository: change to it, or set %s", CacheVariable)
		}
		folder = parent
	}
}

func isModuleRoot(folder string) bool {
	content, err := os.ReadFile(filepath.Join(folder, "go.mod"))
	if err != nil {
		return false
	}
	for line := range bytes.Lines(content) {
		if string(bytes.TrimSpace(line)) == moduleLine {
			return true
		}
	}
	return false
}

// lockFolder keeps other processes of this program out of folder until the
// returned function is called. It waits for them.
func lockFolder(folder string) (unlock func(), err error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(folder, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", folder, err), file.Close())
	}
	return func() { _ = file.Close() }, nil // closing releases the lock
}
