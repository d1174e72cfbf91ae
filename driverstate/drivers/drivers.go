// Package drivers is the list of backup drivers: which URL opens which, and
// which class path of Cinder's names which. Nothing registers itself.
package drivers

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/drivers/posix"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

// Options is what the program decides, not the store's URL.
type Options struct {
	ReadOnly bool // refuse every write
	Workers  int  // objects at once; 0 = one per CPU
	Tuning   chunked.Tuning
	// Logger is told what a scan leaves out; nil discards it.
	Logger *slog.Logger
	// Wrap is put around the store, if not nil.
	Wrap func(objectstore.Store) objectstore.Store
	// Limit holds the bytes of a driver that has no store for Wrap, such as
	// ceph; nil for none. Wrap sees to those of a store.
	Limit objectstore.Limiter
	// Stdin is what the tape in a pipe is read from; nil for none.
	Stdin io.Reader
	// Env is the environment, for what a URL does not say; nil for none.
	Env func(name string) (value string, ok bool)
	// EnvPrefixes begin the variables of options, the first that is set wins:
	// CINDER_GO_STORE_ when empty.
	EnvPrefixes []string
	// ToolEnv says when variables of other tools, such as OS_PASSWORD, stand in
	// for options that have no variable of EnvPrefixes.
	ToolEnv ToolEnv
}

// ToolEnv says whose server the variables of other tools are for.
type ToolEnv int

// The uses of the variables of other tools.
const (
	// ToolEnvTaken is for a store of this process's own.
	ToolEnvTaken ToolEnv = iota
	// ToolEnvTogether takes them only where nothing else names a server: who
	// names one does not get the secrets of another.
	ToolEnvTogether
	// ToolEnvNone is for a URL that came over a network.
	ToolEnvNone
)

// spec is one driver: how it is named, what it can be told, and how it is
// opened.
type spec struct {
	module  string // of cinder.backup.drivers, and scheme of the URL
	usage   string // form of the URL
	options []oslo.Opt
	// prefixes are those of its options that a URL leaves out, the longest
	// first.
	prefixes []string
	// short are parameters that are named alike in every URL, by option.
	short map[string]string
	// env are variables of other tools that an option may come from.
	env map[string][]string
	// servers are the options that say who is sent what is secret.
	servers []string
	// place puts the host and the path of the URL into options.
	place func(host, path string, v oslo.Values) error
	// address is the reverse of place: the host and the path of the URL, and
	// the options that they stand for. v has the defaults too. Without it a URL
	// has parameters alone.
	address func(v oslo.Values) (host, path string, placed []string)
	// doubt is what the options ask for and will not have; nil for nothing.
	doubt func(v oslo.Values) string
	open  func(ctx context.Context, v oslo.Values, rt chunked.Runtime) (driverstate.Driver, error)
}

// The names that a URL has for options of the chunked drivers.
var fileShort = map[string]string{
	"compression": "backup_compression_algorithm", "object_size": "backup_file_size",
	"block_size": "backup_sha_block_size_bytes", "container": "backup_container",
}

var specs = []spec{
	{
		module:  "posix",
		usage:   "posix:///absolute/path[?compression=zlib&object_size=N&block_size=N&container=DIR]",
		options: posix.Options, prefixes: []string{"backup_posix_", "backup_"}, short: fileShort,
		place: directory("backup_posix_path"), address: at("backup_posix_path"),
		open: func(ctx context.Context, v oslo.Values, rt chunked.Runtime) (driverstate.Driver, error) {
			c, err := posix.NewConfig(v)
			if err != nil {
				return nil, err
			}
			c.Runtime = rt
			return posix.New(ctx, c)
		},
	},
	s3Spec,
	swiftSpec,
	cephSpec,
	gcsSpec,
	nfsSpec,
	glusterfsSpec,
	objects,
	file,
}

// Store is a described store: a driver and its options. Nothing of it was
// opened.
type Store struct {
	Module string // such as posix
	Values oslo.Values
	// Label names the store in messages: its URL.
	Label string
	// Level is that of the URL; empty when it says none.
	Level chunked.Level
}

// IsDefault reports whether an option of the store has the value that it has
// when nothing is said.
func (s Store) IsDefault(option string) bool {
	for _, d := range specs {
		for _, o := range d.options {
			if d.module == s.Module && o.Key() == option {
				value := s.Values[option]
				return value == o.Default || value == strings.Replace(o.Default, "$state_path", statePath, 1)
			}
		}
	}
	return false
}

// Schemes are the forms of URL that Open takes, for help and messages.
func Schemes() []string {
	var forms []string
	for _, s := range specs {
		forms = append(forms, s.usage)
	}
	return forms
}

// Open returns the driver for a store URL. A URL that it cannot take answers
// to driverstate.ErrInvalidInput and says what is wrong with it. The store
// itself is not touched: DoSetup and CheckForSetupError do that.
func Open(rawURL string, o Options) (driverstate.Driver, error) {
	s, err := ParseURL(rawURL, o)
	if err != nil {
		return nil, err
	}
	return s.Open(o)
}

// Tuned is t with the level of the URL, if that says one.
func (s Store) Tuned(t chunked.Tuning) chunked.Tuning {
	if s.Level != "" {
		t.Level = s.Level
	}
	return t
}

// Open returns the driver. The store itself is not touched.
func (s Store) Open(o Options) (driverstate.Driver, error) {
	i := slices.IndexFunc(specs, func(d spec) bool { return d.module == s.Module })
	if i < 0 {
		return nil, invalid("backup driver %q is not known", s.Module)
	}
	return specs[i].open(context.Background(), s.Values, chunked.Runtime{ReadOnly: o.ReadOnly, Workers: o.Workers, Tuning: s.Tuned(o.Tuning), Logger: o.Logger, Wrap: o.Wrap, Limit: o.Limit, Stdin: o.Stdin})
}

// ProgressTimer is whether backups into the store are told of by time too: the
// option of each chunked driver that ends in enable_progress_timer. Ceph has
// none.
func (s Store) ProgressTimer() (bool, error) {
	for _, d := range specs {
		for _, o := range d.options {
			if d.module == s.Module && strings.HasSuffix(o.Name, "enable_progress_timer") {
				r := oslo.Read(d.options, s.Values)
				on := r.Bool(o.Name)
				return on, r.Err()
			}
		}
	}
	return false, nil
}

func invalid(format string, args ...any) error {
	return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf(format, args...))
}
