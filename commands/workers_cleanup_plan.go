package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/driverstate"
)

// cleanupPlan is what a cleanup is known to meet before it is asked for, and
// then what the cloud answered.
type cleanupPlan struct {
	*cleanupOptions
	c     cleanupClient
	fleet fleet
	// filter is what was typed, and where a resource is found.
	filter   client.CleanupOpts
	underWay []client.Cleanable
	rows     []cleanupRow
}

// planCleanup does the reads. It refuses what could match nothing.
func planCleanup(ctx context.Context, c cleanupClient, o *cleanupOptions) (*cleanupPlan, error) {
	p := &cleanupPlan{cleanupOptions: o, c: c, filter: o.filter}
	p.fleet.engine = c.IsEngine(ctx)
	if o.filter.Binary == string(driverstate.BinaryBackup) && !p.fleet.engine {
		return nil, usagef("--binary cinder-backup: a cloud of Cinder takes cinder-volume and cinder-scheduler, and cleans up no backups; see cinder-go doctor")
	}
	if err := p.takesType(); err != nil {
		return nil, err
	}
	var err error
	if p.fleet.services, err = c.ListServices(ctx, "", ""); err != nil {
		return nil, err
	}
	if o.filter.Disabled != nil && slices.ContainsFunc(p.fleet.services, func(s client.Service) bool { return s.Cluster != nil }) {
		if p.fleet.clusters, err = c.ListClusters(ctx, client.ClusterListOpts{}); err != nil {
			return nil, err
		}
	}
	if err := p.knows(); err != nil {
		return nil, err
	}
	if o.filter.ServiceID != nil {
		if err := p.byNumber(ctx); err != nil {
			return nil, err
		}
	}
	list, err := c.Cleanables(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range list {
		if (o.filter.ResourceID == "" || o.filter.ResourceID == r.ID) && (o.filter.ResourceType == "" || o.filter.ResourceType == r.Type) {
			p.underWay = append(p.underWay, r)
		}
	}
	if o.filter.ResourceID != "" && !p.refused() {
		if err := p.locate(ctx); err != nil {
			return nil, err
		}
	}
	if o.filter.IsUp == nil {
		o.con.note("without --is-up only services that are down are asked for")
	}
	return p, nil
}

// refused reports whether the cloud will refuse the type asked for: Cinder
// cleans up no backups.
func (p *cleanupPlan) refused() bool {
	return p.filter.ResourceType == client.CleanableBackup && !p.fleet.engine
}

// noBackups is what to do on such a cloud.
const noBackups = "this cloud's API cleans up volumes and snapshots only; for a backup: cinder-go doctor, then " +
	"cinder-go backup-reset-state --state error ID or cinder-go backup-force-delete ID"

// takesType refuses to preview what the cloud itself would refuse.
func (p *cleanupPlan) takesType() error {
	if !p.guard.dryRun || !p.refused() {
		return nil
	}
	return withHint(driverstate.Fail(driverstate.ErrInvalidInput, "resource type Backup: a cloud of Cinder has no cleanup of backups"), noBackups)
}

// knows refuses a host or a cluster that no service has: Cinder accepts it and
// does nothing.
func (p *cleanupPlan) knows() error {
	var hosts, clusters []string
	for _, s := range p.fleet.services {
		hosts = append(hosts, s.Host)
		if s.Cluster != nil {
			clusters = append(clusters, *s.Cluster)
		}
	}
	for _, f := range []struct {
		what, want string
		known      []string
	}{{"host", p.filter.Host, hosts}, {"cluster", p.filter.ClusterName, clusters}} {
		if f.want == "" || slices.ContainsFunc(f.known, func(name string) bool { return namesHost(f.want, name) }) {
			continue
		}
		return unknownName(f.what, f.want, f.known)
	}
	return nil
}

// maxNames is the most names that an error lists.
const maxNames = 20

func unknownName(what, want string, known []string) error {
	slices.Sort(known)
	known = slices.Compact(known)
	text := "there is none"
	if n := len(known); n > maxNames {
		text = fmt.Sprintf("known are %s and %d more", strings.Join(known[:maxNames], ", "), n-maxNames)
	} else if n > 0 {
		text = "known are " + strings.Join(known, ", ")
	}
	err := driverstate.Fail(driverstate.ErrNotFound, fmt.Sprintf("%s %s: no service has it, %s", what, want, text))
	return withHint(err, "cinder-go service-list")
}

// byNumber puts the host and binary of a service in the place of its number, by
// which Cinder matches nothing (client.CleanupOpts).
func (p *cleanupPlan) byNumber(ctx context.Context) error {
	numbers, err := p.c.ServiceNumbers(ctx)
	if errors.Is(err, driverstate.ErrInvalidInput) {
		return nil // an engine, which does match by it
	}
	if err != nil {
		return err
	}
	o := &p.filter
	at := slices.IndexFunc(numbers, func(s client.CleanupService) bool { return s.ID == *o.ServiceID })
	if at < 0 {
		var known []string
		for _, s := range numbers {
			known = append(known, fmt.Sprintf("%d (%s on %s)", s.ID, s.Binary, s.Host))
		}
		return unknownName("service", strconv.FormatInt(*o.ServiceID, 10), known)
	}
	s := numbers[at]
	is := fmt.Sprintf("service %d: is %s on %s", s.ID, s.Binary, s.Host)
	switch {
	case !p.fleet.cleans(s.Binary):
		return driverstate.Fail(driverstate.ErrInvalidStatus, is+", which has no work that is cleaned up")
	case o.Binary != "" && o.Binary != string(s.Binary), o.Host != "" && !namesHost(o.Host, s.Host):
		return driverstate.Fail(driverstate.ErrNotFound, is+", which the other filters leave out")
	}
	p.con.note("%s, and is asked for by that", is)
	o.ServiceID, o.Host, o.Binary = nil, s.Host, string(s.Binary)
	return nil
}

// locate finds the service of the one resource asked for, and adds it to the
// filter: Cinder's own look-up matches nothing (client.CleanupOpts).
func (p *cleanupPlan) locate(ctx context.Context) error {
	id := p.filter.ResourceID
	if len(p.underWay) == 0 {
		v, err := p.c.ShowVolume(ctx, id)
		switch {
		case err == nil && (p.filter.ResourceType == "" || p.filter.ResourceType == client.CleanableVolume):
			return driverstate.Fail(driverstate.ErrInvalidStatus,
				fmt.Sprintf("volume %s: is %s, of which nothing is cleaned up", id, v.Status))
		case err != nil && !errors.Is(err, driverstate.ErrNotFound):
			return err
		}
		return withHint(driverstate.Fail(driverstate.ErrNotFound, fmt.Sprintf("resource %s: no %s of this id is in a status that is cleaned up", id, p.kinds())),
			"cinder-go workers-cleanup --dry-run shows those that are")
	}
	r := p.underWay[0]
	if p.filter.Host != "" || p.filter.ClusterName != "" || p.filter.ServiceID != nil || r.Host == "" {
		return nil
	}
	s := p.fleet.has(r)
	if s.Cluster != nil {
		p.filter.ClusterName = *s.Cluster
	} else {
		p.filter.Host = r.Host
	}
	if len(p.fleet.rows(p.filter)) == 0 && isUp(s) && (p.filter.IsUp == nil || !*p.filter.IsUp) {
		return withHint(driverstate.Fail(driverstate.ErrInvalidStatus,
			fmt.Sprintf("%s: its service is up and may be at work on it; only services that are down are asked for", inWords(r))),
			"if nothing works on it any more: cinder-go workers-cleanup --is-up True --resource-id "+id)
	}
	return nil
}

// kinds are the types that this cloud cleans up.
func (p *cleanupPlan) kinds() string {
	if p.fleet.engine {
		return "volume, snapshot or backup"
	}
	return "volume or snapshot"
}

// inWords names a resource and its status: "volume ID (name) is deleting on HOST".
func inWords(r client.Cleanable) string {
	text := strings.ToLower(r.Type) + " " + r.ID
	if r.Name != "" {
		text += " (" + r.Name + ")"
	}
	text += " is " + r.Status
	if r.Host != "" {
		text += " on " + r.Host
	}
	return text
}

// ask sends the request, once.
func (p *cleanupPlan) ask(ctx context.Context) error {
	if err := p.confirmLive(); err != nil {
		return err
	}
	answer, err := p.c.CleanupWorkers(ctx, p.filter)
	switch {
	case err != nil && p.refused():
		return withHint(err, noBackups)
	case errors.Is(err, driverstate.ErrInvalidStatus):
		return withHint(err, "a service of an older release lives: bring it up to date, or stop it and wait until cinder-go service-list shows it down")
	case err != nil:
		return err
	}
	p.rows = p.fleet.answered(answer)
	p.fleet.give(p.rows, p.underWay)
	return nil
}

// confirmLive asks before work that is perhaps going on is taken for left
// behind. Cinder does not tell the two apart: the entry of a living service is
// claimed like that of a dead one (cinder/manager.py do_cleanup).
func (p *cleanupPlan) confirmLive() error {
	if p.filter.IsUp == nil || !*p.filter.IsUp {
		return nil
	}
	rows := p.fleet.rows(p.filter)
	p.fleet.give(rows, p.underWay)
	var live []client.Cleanable
	for _, row := range rows {
		for _, r := range row.left {
			p.con.warn("", "%s, and %s on %s is up and may be at work on it", inWords(r), row.Binary, row.Host)
			live = append(live, r)
		}
	}
	return p.confirm(fmt.Sprintf("Take the work of living services on %s for left behind", counted(live)), len(live))
}
