package client

import (
	"context"
	"net/http"
)

// Record is an export record: what another database needs to know a backup.
type Record struct {
	BackupService string `json:"backup_service"` // class path of the driver
	BackupURL     string `json:"backup_url"`     // base64 of the row
}

// Imported is an accepted import.
type Imported struct {
	ID   string  `json:"id"`
	Name *string `json:"name"` // null until the service has read the record
}

// ExportRecord returns the record of an available backup; the caller must be
// admin.
func (c *Client) ExportRecord(ctx context.Context, id string) (Record, error) {
	if err := checkID("backup", id); err != nil {
		return Record{}, err
	}
	var a struct {
		Record Record `json:"backup-record"`
	}
	err := c.do(ctx, call{
		method: http.MethodGet, path: []string{"backups", id, "export_record"}, resource: "backup", id: id,
	}, &a)
	return a.Record, err
}

// ImportRecord gives a record to the server; the caller must be admin. The
// backup is creating until a service has read the record, and the outcome is
// its status: look with WaitBackup. It is sent once.
func (c *Client) ImportRecord(ctx context.Context, r Record) (Imported, error) {
	var a struct {
		Backup Imported `json:"backup"`
	}
	err := c.do(ctx, call{
		method: http.MethodPost, path: []string{"backups", "import_record"}, body: map[string]any{"backup-record": r},
		ok: accepted, resource: "backup record",
	}, &a)
	return a.Backup, err
}
