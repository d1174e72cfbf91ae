package manager

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

// defaultClass is the quota class of every project (cinder/db/api.py
// _DEFAULT_QUOTA_NAME).
const defaultClass = "default"

// counted is what tells how much a project has and may have; in a transaction
// it answers for what is written in it.
type counted interface {
	db.Backups
	db.Volumes
	db.Snapshots
	db.Quotas
	db.VolumeTypes
}

// usage counts the rows of a project. Nothing else is kept, so use cannot
// drift from what there is.
func usage(ctx context.Context, rows counted, projectID string) (u driverstate.Usage, err error) {
	if u.Backups, u.BackupGigabytes, err = rows.BackupUsage(ctx, projectID); err != nil {
		return u, err
	}
	if u.Volumes, u.VolumeGigabytes, err = rows.VolumeUsage(ctx, projectID); err != nil {
		return u, err
	}
	if u.Snapshots, u.SnapshotGigabytes, err = rows.SnapshotUsage(ctx, projectID); err != nil {
		return u, err
	}
	u.Types, err = rows.UsageOfTypes(ctx, projectID)
	return u, err
}

// quotas are the limits of a project and what it has.
func (m *Manager) quotas(ctx context.Context, rows counted, projectID string) ([]driverstate.Quota, error) {
	list, err := m.limits(ctx, rows, projectID)
	if err != nil {
		return nil, err
	}
	return list, inUse(ctx, rows, projectID, list)
}

// limits are those of a project, without what it has.
func (m *Manager) limits(ctx context.Context, rows counted, projectID string) ([]driverstate.Quota, error) {
	set, err := rows.QuotaGetAll(ctx, projectID)
	if err != nil {
		return nil, err
	}
	list, err := m.classQuotas(ctx, rows, defaultClass)
	for i := range list {
		if limit, ok := set[list[i].Resource]; ok {
			list[i].Limit = limit
		}
	}
	return list, err
}

// inUse fills in what a project has.
func inUse(ctx context.Context, rows counted, projectID string, list []driverstate.Quota) error {
	used, err := usage(ctx, rows, projectID)
	for i := range list {
		list[i].InUse = used.Of(list[i].Resource)
	}
	return err
}

