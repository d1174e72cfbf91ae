package clouds

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// value is one value of a YAML file. Text is as it is written there: an id of
// digits alone stays what it is.
type value struct {
	text    string
	section section
	list    []value
}

type section map[string]value

// UnmarshalYAML implements yaml.Unmarshaler.
func (v *value) UnmarshalYAML(n *yaml.Node) error {
	switch n.Kind {
	case yaml.MappingNode:
		return n.Decode(&v.section)
	case yaml.SequenceNode:
		return n.Decode(&v.list)
	case yaml.ScalarNode:
		if n.Tag != "!!null" {
			v.text = n.Value
		}
	}
	return nil
}

// over returns v with what o says in place of it, section by section.
func (v value) over(o value) value {
	switch {
	case o.section != nil:
		merged := section{}
		for name, its := range v.section {
			merged[name] = its
		}
		for name, its := range o.section {
			merged[name] = merged[name].over(its)
		}
		return value{section: merged}
	case o.text != "" || o.list != nil:
		return o
	}
	return v
}

// at is the value below v by these names.
func (v value) at(names ...string) (value, bool) {
	for _, name := range names {
		below, ok := v.section[name]
		if !ok {
			return value{}, false
		}
		v = below
	}
	return v, true
}

// entry holds the settings of one cloud by their names, in the spelling of
// clouds.yaml.
type entry map[string]string

// flat returns the settings of v and of its section auth, which wins.
func (v value) flat() entry {
	e := entry{}
	for _, from := range []section{v.section, v.section["auth"].section} {
		for name, its := range from {
			if its.text != "" {
				e[strings.ReplaceAll(name, "-", "_")] = its.text
			}
		}
	}
	return e
}

// first is the first of these settings that is there.
func (e entry) first(names ...string) string {
	for _, name := range names {
		if e[name] != "" {
			return e[name]
		}
	}
	return ""
}

// fromFile returns what the files say of the cloud o names: its entry in
// clouds.yaml, over that the one in secure.yaml, and below both its profile in
// clouds-public.yaml.
func (o *Options) fromFile() (e entry, err error) {
	path, whole, err := o.cloudsFile()
	if err != nil {
		return nil, err
	}
	wrong := func(format string, args ...any) error {
		return &SettingsError{Text: fmt.Sprintf("cloud %q in %s: ", o.Cloud, path) + fmt.Sprintf(format, args...)}
	}
	cloud, ok := whole.at("clouds", o.Cloud)
	if !ok {
		clouds, _ := whole.at("clouds")
		return nil, wrong("there is no such entry; it has %s", cmp.Or(strings.Join(slices.Sorted(maps.Keys(clouds.section)), ", "), "none"))
	}
	secure, err := o.secureFile(path)
	if err != nil {
		return nil, err
	}
	if its, ok := secure.at("clouds", o.Cloud); ok {
		cloud = cloud.over(its)
	}
	profile, known := cmp.Or(cloud.section["profile"].text, cloud.section["cloud"].text), false
	if profile != "" {
		_, public, err := find("", "clouds-public")
		if err != nil {
			return nil, err
		}
		var its value
		if its, known = public.at("public-clouds", profile); known {
			cloud = its.over(cloud)
		}
	}
	region, values := cloud.region(o.Region)
	e = cloud.over(values).flat()
	if region != "" {
		e["region_name"] = region
	}
	if profile != "" && !known && e["auth_url"] == "" && e["auth_type"] != "none" {
		return nil, wrong("its profile %q is in no clouds-public.yaml, and none is built in: add auth_url to the entry", profile)
	}
	return e, nil
}

// region is the one of v's list of regions with this name, or the first if that
// is empty, and the settings that hold in it.
func (v value) region(name string) (string, value) {
	for _, r := range v.section["regions"].list {
		its := cmp.Or(r.text, r.section["name"].text)
		if name == "" || name == its {
			return its, r.section["values"]
		}
	}
	return name, value{}
}

// cloudsFile finds clouds.yaml where openstackclient does, and reads it.
func (o *Options) cloudsFile() (string, value, error) {
	path, whole, err := find(cmp.Or(o.ConfigFile, os.Getenv("OS_CLIENT_CONFIG_FILE")), "clouds")
	if err == nil && path == "" {
		err = &SettingsError{Text: fmt.Sprintf("cloud %q: there is no clouds.yaml in %s", o.Cloud, strings.Join(places(), ", ")),
			Hint: "name the file with OS_CLIENT_CONFIG_FILE"}
	}
	return path, whole, err
}

// secureFile is secure.yaml beside the file at path, or where that one is
// searched for; it may be absent.
func (o *Options) secureFile(path string) (value, error) {
	named := cmp.Or(o.SecureFile, os.Getenv("OS_CLIENT_SECURE_FILE"))
	if named == "" {
		for _, end := range endings {
			if beside := filepath.Join(filepath.Dir(path), "secure"+end); exists(beside) {
				named = beside
				break
			}
		}
	}
	_, secure, err := find(named, "secure")
	return secure, err
}

var endings = []string{".yaml", ".yml", ".json"} // JSON is YAML too

// places are the directories that are searched: the current one, that of the
// user's configuration, and the system's.
func places() []string {
	dirs := []string{"."}
	if dir := os.Getenv("XDG_CONFIG_HOME"); dir != "" {
		dirs = append(dirs, filepath.Join(dir, "openstack"))
	} else if home, err := os.UserHomeDir(); err == nil {
		dirs = append(dirs, filepath.Join(home, ".config", "openstack"))
	}
	return append(dirs, "/etc/openstack")
}

// find reads the file that is named, or else the first with this stem in
// places; the path is empty when there is none.
func find(named, stem string) (string, value, error) {
	if named != "" {
		return load(named)
	}
	for _, dir := range places() {
		for _, end := range endings {
			if path := filepath.Join(dir, stem+end); exists(path) {
				return load(path)
			}
		}
	}
	return "", value{}, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

func load(path string) (string, value, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", value{}, &SettingsError{Text: fmt.Sprintf("settings of clouds: %v", err), Hint: "see OS_CLIENT_CONFIG_FILE and OS_CLIENT_SECURE_FILE"}
	}
	var v value
	if err := yaml.Unmarshal(text, &v); err != nil {
		return "", value{}, &SettingsError{Text: fmt.Sprintf("%s: %v", path, err)}
	}
	return path, v, nil
}

// home puts the user's directory in place of a tilde.
func home(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if dir, err := os.UserHomeDir(); err == nil {
			return filepath.Join(dir, rest)
		}
	}
	return path
}
