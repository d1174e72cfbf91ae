// Package drivers is the list of backup drivers: which URL opens which, and
// which class path of Cinder's names which. Nothing registers itself.
package drivers

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/drivers/posix"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// Options is what the program decides, not the store's URL.
type Options struct {
	ReadOnly bool // refuse every write
	Workers  int  // objects at once; 0 = one per CPU
	// Logger is told what a scan leaves out; nil discards it.
	Logger *slog.Logger
	// Wrap is put around the store, if not nil.
	Wrap func(objectstore.Store) objectstore.Store
}

// scheme is one kind of store URL.
type scheme struct {
	name, usage string
	params      []string
	open        func(ctx context.Context, root string, q url.Values, o Options) (driverstate.Driver, error)
}

var schemes = []scheme{
	{
		name:   "posix",
		usage:  "posix:///absolute/path[?compression=zlib&object_size=N&block_size=N&container=DIR]",
		params: []string{"compression", "object_size", "block_size", "container"},
		open:   openPosix,
	},
	{
		name:   "objects",
		usage:  "objects:///absolute/path[?service=swift|s3|gcs&container=NAME]",
		params: []string{"service", "container", "compression", "object_size", "block_size"},
		open:   openObjects,
	},
}

// Schemes are the forms of URL that Open takes, for help and messages.
func Schemes() []string {
	var forms []string
	for _, s := range schemes {
		forms = append(forms, s.usage)
	}
	return forms
}

// Open returns the driver for a store URL. A URL that it cannot take answers
// to driverstate.ErrInvalidInput and says what is wrong with it. The store
// itself is not touched: CheckForSetupError does that.
func Open(rawURL string, o Options) (driverstate.Driver, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, invalid("store URL %q cannot be parsed", rawURL)
	}
	if u.Scheme == "" {
		if strings.HasPrefix(rawURL, "/") {
			return nil, invalid("store URL %q has no scheme; a directory of Cinder's posix driver is posix://%s", rawURL, rawURL)
		}
		return nil, invalid("store URL %q has no scheme; it is one of %s", rawURL, strings.Join(Schemes(), ", "))
	}
	i := slices.IndexFunc(schemes, func(s scheme) bool { return s.name == u.Scheme })
	if i < 0 {
		return nil, invalid("store scheme %q is not known; it is one of %s", u.Scheme, strings.Join(Schemes(), ", "))
	}
	s := schemes[i]
	switch {
	case u.Opaque != "" || u.Host != "" || !strings.HasPrefix(u.Path, "/"):
		return nil, invalid("store URL %q needs an absolute path after three slashes, such as %s:///srv/backup", rawURL, s.name)
	case u.User != nil || u.Fragment != "":
		return nil, invalid("store URL %q has a user or a fragment; its form is %s", rawURL, s.usage)
	case strings.ContainsRune(u.Path, 0):
		return nil, invalid("store URL %q holds a NUL", rawURL)
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, invalid("store URL %q has a parameter that cannot be parsed", rawURL)
	}
	for name, values := range query {
		if !slices.Contains(s.params, name) {
			return nil, invalid("store URL parameter %q is not known; %s takes %s", name, s.name, strings.Join(s.params, ", "))
		}
		if len(values) != 1 {
			return nil, invalid("store URL parameter %q is given twice", name)
		}
	}
	return s.open(context.Background(), path.Clean(u.Path), query, o)
}

func openPosix(ctx context.Context, root string, q url.Values, o Options) (driverstate.Driver, error) {
	c, err := config(root, q, o)
	if err != nil {
		return nil, err
	}
	return posix.New(ctx, c)
}

func openObjects(ctx context.Context, root string, q url.Values, o Options) (driverstate.Driver, error) {
	c, err := config(root, q, o)
	if err != nil {
		return nil, err
	}
	word := q.Get("service")
	if word == "" {
		word = "swift"
	}
	if !slices.Contains([]string{"swift", "s3", "gcs"}, word) {
		return nil, invalid("service %q of the store URL is not swift, s3 or gcs", word)
	}
	service, err := Canonical("cinder.backup.drivers." + word)
	if err != nil {
		return nil, err
	}
	if c.Container == "" && word != "gcs" {
		c.Container = "volumebackups"
	}
	if c.ObjectSize == 0 {
		c.ObjectSize = objectStoreSize
	}
	return posix.NewObjects(ctx, service, c)
}

// objectStoreSize is the default of backup_swift_object_size and of its like
// in s3 and gcs.
const objectStoreSize = 52428800

func config(root string, q url.Values, o Options) (posix.Config, error) {
	c := posix.Config{
		Path: root, Container: q.Get("container"),
		ReadOnly: o.ReadOnly, Workers: o.Workers, Logger: o.Logger, Wrap: o.Wrap,
	}
	if q.Has("compression") {
		word, err := chunked.ParseCompression(q.Get("compression"))
		if err != nil {
			return c, invalid("compression %q of the store URL is not none, zlib, gzip, bz2, bzip2 or zstd", q.Get("compression"))
		}
		c.Compression = word
	}
	for name, into := range map[string]*int64{"object_size": &c.ObjectSize, "block_size": &c.BlockSize} {
		if !q.Has(name) {
			continue
		}
		n, err := strconv.ParseInt(q.Get(name), 10, 64)
		if err != nil || n <= 0 {
			return c, invalid("%s %q of the store URL is not a number of bytes", name, q.Get(name))
		}
		*into = n
	}
	return c, nil
}

func invalid(format string, args ...any) error {
	return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf(format, args...))
}
