package oslo

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
)

// maxFile is the size in bytes of the largest configuration file that is read.
const maxFile = 16 << 20

// Source is one --config-file or --config-dir.
type Source struct {
	Path string
	Dir  bool // of which every *.conf is read, by name
}

// Files is what configuration files say.
type Files struct {
	files []file // in the order in which they were read
}

type file struct {
	path     string
	sections map[string]map[string][]given // by normalized group and name
}

// given is one value, the name it has there, and where it stands.
type given struct {
	value string
	name  Name
	where string // FILE:LINE, or the name of a variable
}

// Load reads configuration files in their order: what a later one says wins.
// ErrInvalidInput names the file, and the line, that cannot be read.
func Load(sources []Source) (*Files, error) {
	f := &Files{}
	for _, s := range sources {
		paths := []string{s.Path}
		if s.Dir {
			var err error
			if paths, err = confs(s.Path); err != nil {
				return nil, err
			}
		}
		for _, path := range paths {
			if err := f.read(path); err != nil {
				return nil, err
			}
		}
	}
	return f, nil
}

// confs are the files of a --config-dir (oslo_config/cfg.py ConfigDirAction).
func confs(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, unreadable("configuration directory", dir, err)
	}
	var paths []string
	for _, e := range entries {
		if name := e.Name(); strings.HasSuffix(name, ".conf") && name[0] != '.' {
			paths = append(paths, filepath.Join(dir, name))
		}
	}
	slices.Sort(paths)
	return paths, nil
}

func unreadable(what, path string, err error) error {
	var cause *fs.PathError
	if errors.As(err, &cause) {
		err = cause.Err
	}
	text := fmt.Sprintf("%s %s: %v", what, path, err)
	if errors.Is(err, fs.ErrPermission) {
		text += "; run it as root or as the user of cinder-backup"
	}
	return driverstate.Fail(driverstate.ErrInvalidInput, text)
}

func (f *Files) read(path string) error {
	text, err := readAll(path)
	if err != nil {
		return unreadable("configuration file", path, err)
	}
	all, err := parse(text)
	if err != nil {
		return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("configuration file %s: %v", path, err))
	}
	f.add(path, all)
	return nil
}

func readAll(path string) (string, error) {
	in, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer in.Close()
	raw, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err != nil {
		return "", err
	}
	if len(raw) > maxFile {
		return "", fmt.Errorf("it is larger than %d bytes", maxFile)
	}
	return string(raw), nil
}

func (f *Files) add(path string, all []assignment) {
	one := file{path: path, sections: map[string]map[string][]given{}}
	for _, a := range all {
		group := normal(a.group)
		if one.sections[group] == nil {
			one.sections[group] = map[string][]given{}
		}
		one.sections[group][a.name] = append(one.sections[group][a.name],
			given{a.value, Name{a.group, a.name}, fmt.Sprintf("%s:%d", path, a.line)})
	}
	f.files = append(f.files, one)
}

// Paths are the files that were read.
func (f *Files) Paths() []string {
	var paths []string
	for _, one := range f.files {
		paths = append(paths, one.path)
	}
	return paths
}

// normal is a group's name as oslo.config compares it: DEFAULT as it is, any
// other in small letters, which makes [default] another group than [DEFAULT].
func normal(group string) string {
	if group == "" || group == defaultGroup {
		return defaultGroup
	}
	return strings.ToLower(group)
}

// find returns what the last file says that knows one of the names, of which
// the first counts most; with multi, all values of all files in their order
// (oslo_config/cfg.py _Namespace._get_file_value).
func (f *Files) find(names []Name, multi bool) (values []given) {
	for _, one := range slices.Backward(f.files) {
		for _, n := range names {
			found := one.sections[normal(n.Group)][n.Name]
			switch {
			case len(found) == 0:
			case multi:
				values = append(slices.Clone(found), values...)
			default:
				return found[len(found)-1:]
			}
		}
	}
	return values
}

// suspect warns of groups whose name differs from DEFAULT by its case: they
// are groups of their own, and nothing reads them.
func (f *Files) suspect() []string {
	var out []string
	for _, one := range f.files {
		for _, options := range one.sections["default"] {
			out = append(out, fmt.Sprintf("%s: it is not in [%s] but in another group whose name differs by its case; cinder-backup does not see it", options[0].where, defaultGroup))
		}
	}
	slices.Sort(out)
	return out
}
