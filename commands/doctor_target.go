package commands

import (
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// targetFlags are the flags that name the target, as they were given. Secrets
// are left out: they belong into the environment or clouds.yaml.
func (g *globalFlags) targetFlags(fs *pflag.FlagSet) string {
	var out strings.Builder
	add := func(flag string, values ...string) {
		for _, v := range values {
			out.WriteString(" --" + flag + " " + shellWord(v))
		}
	}
	if !g.standalone {
		for _, s := range g.cloudSettings() {
			if s.given(fs) && !s.secret {
				add(s.flag, *s.to)
			}
		}
		if g.cloud.Insecure {
			out.WriteString(" --insecure")
		}
		if g.cloud.Verify {
			out.WriteString(" --verify")
		}
		return out.String()
	}
	if fs.Changed("standalone") {
		out.WriteString(" --standalone")
	}
	if fs.Changed("config-file") || fs.Changed("config-dir") {
		out.WriteString(" " + g.files.flags()) // in their order, which counts
	}
	machine := g.tune.settings() // these say nothing about where it is
	for _, s := range g.engineSettings() {
		switch {
		case !s.given(fs) || slices.ContainsFunc(machine, func(m setting) bool { return m.flag == s.flag }):
		case s.list != nil:
			add(s.flag, *s.list...)
		case s.to == &g.database:
			if address := withoutPassword(g.database); address != "" {
				add(s.flag, address)
			}
		default:
			add(s.flag, *s.to)
		}
	}
	return out.String()
}

// withoutPassword is the URL of a database for others to read; empty when it
// is none.
func withoutPassword(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	if _, has := u.User.Password(); has {
		u.User = url.User(u.User.Username())
	}
	if q := u.Query(); q.Has("password") || q.Has("sslpassword") {
		q.Del("password")
		q.Del("sslpassword")
		u.RawQuery = q.Encode()
	}
	return u.String()
}

// aim makes the commands go to the target that was looked at.
func (o *doctorOptions) aim(list []finding) []finding {
	for i := range list {
		for j, s := range list[i].next {
			rest, ours := strings.CutPrefix(s.command, "cinder-go ")
			if o.standalone { // the store itself is the target
				rest = strings.TrimPrefix(rest, "--standalone "+o.stores.flags()+" ")
			}
			if !ours || strings.HasPrefix(rest, "--standalone") {
				continue
			}
			target := o.target
			// Beside a cloud, the data is then proven before a row is called good.
			if !o.stores.none() && !o.standalone && strings.HasPrefix(rest, "backup-reset-state --state available") {
				target += " " + o.stores.flags()
			}
			list[i].next[j].command = "cinder-go" + target + " " + rest
		}
	}
	return list
}
