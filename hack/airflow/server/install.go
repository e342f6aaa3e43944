package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/airflow-oam/airflow-oam/hack/airflow/locks"
)

// pythons are the interpreters that are tried, in this order.
var pythons = []string{"python3", "python3.12", "python3.13", "python3.11"}

// pythonCheck takes the highest minor version that fits. Airflow's FAB provider
// sets the lowest, 3.11; the installer's lock fits all.
const pythonCheck = "import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] <= (3, int(sys.argv[1])) else 1)"

// Installation is a virtual environment made from the lock of a release.
type Installation struct {
	Release Release
	// Folder is the installation's place in the cache, an absolute path.
	Folder string
}

// Install makes the installation of a version of Airflow where it is missing,
// was interrupted or belongs to another content of the lock, and returns it. The
// empty version means the default, see ReleaseOf. Progress lines go to log,
// which may be nil. It may be called by several processes at a time: one
// installs, the others wait. Each version has a folder of its own.
func Install(ctx context.Context, version string, log io.Writer) (*Installation, error) {
	release, err := ReleaseOf(version)
	if err != nil {
		return nil, err
	}
	requirements, err := locks.Read(release.Lock)
	if err != nil {
		return nil, err
	}
	cache, err := CacheFolder()
	if err != nil {
		return nil, err
	}
	in := &Installation{Release: release, Folder: filepath.Join(cache, "airflow", release.Lock)}
	unlock, err := lockFolder(in.Folder)
	if err != nil {
		return nil, err
	}
	defer unlock()
	wanted := in.fingerprint(requirements)
	if found, err := os.ReadFile(in.marker()); err == nil && string(found) == wanted {
		return in, nil
	}
	if err := in.install(ctx, cache, requirements, progress{log}); err != nil {
		return nil, fmt.Errorf("install %s: %w", release.Lock, err)
	}
	// The marker comes last: without it the next call starts over.
	return in, os.WriteFile(in.marker(), []byte(wanted), 0o600)
}

func (in *Installation) marker() string { return filepath.Join(in.Folder, ".installed") }

func (in *Installation) venv() string { return filepath.Join(in.Folder, "venv") }

// Program returns the path of a program of the environment, such as python.
func (in *Installation) Program(name string) string {
	return filepath.Join(in.venv(), "bin", name)
}

// fingerprint is equal for equal content at an equal place: virtual
// environments cannot be moved.
func (in *Installation) fingerprint(requirements []byte) string {
	sum := sha256.Sum256(requirements)
	return in.venv() + "\nsha256:" + hex.EncodeToString(sum[:]) + "\n"
}

func (in *Installation) install(ctx context.Context, cache string, requirements []byte, p progress) error {
	python, err := findPython(ctx, in.Release.highestPython())
	if err != nil {
		return err
	}
	uv, err := installUV(ctx, cache, python, p)
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(in.Folder)
	if err != nil {
		return err
	}
	for _, entry := range entries { // an interrupted or an outdated installation
		if entry.Name() != ".lock" {
			if err := os.RemoveAll(filepath.Join(in.Folder, entry.Name())); err != nil {
				return err
			}
		}
	}
	file := filepath.Join(in.Folder, "requirements.txt")
	if err := os.WriteFile(file, requirements, 0o600); err != nil {
		return err
	}
	if err := p.run(ctx, "make the virtual environment", command(ctx, uv, "venv", "--quiet", "--no-python-downloads", "--python", python, in.venv())); err != nil {
		return err
	}
	return p.run(ctx, "install "+in.Release.Lock, command(ctx, uv, "pip", "sync", "--quiet", "--require-hashes", "--no-python-downloads",
		"--compile-bytecode", "--python", in.Program("python"), file))
}

