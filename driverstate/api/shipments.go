package api

import (
	"encoding/json"
	"net/http"

	"github.com/cinder-go/cinder-go/driverstate"
)

// createShipment starts a copy of a backup to another store, or a comparison of
// two stores.
func (s *server) createShipment(q *request) (int, any, error) {
	url := text(false, 1, 4096, nil)
	asked, err := q.inner("shipment", schema{
		required: []string{"mode", "to"},
		members: map[string]rule{
			"mode":      oneOf(string(driverstate.ShipCopy), string(driverstate.ShipCompare)),
			"backup_id": uuidRule, "from": url, "to": url,
			"chain": booleanRule, "flatten": booleanRule,
			"compression":   oneOf("none", "off", "no", "zlib", "gzip", "bz2", "bzip2", "zstd"),
			"bytes_per_sec": bytesRule, "volume_size": bytesRule,
			"verify": oneOf(string(driverstate.ShipVerifyListed), string(driverstate.ShipVerifyFull)),
			"depth":  oneOf(string(driverstate.DepthStructure), string(driverstate.DepthData)),
		},
	})
	if err != nil {
		return 0, nil, err
	}
	shipment, err := s.ops.CreateShipment(q.Context(), q.caller, driverstate.ShipRequest{
		Mode: driverstate.ShipMode(word(asked, "mode")), BackupID: word(asked, "backup_id"),
		From: word(asked, "from"), To: word(asked, "to"), Chain: truth(asked["chain"]), Flatten: truth(asked["flatten"]),
		Compression: word(asked, "compression"), BytesPerSec: bytesIn(asked["bytes_per_sec"]), VolumeSize: bytesIn(asked["volume_size"]),
		Verify: driverstate.ShipVerify(word(asked, "verify")), Depth: driverstate.Depth(word(asked, "depth")),
	})
	if err != nil {
		return 0, nil, err
	}
	return http.StatusAccepted, object{{"shipment", shipmentView(shipment)}}, nil
}

func (s *server) showShipment(q *request) (int, any, error) {
	shipment, err := s.ops.Shipment(q.Context(), q.caller, q.vars["id"])
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, object{{"shipment", shipmentView(shipment)}}, nil
}

func (s *server) cancelShipment(q *request) (int, any, error) {
	if err := s.ops.CancelShipment(q.Context(), q.caller, q.vars["id"]); err != nil {
		return 0, nil, err
	}
	return http.StatusAccepted, nil, nil
}

// bytesRule accepts a number of bytes.
func bytesRule(v any) string {
	n, ok := v.(json.Number)
	if !ok {
		return python(v) + " is not of type 'integer'"
	}
	if i, err := n.Int64(); err != nil || i < 0 {
		return python(v) + " is not a number of bytes"
	}
	return ""
}

// bytesIn is the value of what bytesRule accepted; 0 for none.
func bytesIn(v any) int64 {
	n, _ := v.(json.Number)
	i, _ := n.Int64()
	return i
}

func shipmentView(s *driverstate.Shipment) object {
	landed := make([]object, 0, len(s.Result.Landed))
	for _, l := range s.Result.Landed {
		landed = append(landed, object{
			{"backup_id", l.BackupID},
			{"container", l.Container},
			{"service_metadata", l.ServiceMetadata},
			{"objects", l.Objects},
			{"bytes", l.Bytes},
			{"objects_kept", l.Kept},
			{"was_there", l.There},
			{"backup-record", object{{"backup_service", l.Record.BackupService}, {"backup_url", l.Record.BackupURL}}},
		})
	}
	differences := make([]object, 0, len(s.Result.Differences))
	for _, d := range s.Result.Differences {
		differences = append(differences, object{{"backup_id", d.BackupID}, {"store", d.Store}, {"reason", d.Reason}})
	}
	return object{
		{"id", s.ID},
		{"mode", s.Request.Mode},
		{"backup_id", nullable(s.Request.BackupID)},
		{"from", nullable(s.Request.From)},
		{"to", s.Request.To},
		{"status", s.Status},
		{"landed", landed},
		{"differences", differences},
		{"compared", s.Result.Compared},
		{"equal", s.Result.Equal},
		{"warnings", texts(s.Result.Warnings)},
		{"bytes_done", s.BytesDone},
		{"bytes_total", s.BytesTotal},
		{"error", nullable(s.Error)},
		{"fault", nullable(s.Fault)},
		{"created_at", apiTime(s.CreatedAt)},
		{"finished_at", apiTime(s.FinishedAt)},
	}
}
