package commands

import (
	"context"
	"fmt"
	"strings"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

func cleanupColumns() []output.Column {
	return []output.Column{
		{Key: "result", Title: "Result"}, {Key: "id", Title: "ID"}, {Key: "cluster_name", Title: "Cluster Name"},
		{Key: "host", Title: "Host"}, {Key: "binary", Title: "Binary"}, {Key: "under_way", Title: "Under Way"},
	}
}

func previewColumns() []output.Column {
	return []output.Column{
		{Key: "result", Title: "Result"}, {Key: "cluster_name", Title: "Cluster Name"},
		{Key: "host", Title: "Host"}, {Key: "binary", Title: "Binary"}, {Key: "resource_type", Title: "Type"},
		{Key: "resource_id", Title: "Resource"}, {Key: "name", Title: "Name"}, {Key: "status", Title: "Status"},
		{Key: "resource_host", Title: "On Host", Wide: true},
	}
}

func followColumns() []output.Column {
	return []output.Column{
		{Key: "resource_type", Title: "Type"}, {Key: "resource_id", Title: "Resource"}, {Key: "name", Title: "Name"},
		{Key: "host", Title: "Host"}, {Key: "before", Title: "Before"}, {Key: "result", Title: "Result"}, {Key: "status", Title: "Status"},
	}
}

// of counts the services with this result, and collects what is under way there.
func (p *cleanupPlan) of(result string) (services int, left []client.Cleanable) {
	for _, row := range p.rows {
		if row.result == result {
			services++
			left = append(left, row.left...)
		}
	}
	return services, left
}

// counted says how many there are of each type: "1 volume and 2 snapshots".
func counted(list []client.Cleanable) string {
	var parts []string
	for _, t := range []string{client.CleanableVolume, client.CleanableSnapshot, client.CleanableBackup} {
		n := 0
		for _, r := range list {
			if r.Type == t {
				n++
			}
		}
		switch word := strings.ToLower(t); {
		case n == 1:
			parts = append(parts, "1 "+word)
		case n > 1:
			parts = append(parts, fmt.Sprintf("%d %ss", n, word))
		}
	}
	last := len(parts) - 1
	switch {
	case last < 0:
		return "nothing"
	case last == 0:
		return parts[0]
	}
	return strings.Join(parts[:last], ", ") + " and " + parts[last]
}

// preview shows what would be asked for, one row for each thing under way.
func (p *cleanupPlan) preview(ctx context.Context) error {
	p.rows = p.fleet.rows(p.filter)
	p.fleet.give(p.rows, p.underWay)
	v := output.View{Columns: previewColumns()}
	for _, row := range p.rows {
		head := []any{row.result, row.ClusterName, row.Host, string(row.Binary)}
		if len(row.left) == 0 {
			v.Rows = append(v.Rows, append(head, nil, nil, nil, nil, nil))
		}
		for _, r := range row.left {
			if r.Host != row.Host && isUp(p.fleet.has(r)) {
				p.con.note("%s, which is up: it may be at work on it itself", inWords(r))
			}
			v.Rows = append(v.Rows, append(head[:4:4], r.Type, r.ID, orNil(r.Name), r.Status, orNil(r.Host)))
		}
	}
	if err := p.print(v); err != nil {
		return err
	}
	if len(p.rows) == 0 {
		p.nothingMatched()
	}
	_ = p.tellWaiting()
	p.tellBackups(ctx)
	p.con.summary("workers-cleanup", len(p.rows), 0, 0, len(p.rows), 0)
	return nil
}

// report shows the answer of the cloud.
func (p *cleanupPlan) report(ctx context.Context) error {
	v := output.View{Columns: cleanupColumns()}
	for _, row := range p.rows {
		v.Rows = append(v.Rows, []any{row.result, row.ID, row.ClusterName, row.Host, string(row.Binary), len(row.left)})
	}
	if err := p.print(v); err != nil {
		return err
	}
	asked, left := p.of(cleaning)
	switch {
	case len(p.rows) == 0:
		p.nothingMatched()
	case asked > 0 && len(left) == 0:
		p.con.note("asked; there was nothing under way that is cleaned up")
	case asked > 0:
		p.con.note("asked, not done: there was %s under way; --follow watches what becomes of it", counted(left))
	}
	err := p.tellWaiting()
	p.tellBackups(ctx)
	idle, _ := p.of(nothingToDo)
	p.con.summary("workers-cleanup", len(p.rows), asked, idle, len(p.rows)-asked-idle, 0)
	return err
}

// nothingMatched says why: mostly because the service is not down, or not yet.
func (p *cleanupPlan) nothingMatched() {
	p.con.note("no cleanable services matched: nothing was asked for")
	if p.filter.IsUp != nil && *p.filter.IsUp {
		return
	}
	other, up := p.filter, true
	other.IsUp = &up
	rows := p.fleet.rows(other)
	p.fleet.give(rows, p.underWay)
	for _, row := range rows {
		if len(row.left) > 0 || p.filter.Host != "" {
			p.con.note("%s on %s is up, with %s under way; one that died counts as up until it missed its reports for a minute or so", row.Binary, row.Host, counted(row.left))
		}
	}
}

// tellWaiting names what nobody can clean up but a service that is not there,
// and returns that as an error, unless nothing waits and others were asked.
func (p *cleanupPlan) tellWaiting() error {
	asked, _ := p.of(cleaning)
	_, waiting := p.of(unavailable)
	var services []string
	peers := ""
	for _, row := range p.rows {
		if row.result != unavailable || len(row.left) == 0 && (asked > 0 || len(waiting) > 0) {
			continue
		}
		services = append(services, fmt.Sprintf("%s on %s", row.Binary, row.Host))
		if row.ClusterName != nil {
			peers = ", or another member of its cluster and then ask for this again"
		}
		for _, r := range row.left {
			p.con.warn("", "%s and stays so until %s on %s is started again", inWords(r), row.Binary, row.Host)
		}
	}
	if len(services) == 0 {
		return nil
	}
	names := strings.Join(services, ", ")
	text := "no other service can clean up after " + names
	switch len(waiting) {
	case 0:
	case 1:
		text += ", and " + counted(waiting) + " waits for that"
	default:
		text += ", and " + counted(waiting) + " wait for that"
	}
	return withHint(driverstate.Fail(driverstate.ErrNotApplied, text),
		fmt.Sprintf("start %s again: its own start cleans up%s; cinder-go service-list shows whether it is up", names, peers))
}

// tellBackups names the backups that a cleanup of Cinder passes over, though
// the service that works on them is down.
func (p *cleanupPlan) tellBackups(ctx context.Context) {
	if p.fleet.engine {
		return
	}
	stuck := 0
	for _, s := range p.fleet.services {
		if s.Binary != driverstate.BinaryBackup || isUp(s) || !p.concerns(s.Host) {
			continue
		}
		list, err := p.c.BackupsOnHost(ctx, s.Host)
		if err != nil {
			p.con.warn("", "the backups on %s cannot be looked at: %v", s.Host, err)
			continue
		}
		for _, b := range list {
			if !b.Status.Resting() {
				stuck++
				p.con.warn(b.ID, "is %s on %s, where cinder-backup is down; a cleanup does not touch backups: %s", b.Status, s.Host, nextForBackup(b))
			}
		}
	}
	switch {
	case stuck > 0:
	case p.filter == client.CleanupOpts{IsUp: p.filter.IsUp}:
		p.con.note("backups are never cleaned up by this; none is stuck on a cinder-backup that is down")
	default:
		p.con.note("backups are never cleaned up by this: cinder-go doctor finds those that are stuck")
	}
}

// concerns reports whether the filter means the machine of this cinder-backup,
// which has no back end in its host.
func (p *cleanupPlan) concerns(host string) bool {
	if p.filter.ResourceID != "" || p.filter.ClusterName != "" || p.filter.ServiceID != nil {
		return false
	}
	machine, _, _ := strings.Cut(p.filter.Host, "@")
	return p.filter.Host == "" || namesHost(machine, host)
}

func nextForBackup(b client.Backup) string {
	next := "cinder-go backup-reset-state --state error " + b.ID
	if b.Status == driverstate.StatusDeleting {
		next = "cinder-go backup-force-delete " + b.ID
	}
	return fmt.Sprintf("start that service again, or %s; cinder-go doctor %s tells more", next, b.ID)
}
