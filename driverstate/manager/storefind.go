package manager

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/cinder-go/cinder-go/driverstate"
)

// CreateBackup is Manager.CreateBackup in the store that choose names.
func (s *Stores) CreateBackup(ctx context.Context, c driverstate.Caller, r driverstate.BackupRequest) (*driverstate.Backup, error) {
	m, err := s.choose(ctx, c, r)
	if err != nil {
		return nil, err
	}
	return m.CreateBackup(ctx, c, r)
}

// choose is what Cinder's scheduler does (cinder/scheduler/host_manager.py
// get_backup_host): of the services in the zone that is asked for, or in that
// of the volume, one that is up and enabled. Cinder draws lots; the stores of a
// process have an order, and the first takes the backup. An increment goes to
// the store of its parent. When none can be had, the Manager that is returned
// says so.
func (s *Stores) choose(ctx context.Context, c driverstate.Caller, r driverstate.BackupRequest) (*Manager, error) {
	if len(s.all) == 1 {
		return s.Manager, nil
	}
	if r.Incremental {
		if m, err := s.ofParent(ctx, c, r); m != nil || err != nil {
			return m, err
		}
	}
	in, err := s.inZone(ctx, r)
	if err != nil {
		return nil, err
	}
	for _, m := range in {
		err := m.requireUp(ctx)
		if err == nil {
			return m, nil
		}
		if !errors.Is(err, driverstate.ErrServiceDown) {
			return nil, err
		}
	}
	if len(in) == 0 {
		return s.Manager, nil
	}
	return in[0], nil
}

// inZone are the services that r may go to. The zone of a volume counts only
// if it is that of a service: a volume may have any.
func (s *Stores) inZone(ctx context.Context, r driverstate.BackupRequest) ([]*Manager, error) {
	within := func(zone string) (found []*Manager) {
		for _, m := range s.all {
			if m.cfg.AvailabilityZone == zone {
				found = append(found, m)
			}
		}
		return found
	}
	if r.AvailabilityZone != "" {
		return within(r.AvailabilityZone), nil
	}
	v, err := s.db.VolumeGet(ctx, r.VolumeID)
	if err != nil && !errors.Is(err, driverstate.ErrNotFound) {
		return nil, err
	}
	if err == nil {
		if found := within(v.AvailabilityZone); len(found) > 0 {
			return found, nil
		}
	}
	return s.all, nil
}

// ofParent is the service of the backup that an incremental one would stand on:
// of all stores the newest. nil when there is none.
func (s *Stores) ofParent(ctx context.Context, c driverstate.Caller, r driverstate.BackupRequest) (*Manager, error) {
	like := &driverstate.Backup{VolumeID: r.VolumeID, SnapshotID: r.SnapshotID}
	if r.SnapshotID != "" {
		snapshot, err := s.Snapshot(ctx, c, r.SnapshotID)
		if err != nil {
			return nil, err
		}
		like.DataTimestamp = snapshot.CreatedAt
	}
	var best *driverstate.Backup
	for _, m := range s.all {
		parent, err := m.newestParent(ctx, s.db, c, like)
		if err != nil {
			return nil, err
		}
		if parent != nil && (best == nil || dataTime(parent).After(dataTime(best))) {
			best = parent
		}
	}
	if best == nil {
		return nil, nil
	}
	return s.of(best.Host), nil
}

// ImportRecord is Manager.ImportRecord in the store that importer names.
func (s *Stores) ImportRecord(ctx context.Context, c driverstate.Caller, r driverstate.ExportedRecord) (*driverstate.Backup, error) {
	if err := allow(c, "backup:backup-import"); err != nil {
		return nil, err
	}
	m, err := s.importer(ctx, r)
	if err != nil {
		return nil, err
	}
	return m.ImportRecord(ctx, c, r)
}

// importer is the service whose driver wrote what r is a record of; of several
// the one on whose store it is. Of several copies it is the one in the store of
// its parent's row, then that in the store of the host that the record names,
// then the first. A record that is wrong is for the Manager to refuse.
func (s *Stores) importer(ctx context.Context, r driverstate.ExportedRecord) (*Manager, error) {
	class, err := s.cfg.Canonical(r.BackupService)
	if err != nil {
		return s.Manager, nil
	}
	may := slices.DeleteFunc(slices.Clone(s.all), func(m *Manager) bool { return m.cfg.Driver.Service() != class })
	rec, err := driverstate.DecodeTwin(r)
	switch {
	case len(may) == 0:
		return s.Manager, nil
	case len(may) == 1, err != nil:
		return may[0], nil
	}
	var have []*Manager
	unsure := false
	for _, m := range may {
		here, err := m.has(ctx, &rec.Backup)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if here {
			have = append(have, m)
		}
		unsure = unsure || err != nil
	}
	var host string
	if parent, err := s.db.BackupGet(ctx, rec.Backup.ParentID); err == nil {
		host = parent.Host
	}
	for _, host := range []string{host, rec.Backup.Host} {
		if m := s.of(host); host != "" && slices.Contains(have, m) {
			return m, nil
		}
	}
	switch {
	case len(have) > 0:
		return have[0], nil
	case unsure:
		return nil, serviceDown(r.BackupService) // it may be there
	}
	return may[0], nil
}

// has reports whether the store has anything of b, whose place is told. An
// error says that it cannot be known.
func (m *Manager) has(ctx context.Context, b *driverstate.Backup) (bool, error) {
	if err := m.requireDriver(); err != nil {
		return false, err
	}
	scanner, err := m.scanner()
	if err != nil {
		return false, nil
	}
	_, err = scanner.Inspect(ctx, onStore(b))
	if errors.Is(err, driverstate.ErrNotFound) || errors.Is(err, driverstate.ErrInvalidInput) {
		return false, nil
	}
	return err == nil, err
}

