package commands

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/driverstate"
)

// doctorClient is what the look at a cloud needs of it. All of it reads.
type doctorClient interface {
	finder
	Dependents(ctx context.Context, id string) ([]client.Backup, error)
	ListBackups(ctx context.Context, o client.ListOpts) ([]client.Backup, error)
	BackupsOnHost(ctx context.Context, host string) ([]client.Backup, error)
	BackupsWhere(ctx context.Context, columns map[string]string) ([]client.Backup, error)
	ListVolumes(ctx context.Context, o client.VolumeListOpts) ([]client.Volume, error)
	ShowVolume(ctx context.Context, id string) (client.Volume, error)
	TemporaryVolumes(ctx context.Context) (map[string][]client.Volume, error)
	TemporarySnapshots(ctx context.Context) (map[string][]client.Snapshot, error)
	ListServices(ctx context.Context, host, binary string) ([]client.Service, error)
	ListClusters(ctx context.Context, o client.ClusterListOpts) ([]client.Cluster, error)
	ListMessages(ctx context.Context, o client.MessageListOpts) ([]client.Message, error)
}

// gap is something that could not be looked at.
type gap struct {
	what string
	err  error
}

// sight is what was seen of a cloud.
type sight struct {
	now        time.Time
	stuckAfter time.Duration
	parallel   int
	questions  int  // most questions about chains
	oneOnly    bool // only what bears on one backup was looked at

	backups   []client.Backup
	volumes   []client.Volume // those in a status that backups bring about
	tempVols  map[string][]client.Volume
	tempSnaps map[string][]client.Snapshot
	services  []client.Service
	clusters  []client.Cluster

	servicesSeen, hostsSeen, takenSeen bool
	hostOf                             map[string]string // by backup id; of rows whose host is known by name
	hostless                           map[string]bool   // rows that name no host
	untaken                            map[string]bool   // rows that name no driver
	restoresTo                         map[string][]client.Backup
	children                           map[string][]client.Backup // by id; of those that were asked about
	unfollowed                         int                        // backups whose dependents were not asked for

	mu   sync.Mutex
	gaps []gap
}

// doctorCalls bounds the reads that are under way at once by default.
const doctorCalls = 8

// volumeStatuses are those in which a backup or a restore may have left a
// volume.
var volumeStatuses = []driverstate.VolumeStatus{
	driverstate.VolumeBackingUp, driverstate.VolumeRestoring, driverstate.VolumeErrorRestoring,
	volumeErrorBackingUp, driverstate.VolumeError, driverstate.VolumeCreating,
}

// volumeErrorBackingUp is what Cinder calls a volume whose backup failed in
// some drivers (cinder/objects/fields.py VolumeStatus).
const volumeErrorBackingUp driverstate.VolumeStatus = "error_backing-up"

// missed notes that what could not be looked at. What the target does not have
// is no failure.
func (s *sight) missed(what string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gaps = append(s.gaps, gap{what, err})
}

// each runs do for every item, a few at a time, until ctx ends.
func each[T any](ctx context.Context, s *sight, items []T, do func(context.Context, T)) {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(s.parallel, 1))
	for _, item := range items {
		group.Go(func() error {
			if ctx.Err() == nil {
				do(ctx, item)
			}
			return nil
		})
	}
	_ = group.Wait() // no item fails: what is not seen is a gap
}

// look sees the cloud. That the backups cannot be listed is an error; all else
// is a gap.
func (s *sight) look(ctx context.Context, c doctorClient) error {
	var failed error
	everywhere := true
	each(ctx, s, []func(context.Context){
		func(ctx context.Context) {
			s.backups, failed = c.ListBackups(ctx, client.ListOpts{AllProjects: &everywhere})
		},
		func(ctx context.Context) { s.lookAtServices(ctx, c) },
		func(ctx context.Context) {
			var err error
			if s.clusters, err = c.ListClusters(ctx, client.ClusterListOpts{}); err != nil {
				s.missed("clusters", err)
			}
		},
		func(ctx context.Context) {
			var err error
			if s.tempVols, err = c.TemporaryVolumes(ctx); err != nil {
				s.missed("temporary volumes", err)
			}
		},
		func(ctx context.Context) {
			var err error
			if s.tempSnaps, err = c.TemporarySnapshots(ctx); err != nil {
				s.missed("temporary snapshots", err)
			}
		},
	}, func(ctx context.Context, see func(context.Context)) { see(ctx) })
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if failed != nil {
		return failed
	}
	s.lookAtVolumes(ctx, c)
	s.lookAtHosts(ctx, c)
	s.lookAtDrivers(ctx, c)
	s.lookAtRestores(ctx, c)
	s.lookAtChains(ctx, c)
	return context.Cause(ctx)
}

func (s *sight) lookAtServices(ctx context.Context, c doctorClient) {
	var err error
	if s.services, err = c.ListServices(ctx, "", ""); err != nil {
		s.missed("services", err)
		return
	}
	s.servicesSeen = true
}

