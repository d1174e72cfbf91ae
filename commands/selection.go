package commands

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/pflag"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/driverstate"
)

// selector is what choosing backups needs of the client.
type selector interface {
	finder
	ListBackups(ctx context.Context, o client.ListOpts) ([]client.Backup, error)
	FindVolume(ctx context.Context, nameOrID string) (client.Volume, error)
	BackupsOnHost(ctx context.Context, host string) ([]client.Backup, error)
	ListServices(ctx context.Context, host, binary string) ([]client.Service, error)
	Chains(ctx context.Context, volumeID string) ([]client.ChainNode, error)
}

// selectionFlags choose the backups of a verb: by id or name, or by what they
// have in common.
type selectionFlags struct {
	refs []string

	statuses    []string
	olderThan   string
	project     string
	host        string
	zone        string
	volume      string
	name        string
	allProjects bool
	chain       bool

	age time.Duration
}

func (s *selectionFlags) addFlags(fs *pflag.FlagSet) {
	s.addFilters(fs, "volume", "name")
	fs.BoolVar(&s.chain, "chain", false, "and the whole chains of these: what they stand on, and what stands on them (admin)")
}

// addFilters adds the filters alone. What selects by volume and by name is
// called otherwise where a verb means its target by these words.
func (s *selectionFlags) addFilters(fs *pflag.FlagSet, volume, name string) {
	fs.StringSliceVar(&s.statuses, "status", nil, "select backups in this `STATUS`; several with commas")
	fs.StringVar(&s.olderThan, "older-than", "", "select backups created longer `AGO` than this: 12h, 30d, 2w")
	fs.StringVar(&s.project, "project", "", "select backups of the project with this `ID` (admin)")
	fs.StringVar(&s.host, "host", "", "select backups whose row names this `HOST` (admin)")
	fs.StringVar(&s.zone, "az", "", "select backups in this availability `ZONE`; where a backup has none, by the zone of its host")
	fs.StringVar(&s.volume, volume, "", "select backups of this `VOLUME`, by id or name")
	fs.StringVar(&s.name, name, "", "select backups whose name matches this `PATTERN`, such as 'nightly-*'")
	fs.BoolVar(&s.allProjects, "all-projects", false, "select in all projects (admin); always so on an engine")
	fs.BoolVar(&s.allProjects, "all-tenants", false, "the same")
	_ = fs.MarkHidden("all-tenants")
}

// filtered reports whether any filter is given.
func (s *selectionFlags) filtered() bool {
	return len(s.statuses) > 0 || s.olderThan != "" || s.project != "" || s.host != "" || s.zone != "" || s.volume != "" || s.name != ""
}

// check takes the positional arguments, and refuses what cannot be a
// selection.
func (s *selectionFlags) check(g *globalFlags, args []string) error {
	if err := s.checkAny(g, args); err != nil {
		return err
	}
	if len(s.refs) == 0 && !s.filtered() {
		return usagef("say which backups: by id or name, or by filters such as --status error --older-than 7d")
	}
	return nil
}

// checkOrAll is check for verbs that take every backup when told to by all.
func (s *selectionFlags) checkOrAll(g *globalFlags, args []string, all bool) error {
	if !all {
		return s.check(g, args)
	}
	if len(args) > 0 || s.filtered() {
		return usagef("--all and a choice of backups exclude each other")
	}
	return s.checkAny(g, args)
}

// checkAny is check for verbs that take every backup when none is chosen.
func (s *selectionFlags) checkAny(g *globalFlags, args []string) (err error) {
	if s.refs, err = refs(args); err != nil {
		return err
	}
	if len(s.refs) > 0 && s.filtered() {
		return usagef("backups by id or name and filters exclude each other")
	}
	if !g.isCloud() {
		s.allProjects = true // nobody has a project of one's own there
	}
	for i, text := range s.statuses {
		status, err := driverstate.ParseStatus(strings.ToLower(strings.TrimSpace(text)))
		if err != nil {
			return &usageError{err}
		}
		s.statuses[i] = string(status)
	}
	if s.olderThan != "" {
		if s.age, err = parseAge(s.olderThan); err != nil {
			return err
		}
	}
	if _, err := path.Match(s.name, ""); err != nil {
		return usagef("pattern %q: %v", s.name, err)
	}
	return nil
}

// parseAge reads a duration, with d for days and w for weeks as well.
func parseAge(text string) (time.Duration, error) {
	unit := map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour}
	if n := len(text); n > 1 && unit[text[n-1:]] > 0 {
		count, err := strconv.ParseInt(text[:n-1], 10, 32)
		if err == nil && count >= 0 {
			return time.Duration(count) * unit[text[n-1:]], nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, usagef("%q is no age: say it like 90m, 12h, 30d or 2w", text)
	}
	return d, nil
}

// find returns the selected backups, each once: named ones in the order of the
// arguments, others the newest first. What cannot be found goes to items.
func (s *selectionFlags) find(ctx context.Context, c selector, now time.Time, items *bulk) ([]client.Backup, error) {
	var (
		found []client.Backup
		err   error
	)
	if len(s.refs) > 0 {
		found = findAll(ctx, c, s.refs, items)
	} else if found, err = s.list(ctx, c, now, client.ListOpts{}); err != nil {
		return nil, err
	}
	if s.chain {
		found, err = withChains(ctx, c, found)
	}
	return found, err
}

