package commands

import (
	"cmp"
	"slices"
	"strings"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/driverstate"
)

// What a cleanup does for a service.
const (
	cleaning    = "cleaning"
	unavailable = "unavailable"
	nothingToDo = "nothing-to-do"
)

// cleanupRow is a service that a cleanup matches.
type cleanupRow struct {
	client.CleanupService        // ID is 0 in a preview
	result                string // cleaning, unavailable, nothingToDo
	left                  []client.Cleanable
}

// fleet is the services of a cloud and the clusters they form.
type fleet struct {
	services []client.Service
	clusters []client.Cluster
	engine   bool // of cinder-go, which cleans up backups too
}

// cleans reports whether services of this kind leave work that is cleaned up.
func (f *fleet) cleans(b driverstate.Binary) bool {
	return b == driverstate.BinaryVolume || b == driverstate.BinaryScheduler || f.engine && b == driverstate.BinaryBackup
}

// worksOn is the kind of service that works on a resource of this type.
func worksOn(resourceType string) driverstate.Binary {
	if resourceType == client.CleanableBackup {
		return driverstate.BinaryBackup
	}
	return driverstate.BinaryVolume
}

func sameCluster(a, b client.Service) bool {
	return a.Cluster != nil && b.Cluster != nil && *a.Cluster == *b.Cluster && a.Binary == b.Binary
}

// matches reports whether a cleanup with the filter o takes s, by the rules of
// Cinder (cinder/db/sqlalchemy/api.py _service_query).
func (f *fleet) matches(s client.Service, o client.CleanupOpts) bool {
	up := o.IsUp != nil && *o.IsUp // absent asks for those that are down
	return isUp(s) == up &&
		(o.Binary == "" || o.Binary == string(s.Binary)) &&
		(o.Host == "" || namesHost(o.Host, s.Host)) &&
		(o.ClusterName == "" || s.Cluster != nil && namesHost(o.ClusterName, *s.Cluster)) &&
		(o.Disabled == nil || *o.Disabled == f.disabled(s))
}

// namesHost reports whether the filter want means host: with a pool it is
// exact, with a back end it means its pools too, else all its back ends.
func namesHost(want, host string) bool {
	rest, found := strings.CutPrefix(host, want)
	switch {
	case !found:
		return false
	case rest == "":
		return true
	case strings.Contains(want, "#"):
		return false
	}
	return rest[0] == '#' || rest[0] == '@' && !strings.Contains(want, "@")
}

// disabled is the status of the cluster where there is one.
func (f *fleet) disabled(s client.Service) bool {
	if s.Cluster == nil {
		return s.Status == "disabled"
	}
	return slices.ContainsFunc(f.clusters, func(c client.Cluster) bool {
		return c.Name == *s.Cluster && c.Binary == s.Binary && c.Status == "disabled"
	})
}

// expect says what Cinder would do for a service that matches
// (cinder/scheduler/manager.py work_cleanup): any scheduler cleans up after
// another, any living member of a cluster after its peers, and else only the
// service itself.
func (f *fleet) expect(s client.Service) string {
	switch {
	case !f.cleans(s.Binary):
		return nothingToDo
	case s.Binary == driverstate.BinaryScheduler, isUp(s):
		return cleaning
	case slices.ContainsFunc(f.services, func(p client.Service) bool { return sameCluster(s, p) && isUp(p) }):
		return cleaning
	}
	return unavailable
}

// rows are the services that match o, in the order of a table.
func (f *fleet) rows(o client.CleanupOpts) []cleanupRow {
	var rows []cleanupRow
	for _, s := range f.services {
		if f.matches(s, o) {
			row := cleanupRow{result: f.expect(s)}
			row.Host, row.Binary, row.ClusterName = s.Host, s.Binary, s.Cluster
			rows = append(rows, row)
		}
	}
	return ordered(rows)
}

// answered are the services of an answer. Cinder takes a cinder-backup for one
// that waits for its own start, though none has work that it cleans up.
func (f *fleet) answered(answer client.Cleanup) []cleanupRow {
	var rows []cleanupRow
	add := func(result string, services []client.CleanupService) {
		for _, s := range services {
			row := cleanupRow{CleanupService: s, result: result}
			if !f.cleans(s.Binary) {
				row.result = nothingToDo
			}
			rows = append(rows, row)
		}
	}
	add(cleaning, answer.Cleaning)
	add(unavailable, answer.Unavailable)
	return ordered(rows)
}

func ordered(rows []cleanupRow) []cleanupRow {
	rank := []string{cleaning, unavailable, nothingToDo}
	slices.SortStableFunc(rows, func(a, b cleanupRow) int {
		return cmp.Or(
			cmp.Compare(slices.Index(rank, a.result), slices.Index(rank, b.result)),
			cmp.Compare(a.ID, b.ID), cmp.Compare(a.Binary, b.Binary), cmp.Compare(a.Host, b.Host))
	})
	return rows
}

// give hands what is under way to the service that has it. Any member of a
// cluster may work on what another one hosts, so that what is on a member that
// does not match goes to one that does.
func (f *fleet) give(rows []cleanupRow, list []client.Cleanable) {
	for _, r := range list {
		at := slices.IndexFunc(rows, func(row cleanupRow) bool {
			if r.Host == "" {
				return row.Binary == driverstate.BinaryScheduler && r.Type == client.CleanableVolume
			}
			return row.Binary == worksOn(r.Type) && row.Host == r.Host
		})
		if at < 0 {
			host := f.has(r)
			at = slices.IndexFunc(rows, func(row cleanupRow) bool {
				return host.Cluster != nil && row.ClusterName != nil && row.Binary == host.Binary && *row.ClusterName == *host.Cluster
			})
		}
		if at >= 0 {
			rows[at].left = append(rows[at].left, r)
		}
	}
}

// has is the service on the host of r; the zero value when there is none.
func (f *fleet) has(r client.Cleanable) client.Service {
	for _, s := range f.services {
		if s.Binary == worksOn(r.Type) && s.Host == r.Host {
			return s
		}
	}
	return client.Service{}
}
