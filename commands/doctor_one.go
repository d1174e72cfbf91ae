package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/driverstate"
)

// patient is one backup, with all that bears on it.
type patient struct {
	backup     client.Backup
	state      hostState
	service    client.Service
	driver     string // module of the row's driver; empty when it names none
	volume     string // status of the volume, or that it is gone
	ancestors  []string
	complete   bool // all that it stands on has a row
	dependents []string
	messages   []client.Message
	store      string // its condition there; empty without a look
	findings   []finding
	open, shut []string
}

// explain tells everything of one backup.
func (o *doctorOptions) explain(ctx context.Context, c doctorClient, s *sight) error {
	b, err := find(ctx, c, o.ref)
	if errors.Is(err, driverstate.ErrNotFound) {
		return o.explainRowless(ctx, c, s, err)
	}
	if err != nil {
		return err
	}
	p := &patient{backup: b, complete: true}
	if err := s.lookAtOne(ctx, c, p); err != nil {
		return err
	}
	shelf, err := o.openShelf(ctx, c, s)
	if err != nil {
		return err
	}
	p.findings = s.ofPatient(p)
	if shelf != nil {
		o.judge(p, shelf)
	}
	s.ways(p)
	p.findings = o.aim(rank(p.findings))
	if err := o.showCase(p, s); err != nil {
		return err
	}
	return o.verdict(p.findings, s)
}

// explainRowless looks for a backup that no row has in the store.
func (o *doctorOptions) explainRowless(ctx context.Context, c doctorClient, s *sight, missing error) error {
	shelf, err := o.openShelf(ctx, c, s)
	if err != nil {
		return err
	}
	if shelf == nil {
		return missing
	}
	for _, m := range shelf.found {
		if m.ID == o.ref || m.Name != nil && *m.Name == o.ref {
			list := o.aim([]finding{shelf.ofRowless(m)})
			if err := o.show(list, s.now); err != nil {
				return err
			}
			return o.verdict(list, s)
		}
	}
	return missing
}

// judge adds what the store says of the backup, alone.
func (o *doctorOptions) judge(p *patient, shelf *shelf) {
	m, here := shelf.found[p.backup.ID]
	p.store = "nothing of it"
	if here {
		p.store = strings.TrimSuffix(string(m.Condition)+": "+m.Reason, ": ")
	}
	if f, ok := shelf.ofRow(p.backup); ok {
		p.findings = append(p.findings, f)
	}
}

// lookAtOne sees what bears on one backup, with questions about it alone.
func (s *sight) lookAtOne(ctx context.Context, c doctorClient, p *patient) error {
	b, everywhere := p.backup, true
	var err error
	if s.backups, err = c.ListBackups(ctx, client.ListOpts{AllProjects: &everywhere, VolumeID: b.VolumeID}); err != nil {
		return err
	}
	if !idsOf(s.backups)[b.ID] {
		s.backups = append(s.backups, b)
	}
	s.oneOnly = true
	s.restoresTo, s.untaken = map[string][]client.Backup{}, map[string]bool{}
	s.hostOf, s.hostless = map[string]string{}, map[string]bool{}
	rivals := s.rivals(b)
	each(ctx, s, []func(context.Context){
		func(ctx context.Context) {
			s.lookAtServices(ctx, c)
			each(ctx, s, rivals, func(ctx context.Context, b client.Backup) { s.lookAtHostOf(ctx, c, b) })
		},
		func(ctx context.Context) {
			each(ctx, s, rivals, func(ctx context.Context, b client.Backup) { s.lookAtTaken(ctx, c, b) })
			p.driver = s.lookAtDriverOf(ctx, c, b)
		},
		func(ctx context.Context) {
			var err error
			if p.messages, err = c.ListMessages(ctx, client.MessageListOpts{ResourceID: b.ID, Limit: 3}); err != nil {
				s.missed("messages", err)
			}
		},
		func(ctx context.Context) { p.volume = s.lookAtVolumeOf(ctx, c, b) },
		func(ctx context.Context) { s.lookAtTargetsOf(ctx, c, b) },
		func(ctx context.Context) {
			s.children = map[string][]client.Backup{}
			if tree := s.trees()[b.VolumeID]; s.askDependents(ctx, c, tree) {
				p.ancestors, p.complete = s.below(b)
			}
			if _, asked := s.children[b.ID]; !asked {
				s.askDependents(ctx, c, []client.Backup{b})
			}
			p.dependents = s.above(b.ID)
		},
	}, func(ctx context.Context, see func(context.Context)) { see(ctx) })
	p.state, p.service = s.hostState(b)
	return context.Cause(ctx)
}

// rivals are b and, if it is being made, what else is being made of its volume:
// the volume is busy with any of them.
func (s *sight) rivals(b client.Backup) []client.Backup {
	if b.Status != driverstate.StatusCreating {
		return []client.Backup{b}
	}
	making, _ := s.makingOf(b.VolumeID)
	return making
}

