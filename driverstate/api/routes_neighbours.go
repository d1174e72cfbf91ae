package api

import "slices"

// neighbourRoutes are the calls that are not of backups: what clients ask of
// Cinder besides, and what an operator of the engine does with its volumes.
func (s *server) neighbourRoutes() []route {
	return slices.Concat([]route{
		{method: "GET", path: "volumes", handle: s.listVolumes},
		{method: "GET", path: "volumes/detail", handle: s.listVolumesDetail},
		{method: "GET", path: "volumes/summary", since: version(12), handle: s.summarizeVolumes},
		{method: "POST", path: "volumes", body: needsBody, handle: s.createVolume},
		{method: "GET", path: "volumes/{id}", handle: s.showVolume},
		{method: "PUT", path: "volumes/{id}", body: needsBody, handle: s.updateVolume},
		{method: "DELETE", path: "volumes/{id}", handle: s.deleteVolume},
		{method: "POST", path: "volumes/{id}/action", body: actionBody, handle: s.volumeAction},
		{method: "POST", path: "manageable_volumes", body: needsBody, handle: s.manageVolume},

		{method: "GET", path: "snapshots", handle: s.listSnapshots},
		{method: "GET", path: "snapshots/detail", handle: s.listSnapshotsDetail},
		{method: "POST", path: "snapshots", body: needsBody, handle: s.createSnapshot},
		{method: "GET", path: "snapshots/{id}", handle: s.showSnapshot},
		{method: "PUT", path: "snapshots/{id}", body: needsBody, handle: s.updateSnapshot},
		{method: "DELETE", path: "snapshots/{id}", handle: s.deleteSnapshot},
		{method: "POST", path: "snapshots/{id}/action", body: actionBody, handle: s.snapshotAction},

		{method: "GET", path: "attachments", since: version(27), handle: s.listAttachments},
		{method: "GET", path: "attachments/detail", since: version(27), handle: s.listAttachmentsDetail},
		{method: "GET", path: "attachments/{id}", since: version(27), handle: s.showAttachment},
		{method: "POST", path: "attachments", since: version(27), body: needsBody, handle: unsupported("attachments of its own: it exports no volume")},

		{method: "GET", path: "types", handle: s.listTypes},
		{method: "POST", path: "types", body: needsBody, handle: s.createType},
		{method: "GET", path: "types/{id}", handle: s.showType},
		{method: "PUT", path: "types/{id}", body: needsBody, handle: s.updateType},
		{method: "DELETE", path: "types/{id}", handle: s.deleteType},
		{method: "POST", path: "types/{id}/action", body: actionBody, handle: s.typeAction},
		{method: "GET", path: "types/{id}/extra_specs", handle: s.ofType(listExtraSpecs)},
		{method: "POST", path: "types/{id}/extra_specs", body: needsBody, handle: s.setExtraSpecs},
		{method: "GET", path: "types/{id}/extra_specs/{key}", handle: s.ofType(showExtraSpec)},
		{method: "PUT", path: "types/{id}/extra_specs/{key}", body: needsBody, handle: s.setExtraSpec},
		{method: "DELETE", path: "types/{id}/extra_specs/{key}", handle: s.deleteExtraSpec},
		{method: "GET", path: "types/{id}/encryption", handle: s.ofType(showTypeEncryption)},
		{method: "GET", path: "types/{id}/os-volume-type-access", handle: s.ofType(listTypeAccess)},

		{method: "GET", path: "os-quota-sets/{project}", handle: s.showQuotas},
		{method: "GET", path: "os-quota-sets/{project}/defaults", handle: s.showDefaultQuotas},
		{method: "PUT", path: "os-quota-sets/{project}", body: needsBody, handle: s.setQuotas},
		{method: "DELETE", path: "os-quota-sets/{project}", handle: s.deleteQuotas},
		{method: "GET", path: "os-quota-class-sets/{class}", handle: s.showQuotaClass},
		{method: "PUT", path: "os-quota-class-sets/{class}", body: needsBody, handle: s.setQuotaClass},
		{method: "GET", path: "limits", handle: s.showLimits},

		{method: "GET", path: "resource_filters", since: version(33), handle: s.listResourceFilters},
		{method: "GET", path: "scheduler-stats/get_pools", handle: s.listPools},
		{method: "GET", path: "os-hosts", handle: s.listHosts},
		{method: "GET", path: "os-hosts/{host}", handle: s.showHost},
		{method: "GET", path: "extensions", handle: s.listExtensions},
		{method: "GET", path: "extensions/{alias}", handle: s.showExtension},
		{method: "GET", path: "os-availability-zone", handle: s.listZones},
		{method: "GET", path: "os-availability-zone/detail", handle: notImplementedHere},
	}, metadataOfVolume.routes("volumes/{id}"), metadataOfSnapshot.routes("snapshots/{id}"), s.transferRoutes(), absentRoutes())
}
