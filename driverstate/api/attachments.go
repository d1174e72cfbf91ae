package api

import (
	"net/http"
	"strings"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// attached is one attachment with what its volume tells of it.
type attached struct {
	driverstate.Attachment
	volume *driverstate.Volume
}

func (s *server) listAttachments(q *request) (int, any, error) {
	return q.attachmentList("attachments", attachmentSummary)
}

func (s *server) listAttachmentsDetail(q *request) (int, any, error) {
	return q.attachmentList("attachments/detail", attachmentDetail)
}

func (q *request) attachmentList(collection string, view func(attached) object) (int, any, error) {
	t := table[attached]{
		key: "attachments", collection: collection, resource: "Attachment", tenant: tenantFilters("attachment"),
		column: attachmentColumn, view: view,
		times: func(a attached, name string) (time.Time, bool) {
			return a.AttachedAt, name == "created_at" || name == "attach_time"
		},
		valueless: []string{"attach_mode", "connection_info", "connector", "deleted_at", "detach_time", "updated_at"},
	}
	return t.list(q, q.attachments)
}

func (q *request) attachments(allProjects bool) ([]attached, error) {
	volumes, err := q.srv.ops.Volumes(q.Context(), q.caller, allProjects)
	var all []attached
	for _, v := range volumes {
		for _, a := range v.Attachments {
			all = append(all, attached{a, v})
		}
	}
	return all, err
}

func attachmentColumn(a attached, name string) (string, bool) {
	switch name {
	case "id":
		return a.AttachmentID, true
	case "volume_id":
		return a.ID, true
	case "instance_id", "instance_uuid":
		return a.ServerID, true
	case "attached_host":
		return a.HostName, true
	case "mountpoint":
		return a.Device, true
	case "status", "attach_status":
		return "attached", true
	}
	return "", false
}

func attachmentSummary(a attached) object {
	return object{
		{"id", a.AttachmentID},
		{"status", "attached"},
		{"instance", nullable(a.ServerID)},
		{"volume_id", a.ID},
	}
}

// attachmentDetail is cinder/api/v3/views/attachments.py detail.
func attachmentDetail(a attached) object {
	return append(attachmentSummary(a),
		member{"attached_at", apiTime(a.AttachedAt)},
		member{"detached_at", ""},
		member{"attach_mode", nullable(a.volume.Metadata["attached_mode"])},
		member{"connection_info", nil},
	)
}

func (s *server) showAttachment(q *request) (int, any, error) {
	all, err := q.attachments(true)
	if err != nil {
		return 0, nil, err
	}
	for _, a := range all {
		if strings.EqualFold(a.AttachmentID, q.vars["id"]) {
			return http.StatusOK, object{{"attachment", attachmentDetail(a)}}, nil
		}
	}
	return 0, nil, newFault(http.StatusNotFound, "Volume attachment could not be found with filter: attachment_id = "+clip(q.vars["id"])+".")
}
