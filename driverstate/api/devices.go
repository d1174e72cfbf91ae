package api

import (
	"net/http"

	"github.com/cinder-go/cinder-go/driverstate"
)

// createDevice serves the image of a backup as a read-only network block device
// of the engine's process.
func (s *server) createDevice(q *request) (int, any, error) {
	asked, err := q.inner("device", schema{
		required: []string{"backup_id"},
		members: map[string]rule{
			"backup_id": uuidRule, "address": text(false, 1, 255, nil), "socket": text(false, 1, 255, nil), "allow_remote": booleanRule,
		},
	})
	if err != nil {
		return 0, nil, err
	}
	device, err := s.ops.CreateDevice(q.Context(), q.caller, driverstate.DeviceRequest{
		BackupID: word(asked, "backup_id"), Address: word(asked, "address"), Socket: word(asked, "socket"), AllowRemote: truth(asked["allow_remote"]),
	})
	if err != nil {
		return 0, nil, err
	}
	return http.StatusAccepted, object{{"device", deviceView(device)}}, nil
}

func (s *server) showDevice(q *request) (int, any, error) {
	device, err := s.ops.Device(q.Context(), q.caller, q.vars["id"])
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, object{{"device", deviceView(device)}}, nil
}

func (s *server) deleteDevice(q *request) (int, any, error) {
	if err := s.ops.DeleteDevice(q.Context(), q.caller, q.vars["id"]); err != nil {
		return 0, nil, err
	}
	return http.StatusAccepted, nil, nil
}

func deviceView(d *driverstate.Device) object {
	problems := make([]object, 0, len(d.Problems))
	for _, p := range d.Problems {
		problems = append(problems, object{
			{"backup_id", p.BackupID}, {"object", nullable(p.Object)}, {"reason", p.Reason}, {"offset", p.Offset}, {"length", p.Length},
		})
	}
	return object{
		{"id", d.ID},
		{"backup_id", d.BackupID},
		{"chain", texts(d.Chain)},
		{"uri", d.URI},
		{"size", d.Size}, // bytes
		{"clients_connected", d.Connected},
		{"clients", d.Clients},
		{"bytes_served", d.Bytes},
		{"problems", problems},
		{"more_problems", d.MoreProblems},
		{"warnings", texts(d.Warnings)},
		{"error", nullable(d.Error)},
		{"created_at", apiTime(d.CreatedAt)},
	}
}
