package commands

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/engine"
)

// configFilesEnv is the variable that stands in for --config-file.
const configFilesEnv = "CINDER_GO_CONFIG_FILE"

// configFiles are Cinder's own configuration files, from which an engine takes
// its store.
type configFiles struct {
	sources []engine.Source // in the order of the command line
	fromEnv bool
	read    *engine.Files // nil before they are read
}

func (c *configFiles) addFlags(fs *pflag.FlagSet) {
	fs.Var(&sourceFlag{to: c}, "config-file", "configuration `FILE` of Cinder that names the backup driver and its options, such as /etc/cinder/cinder.conf, in place of --store; may be repeated, the later one wins (env "+configFilesEnv+", separated by colons)")
	fs.Var(&sourceFlag{to: c, dir: true}, "config-dir", "`DIR` of which every *.conf is read like --config-file, by name; may be repeated")
}

// sourceFlag keeps the order of two flags, as oslo.config does.
type sourceFlag struct {
	to  *configFiles
	dir bool
}

func (s *sourceFlag) Set(path string) error {
	if path == "" {
		return errors.New("it names nothing")
	}
	s.to.sources = append(s.to.sources, engine.Source{Path: path, Dir: s.dir})
	return nil
}

func (s *sourceFlag) String() string {
	var paths []string
	if s.to != nil {
		for _, one := range s.to.sources {
			if one.Dir == s.dir {
				paths = append(paths, one.Path)
			}
		}
	}
	return strings.Join(paths, ",")
}

func (s *sourceFlag) Type() string { return "string" }

// flags are the words that give the files, for a command to type.
func (c *configFiles) flags() string {
	var words []string
	for _, s := range c.sources {
		flag := "--config-file "
		if s.Dir {
			flag = "--config-dir "
		}
		words = append(words, flag+shellWord(s.Path))
	}
	return strings.Join(words, " ")
}

// completeFiles lets --store and --config-file exclude each other, a flag beat
// the variable of the other, and takes files from the environment.
func (g *globalFlags) completeFiles(fs *pflag.FlagSet, env lookup) error {
	c := &g.files
	text, _ := env(configFilesEnv)
	switch {
	case len(c.sources) > 0 && fs.Changed("store"):
		return usagef("--store and --config-file exclude each other: both say what the store is")
	case len(c.sources) > 0:
		g.stores.urls = nil
	case text == "" || fs.Changed("store"):
	case !g.stores.none():
		return usagef("the variables CINDER_GO_STORE and %s exclude each other: both say what the store is", configFilesEnv)
	default:
		c.fromEnv = true
		for _, path := range filepath.SplitList(text) {
			info, err := os.Stat(path)
			c.sources = append(c.sources, engine.Source{Path: path, Dir: err == nil && info.IsDir()})
		}
	}
	return nil
}

// readConfig reads the configuration files, if any are given: the store is then
// theirs. Files of the environment that cannot be read are an error to who
// needs a store, and a warning to all others.
func (f *Factory) readConfig(verb string) error {
	c := &f.g.files
	if len(c.sources) == 0 {
		return nil
	}
	read, err := engine.ReadFiles(c.sources, f.env)
	if errors.Is(err, driverstate.ErrInvalidInput) {
		err = &usageError{err}
	}
	switch {
	case err != nil && c.fromEnv && !f.g.standalone && verb != "serve":
		f.con.warn("", "%s: %v", configFilesEnv, err)
		return nil
	case err != nil:
		return err
	}
	c.read = read
	f.g.stores = storeList{urls: []string{read.Store.Label}, files: c}
	for _, text := range read.Warnings() {
		f.con.warn("", "%s", text)
	}
	return nil
}

// apply gives a service the options that the files have for one.
func (c *configFiles) apply(cfg *engine.Config) error {
	if c.read == nil {
		return nil
	}
	if err := c.read.Apply(cfg); err != nil {
		return &usageError{err}
	}
	return nil
}

// notify has cfg publish notifications where the files say, unless flags or the
// environment do, and says what of the files is not used.
func (c *configFiles) notify(con *console, cfg *engine.Config) error {
	if c.read == nil {
		return nil
	}
	if c.read.DatabaseGiven {
		con.note("the [database] of the configuration files is Cinder's and is not used: rows are in %s", cfg.RowsIn())
	}
	if len(cfg.Notify) > 0 {
		return nil
	}
	urls, missing, err := c.read.Notify()
	if err != nil {
		return &usageError{err}
	}
	cfg.Notify = urls
	for _, driver := range missing {
		con.warn("", "notifications: there is no driver %q here", driver)
	}
	return nil
}