// installUV makes the environment of the installer, a folder per content of its
// lock, and returns the path of its program.
func installUV(ctx context.Context, cache, python string, p progress) (string, error) {
	requirements, err := locks.Read(locks.Installer)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(requirements)
	folder := filepath.Join(cache, "uv", hex.EncodeToString(sum[:6]))
	unlock, err := lockFolder(folder)
	if err != nil {
		return "", err
	}
	defer unlock()
	venv := filepath.Join(folder, "venv")
	uv, marker := filepath.Join(venv, "bin", "uv"), filepath.Join(folder, ".installed")
	if found, err := os.ReadFile(marker); err == nil && string(found) == venv {
		return uv, nil
	}
	if err := os.RemoveAll(venv); err != nil {
		return "", err
	}
	file := filepath.Join(folder, "requirements.txt")
	if err := os.WriteFile(file, requirements, 0o600); err != nil {
		return "", err
	}
	if err := p.run(ctx, "make the installer's environment", command(ctx, python, "-m", "venv", venv)); err != nil {
		return "", fmt.Errorf("%w\nOn Debian and Ubuntu the module venv is in the package python3-venv", err)
	}
	err = p.run(ctx, "install uv", command(ctx, filepath.Join(venv, "bin", "python"), "-m", "pip", "install", "--quiet",
		"--disable-pip-version-check", "--no-deps", "--require-hashes", "--requirement", file))
	if err != nil {
		return "", err
	}
	return uv, os.WriteFile(marker, []byte(venv), 0o600)
}

// findPython returns the first interpreter from 3.11 to 3.<highest>. The name
// being there is not enough: version managers put names into the path that do
// not run.
func findPython(ctx context.Context, highest int) (string, error) {
	for _, name := range pythons {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		if command(ctx, path, "-c", pythonCheck, strconv.Itoa(highest)).Run() == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("a Python of version 3.11 to 3.%d is needed, found none as %s: install one and put it into PATH "+
		"(Airflow's FAB provider does not run on Python 3.10, Airflow 2 not on 3.13)", highest, strings.Join(pythons, ", "))
}

// command is a program that is told nothing of the caller's Airflow.
func command(ctx context.Context, path string, arguments ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, path, arguments...)
	cmd.Env = environment()
	return cmd
}

// environment returns the caller's environment without the settings of another
// Airflow or another virtual environment.
func environment(more ...string) []string {
	var kept []string
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "AIRFLOW") && name != CacheVariable || name == "VIRTUAL_ENV" || name == "PYTHONPATH" || name == "PYTHONHOME" {
			continue
		}
		kept = append(kept, entry)
	}
	return append(kept, more...)
}

// Extras installs Python packages that the lock of the release does not hold, such
// as what a sign-on method needs, and returns their folder for
// Options.PythonPath. The requirements are pinned, each with its hashes, and
// complete: nothing that they depend on is added. The folder in the cache is made
// once for each content; the installation itself stays as it is.
func (in *Installation) Extras(ctx context.Context, requirements []byte, log io.Writer) (string, error) {
	sum := sha256.Sum256(append([]byte(in.Folder+"\n"), requirements...))
	base := in.Folder + "-extras-" + hex.EncodeToString(sum[:6])
	unlock, err := lockFolder(base)
	if err != nil {
		return "", err
	}
	defer unlock()
	modules, marker := filepath.Join(base, "modules"), filepath.Join(base, ".installed")
	if _, err := os.Stat(marker); err == nil {
		return modules, nil
	}
	uv, err := installUV(ctx, filepath.Dir(filepath.Dir(in.Folder)), in.Program("python"), progress{log})
	if err != nil {
		return "", err
	}
	if err := os.RemoveAll(modules); err != nil {
		return "", err
	}
	file := filepath.Join(base, "requirements.txt")
	if err := os.WriteFile(file, requirements, 0o600); err != nil {
		return "", err
	}
	err = progress{log}.run(ctx, "install more packages for "+in.Release.Lock, command(ctx, uv, "pip", "install", "--quiet", "--no-deps",
		"--require-hashes", "--no-python-downloads", "--python", in.Program("python"), "--target", modules, "--requirement", file))
	if err != nil {
		return "", fmt.Errorf("install more packages: %w", err)
	}
	return modules, os.WriteFile(marker, nil, 0o600)
}
