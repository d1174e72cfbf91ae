package api

import (
	"net/http"
	"slices"

	"github.com/cinder-go/cinder-go/driverstate"
)

// listZones answers os-availability-zone; there is nothing of detail in Cinder
// either.
func (s *server) listZones(q *request) (int, any, error) {
	zones, up, err := q.zones()
	if err != nil {
		return 0, nil, err
	}
	views := make([]object, 0, len(zones))
	for _, zone := range zones {
		views = append(views, object{{"zoneName", zone}, {"zoneState", object{{"available", up[zone]}}}})
	}
	return http.StatusOK, object{{"availabilityZoneInfo", views}}, nil
}

// zones are those of the volume services, and which of them take volumes;
// everyone may ask, so the services are read as an admin would. Unlike in
// Cinder a zone whose services are all silent is not available.
func (q *request) zones() (zones []string, up map[string]bool, err error) {
	asAdmin := q.caller
	asAdmin.Admin = true
	services, err := q.srv.ops.Services(q.Context(), asAdmin)
	if err != nil {
		return nil, nil, err
	}
	up = map[string]bool{}
	for _, row := range services {
		if row.Binary != driverstate.BinaryVolume || row.AvailabilityZone == "" {
			continue
		}
		if !slices.Contains(zones, row.AvailabilityZone) {
			zones = append(zones, row.AvailabilityZone)
		}
		up[row.AvailabilityZone] = up[row.AvailabilityZone] || row.Up && !row.Disabled
	}
	slices.Sort(zones)
	return zones, up, nil
}
