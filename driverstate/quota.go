package driverstate

import "strings"

// VolumeType is the volume type of what was made without one.
const VolumeType = "__DEFAULT__"

// Resources that quotas limit, by Cinder's names. Gigabytes are those of
// volumes and snapshots together.
const (
	QuotaVolumes         = "volumes"
	QuotaPerVolume       = "per_volume_gigabytes"
	QuotaSnapshots       = "snapshots"
	QuotaGigabytes       = "gigabytes"
	QuotaBackups         = "backups"
	QuotaBackupGigabytes = "backup_gigabytes"
	QuotaGroups          = "groups"
)

// QuotasOfType are limited for each volume type, too: volumes_fast and so on.
var QuotasOfType = []string{QuotaVolumes, QuotaGigabytes, QuotaSnapshots}

// QuotaResources are all of them, in the order in which Cinder shows them, when
// there are volume types of these names.
func QuotaResources(types ...string) []string {
	all := []string{QuotaVolumes, QuotaPerVolume, QuotaSnapshots, QuotaGigabytes, QuotaBackups, QuotaBackupGigabytes}
	for _, name := range types {
		for _, kind := range QuotasOfType {
			all = append(all, kind+"_"+name)
		}
	}
	return append(all, QuotaGroups)
}

// CinderQuotas are the limits of a Cinder that nobody configured
// (cinder/opts.py quota_volumes and those beside it). What is not here is not
// limited.
var CinderQuotas = map[string]int64{
	QuotaVolumes: 10, QuotaSnapshots: 10, QuotaGigabytes: 1000, QuotaBackups: 10, QuotaBackupGigabytes: 1000, QuotaGroups: 10,
}

// Unlimited is the limit of what is not limited.
const Unlimited = -1

// Quota is what a project may have of a resource, and has.
type Quota struct {
	Resource string
	Limit    int64 // Unlimited for none
	InUse    int64
}

// Usage is what a project has.
type Usage struct {
	Backups, BackupGigabytes     int64
	Volumes, VolumeGigabytes     int64
	Snapshots, SnapshotGigabytes int64
	Types                        map[string]TypeUsage // by the name of the type
}

// TypeUsage is what a project has of a volume type. Gigabytes are those of
// volumes and snapshots together.
type TypeUsage struct {
	Volumes, Gigabytes, Snapshots int64
}

// Of is what there is of a resource.
func (u Usage) Of(resource string) int64 {
	switch resource {
	case QuotaVolumes:
		return u.Volumes
	case QuotaSnapshots:
		return u.Snapshots
	case QuotaGigabytes:
		return u.VolumeGigabytes + u.SnapshotGigabytes
	case QuotaBackups:
		return u.Backups
	case QuotaBackupGigabytes:
		return u.BackupGigabytes
	}
	kind, name, _ := strings.Cut(resource, "_")
	switch of := u.Types[name]; kind {
	case QuotaVolumes:
		return of.Volumes
	case QuotaGigabytes:
		return of.Gigabytes
	case QuotaSnapshots:
		return of.Snapshots
	}
	return 0
}
