package commands

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cinder-go/cinder-go/client"
)

// warnOfServices tells, before anything is sent, which services may take the
// records: Cinder gives one to any service whose driver has the class, whether
// it sees the data or not, and to none when no service has it.
func (o *importOptions) warnOfServices(ctx context.Context, c importClient, t *importTarget, going []pending) error {
	if t.engine || len(t.services.up) < 2 {
		return nil
	}
	var classes []string
	for _, p := range going {
		if !slices.Contains(classes, p.record.BackupService) {
			classes = append(classes, p.record.BackupService)
		}
	}
	everywhere := true
	for _, class := range classes {
		var able []string
		for _, s := range t.services.up {
			list, err := c.ListBackups(ctx, client.ListOpts{AllProjects: &everywhere, Limit: 1,
				Filters: map[string]string{"host": s.Host, "service": class}})
			if unanswerable(err) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("looking for the services of %s: %w", class, err)
			}
			if len(list) > 0 {
				able = append(able, s.Host)
			}
		}
		switch len(able) {
		case 0:
			o.con.note("no row shows which service has driver %s; if none has, the records are accepted and become error", class)
		case 1:
		default:
			o.con.warn("", "services %s all have driver %s, and Cinder gives a record to any of them: "+
				"unless they share one store, a backup may come back where its data is not", strings.Join(able, ", "), class)
		}
	}
	return nil
}

// landed says that a record was taken elsewhere than it says it belongs; empty
// when it was not, or when that cannot be seen.
func landed(ctx context.Context, c importClient, t *importTarget, p pending, after client.Backup) string {
	if t.engine || len(t.services.up) < 2 {
		return ""
	}
	const advice = "; if the two do not share one store, it cannot be restored there: look at the data before you rely on it"
	if p.row.Host != "" && slices.ContainsFunc(t.services.up, func(s client.Service) bool { return s.Host == p.row.Host }) {
		if on, err := c.IsOnHost(ctx, p.id, p.row.Host); err == nil && !on {
			return "its record belongs to host " + p.row.Host + ", and another took it" + advice
		}
	}
	zone := p.row.AvailabilityZone
	if zone != "" && after.AvailabilityZone != nil && *after.AvailabilityZone != "" && *after.AvailabilityZone != zone {
		return "its record belongs to zone " + zone + ", and a service of zone " + *after.AvailabilityZone + " took it" + advice
	}
	return ""
}

// differs says what a row has that the record of the same id says otherwise.
func differs(p pending, b client.Backup) string {
	var out []string
	add := func(what, has, says string) {
		if has != "" && says != "" && has != says {
			out = append(out, fmt.Sprintf("%s %s instead of %s", what, has, says))
		}
	}
	add("volume", b.VolumeID, p.row.VolumeID)
	add("size", fmt.Sprint(b.Size), fmt.Sprint(p.row.Size))
	if b.Container != nil {
		add("container", *b.Container, p.row.Container)
	}
	return strings.Join(out, ", ")
}
