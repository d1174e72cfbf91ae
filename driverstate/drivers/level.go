package drivers

import (
	"net/url"

	"github.com/cinder-go/cinder-go/driverstate/chunked"
)

// levelParam is the one parameter of a URL that is no option of Cinder's.
const levelParam = "level"

// compresses reports whether the driver packs what it stores.
func (s *spec) compresses() bool { return s.short["compression"] != "" }

// level takes the level of new backups out of a query. Drivers that do not
// compress have none.
func (s *spec) level(raw string) (level chunked.Level, rest string, err error) {
	query, err := url.ParseQuery(raw)
	if err != nil || !s.compresses() || len(query[levelParam]) != 1 {
		return "", raw, nil // for query to judge
	}
	level, err = chunked.ParseLevel(query.Get(levelParam))
	query.Del(levelParam)
	return level, query.Encode(), err
}
