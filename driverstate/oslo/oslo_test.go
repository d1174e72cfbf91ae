package oslo_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

// table is that of testdata/peer.py.
var table = []oslo.Opt{
	{Name: "state_path", Default: "/var/lib/cinder"},
	{Name: "path", Default: "$state_path/backup", Old: []oslo.Name{{Name: "old_path"}}},
	{Name: "text"},
	{Name: "word", Choices: []string{"zlib", "none"}, AnyCase: true, Default: "zlib"},
	{Name: "auth", Choices: []string{"per_user", "single_user"}},
	{Name: "size", Kind: oslo.Int, Default: "5", Old: []oslo.Name{{Name: "older_size"}, {Group: "Old", Name: "size"}}},
	{Name: "tries", Kind: oslo.Int, Min: 1, Default: "3"},
	{Name: "wait", Kind: oslo.Float, Default: "60"},
	{Name: "tls", Kind: oslo.Bool, Default: "true"},
	{Name: "codes", Kind: oslo.List, Default: "429"},
	{Name: "driver", Kind: oslo.MultiString, Old: []oslo.Name{{Group: "Old", Name: "old_driver"}}},
	{Group: "user", Name: "name", Old: []oslo.Name{{Group: "old", Name: "login"}}},
	{Group: "user", Name: "text", Default: "$path"},
	{Group: "user", Name: "send", Kind: oslo.Bool, Default: "false"},
}

func noEnv(string) (string, bool) { return "", false }

// write puts text into a new file and returns its path.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cinder.conf")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func load(t *testing.T, paths ...string) *oslo.Config {
	t.Helper()
	var sources []oslo.Source
	for _, p := range paths {
		sources = append(sources, oslo.Source{Path: p})
	}
	files, err := oslo.Load(sources)
	require.NoError(t, err)
	return oslo.NewConfig(files, noEnv, table)
}

func TestValuesAreThoseGivenAndDefaultsThatReferToOthers(t *testing.T) {
	c := load(t, write(t, "[DEFAULT]\nstate_path = /srv\nsize: 1_0\n"))
	v, err := c.Values(table)
	require.NoError(t, err)
	assert.Equal(t, oslo.Values{"state_path": "/srv", "path": "/srv/backup", "size": "10", "user.text": "/srv/backup"}, v)
	assert.Empty(t, c.Warnings())
}

func TestALaterFileWinsAlsoUnderAnOlderName(t *testing.T) {
	one, two := write(t, "[DEFAULT]\nsize = 1\ndriver = a\n"), write(t, "[old]\nsize = 2\nold_driver = b\n[OLD]\nold_driver = c\n")
	c := load(t, one, two)
	v, err := c.Values(table)
	require.NoError(t, err)
	assert.Equal(t, "2", v["size"])
	assert.Equal(t, "a\nb\nc", v["driver"])
	assert.Equal(t, []string{
		two + ":2: option [old] size is deprecated, today it is size",
		two + ":3: option [old] old_driver is deprecated, today it is driver",
		two + ":5: option [OLD] old_driver is deprecated, today it is driver",
	}, c.Warnings())
}

func TestAnOptionIsInTheGroupThatAnotherNames(t *testing.T) {
	name := oslo.Opt{Group: "user", Name: "name", Via: "section", Old: []oslo.Name{{Group: "user", Name: "login"}, {Group: "old", Name: "login"}}}
	text := "[user]\nname = here\n[Other]\nlogin = $phrase\nphrase = there\n"
	for section, want := range map[string]string{"": "here", "section = Other\n": "there", "section = other\n": "there", "section =\n": "here", "section = none\n": "", "section = user\n": "here", "section = $at\nat = OTHER\n": "there"} {
		path := write(t, "[user]\n"+section+text)
		c := load(t, path)
		v, err := c.Values([]oslo.Opt{name})
		require.NoError(t, err, section)
		assert.Equal(t, want, v["user.name"], section)
		assert.Equal(t, want != "", c.Where(name) != "", section)
		if want == "there" {
			assert.Regexp(t, `option \[(?i:other)\] login is deprecated, today it is \[(?i:other)\] name`, strings.Join(c.Warnings(), "\n"))
		}
	}
	_, err := load(t, write(t, "[user]\nsection = $none\n")).Values([]oslo.Opt{name})
	require.ErrorIs(t, err, driverstate.ErrInvalidInput)
	assert.ErrorContains(t, err, "option [user] section: $none refers to an option that is not given")
}

