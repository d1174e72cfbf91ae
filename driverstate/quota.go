package driverstate

// VolumeType is the one volume type of the engine.
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

	quotaVolumesOfType   = QuotaVolumes + "_" + VolumeType
	quotaGigabytesOfType = QuotaGigabytes + "_" + VolumeType
	quotaSnapshotsOfType = QuotaSnapshots + "_" + VolumeType
)

// QuotaResources are all of them, in the order in which Cinder shows them.
var QuotaResources = []string{
	QuotaVolumes, QuotaPerVolume, QuotaSnapshots, QuotaGigabytes, QuotaBackups, QuotaBackupGigabytes,
	quotaVolumesOfType, quotaGigabytesOfType, quotaSnapshotsOfType, QuotaGroups,
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
}

// Of is what there is of a resource.
func (u Usage) Of(resource string) int64 {
	switch resource {
	case QuotaVolumes, quotaVolumesOfType:
		return u.Volumes
	case QuotaSnapshots, quotaSnapshotsOfType:
		return u.Snapshots
	case QuotaGigabytes, quotaGigabytesOfType:
		return u.VolumeGigabytes + u.SnapshotGigabytes
	case QuotaBackups:
		return u.Backups
	case QuotaBackupGigabytes:
		return u.BackupGigabytes
	}
	return 0
}
