package manager

import (
	"encoding/json"
	"unicode/utf8"

	"github.com/cinder-go/cinder-go/driverstate"
)

// maxVolumeMeta bounds the volume_meta text that is looked at. Cinder's own is
// about 2 kB and 255 bytes for each property of the user's.
const maxVolumeMeta = 1 << 20

// sourceVolume is what a restore may take over from the volume that was backed
// up: no ids, hosts or owners, since the text comes from the store.
type sourceVolume struct {
	known             bool
	name, description string
	metadata          map[string]string // nil when the text has none
}

type volumeMetaDocument struct {
	Version  int               `json:"version"`
	Base     volumeMetaBase    `json:"volume-base-metadata"`
	Metadata map[string]string `json:"volume-metadata,omitempty"`
}

type volumeMetaBase struct {
	ID               string  `json:"id"`
	DisplayName      *string `json:"display_name"`
	Description      *string `json:"display_description"`
	Size             int64   `json:"size"`
	Status           string  `json:"status"`
	UserID           string  `json:"user_id"`
	ProjectID        string  `json:"project_id"`
	Host             string  `json:"host"`
	AvailabilityZone string  `json:"availability_zone"`
	CreatedAt        string  `json:"created_at"`
	Bootable         bool    `json:"bootable"`
}

// parseVolumeMeta reads volume_meta (cinder/backup/driver.py
// BackupMetadataAPI). Versions other than 1 and 2 are not applied, and what
// does not fit Cinder's columns is left out.
func parseVolumeMeta(raw []byte) sourceVolume {
	var doc struct {
		Version  int                        `json:"version"`
		Base     map[string]json.RawMessage `json:"volume-base-metadata"`
		Metadata map[string]json.RawMessage `json:"volume-metadata"`
	}
	if len(raw) == 0 || len(raw) > maxVolumeMeta || json.Unmarshal(raw, &doc) != nil {
		return sourceVolume{}
	}
	if doc.Version != 1 && doc.Version != 2 {
		return sourceVolume{}
	}
	src := sourceVolume{known: doc.Base != nil}
	src.name, _ = column(doc.Base["display_name"])
	src.description, _ = column(doc.Base["display_description"])
	if doc.Version == 2 && doc.Metadata != nil {
		src.metadata = map[string]string{}
		for k, v := range doc.Metadata {
			if s, ok := column(v); ok && k != "" && utf8.RuneCountInString(k) <= 255 {
				src.metadata[k] = s
			}
		}
	}
	return src
}

func column(raw json.RawMessage) (string, bool) {
	var s string
	if json.Unmarshal(raw, &s) != nil || utf8.RuneCountInString(s) > 255 {
		return "", false
	}
	return s, true
}

// volumeMetaOf is the volume_meta text of a volume of the engine.
func volumeMetaOf(v *driverstate.Volume) ([]byte, error) {
	return json.Marshal(volumeMetaDocument{
		Version: 2,
		Base: volumeMetaBase{
			ID: v.ID, DisplayName: &v.Name, Description: &v.Description, Size: v.Size,
			Status: string(driverstate.VolumeBackingUp), UserID: v.UserID, ProjectID: v.ProjectID,
			Host: v.Host, AvailabilityZone: v.AvailabilityZone,
			CreatedAt: v.CreatedAt.UTC().Format("2006-01-02T15:04:05.000000"),
		},
		Metadata: v.Metadata,
	})
}