func TestConfigurationDirectoriesAreReadByName(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"10-a.conf": "[DEFAULT]\nsize=1\ntext=a\n", "20-b.conf": "[DEFAULT]\nsize=2\n",
		".hidden.conf": "[DEFAULT]\nsize=3\n", "30-c.conf~": "[DEFAULT]\nsize=4\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	files, err := oslo.Load([]oslo.Source{{Path: dir, Dir: true}, {Path: write(t, "[DEFAULT]\ntext=b\n")}})
	require.NoError(t, err)
	v, err := oslo.NewConfig(files, noEnv, table).Values(table)
	require.NoError(t, err)
	assert.Equal(t, "2", v["size"])
	assert.Equal(t, "b", v["text"])
	assert.Len(t, files.Paths(), 3)
}

func TestTheEnvironmentWinsOverFiles(t *testing.T) {
	files, err := oslo.Load([]oslo.Source{{Path: write(t, "[DEFAULT]\nsize=1\n[user]\nname=a\n")}})
	require.NoError(t, err)
	env := func(name string) (string, bool) {
		v, ok := map[string]string{"OS_DEFAULT__SIZE": "7", "OS_USER__NAME": "$size"}[name]
		return v, ok
	}
	v, err := oslo.NewConfig(files, env, table).Values(table)
	require.NoError(t, err)
	assert.Equal(t, "7", v["size"])
	assert.Equal(t, "7", v["user.name"])
}

func TestFilesThatCannotBeReadAreNamedWithTheirLine(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"no section":        {"a = 1\n", "line 1: option a is in no group: there must be a line [DEFAULT] above"},
		"no assignment":     {"[DEFAULT]\n\nsecret\n", "line 3: it is neither NAME = VALUE nor a [GROUP]"},
		"no name":           {"[DEFAULT]\n= secret\n", "line 2: there is no name before the ="},
		"open section":      {"[DEFAULT] # secret\n", "line 1: the name of a group must end with ] and nothing may follow it"},
		"empty section":     {"[]\n", "line 1: the name of the group is empty"},
		"continues nothing": {"[DEFAULT]\na = 1\n# b\n secret\n", "line 4: it begins with a blank, but there is no option above that it could continue"},
		"not UTF-8":         {"[DEFAULT]\r\na = \xff\r\n", "line 2: it is not UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, c.text)
			_, err := oslo.Load([]oslo.Source{{Path: path}})
			require.ErrorIs(t, err, driverstate.ErrInvalidInput)
			assert.EqualError(t, err, "configuration file "+path+": "+c.want)
		})
	}
	_, err := oslo.Load([]oslo.Source{{Path: "/nonexistent/cinder.conf"}})
	require.ErrorIs(t, err, driverstate.ErrInvalidInput)
	assert.EqualError(t, err, "configuration file /nonexistent/cinder.conf: no such file or directory")
	_, err = oslo.Load([]oslo.Source{{Path: "/nonexistent", Dir: true}})
	assert.EqualError(t, err, "configuration directory /nonexistent: no such file or directory")
	_, err = oslo.Load([]oslo.Source{{Path: t.TempDir()}})
	assert.ErrorContains(t, err, "is a directory")
}

