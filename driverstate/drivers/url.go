package drivers

import (
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

// storeEnv begins the variables that stand in for parameters of a store's URL.
const storeEnv = "CINDER_GO_STORE_"

// ParseURL reads a store URL, <module>://HOST/PATH?parameter=value. A parameter
// is an option of cinder.conf without its prefix; what the URL does not give
// may come from the environment, as CINDER_GO_STORE_<PARAMETER>, and secrets
// come from there alone. ErrInvalidInput says what is wrong.
func ParseURL(rawURL string, o Options) (Store, error) {
	if driverstate.IsPipe(rawURL) {
		_, query, _ := strings.Cut(rawURL, "?")
		return file.store(rawURL, query, oslo.Values{"tape_path": pipePath}, o)
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return Store{}, invalid("store URL %q cannot be parsed", rawURL)
	}
	if u.Scheme == "" {
		if strings.HasPrefix(rawURL, "/") {
			return Store{}, invalid("store URL %q has no scheme; a directory of Cinder's posix driver is posix://%s", rawURL, rawURL)
		}
		word, _, _ := strings.Cut(rawURL, "/")
		if i := slices.IndexFunc(specs, func(s spec) bool { return s.module == word }); i >= 0 {
			return Store{}, invalid("store URL %q has no colon; its form is %s", rawURL, specs[i].usage)
		}
		return Store{}, invalid("store URL %q has no scheme; it is one of %s", rawURL, strings.Join(Schemes(), ", "))
	}
	i := slices.IndexFunc(specs, func(s spec) bool { return s.module == u.Scheme })
	if i < 0 {
		return Store{}, invalid("store scheme %q is not known; it is one of %s", u.Scheme, strings.Join(Schemes(), ", "))
	}
	s := specs[i]
	switch {
	case u.User != nil:
		return Store{}, invalid("store URL %s://... has a user; secrets come from the environment, and its form is %s", s.module, s.usage)
	case u.Fragment != "" || u.Opaque != "":
		return Store{}, invalid("store URL %q has a fragment or no slashes; its form is %s, with three slashes before a path", rawURL, s.usage)
	case strings.ContainsRune(u.Path, 0):
		return Store{}, invalid("store URL %q holds a NUL", rawURL)
	}
	placed := oslo.Values{}
	if err := s.place(u.Host, u.Path, placed); err != nil {
		return Store{}, err
	}
	return s.store(rawURL, u.RawQuery, placed, o)
}

// store is the store of a URL with the parameters raw, whose place is known.
func (s *spec) store(rawURL, raw string, placed oslo.Values, o Options) (Store, error) {
	level, raw, err := s.level(raw)
	if err != nil {
		return Store{}, err
	}
	values, err := s.query(rawURL, raw, placed)
	if err != nil {
		return Store{}, err
	}
	maps.Copy(values, placed)
	s.fromEnv(values, o)
	return Store{Module: s.module, Values: values, Label: rawURL, Level: level}, nil
}

// query reads the parameters of a URL. Those that its host and path stand for
// cannot be given again, and secrets not at all.
func (s *spec) query(rawURL, raw string, placed oslo.Values) (oslo.Values, error) {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return nil, invalid("store URL %q has a parameter that cannot be parsed", rawURL)
	}
	params := s.params()
	values := oslo.Values{}
	for name, given := range query {
		o, known := params[name]
		_, twice := placed[o.Key()]
		switch {
		case !known || twice:
			return nil, invalid("store URL parameter %q is not known; %s takes %s", name, s.module, strings.Join(s.paramNames(placed), ", "))
		case o.Secret:
			return nil, invalid("store URL parameter %q is a secret: give it as %s%s in the environment, where ps does not show it",
				name, storeEnv, strings.ToUpper(name))
		case len(given) != 1 || hasKey(values, o.Key()):
			return nil, invalid("store URL parameter %q is given twice", name)
		}
		values[o.Key()] = given[0]
	}
	return values, nil
}

func hasKey(v oslo.Values, name string) bool {
	_, ok := v[name]
	return ok
}

// param is the name that a URL has for an option: that without the prefix, or
// behind that of its group.
func (s *spec) param(o oslo.Opt) string {
	for _, prefix := range s.prefixes {
		if rest, ok := strings.CutPrefix(o.Name, prefix); ok {
			return rest
		}
	}
	return strings.ReplaceAll(o.Key(), ".", "_")
}

// params are the options by every name that a URL may have for them.
func (s *spec) params() map[string]oslo.Opt {
	params := map[string]oslo.Opt{}
	for _, o := range s.options {
		params[s.param(o)] = o
	}
	for short, name := range s.short {
		if i := slices.IndexFunc(s.options, func(o oslo.Opt) bool { return o.Key() == name }); i >= 0 {
			params[short] = s.options[i]
		}
	}
	return params
}

// paramNames are the parameters of a URL that are no secrets, the short ones
// first.
func (s *spec) paramNames(placed oslo.Values) []string {
	names := slices.Sorted(maps.Keys(s.short))
	if s.compresses() {
		names = append(names, levelParam)
	}
	for _, o := range s.options {
		if p := s.param(o); !o.Secret && !hasKey(placed, o.Key()) && !slices.Contains(names, p) {
			names = append(names, p)
		}
	}
	return names
}

// fromEnv gives options that the URL leaves open the value of their first
// variable that is set: those of o.EnvPrefixes, then those of other tools.
func (s *spec) fromEnv(values oslo.Values, o Options) {
	if o.Env == nil {
		return
	}
	prefixes := o.EnvPrefixes
	if len(prefixes) == 0 {
		prefixes = []string{storeEnv}
	}
	s.take(values, o, func(opt oslo.Opt) (names []string) {
		for _, prefix := range prefixes {
			names = append(names, prefix+strings.ToUpper(s.param(opt)))
		}
		return names
	})
	named := slices.ContainsFunc(s.servers, func(key string) bool { return hasKey(values, key) })
	if o.ToolEnv == ToolEnvNone || o.ToolEnv == ToolEnvTogether && named {
		return
	}
	s.take(values, o, func(opt oslo.Opt) []string { return s.env[opt.Key()] })
}

// take gives options without a value that of the first of their variables that
// is set.
func (s *spec) take(values oslo.Values, o Options, names func(oslo.Opt) []string) {
	for _, opt := range s.options {
		if hasKey(values, opt.Key()) {
			continue
		}
		for _, name := range names(opt) {
			if value, ok := o.Env(name); ok && value != "" {
				values[opt.Key()] = value
				break
			}
		}
	}
}

// directory is the place of a URL that has an absolute path and no host: the
// path goes into option.
func directory(option string) func(host, root string, v oslo.Values) error {
	return func(host, root string, v oslo.Values) error {
		if host != "" || !strings.HasPrefix(root, "/") {
			return invalid("store URL needs an absolute path after three slashes, such as posix:///srv/backup; this one has host %q and path %q", host, root)
		}
		v[option] = path.Clean(root)
		return nil
	}
}