// ManageableBackups scans the stores of this process, or that of the service
// that f names, there the containers that f names, or all, and yields every
// backup in them, oldest first and those without a date last; admin only. A
// service that is down fails it: a list without its store would be taken for
// the whole. So does a container that is in no store.
func (m *Manager) ManageableBackups(ctx context.Context, c driverstate.Caller, f driverstate.ManageableFilter) (iter.Seq[driverstate.Manageable], error) {
	if err := allow(c, "backup:manageable"); err != nil {
		return nil, err
	}
	of, containers := m.peers(), f.Containers
	if f.Host != "" {
		m, err := m.named(f.Host)
		if err != nil {
			return nil, err
		}
		of = []*Manager{m}
	}
	if len(containers) == 0 {
		containers = []string{""}
	}
	var looks []iter.Seq[driverstate.Manageable]
	for _, container := range containers {
		var missing error
		without := 0
		for _, m := range of {
			found, err := m.scanned(ctx, container)
			switch {
			case err == nil:
				looks = append(looks, found)
			case container != "" && (errors.Is(err, driverstate.ErrNotFound) || errors.Is(err, driverstate.ErrInvalidInput)):
				missing, without = err, without+1
			default:
				return nil, err
			}
		}
		if without == len(of) {
			return nil, missing
		}
	}
	if len(looks) == 1 && isOrdered(looks[0]) {
		return looks[0], nil
	}
	var list []driverstate.Manageable
	for _, found := range looks {
		list = slices.AppendSeq(list, found)
	}
	slices.SortStableFunc(list, compareManageable)
	return slices.Values(once(list)), nil
}

func isOrdered(found iter.Seq[driverstate.Manageable]) bool {
	var last driverstate.Manageable // of which only what is compared is kept
	first := true
	for m := range found {
		if !first && compareManageable(last, m) > 0 {
			return false
		}
		last.Backup.CreatedAt, last.Backup.ID, first = m.Backup.CreatedAt, m.Backup.ID, false
	}
	return true
}

// once leaves out what was found twice, in a directory and in one above it.
func once(list []driverstate.Manageable) []driverstate.Manageable {
	type place struct{ host, id, container, prefix string }
	seen := map[place]bool{}
	return slices.DeleteFunc(list, func(m driverstate.Manageable) bool {
		at := place{m.Host, m.Backup.ID, m.Backup.Container, m.Backup.ServiceMetadata}
		had := seen[at]
		seen[at] = true
		return had
	})
}

// named is the Manager of the service of a host.
func (m *Manager) named(host string) (*Manager, error) {
	for _, p := range m.peers() {
		if p.cfg.Host == host {
			return p, nil
		}
	}
	return nil, noSuchService(host)
}

// ManageBackup is Manager.ManageBackup of the service that r names, else of the
// one on whose store the backup is found.
func (s *Stores) ManageBackup(ctx context.Context, c driverstate.Caller, r driverstate.ManageRequest) (*driverstate.Backup, error) {
	if err := allow(c, "backup:manage"); err != nil {
		return nil, err
	}
	var m *Manager
	var err error
	if r.Host != "" {
		m, err = s.named(r.Host)
	} else {
		m, err = s.locate(ctx, r.BackupID)
	}
	if err != nil {
		return nil, err
	}
	return m.ManageBackup(ctx, c, r)
}

// CreateVerification is Manager.CreateVerification of the service of the
// backup, or, if it has no row, of the one on whose store it is found; of
// several backups it is for any.
func (s *Stores) CreateVerification(ctx context.Context, c driverstate.Caller, r driverstate.VerifyRequest) (*driverstate.Verification, error) {
	if err := allow(c, "backup:verify"); err != nil {
		return nil, err
	}
	if len(r.BackupIDs) != 1 {
		return s.Manager.CreateVerification(ctx, c, r)
	}
	m, err := s.locate(ctx, r.BackupIDs[0])
	if err != nil {
		return nil, err
	}
	return m.CreateVerification(ctx, c, r)
}

// locate is the Manager of the store that has a backup: that of its row, else
// the first on whose store it is found, looking at the drivers' default places
// before anything is scanned. One that is nowhere is for the Manager that is
// returned to say; while a store is down that is not known.
func (s *Stores) locate(ctx context.Context, id string) (*Manager, error) {
	b, err := s.db.BackupGet(ctx, id)
	if err == nil {
		if m := s.of(b.Host); m != nil {
			return m, nil
		}
		return nil, noSuchService(b.Host)
	}
	if !errors.Is(err, driverstate.ErrNotFound) {
		return nil, err
	}
	if len(s.all) == 1 {
		return s.Manager, nil
	}
	inDefaultPlace := func(in driverstate.Scanner) (driverstate.Found, error) {
		return in.Inspect(ctx, &driverstate.Backup{ID: id})
	}
	anywhere := func(in driverstate.Scanner) (driverstate.Found, error) { return search(ctx, in, "", id) }
	var down error
	for _, look := range []func(driverstate.Scanner) (driverstate.Found, error){inDefaultPlace, anywhere} {
		for _, m := range s.all {
			if err := m.requireDriver(); err != nil {
				down = err
				continue
			}
			scanner, err := m.scanner()
			if err != nil {
				continue
			}
			_, err = look(scanner)
			if err == nil {
				return m, nil
			}
			if !errors.Is(err, driverstate.ErrNotFound) {
				return nil, err
			}
		}
	}
	return s.Manager, down
}
