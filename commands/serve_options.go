package commands

import (
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate/engine"
)

// engineFlags are the options of the engine as serve takes them: by a flag, or
// under Cinder's name with --set. A flag wins.
type engineFlags struct {
	set                      []string
	show                     bool
	host, cluster, volumeDir string
}

func (o *engineFlags) addFlags(fs *pflag.FlagSet) {
	fs.StringArrayVar(&o.set, "set", nil, "`NAME=VALUE` of an option under its name in cinder.conf, such as service_down_time=30; may be repeated")
	fs.BoolVar(&o.show, "show-options", false, "list the options that --set takes, with their defaults, and do nothing else")
	fs.StringVar(&o.host, "host", "", "`NAME` of the backup service (default: the machine's, or the one that the state directory was first used with)")
	fs.StringVar(&o.cluster, "cluster", "", "`NAME` of the cluster whose members do each other's work; they share the database, the store and --volume-dir")
	fs.StringVar(&o.volumeDir, "volume-dir", "", "`DIR` of the engine's own volumes (default: volumes in the state directory)")
}

// apply gives cfg what was asked for.
func (o *engineFlags) apply(cfg *engine.Config) error {
	given := map[string]string{}
	for _, pair := range o.set {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return usagef("--set %q is not NAME=VALUE", pair)
		}
		given[strings.TrimSpace(name)] = value
	}
	for name, value := range map[string]string{"host": o.host, "cluster": o.cluster} {
		if value != "" {
			given[name] = value
		}
	}
	if err := cfg.Set(given); err != nil {
		return withHint(&usageError{err}, "cinder-go serve --show-options")
	}
	if o.volumeDir != "" {
		dir, err := filepath.Abs(o.volumeDir)
		if err != nil {
			return err
		}
		cfg.VolumeDir = dir
	}
	return nil
}

// optionsView is the table of --show-options.
func optionsView() output.View {
	v := output.View{Columns: []output.Column{
		{Key: "name", Title: "Name"}, {Key: "default", Title: "Default"}, {Key: "values", Title: "Values"},
		{Key: "meaning", Title: "Meaning"}, {Key: "older_names", Title: "Older Names"},
	}}
	for _, o := range engine.Options {
		v.Rows = append(v.Rows, []any{o.Name, o.Default, o.Range, o.Help, o.Aliases})
	}
	return v
}

// apply gives cfg what was asked for.
func (t *tuning) apply(cfg *engine.Config) {
	cfg.Workers, cfg.Memory, cfg.BytesPerSec, cfg.Level = t.parallel, t.memory, t.limit, t.level
}
