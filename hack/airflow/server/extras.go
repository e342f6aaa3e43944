package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

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
