package client

import (
	"context"
	"net/http"
	"net/url"
)

// Quota is what a project may have of backups, and has. A limit of -1 is none.
type Quota struct {
	Backups, BackupsInUse     int64
	Gigabytes, GigabytesInUse int64
}

// BackupQuota returns the quota of a project; empty is the caller's own. A
// caller who is not admin may ask for their own only.
func (c *Client) BackupQuota(ctx context.Context, projectID string) (Quota, error) {
	if projectID == "" {
		projectID = c.Identity().ProjectID
	}
	if err := checkID("project", projectID); err != nil {
		return Quota{}, err
	}
	type item struct {
		Limit    int64 `json:"limit"`
		InUse    int64 `json:"in_use"`
		Reserved int64 `json:"reserved"`
	}
	var a struct {
		Set struct {
			Backups   item `json:"backups"`
			Gigabytes item `json:"backup_gigabytes"`
		} `json:"quota_set"`
	}
	err := c.do(ctx, call{
		method: http.MethodGet, path: []string{"os-quota-sets", projectID}, query: url.Values{"usage": {"True"}},
		resource: "quota of project", id: projectID,
	}, &a)
	return Quota{
		Backups: a.Set.Backups.Limit, BackupsInUse: a.Set.Backups.InUse + a.Set.Backups.Reserved,
		Gigabytes: a.Set.Gigabytes.Limit, GigabytesInUse: a.Set.Gigabytes.InUse + a.Set.Gigabytes.Reserved,
	}, err
}