// list returns what the filters leave of the list o, at most o.Limit of it.
func (s *selectionFlags) list(ctx context.Context, c selector, now time.Time, o client.ListOpts) ([]client.Backup, error) {
	o.Filters = maps.Clone(o.Filters)
	if o.Filters == nil {
		o.Filters = map[string]string{}
	}
	everywhere := s.allProjects || s.project != ""
	o.AllProjects = &everywhere
	limit := o.Limit
	if s.age > 0 || s.zone != "" || s.name != "" || len(s.statuses) > 1 {
		o.Limit = 0 // the server does not know these
	}
	if s.project != "" {
		o.Filters["project_id"] = s.project
	}
	if s.host != "" {
		o.Filters["host"] = s.host
	}
	if len(s.statuses) == 1 {
		o.Status = s.statuses[0]
	}
	if s.volume != "" {
		id, err := volumeID(ctx, c, s.volume)
		if err != nil {
			return nil, err
		}
		o.VolumeID = id
	}
	if s.name != "" && !strings.ContainsAny(s.name, `*?[\`) {
		o.Name = s.name
	}
	found, err := c.ListBackups(ctx, o)
	if err != nil {
		return nil, err
	}
	inZone, err := s.inZone(ctx, c, found)
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(b client.Backup) bool {
		named, _ := path.Match(cmp.Or(s.name, "*"), nameOf(b))
		return !named && s.name != "" ||
			len(s.statuses) > 0 && !slices.Contains(s.statuses, string(b.Status)) ||
			s.age > 0 && (b.CreatedAt.IsZero() || now.Sub(b.CreatedAt) < s.age) ||
			s.project != "" && b.ProjectID != s.project ||
			!inZone(b)
	})
	if limit > 0 && len(found) > limit {
		found = found[:limit]
	}
	return found, nil
}

// volumeID resolves a volume, which may be gone when its id is given.
func volumeID(ctx context.Context, c selector, ref string) (string, error) {
	if uuid.Validate(ref) == nil {
		return ref, nil
	}
	v, err := c.FindVolume(ctx, ref)
	return v.ID, err
}

// inZone returns what tells whether a backup is in the zone that is asked for.
// A cloud may leave a backup's own zone empty (Zed does); then its host's counts.
func (s *selectionFlags) inZone(ctx context.Context, c selector, found []client.Backup) (func(client.Backup) bool, error) {
	if s.zone == "" {
		return func(client.Backup) bool { return true }, nil
	}
	zoneless := func(b client.Backup) bool { return b.AvailabilityZone == nil || *b.AvailabilityZone == "" }
	there := map[string]bool{}
	if slices.ContainsFunc(found, zoneless) {
		services, err := c.ListServices(ctx, "", string(driverstate.BinaryBackup))
		if err != nil {
			return nil, fmt.Errorf("--az: the zones of the hosts: %w", err)
		}
		for _, service := range services {
			if service.Zone != s.zone {
				continue
			}
			backups, err := c.BackupsOnHost(ctx, service.Host)
			if err != nil {
				return nil, fmt.Errorf("--az: the backups on host %s: %w", service.Host, err)
			}
			for _, b := range backups {
				there[b.ID] = true
			}
		}
	}
	return func(b client.Backup) bool {
		if zoneless(b) {
			return there[b.ID]
		}
		return *b.AvailabilityZone == s.zone
	}, nil
}

// withChains adds the whole chains of the backups found, after them.
func withChains(ctx context.Context, c selector, found []client.Backup) ([]client.Backup, error) {
	seen := map[string]bool{}
	for _, b := range found {
		seen[b.ID] = true
	}
	out := slices.Clone(found)
	trees := map[string][]client.ChainNode{}
	for _, b := range found {
		nodes, ok := trees[b.VolumeID]
		if !ok {
			var err error
			if nodes, err = c.Chains(ctx, b.VolumeID); err != nil {
				return nil, fmt.Errorf("backup %s: its chain: %w", b.ID, err)
			}
			trees[b.VolumeID] = nodes
		}
		for _, n := range relatives(nodes, b.ID) {
			if !seen[n.Backup.ID] {
				seen[n.Backup.ID] = true
				out = append(out, n.Backup)
			}
		}
	}
	return out, nil
}

// relatives are the nodes of the tree that id is in, parents first.
func relatives(nodes []client.ChainNode, id string) []client.ChainNode {
	parent := map[string]string{}
	for _, n := range nodes {
		parent[n.Backup.ID] = n.ParentID
	}
	root := func(id string) string {
		for range len(nodes) {
			if parent[id] == "" {
				break
			}
			id = parent[id]
		}
		return id
	}
	mine := root(id)
	var out []client.ChainNode
	for _, n := range nodes {
		if root(n.Backup.ID) == mine {
			out = append(out, n)
		}
	}
	return out
}