// classQuotas are the limits of a quota class: those set for it, before those
// of the default class, before the options (cinder/quota.py get_class_quotas).
func (m *Manager) classQuotas(ctx context.Context, rows counted, class string) ([]driverstate.Quota, error) {
	types, err := rows.VolumeTypeGetAll(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, t := range types {
		names = append(names, t.Name)
	}
	limits := maps.Clone(m.cfg.Quotas)
	if limits == nil {
		limits = map[string]int64{}
	}
	for _, name := range []string{defaultClass, class} {
		set, err := rows.QuotaClassGetAll(ctx, name)
		if err != nil {
			return nil, err
		}
		maps.Copy(limits, set)
	}
	var list []driverstate.Quota
	for _, resource := range driverstate.QuotaResources(append(names, driverstate.VolumeType)...) {
		limit, ok := limits[resource]
		if !ok {
			limit = driverstate.Unlimited
		}
		list = append(list, driverstate.Quota{Resource: resource, Limit: limit})
	}
	return list, nil
}

// DefaultQuotas are the limits of a project for which none were set.
func (m *Manager) DefaultQuotas(ctx context.Context) ([]driverstate.Quota, error) {
	return m.classQuotas(ctx, m.db, defaultClass)
}

// ClassQuotas are the limits of a quota class; admin only.
func (m *Manager) ClassQuotas(ctx context.Context, c driverstate.Caller, class string) ([]driverstate.Quota, error) {
	if err := allow(c, "volume_extension:quota_classes:get"); err != nil {
		return nil, err
	}
	return m.classQuotas(ctx, m.db, class)
}

// SetClassQuotas changes limits of a quota class; admin only. Those of default
// are for every project that has none of its own, whatever it has already.
func (m *Manager) SetClassQuotas(ctx context.Context, c driverstate.Caller, class string, limits map[string]int64) (now []driverstate.Quota, err error) {
	if err := allow(c, "volume_extension:quota_classes:update"); err != nil {
		return nil, err
	}
	err = m.db.Update(ctx, func(tx db.Tx) error {
		for _, resource := range slices.Sorted(maps.Keys(limits)) {
			if err := tx.QuotaClassSet(ctx, class, resource, limits[resource]); err != nil {
				return err
			}
		}
		now, err = m.classQuotas(ctx, tx, class)
		return err
	})
	return now, err
}

// Quotas returns what a project may have, and has; one who is not admin may ask
// for their own.
func (m *Manager) Quotas(ctx context.Context, c driverstate.Caller, projectID string) ([]driverstate.Quota, error) {
	if projectID != c.ProjectID {
		if err := allow(c, "volume_extension:quotas:show"); err != nil {
			return nil, err
		}
	}
	return m.quotas(ctx, m.db, projectID)
}

// SetQuotas changes limits of a project; admin only. One that is below what the
// project has is refused, and nothing is changed then.
func (m *Manager) SetQuotas(ctx context.Context, c driverstate.Caller, projectID string, limits map[string]int64) (now []driverstate.Quota, err error) {
	if err := allow(c, "volume_extension:quotas:update"); err != nil {
		return nil, err
	}
	err = m.db.Update(ctx, func(tx db.Tx) error {
		used, err := usage(ctx, tx, projectID)
		if err != nil {
			return err
		}
		for _, resource := range slices.Sorted(maps.Keys(limits)) {
			limit := limits[resource]
			if have := used.Of(resource); limit != driverstate.Unlimited && limit < have {
				return driverstate.Fail(driverstate.ErrInvalidStatus, fmt.Sprintf(
					"Quota %s limit must be equal or greater than existing resources. Current usage is %d and the requested limit is %d.",
					resource, have, limit))
			}
			if err := tx.QuotaSet(ctx, projectID, resource, limit); err != nil {
				return err
			}
		}
		now, err = m.quotas(ctx, tx, projectID)
		return err
	})
	return now, err
}

// DeleteQuotas gives a project the default limits again; admin only.
func (m *Manager) DeleteQuotas(ctx context.Context, c driverstate.Caller, projectID string) error {
	if err := allow(c, "volume_extension:quotas:delete"); err != nil {
		return err
	}
	return m.db.QuotaDestroy(ctx, projectID)
}

// admitBackup refuses a backup of size GiB that the project may not have. It
// and its like are called in the transaction that writes the row.
func (m *Manager) admitBackup(ctx context.Context, tx db.Tx, projectID string, size int64) error {
	return m.withinQuota(ctx, tx, projectID, driverstate.QuotaBackups, size, driverstate.Usage{Backups: 1, BackupGigabytes: size})
}

// typeName is the name of a volume's type.
func typeName(v *driverstate.Volume) string { return cmp.Or(v.VolumeType, driverstate.VolumeType) }

// admitVolume is admitBackup for a volume of a type.
func (m *Manager) admitVolume(ctx context.Context, tx db.Tx, projectID, kind string, size int64) error {
	return m.withinQuota(ctx, tx, projectID, driverstate.QuotaVolumes, size, driverstate.Usage{
		Volumes: 1, VolumeGigabytes: size, Types: map[string]driverstate.TypeUsage{kind: {Volumes: 1, Gigabytes: size}},
	})
}

// admitSnapshot is admitBackup for a snapshot of a volume of a type.
func (m *Manager) admitSnapshot(ctx context.Context, tx db.Tx, projectID, kind string, size int64) error {
	return m.withinQuota(ctx, tx, projectID, driverstate.QuotaSnapshots, size, driverstate.Usage{
		Snapshots: 1, SnapshotGigabytes: size, Types: map[string]driverstate.TypeUsage{kind: {Snapshots: 1, Gigabytes: size}},
	})
}

// admitExtension refuses to make a volume size GiB large, more by that many.
func (m *Manager) admitExtension(ctx context.Context, tx db.Tx, v *driverstate.Volume, size, more int64) error {
	return m.withinQuota(ctx, tx, v.ProjectID, driverstate.QuotaVolumes, size, driverstate.Usage{
		VolumeGigabytes: more, Types: map[string]driverstate.TypeUsage{typeName(v): {Gigabytes: more}},
	})
}

// withinQuota refuses more of a kind of resource than the project may have, in the
// words of Cinder's exceptions and in its order: what is measured in gigabytes
// first (cinder/quota_utils.py process_reserve_over_quota).
func (m *Manager) withinQuota(ctx context.Context, tx db.Tx, projectID, kind string, size int64, more driverstate.Usage) error {
	all, err := m.limits(ctx, tx, projectID)
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b driverstate.Quota) int { return strings.Compare(a.Resource, b.Resource) })
	for _, l := range all {
		if l.Resource == driverstate.QuotaPerVolume && kind == driverstate.QuotaVolumes && l.Limit != driverstate.Unlimited && size > l.Limit {
			return overLimit("VolumeSizeExceedsLimit", "Requested volume size %dG is larger than maximum allowed limit %dG.", size, l.Limit)
		}
	}
	bounded := slices.DeleteFunc(all, func(l driverstate.Quota) bool { return more.Of(l.Resource) == 0 || l.Limit == driverstate.Unlimited })
	if len(bounded) == 0 {
		return nil
	}
	if err := inUse(ctx, tx, projectID, bounded); err != nil {
		return err
	}
	for _, l := range bounded {
		if add := more.Of(l.Resource); l.InUse+add > l.Limit {
			return exceeded(l, kind, add)
		}
	}
	return nil
}

func exceeded(l driverstate.Quota, kind string, add int64) error {
	switch {
	case kind == driverstate.QuotaBackups && strings.Contains(l.Resource, "gigabytes"):
		return overLimit("VolumeBackupSizeExceedsAvailableQuota",
			"Requested backup exceeds allowed Backup gigabytes quota. Requested %dG, quota is %dG and %dG has been consumed.", add, l.Limit, l.InUse)
	case strings.Contains(l.Resource, "gigabytes"):
		return overLimit("VolumeSizeExceedsAvailableQuota",
			"Requested volume or snapshot exceeds allowed %s quota. Requested %dG, quota is %dG and %dG has been consumed.", l.Resource, add, l.Limit, l.InUse)
	case kind == driverstate.QuotaBackups:
		return overLimit("BackupLimitExceeded", "Maximum number of backups allowed (%d) exceeded", l.Limit)
	case kind == driverstate.QuotaSnapshots:
		return overLimit("SnapshotLimitExceeded", "Maximum number of snapshots allowed (%d) exceeded", l.Limit)
	}
	return overLimit("VolumeLimitExceeded", "Maximum number of volumes allowed (%d) exceeded for quota '%s'.", l.Limit, l.Resource)
}

// overLimit is the answer of Cinder to an exception of that class: its name
// stands before its text.
func overLimit(class, format string, args ...any) error {
	return driverstate.Fail(driverstate.ErrOverLimit, class+": "+fmt.Sprintf(format, args...))
}

// withoutClass is the same error as a restore tells it (cinder/api/contrib/backups.py
// restore).
func withoutClass(err error) error {
	if !errors.Is(err, driverstate.ErrOverLimit) {
		return err
	}
	_, text, _ := strings.Cut(err.Error(), ": ")
	return driverstate.Fail(driverstate.ErrOverLimit, text)
}