// lookAtHostOf finds the host of one row.
func (s *sight) lookAtHostOf(ctx context.Context, c doctorClient, b client.Backup) {
	if !s.servicesSeen {
		return
	}
	named, err := c.BackupsWhere(ctx, map[string]string{"id": b.ID, "host~": ""})
	if err != nil {
		s.missed("the host of its row", err)
		return
	}
	s.mu.Lock()
	s.hostsSeen = true
	s.hostless[b.ID] = len(named) == 0
	s.mu.Unlock()
	if len(named) == 0 {
		return
	}
	hosts := map[string]bool{}
	for _, service := range s.services {
		host := service.Host
		if service.Binary != driverstate.BinaryBackup {
			host, _, _ = strings.Cut(host, "@")
		}
		hosts[host] = true
	}
	each(ctx, s, keysOf(hosts), func(ctx context.Context, host string) {
		list, err := c.BackupsWhere(ctx, map[string]string{"id": b.ID, "host": host})
		s.mu.Lock()
		defer s.mu.Unlock()
		if err != nil {
			s.hostsSeen = false
			s.gaps = append(s.gaps, gap{"whether its row names host " + host, err})
		}
		if len(list) > 0 {
			s.hostOf[b.ID] = host
		}
	})
}

// lookAtTaken finds whether the row of b names a driver.
func (s *sight) lookAtTaken(ctx context.Context, c doctorClient, b client.Backup) {
	named, err := c.BackupsWhere(ctx, map[string]string{"id": b.ID, "service~": ""})
	if err != nil {
		s.missed("the driver of the row of backup "+b.ID, err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.takenSeen, s.untaken[b.ID] = true, len(named) == 0
}

// lookAtDriverOf is which driver the row of b names; empty when it is not known.
func (s *sight) lookAtDriverOf(ctx context.Context, c doctorClient, b client.Backup) string {
	if !s.takenSeen {
		return ""
	}
	if s.untaken[b.ID] {
		return "none"
	}
	found, mu := "another", sync.Mutex{}
	each(ctx, s, driverModules, func(ctx context.Context, module string) {
		list, err := c.BackupsWhere(ctx, map[string]string{"id": b.ID, "service~": "." + module})
		if err == nil && len(list) > 0 {
			mu.Lock()
			found = module
			mu.Unlock()
		}
	})
	return found
}

func (s *sight) lookAtVolumeOf(ctx context.Context, c doctorClient, b client.Backup) string {
	v, err := c.ShowVolume(ctx, b.VolumeID)
	switch {
	case errors.Is(err, driverstate.ErrNotFound):
		return "gone"
	case err != nil:
		s.missed("its volume", err)
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if v.Status == driverstate.VolumeBackingUp && b.Status == driverstate.StatusCreating {
		s.volumes = append(s.volumes, v)
	}
	return string(v.Status)
}

// lookAtTargetsOf finds the volumes that it was restored to and that did not
// get well.
func (s *sight) lookAtTargetsOf(ctx context.Context, c doctorClient, b client.Backup) {
	everywhere := true
	for _, status := range []driverstate.VolumeStatus{driverstate.VolumeRestoring, driverstate.VolumeErrorRestoring} {
		list, err := c.ListVolumes(ctx, client.VolumeListOpts{AllProjects: &everywhere, Status: string(status)})
		if err != nil {
			s.missed("volumes in "+string(status), err)
			continue
		}
		each(ctx, s, list[:min(len(list), restoreQuestions)], func(ctx context.Context, v client.Volume) {
			from, err := c.BackupsWhere(ctx, map[string]string{"id": b.ID, "restore_volume_id": v.ID})
			if err != nil || len(from) == 0 {
				return
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			s.volumes = append(s.volumes, v)
			s.restoresTo[v.ID] = from
		})
	}
}

// below are the ids that b stands on, the nearest first; complete says that the
// last is a full backup.
func (s *sight) below(b client.Backup) (ids []string, complete bool) {
	parent := map[string]client.Backup{}
	for _, p := range s.backups {
		for _, child := range s.children[p.ID] {
			parent[child.ID] = p
		}
	}
	for seen := map[string]bool{b.ID: true}; ; {
		p, ok := parent[b.ID]
		if !ok || seen[p.ID] {
			return ids, !b.IsIncremental
		}
		seen[p.ID] = true
		ids, b = append(ids, p.ID), p
	}
}

// ofPatient is what the rows tell of one backup.
func (s *sight) ofPatient(p *patient) []finding {
	var out []finding
	if f, ok := s.ofRow(p.backup); ok {
		out = append(out, f)
	}
	for _, f := range s.chainFindings() {
		if f.id == p.backup.ID || slices.Contains(p.ancestors, f.id) && f.cause != "counter-drift" {
			out = append(out, f)
		}
	}
	if f, ok := s.ofService(p.service, true); ok && p.service.Host != "" && p.service.Binary != "" {
		out = append(out, f)
	}
	if p.state == hostGone && p.backup.Status == driverstate.StatusAvailable {
		out = append(out, s.strayFindings([]client.Backup{p.backup})...)
	}
	return append(out, s.volumeFindings()...)
}

// keysOf are the keys of a set, in order.
func keysOf[K cmp.Ordered](set map[K]bool) []K {
	out := make([]K, 0, len(set))
	for k := range set {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func (p *patient) hostWords() string {
	switch p.state {
	case hostUp:
		return p.service.Host + " (up)"
	case hostDown:
		return p.service.Host + " (down)"
	case hostNone:
		return "none"
	case hostGone:
		return fmt.Sprintf("%s (no cinder-backup)", cmp.Or(p.service.Host, "unknown"))
	}
	return ""
}

// deadHost says that nobody answers for the row; empty when somebody does.
func (p *patient) deadHost() string {
	switch {
	case p.state == hostDown:
		return "its host " + p.service.Host + " is down"
	case p.state == hostGone && p.service.Host != "":
		return "its host " + p.service.Host + " has no cinder-backup"
	case p.state == hostGone:
		return "its row names a host that is no cinder-backup"
	}
	return ""
}
