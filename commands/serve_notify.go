package commands

import (
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/cinder-go/cinder-go/driverstate/notify"
)

// notifyFlags say where serve publishes what happens.
type notifyFlags struct {
	urls []string
	file string
}

func (o *notifyFlags) addFlags(fs *pflag.FlagSet) {
	fs.StringArrayVar(&o.urls, "notify", nil, "publish notifications to `URL`: log:, file:///PATH, or rabbit://USER@HOST/VHOST?exchange=openstack&topic=notifications; may be repeated")
	fs.StringVar(&o.file, "notify-file", "", "`FILE` with such URLs, one a line, for those with a password (env CINDER_GO_NOTIFY, separated by blanks)")
}

// all returns the URLs of the flags, the file and the environment. A password
// in a flag is refused: every user of the machine can read it.
func (o *notifyFlags) all(env lookup) ([]notify.URL, error) {
	var all []notify.URL
	for _, text := range o.urls {
		u := notify.URL(text)
		if u.HasPassword() {
			return nil, withHint(usagef("--notify %s: a password on the command line can be read by every user of this machine", u),
				"write the URL into a file that only you can read, and say --notify-file FILE")
		}
		all = append(all, u)
	}
	if o.file != "" {
		raw, err := os.ReadFile(o.file)
		if err != nil {
			return nil, &usageError{err}
		}
		for line := range strings.Lines(string(raw)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				all = append(all, notify.URL(line))
			}
		}
	}
	text, _ := env("CINDER_GO_NOTIFY")
	for _, word := range strings.Fields(text) {
		all = append(all, notify.URL(word))
	}
	return all, nil
}
