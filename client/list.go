package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
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
	return pages[Backup](ctx, c, k, "backups", o.Limit)
}

// maxRestarts is how often a list is begun anew.
const maxRestarts = 5

// pages returns the items of all pages of the list k, called member in the
// answers; at most limit of them unless that is 0. When the item that a page
// begins after was deleted meanwhile, which is 404, the list begins anew.
func pages[T any](ctx context.Context, c *Client, k call, member string, limit int) ([]T, error) {
	var list []T
	first, restarts := k.query, 0
	for asked := map[string]bool{}; ; {
		page := k.query.Encode()
		if asked[page] {
			return nil, &Error{Resource: k.resource, Message: "the server's list does not end: a page leads back to itself", kind: driverstate.ErrUnavailable}
		}
		asked[page] = true
		var answer map[string]json.RawMessage
		if err := c.do(ctx, k, &answer); isNotFound(err) && len(asked) > 1 && restarts < maxRestarts {
			k.query, list, restarts = first, nil, restarts+1
			clear(asked)
			continue
		} else if err != nil {
			return nil, err
		}
		var items []T
		var links []link
		for name, into := range map[string]any{member: &items, member + "_links": &links} {
			if text, ok := answer[name]; ok {
				if err := json.Unmarshal(text, into); err != nil {
					return nil, k.fail(ctx, &answerError{status: http.StatusOK, err: err})
				}
			}
		}
		list = append(list, items...)
		if limit > 0 && len(list) >= limit {
			return list[:limit], nil
		}
		// A page that is exactly full leads on to an empty one.
		next, ok := nextPage(links)
		if !ok || len(items) == 0 {
			return list, nil
		}
		k.query = next
	}
}

// scope says whose resources a list spans: the wish, or else the client's.
func (c *Client) scope(q url.Values, wish *bool) {
	all := c.o.AllProjects
	if wish != nil {
		all = *wish
	}
	if all {
		q.Set("all_tenants", "1")
	}
}

func (c *Client) listQuery(ctx context.Context, o ListOpts) (url.Values, error) {
	q := c.filters(o.AllProjects, o.Filters, o.Limit, "",
		map[string]string{"name": o.Name, "status": o.Status, "volume_id": o.VolumeID})
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
	return only(k, list, nameOrID, func(b Backup) (string, *string) { return b.ID, b.Name })
}

// only returns the one item of list that has exactly this name.
func only[T any](k call, list []T, name string, of func(T) (id string, name *string)) (T, error) {
	var found []T
	var ids []string
	for _, item := range list {
		if id, its := of(item); its != nil && *its == name {
			found, ids = append(found, item), append(ids, id)
		}
	}
	var none T
	switch len(found) {
	case 0:
		return none, k.notFound()
	case 1:
		return found[0], nil
	}
	return none, driverstate.Fail(driverstate.ErrConflict,
		fmt.Sprintf("%s %s: %d %ss have this name: %s", k.resource, name, len(ids), k.resource, strings.Join(ids, ", ")))
}

// filters is the query of a list: named filters, which count when they are not
// empty, further ones, scope, limit and order.
func (c *Client) filters(all *bool, more map[string]string, limit int, sort string, named map[string]string) url.Values {
	q := url.Values{}
	for key, value := range more {
		q.Set(key, value)
	}
	for key, value := range named {
		if value != "" {
			q.Set(key, value)
		}
	}
	c.scope(q, all)
	if limit > 0 {
		q.Set("limit", strconv.Itoa(min(limit, maxPage)))
	}
	if sort != "" {
		q.Set("sort", sort)
	}
	return q
}
