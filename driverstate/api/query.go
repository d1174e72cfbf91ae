package api

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
)

// maxOffset is the largest offset (cinder/common/constants.py DB_MAX_INT).
const maxOffset = 1<<31 - 1

// page is what a list asks for besides filters.
type page struct {
	marker        string
	noMarker      bool // a marker that is empty: there is no such item
	limit, offset int
	sort          []driverstate.SortKey
	count         bool
	allProjects   bool
	// filters are the other parameters, by name.
	filters map[string]string
}

// params are the parameters of a query, the last of each.
func params(r *http.Request) map[string]string {
	out := map[string]string{}
	for k, v := range r.URL.Query() {
		out[k] = v[len(v)-1]
	}
	return out
}

func take(from map[string]string, key string) (string, bool) {
	v, ok := from[key]
	delete(from, key)
	return v, ok
}

// readPage takes paging, sorting and scope out of a query (cinder/api/common.py
// get_pagination_params, get_sort_params).
func (q *request) readPage() (page, error) {
	p := page{filters: params(q.Request)}
	var err error
	if p.limit, err = q.readLimit(p.filters); err != nil {
		return p, err
	}
	marker, marked := take(p.filters, "marker")
	if p.marker = marker; marked && marker == "" {
		p.noMarker = true
	}
	if p.offset, err = readOffset(p.filters); err != nil {
		return p, err
	}
	if p.sort, err = q.readSort(p.filters); err != nil {
		return p, err
	}
	if q.version.since(45) {
		if v, ok := take(p.filters, "with_count"); ok {
			if p.count, ok = parseBool(v); !ok {
				return p, badRequest("Value '%s' for 'with_count' is not a boolean.", v)
			}
		}
	}
	v, ok := take(p.filters, "all_tenants")
	if ok && q.caller.Admin {
		if p.allProjects, ok = parseBool(v); !ok {
			return p, badRequest("all_tenants must be a boolean, got '%s'.", v)
		}
	}
	return p, nil
}

func (q *request) readLimit(from map[string]string) (int, error) {
	most := q.srv.cfg.MaxLimit
	v, ok := take(from, "limit")
	if !ok {
		return most, nil
	}
	n, err := strconv.Atoi(strings.TrimSpace(v))
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange):
		return 0, badRequest("limit param must be an integer")
	case n < 0:
		return 0, badRequest("limit param must be positive")
	}
	return min(n, most), nil
}

func readOffset(from map[string]string) (int, error) {
	v, ok := take(from, "offset")
	if !ok {
		return 0, nil
	}
	n, err := strconv.Atoi(strings.TrimSpace(v))
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange):
		return 0, badRequest("offset must be an integer")
	case n < 0:
		return 0, badRequest("offset must be >= 0")
	case n > maxOffset:
		return 0, badRequest("offset must be <= %d", maxOffset)
	}
	return n, nil
}

func (q *request) readSort(from map[string]string) ([]driverstate.SortKey, error) {
	combined, isNew := take(from, "sort")
	key, hasKey := take(from, "sort_key")
	direction, hasDirection := take(from, "sort_dir")
	switch {
	case isNew && (hasKey || hasDirection):
		return nil, badRequest("The 'sort_key' and 'sort_dir' parameters are deprecated and cannot be used with the 'sort' parameter.")
	case !isNew && !hasKey && !hasDirection:
		return nil, nil
	case !isNew:
		if !hasKey {
			key = "created_at"
		}
		if hasDirection && strings.TrimSpace(direction) == "" {
			return nil, invalidInput("Unknown sort direction, must be 'desc' or 'asc'.")
		}
		combined = key + ":" + direction
	}
	var keys []driverstate.SortKey
	for item := range strings.SplitSeq(strings.TrimSpace(combined), ",") {
		name, order, _ := strings.Cut(item, ":")
		name, order = strings.TrimSpace(name), strings.TrimSpace(order)
		switch order {
		case "", "desc", "asc":
		default:
			return nil, invalidInput("Unknown sort direction, must be 'desc' or 'asc'.")
		}
		if name == "" {
			return nil, invalidInput("Invalid sort key")
		}
		keys = append(keys, driverstate.SortKey{Column: name, Ascending: order == "asc"})
	}
	return keys, nil
}