func TestValuesOfAnotherTypeAreNamedWithFileLineAndOption(t *testing.T) {
	secret := append([]oslo.Opt{{Name: "key", Kind: oslo.Int, Secret: true}}, table...)
	for name, c := range map[string]struct{ text, want string }{
		"int":        {"size = 1M", `:2: option size: "1M": it is not a whole number`},
		"range":      {"tries = 0", `:2: option tries: "0": it is not between 1 and 9223372036854775807`},
		"float":      {"wait = 0x1p4", `:2: option wait: "0x1p4": it is not a number`},
		"bool":       {"tls = perhaps", `:2: option tls: "perhaps": it is not true or false`},
		"choice":     {"auth = Per_user", `:2: option auth: "Per_user": it is not one of per_user, single_user`},
		"group":      {"[user]\nsend = x", `:3: option [user] send: "x": it is not true or false`},
		"secret":     {"key = hidden", `:2: option key: it is not a whole number`},
		"reference":  {"text = $nothing", `:2: option text: $nothing refers to an option that is not given in the files, and whose default is not known here; a $ that is meant as one is written $$`},
		"circle":     {"text = $path\npath = $text", `option text: $path: `},
		"hidden ref": {"size = $key\nkey = 5\n", ``},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, "[DEFAULT]\n"+c.text+"\n")
			files, err := oslo.Load([]oslo.Source{{Path: path}})
			require.NoError(t, err)
			_, err = oslo.NewConfig(files, noEnv, secret).Values(secret)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, driverstate.ErrInvalidInput)
			assert.ErrorContains(t, err, c.want)
			assert.ErrorContains(t, err, path)
			assert.NotContains(t, err.Error(), "hidden")
		})
	}
}

func TestASecretThatIsReferredToIsNotShown(t *testing.T) {
	opts := append([]oslo.Opt{{Name: "key", Secret: true}}, table...)
	files, err := oslo.Load([]oslo.Source{{Path: write(t, "[DEFAULT]\nkey = hidden\nsize = ${key}1\n")}})
	require.NoError(t, err)
	_, err = oslo.NewConfig(files, noEnv, opts).Values(opts)
	require.ErrorContains(t, err, `option size: "${key}1": it is not a whole number`)
	assert.NotContains(t, err.Error(), "hidden")
}

func TestWhatIsProbablyNotMeantIsWarnedOf(t *testing.T) {
	path := write(t, "[default]\nsize = 3\n[DEFAULT]\ntries =\n")
	c := load(t, path)
	v, err := c.Values(table)
	require.NoError(t, err)
	assert.NotContains(t, v, "size")
	assert.NotContains(t, v, "tries")
	assert.Equal(t, []string{
		path + ":2: it is not in [DEFAULT] but in another group whose name differs by its case; cinder-backup does not see it",
		path + ":4: option tries is empty and counts as not given",
	}, c.Warnings())
}

func TestReferencesThatGrowOrNeverEndAreRefused(t *testing.T) {
	var grow, deep, missing strings.Builder
	for i := range 200 {
		fmt.Fprintf(&grow, "a%d = $a%d$a%d\n", i, i+1, i+1)
		fmt.Fprintf(&deep, "a%d = $a%d\n", i, i+1)
		fmt.Fprintf(&missing, "a%d = $a%d$user.x$a%d\n", i, i+1, i+1)
	}
	for text, want := range map[string]string{
		"text = $a170\na200 = 0123456789\n" + grow.String(): "it refers to more than 1048576 bytes",
		"text = $a0\na200 = 1\n" + deep.String():            "more than 100 options refer to each other in a row",
		"text = $a150\n" + missing.String():                 "$a200 refers to an option that is not given",
		"text = $path\npath = $text\n":                      "it refers to itself",
	} {
		_, err := load(t, write(t, "[DEFAULT]\n"+text)).Values(table)
		assert.ErrorContains(t, err, want)
	}
}

func FuzzFiles(f *testing.F) {
	f.Add("[DEFAULT]\nsize = 1\ntext: $size\n a\n[user]\nname = \"x\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		path := write(t, text)
		files, err := oslo.Load([]oslo.Source{{Path: path}})
		if err != nil {
			assert.ErrorIs(t, err, driverstate.ErrInvalidInput)
			return
		}
		c := oslo.NewConfig(files, noEnv, table)
		v, err := c.Values(table)
		if err != nil {
			assert.ErrorIs(t, err, driverstate.ErrInvalidInput)
			return
		}
		r := oslo.Read(table, v)
		for _, o := range table {
			switch o.Kind {
			case oslo.Int:
				r.Int(o.Key())
			case oslo.Bool:
				r.Bool(o.Key())
			default:
				r.String(o.Key())
			}
		}
		assert.NoError(t, r.Err(), "what was converted can be read")
	})
}
