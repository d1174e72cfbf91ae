package api

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// table is a list that is short enough to be filtered, sorted and cut into
// pages here.
type table[T any] struct {
	key        string // of the body, such as volumes
	linksKey   string // of its links; key and _links when empty
	collection string // that its links lead to, such as volumes/detail
	resource   string // of an unknown marker
	// sortedByName is the minor version since which name is a key to sort by.
	sortedByName int
	// tenant are the filters of one who is not admin.
	tenant []string
	// valueless are columns that Cinder's table has and no row here has a value
	// in: a filter by one selects nothing.
	valueless []string
	// flags are columns that are true or false, which filters may say in other
	// words.
	flags []string
	// column is a column of a row as text; ok is false when there is no such
	// column. It is asked of a zero row too.
	column func(row T, name string) (value string, ok bool)
	// times are the columns that hold a time; ok is false for every other.
	times func(row T, name string) (at time.Time, ok bool)
	// metadata is filtered by as a whole; nil when rows have none.
	metadata func(row T) map[string]string
	view     func(row T) object
}

// list answers q with those of the rows that it asks for. The rows are read
// when the request is known to be sound.
func (t table[T]) list(q *request, read func(allProjects bool) ([]T, error)) (int, any, error) {
	p, err := q.readPage()
	if err != nil {
		return 0, nil, err
	}
	if err := q.checkFilters(p.filters, t.tenant, t.filterable); err != nil {
		return 0, nil, err
	}
	if err := t.checkSort(q, p.sort); err != nil {
		return 0, nil, err
	}
	for _, key := range t.flags {
		if v, ok := p.filters[key]; ok {
			if p.filters[key], err = q.readFlag(key, v); err != nil {
				return 0, nil, err
			}
		}
	}
	wanted, err := t.wanted(p.filters)
	if err != nil {
		return 0, nil, err
	}
	rows, err := read(p.allProjects)
	if err != nil {
		return 0, nil, err
	}
	rows = slices.Clone(rows)
	t.sort(rows, p.sort)
	rows, total, err := t.page(rows, p, wanted)
	if err != nil {
		return 0, nil, err
	}
	items := make([]object, 0, len(rows))
	last := ""
	for _, row := range rows {
		items, last = append(items, t.view(row)), t.id(row)
	}
	if !p.count {
		total = 0
	}
	return http.StatusOK, q.listBody(t.key, cmp.Or(t.linksKey, t.key+"_links"), t.collection, p, items, total, last), nil
}

func (t table[T]) id(row T) string {
	id, _ := t.column(row, "id")
	return id
}

// has is whether a column of rows has this name.
func (t table[T]) has(name string) bool {
	var zero T
	_, isColumn := t.column(zero, name)
	_, isTime := t.times(zero, name)
	return isColumn || isTime
}

func (t table[T]) filterable(name string) bool {
	return t.has(name) || slices.Contains(t.valueless, name) || name == "metadata" && t.metadata != nil
}

func (t table[T]) checkSort(q *request, keys []driverstate.SortKey) error {
	for _, k := range keys {
		if !t.has(k.Column) || k.Column == "name" && !q.version.since(t.sortedByName) {
			return invalidInput("Invalid sort key")
		}
	}
	return nil
}

func (t table[T]) sort(rows []T, keys []driverstate.SortKey) {
	ascending := len(keys) > 0 && keys[0].Ascending
	keys = append(slices.Clone(keys),
		driverstate.SortKey{Column: "created_at", Ascending: ascending},
		driverstate.SortKey{Column: "id", Ascending: ascending})
	slices.SortStableFunc(rows, func(a, b T) int {
		for _, k := range keys {
			order := t.compare(a, b, k.Column)
			if !k.Ascending {
				order = -order
			}
			if order != 0 {
				return order
			}
		}
		return 0
	})
}

func (t table[T]) compare(a, b T, column string) int {
	if at, ok := t.times(a, column); ok {
		after, _ := t.times(b, column)
		return at.Compare(after)
	}
	x, _ := t.column(a, column)
	y, _ := t.column(b, column)
	if column == "size" || column == "volume_size" {
		m, _ := strconv.ParseInt(x, 10, 64)
		n, _ := strconv.ParseInt(y, 10, 64)
		return cmp.Compare(m, n)
	}
	return cmp.Compare(x, y)
}

// page cuts one page out of the wanted of rows, and counts all the wanted. The
// marker need not be wanted itself: it may have changed since its page was read.
func (t table[T]) page(rows []T, p page, wanted func(T) bool) (_ []T, total int, err error) {
	at := -1
	if p.marker != "" || p.noMarker {
		at = slices.IndexFunc(rows, func(row T) bool { return t.id(row) == p.marker })
		if at < 0 {
			return nil, 0, newFault(http.StatusNotFound, t.resource+" "+clip(p.marker)+" could not be found.")
		}
	}
	var after []T
	for i, row := range rows {
		if !wanted(row) {
			continue
		}
		total++
		if i > at {
			after = append(after, row)
		}
	}
	after = after[min(p.offset, len(after)):]
	return after[:min(p.limit, len(after))], total, nil
}

// stampOf is the time column of a row that has the two usual ones.
func stampOf(column string, created, updated time.Time) (time.Time, bool) {
	switch column {
	case "created_at":
		return created, true
	case "updated_at":
		return updated, true
	}
	return time.Time{}, false
}