// checkFilters refuses or drops the filters that the caller may not use
// (cinder/api/common.py process_general_filtering), and refuses an admin those
// that are not known, for which Cinder would say that there is nothing.
func (q *request) checkFilters(filters map[string]string, tenant []string, known func(name string) bool) error {
	if q.version.since(31) {
		for key := range filters {
			if strings.ContainsFunc(key, func(c rune) bool { return c > 0x7e }) {
				return badRequest("Filter keys can only contain ASCII characters.")
			}
		}
	}
	if !q.caller.Admin {
		return q.heldTo(filters, tenant)
	}
	unknown := slices.DeleteFunc(q.askedOrder(filters), func(key string) bool {
		return slices.Contains(tenant, key) || known(strings.TrimSuffix(key, "~"))
	})
	return invalidFilters(unknown)
}

func invalidFilters(names []string) error {
	if len(names) == 0 {
		return nil
	}
	return badRequest("Invalid filters %s are found in query options.", clip(strings.Join(names, ",")))
}

// heldTo refuses the filters that are not among allowed, or before 3.31 drops
// them.
func (q *request) heldTo(filters map[string]string, allowed []string) error {
	var wrong []string
	for _, key := range q.askedOrder(filters) {
		if !slices.Contains(allowed, key) {
			wrong = append(wrong, key)
			delete(filters, key)
		}
	}
	if !q.version.since(31) {
		return nil
	}
	return invalidFilters(wrong)
}

// askedOrder are the names of filters as the query has them.
func (q *request) askedOrder(filters map[string]string) []string {
	var names []string
	for pair := range strings.SplitSeq(q.URL.RawQuery, "&") {
		escaped, _, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(escaped)
		if _, ok := filters[name]; ok && err == nil && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// backupFilter is the filter of a list of backups.
func (q *request) backupFilter(p page) (driverstate.BackupFilter, error) {
	f := driverstate.BackupFilter{
		Sort: p.sort, Marker: p.marker, Limit: p.limit, Offset: p.offset,
		Columns: map[string]string{}, Like: map[string]string{},
	}
	if !p.allProjects {
		f.ProjectID = q.caller.ProjectID
		if f.ProjectID == "" { // a token for the system: without this it would be of all projects
			f.Columns["project_id"] = ""
		}
	}
	for i, k := range f.Sort {
		if k.Column == "name" {
			if !q.version.since(37) {
				return f, invalidInput("Invalid sort key")
			}
			f.Sort[i].Column = "display_name"
		}
	}
	known := func(name string) bool { return name == "name" || slices.Contains(driverstate.BackupColumns, name) }
	if err := q.checkFilters(p.filters, tenantFilters("backup"), known); err != nil {
		return f, err
	}
	for key, value := range p.filters {
		column, like := strings.CutSuffix(key, "~")
		if column == "name" {
			column = "display_name"
		}
		if column == "project_id" && !like && !p.allProjects {
			continue // the caller's own project takes its place (cinder/db/sqlalchemy/api.py backup_get_all_by_project)
		}
		if like {
			f.Like[column] = value
		} else {
			f.Columns[column] = value
		}
	}
	return f, nil
}

// nextLink is the link to the page after the one that ends with last: the same
// query, its marker replaced (cinder/api/common.py _get_next_link).
func (q *request) nextLink(collection, last string) []object {
	var kept []string
	for pair := range strings.SplitSeq(q.URL.RawQuery, "&") {
		escaped, escapedValue, _ := strings.Cut(pair, "=")
		key, err := url.QueryUnescape(escaped)
		value, errValue := url.QueryUnescape(escapedValue)
		if pair == "" || err != nil || errValue != nil || key == "marker" {
			continue
		}
		kept = append(kept, url.QueryEscape(key)+"="+url.QueryEscape(value))
	}
	kept = append(kept, "marker="+url.QueryEscape(last))
	return []object{{{"rel", "next"}, {"href", q.root() + "/" + collection + "?" + strings.Join(kept, "&")}}}
}

// root is what the links of a request begin with: up to the project, which is
// there if it was in the request's own URL.
func (q *request) root() string {
	root := q.srv.base(q.Request) + q.prefix
	if q.project != "" {
		root += "/" + q.project
	}
	return root
}

func (q *request) links(collection, id string) []object {
	bookmark := q.srv.base(q.Request)
	if q.project != "" {
		bookmark += "/" + q.project
	}
	id = url.PathEscape(id)
	return []object{
		{{"rel", "self"}, {"href", q.root() + "/" + collection + "/" + id}},
		{{"rel", "bookmark"}, {"href", bookmark + "/" + collection + "/" + id}},
	}
}

// pageLinks are the links of a list of n items, total being the number of all
// that match if it was counted, else 0; nil when there is no next page.
func (q *request) pageLinks(p page, collection string, n, total int, last string) []object {
	if total == 0 {
		total = n
	}
	if n == 0 || p.limit > total {
		return nil
	}
	return q.nextLink(collection, last)
}
