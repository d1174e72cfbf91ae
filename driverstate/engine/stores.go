package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers"
	"github.com/cinder-go/cinder-go/driverstate/manager"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// Store is one store of an engine. Each has a backup service of its own.
type Store struct {
	// Name is that of the service besides the host: HOST@NAME. The service of
	// the store without one has the host's alone.
	Name string
	URL  string // as drivers.Open takes it
	// described is the store when configuration files say what it is; URL is
	// then its label.
	described *drivers.Store
	// AvailabilityZone is that of the service; Config's when empty.
	AvailabilityZone string
}

var storeName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$`)

// ParseStore reads [NAME=]URL. A URL that cannot be is for Start to refuse.
func ParseStore(text string) Store {
	if name, address, ok := strings.Cut(text, "="); ok && storeName.MatchString(name) {
		return Store{Name: name, URL: address}
	}
	return Store{URL: text}
}

// String is what ParseStore reads, for people too: a URL holds no secrets.
func (s Store) String() string {
	if s.Name == "" {
		return s.URL
	}
	return s.Name + "=" + s.URL
}

// place is the URL without what says only how to write there.
func (s Store) place() string {
	if driverstate.IsPipe(s.URL) {
		return "-"
	}
	place, _, _ := strings.Cut(s.URL, "?")
	return strings.TrimRight(place, "/")
}

// kind is the scheme of the URL.
func (s Store) kind() string {
	if driverstate.IsPipe(s.URL) {
		return "pipe"
	}
	kind, _, _ := strings.Cut(s.URL, "://")
	return kind
}

// service is the host of the store's service.
func (s Store) service(host string) string {
	if s.Name == "" {
		return host
	}
	return host + "@" + s.Name
}

// nameStores gives every store but the first without a name one: its kind.
// ErrInvalidInput when two have the same, or are the same.
func nameStores(given []Store) ([]Store, error) {
	stores := slices.Clone(given)
	unnamed := false
	for i := range stores {
		s := &stores[i]
		if s.Name == "" && unnamed {
			s.Name = s.kind()
		}
		unnamed = unnamed || s.Name == ""
		switch {
		case s.URL == "":
			return nil, invalid("store URL must be given")
		case s.Name != "" && !storeName.MatchString(s.Name):
			return nil, invalid("store name %q is not made of letters, digits, dots, dashes and underscores, 32 at most", s.Name)
		case s.Name == "file":
			return nil, invalid("store name %q is that of the volume service", s.Name)
		}
		for _, before := range stores[:i] {
			if before.place() == s.place() {
				return nil, invalid("store %s is given twice", s.URL)
			}
			if before.Name == s.Name {
				return nil, invalid("store %s has no name of its own: name it, such as %s-2=%s", s.URL, s.kind(), s.URL)
			}
		}
	}
	return stores, nil
}

// openStores opens the stores, touching none of them.
func (e *Engine) openStores(c Config, logger *slog.Logger) ([]manager.Store, error) {
	var out []manager.Store
	for _, s := range c.Stores {
		opened, err := openStore(c, s, logger)
		if err != nil {
			return nil, err
		}
		e.closesFirst(opened.Driver)
		out = append(out, opened)
	}
	return out, nil
}

// envPrefixes begin the variables for what the URL leaves open: of a named
// store its own, CINDER_GO_STORE_<NAME>_<PARAMETER>, before the common ones.
func (s Store) envPrefixes() []string {
	const common = "CINDER_GO_STORE_"
	if s.Name == "" {
		return []string{common}
	}
	own := strings.NewReplacer("-", "_", ".", "_").Replace(strings.ToUpper(s.Name))
	return []string{common + own + "_", common}
}

// openStore makes the driver of one store.
func openStore(c Config, s Store, logger *slog.Logger) (manager.Store, error) {
	out := manager.Store{Name: s.Name, AvailabilityZone: s.AvailabilityZone}
	tuning, err := c.tuning()
	if err != nil {
		return out, err
	}
	limit := objectstore.NewLimiter(c.BytesPerSec)
	o := drivers.Options{ReadOnly: c.StoreReadOnly, Workers: c.Workers, Tuning: tuning, Logger: logger, Wrap: c.wrapStore(limit), Limit: limit, Env: c.Env, EnvPrefixes: s.envPrefixes(), Stdin: c.Stdin}
	store := s.described
	if store == nil {
		parsed, err := drivers.ParseURL(s.URL, o)
		if err != nil {
			return out, err
		}
		store = &parsed
	}
	if out.ProgressTimer, err = store.ProgressTimer(); err != nil {
		return out, err
	}
	out.Driver, err = store.Open(o)
	return out, err
}

// keepPlaces remembers in a state directory which service has which store, and
// answers ErrInvalidInput when a store comes as that of another: the rows of
// the one service would be looked for in the store of the other.
func keepPlaces(dir, host string, stores []Store) error {
	path := filepath.Join(dir, storesFile)
	known := map[string]string{} // place by name
	raw, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(raw, &known)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("stores of the state directory: %s: %w", path, err)
	}
	for _, s := range stores {
		for name, place := range known {
			was := Store{Name: name, URL: s.URL}
			if place == s.place() && name != s.Name {
				say := "say --store " + was.String()
				if name == "" {
					say += ", before any other without a name"
				}
				return invalid("store %s is that of service %s in state directory %s, and its rows are not those of %s: %s",
					s.URL, was.service(host), dir, s.service(host), say)
			}
		}
	}
	for _, s := range stores {
		known[s.Name] = s.place()
	}
	now, err := json.Marshal(known)
	if err != nil || string(now) == string(raw) {
		return err
	}
	// All of it or nothing, should the process be killed here.
	if err := os.WriteFile(path+".new", now, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func invalid(format string, args ...any) error {
	return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf(format, args...))
}
