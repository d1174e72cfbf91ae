package client

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
)

// ListOpts selects backups. Zero fields do not filter.
type ListOpts struct {
	// AllProjects overrides Options.AllProjects when it is not nil.
	AllProjects            *bool
	Name, Status, VolumeID string
	// Filters are further columns and their values; a key that ends in ~
	// matches parts (from 3.34, admin).
	Filters map[string]string
	Limit   int    // most backups returned; 0 = all
	Sort    string // key[:asc|desc],...; newest first when empty
}

// Versions of what a list can be asked for.
const (
	likeFilters = 34 // key~=value
	sortByName  = 37 // called display_name before
)

// maxPage is the most items that Cinder gives at once (osapi_max_limit).
const maxPage = 1000

// ListBackups returns all backups that o selects, from all pages.
func (c *Client) ListBackups(ctx context.Context, o ListOpts) ([]Backup, error) {
	if o.Limit < 0 {
		return nil, driverstate.Fail(driverstate.ErrInvalidInput, "limit must not be negative")
	}
	k := call{method: http.MethodGet, path: []string{"backups", "detail"}, like: backupFields, resource: "backups"}
	for key := range o.Filters {
		if strings.HasSuffix(key, "~") {
			k.need = likeFilters
		}
	}
	var err error
	if k.query, err = c.listQuery(ctx, o); err != nil {
		return nil, k.fail(ctx, err)
	}
	var list []Backup
	for asked := map[string]bool{}; ; {
		if page := k.query.Encode(); asked[page] {
			return nil, &Error{Resource: "backups", Message: "the server's list does not end: a page leads back to itself", kind: driverstate.ErrUnavailable}
		} else {
			asked[page] = true
		}
		var a struct {
			Backups []Backup `json:"backups"`
			Links   []link   `json:"backups_links"`
		}
		if err := c.do(ctx, k, &a); err != nil {
			return nil, err
		}
		list = append(list, a.Backups...)
		if o.Limit > 0 && len(list) >= o.Limit {
			return list[:o.Limit], nil
		}
		// A page that is exactly full leads on to an empty one.
		next, ok := nextPage(a.Links)
		if !ok || len(a.Backups) == 0 {
			return list, nil
		}
		k.query = next
	}
}

func (c *Client) listQuery(ctx context.Context, o ListOpts) (url.Values, error) {
	q := url.Values{}
	for _, key := range slices.Sorted(maps.Keys(o.Filters)) {
		q.Set(key, o.Filters[key])
	}
	for key, value := range map[string]string{"name": o.Name, "status": o.Status, "volume_id": o.VolumeID} {
		if value != "" {
			q.Set(key, value)
		}
	}
	all := c.o.AllProjects
	if o.AllProjects != nil {
		all = *o.AllProjects
	}
	if all {
		q.Set("all_tenants", "1")
	}
	if o.Limit > 0 {
		q.Set("limit", strconv.Itoa(min(o.Limit, maxPage)))
	}
	if o.Sort != "" {
		version, err := c.minor(ctx, 0, backupFields)
		if err != nil {
			return nil, err
		}
		q.Set("sort", sortKeys(o.Sort, version))
	}
	return q, nil
}

// sortKeys spells keys as a server of this minor version does.
func sortKeys(keys string, version int) string {
	if version >= sortByName {
		return keys
	}
	list := strings.Split(keys, ",")
	for i, item := range list {
		if key, dir, found := strings.Cut(item, ":"); key == "name" {
			list[i] = "display_name"
			if found {
				list[i] += ":" + dir
			}
		}
	}
	return strings.Join(list, ",")
}

type link struct {
	Rel  string `json:"rel"`
	Href string `json:"href"`
}

// nextPage returns the query of the next page. Only the query is taken from
// the link: a request with the token never goes where an answer says, and
// behind a proxy the rest is often wrong.
func nextPage(links []link) (url.Values, bool) {
	for _, l := range links {
		if l.Rel != "next" {
			continue
		}
		if u, err := url.Parse(l.Href); err == nil && u.Query().Get("marker") != "" {
			return u.Query(), true
		}
	}
	return nil, false
}

// FindBackup returns the backup with this id, or else the only one with this
// name. Several of that name are ErrConflict, with their ids in the text.
func (c *Client) FindBackup(ctx context.Context, nameOrID string) (Backup, error) {
	// "detail" would be answered with a list.
	if checkID("backup", nameOrID) == nil && nameOrID != "detail" {
		b, err := c.ShowBackup(ctx, nameOrID)
		if !isNotFound(err) {
			return b, err
		}
	}
	k := call{resource: "backup", id: nameOrID}
	if nameOrID == "" {
		return Backup{}, k.notFound()
	}
	list, err := c.ListBackups(ctx, ListOpts{Name: nameOrID})
	if err != nil {
		return Backup{}, err
	}
	list = slices.DeleteFunc(list, func(b Backup) bool { return b.Name == nil || *b.Name != nameOrID })
	switch len(list) {
	case 0:
		return Backup{}, k.notFound()
	case 1:
		return list[0], nil
	}
	ids := make([]string, len(list))
	for i, b := range list {
		ids[i] = b.ID
	}
	return Backup{}, driverstate.Fail(driverstate.ErrConflict,
		fmt.Sprintf("backup %s: %d backups have this name: %s", nameOrID, len(list), strings.Join(ids, ", ")))
}