func (s *sight) lookAtVolumes(ctx context.Context, c doctorClient) {
	everywhere := true
	each(ctx, s, volumeStatuses, func(ctx context.Context, status driverstate.VolumeStatus) {
		list, err := c.ListVolumes(ctx, client.VolumeListOpts{AllProjects: &everywhere, Status: string(status)})
		if err != nil {
			s.missed("volumes in "+string(status), err)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.volumes = append(s.volumes, list...)
	})
}

// otherHosts bounds how many hosts without a cinder-backup are tried as the
// host of a row.
const otherHosts = 32

// lookAtHosts finds the host of every row. No view tells it: rows are asked
// for by host.
func (s *sight) lookAtHosts(ctx context.Context, c doctorClient) {
	s.hostOf, s.hostless = map[string]string{}, map[string]bool{}
	if s.hostsSeen = s.servicesSeen; !s.hostsSeen || len(s.backups) == 0 {
		return
	}
	var own, other []string
	for _, service := range s.services {
		host, _, _ := strings.Cut(service.Host, "@") // a backend of cinder-volume
		if service.Binary == driverstate.BinaryBackup {
			own = append(own, service.Host)
		} else {
			other = append(other, host)
		}
	}
	s.hostsSeen = s.askHosts(ctx, c, own)
	// A node that lost its cinder-backup may still have other services.
	rest := s.homeless()
	if !s.hostsSeen || len(rest) == 0 {
		return
	}
	for status := range statusesOf(rest) {
		with, still, err := columnSet(ctx, c, status, "host")
		if err != nil {
			s.hostsSeen = false
			s.missed("rows without a host", err)
			return
		}
		for _, b := range rest {
			if b.Status == status && still[b.ID] && !with[b.ID] {
				s.hostless[b.ID] = true
			}
		}
	}
	if rest = s.homeless(); len(rest) > 0 {
		other = slices.DeleteFunc(slices.Compact(slices.Sorted(slices.Values(other))), func(h string) bool { return slices.Contains(own, h) })
		s.askHosts(ctx, c, other[:min(len(other), otherHosts)])
	}
}

func (s *sight) askHosts(ctx context.Context, c doctorClient, hosts []string) bool {
	all := true
	each(ctx, s, hosts, func(ctx context.Context, host string) {
		list, err := c.BackupsOnHost(ctx, host)
		if err != nil {
			s.missed("backups on host "+host, err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		all = all && err == nil
		for _, b := range list {
			s.hostOf[b.ID] = host
		}
	})
	return all && ctx.Err() == nil
}

// homeless are the rows whose host is not known yet.
func (s *sight) homeless() []client.Backup {
	return slices.DeleteFunc(slices.Clone(s.backups), func(b client.Backup) bool {
		_, known := s.hostOf[b.ID]
		return known || s.hostless[b.ID]
	})
}

// lookAtDrivers finds the rows that no service took. An available one was taken.
func (s *sight) lookAtDrivers(ctx context.Context, c doctorClient) {
	s.untaken = map[string]bool{}
	resting := slices.DeleteFunc(slices.Clone(s.backups), func(b client.Backup) bool { return b.Status == driverstate.StatusAvailable })
	s.takenSeen = true
	each(ctx, s, slices.Collect(maps.Keys(statusesOf(resting))), func(ctx context.Context, status driverstate.Status) {
		with, still, err := columnSet(ctx, c, status, "service")
		s.mu.Lock()
		defer s.mu.Unlock()
		if err != nil {
			s.takenSeen = false
			s.gaps = append(s.gaps, gap{"which rows in " + string(status) + " have a driver", err})
			return
		}
		for _, b := range resting {
			if b.Status == status && still[b.ID] && !with[b.ID] && s.now.Sub(changedAt(b.UpdatedAt, b.CreatedAt)) > stillAfter {
				s.untaken[b.ID] = true
			}
		}
	})
}

// stillAfter is how long a row must have stayed as it is for two reads of it to
// belong together.
const stillAfter = 30 * time.Second

// columnSet asks which rows in a status have a value in a column, and then
// which are in that status: one that moved on in between is in none of them.
func columnSet(ctx context.Context, c doctorClient, status driverstate.Status, column string) (with, still map[string]bool, err error) {
	valued, err := c.BackupsWhere(ctx, map[string]string{"status": string(status), column + "~": ""})
	if err != nil {
		return nil, nil, err
	}
	all, err := c.BackupsWhere(ctx, map[string]string{"status": string(status)})
	return idsOf(valued), idsOf(all), err
}

// restoreQuestions bounds how many volumes in error are asked about: whether a
// restore left them.
const restoreQuestions = 64

// lookAtRestores finds which backup was restored to the volumes that were seen.
func (s *sight) lookAtRestores(ctx context.Context, c doctorClient) {
	s.restoresTo = map[string][]client.Backup{}
	var ask []client.Volume
	for _, v := range s.volumes {
		if v.Status != driverstate.VolumeBackingUp && v.Status != volumeErrorBackingUp {
			ask = append(ask, v)
		}
	}
	if n := len(ask) - restoreQuestions; n > 0 {
		ask = ask[:restoreQuestions]
	}
	each(ctx, s, ask, func(ctx context.Context, v client.Volume) {
		list, err := c.BackupsWhere(ctx, map[string]string{"restore_volume_id": v.ID})
		if err != nil {
			if !errors.Is(err, driverstate.ErrForbidden) {
				s.missed("the restore to volume "+v.ID, err)
			}
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.restoresTo[v.ID] = list
	})
}

func statusesOf(list []client.Backup) map[driverstate.Status]bool {
	out := map[driverstate.Status]bool{}
	for _, b := range list {
		out[b.Status] = true
	}
	return out
}

func idsOf(list []client.Backup) map[string]bool {
	out := make(map[string]bool, len(list))
	for _, b := range list {
		out[b.ID] = true
	}
	return out
}
