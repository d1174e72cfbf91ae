package commands

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/driverstate"
)

// serviceFindings are the services that are down or disabled, with what waits
// for them.
func (s *sight) serviceFindings() []finding {
	if !s.servicesSeen {
		return nil
	}
	var out []finding
	works := map[driverstate.Binary]bool{}
	registered := false
	for _, service := range s.services {
		works[service.Binary] = works[service.Binary] || isUp(service) && service.Status == serviceEnabled
		registered = registered || service.Binary == driverstate.BinaryBackup
	}
	if !registered {
		out = append(out, finding{severity: critical, cause: "no-backup-service", kind: "service", id: string(driverstate.BinaryBackup),
			reason: "This cloud has no cinder-backup at all: no backup can be made, restored, deleted or reset.",
			next:   []step{{command: "systemctl start cinder-backup"}, verb("service-list --binary cinder-backup")}})
	}
	for _, service := range s.services {
		if f, ok := s.ofService(service, works[service.Binary]); ok {
			out = append(out, f)
		}
	}
	return append(out, s.strayFindings(s.backups)...)
}

func (s *sight) ofService(service client.Service, othersUp bool) (finding, bool) {
	f := finding{kind: "service", id: string(service.Binary) + "@" + service.Host, host: service.Host, status: service.State}
	isBackup := service.Binary == driverstate.BinaryBackup
	rows := s.rowsOn(service.Host)
	fault := ""
	if isBackup {
		fault = driverFault(service)
	}
	switch {
	case !isUp(service):
		f.severity, f.cause, f.since = high, "service-down", service.UpdatedAt
		f.reason = "It is not heard of, or its driver could not be initialised, which looks the same."
		f.next = []step{{command: "systemctl start " + string(service.Binary) + " # on " + shellWord(service.Host)},
			verb("service-list --binary " + string(service.Binary) + " --host " + shellWord(service.Host))}
		if fault != "" {
			f.reason = "Its driver could not be initialised. While it runs it comes up by itself, soon after that is mended."
			f.next[0] = verb("driver-check --host " + shellWord(service.Host))
		}
		if service.Binary == driverstate.BinaryVolume && service.Cluster != nil && othersUp {
			f.next = append(f.next, verb("workers-cleanup --binary cinder-volume --host "+shellWord(service.Host)))
			f.detail = "Its cluster " + *service.Cluster + " can finish what it was doing."
		}
	case service.Status != "enabled":
		f.severity, f.cause, f.status = low, "service-disabled", service.Status
		f.reason = "It takes no new work until it is enabled."
		if service.DisabledReason != nil && *service.DisabledReason != "" {
			f.detail = "Recorded: " + *service.DisabledReason
		}
		f.next = []step{verb("service-enable " + shellWord(service.Host) + " " + string(service.Binary))}
	default:
		return f, false
	}
	if !othersUp {
		f.severity = critical
		f.detail = strings.TrimSpace(f.detail + " No " + string(service.Binary) + " of this cloud works.")
	}
	switch {
	case !isBackup || s.oneOnly:
	case len(rows) > 0:
		f.severity = min(f.severity, high)
		f.detail = strings.TrimSpace(fmt.Sprintf("%s %s on it: with backup_use_same_host=True none of them can be restored, deleted or reset meanwhile.",
			f.detail, s.counted(rows)))
	case !isUp(service) && othersUp && s.hostsSeen && fault == "":
		f.severity = low
		f.detail = "No backup stands on it. If it is gone for good, remove its row."
		f.next = []step{{command: "cinder-manage service remove cinder-backup " + shellWord(service.Host)}}
	}
	if fault != "" {
		f.detail = strings.TrimSpace(f.detail + " Recorded: " + fault)
	}
	return f, true
}

// rowsOn are the backups whose rows name this host.
func (s *sight) rowsOn(host string) []client.Backup {
	return slices.DeleteFunc(slices.Clone(s.backups), func(b client.Backup) bool {
		on, known := s.hostOf[b.ID]
		return !known || on != host
	})
}

func (s *sight) counted(rows []client.Backup) string {
	projects := map[string]bool{}
	for _, b := range rows {
		projects[b.ProjectID] = true
	}
	if len(rows) == 1 {
		return "1 backup stands"
	}
	return fmt.Sprintf("%d backups of %s stand", len(rows), plural(len(projects), "project"))
}

// strayShown bounds the ids of one command for rows of a host that is no
// service.
const strayShown = 20

// strayFindings are the resting rows whose host is no cinder-backup: those that
// are stuck are told one by one.
func (s *sight) strayFindings(list []client.Backup) []finding {
	byHost := map[string][]client.Backup{}
	for _, b := range list {
		if state, service := s.hostState(b); state == hostGone && b.Status == driverstate.StatusAvailable {
			byHost[service.Host] = append(byHost[service.Host], b)
		}
	}
	var out []finding
	for host, rows := range byHost {
		f := finding{severity: high, cause: "host-unknown", kind: "host", id: host, host: host}
		named := "No cinder-backup of this cloud has this host name."
		if host == "" {
			f.id, named = "unknown", "The rows name a host that no service of this cloud has."
		}
		f.reason = named + " With backup_use_same_host=True these backups cannot be restored, deleted or reset (404, or 500 after the RPC time-out): " +
			"start a cinder-backup under that name. With backup_use_same_host=False nothing is shut, and a reset there and back moves their rows to a host that is up."
		f.detail = s.counted(rows) + " on it."
		ids := make([]string, 0, strayShown)
		for _, b := range rows[:min(len(rows), strayShown)] {
			ids = append(ids, b.ID)
		}
		f.next = []step{verb("backup-reset-state --state error", ids...), verb("backup-reset-state --state available", ids...)}
		out = append(out, f)
	}
	return out
}

// clusterFindings are the clusters that nobody is left of.
func (s *sight) clusterFindings() []finding {
	var out []finding
	for _, c := range s.clusters {
		if c.NumHosts == 0 || c.NumDownHosts < c.NumHosts {
			continue
		}
		out = append(out, finding{severity: critical, cause: "cluster-down", kind: "cluster", id: c.Name, status: c.State, since: c.LastHeartbeat,
			reason: "All its hosts are down: nobody works on its volumes, and nobody can clean up what was under way. Start one of them.",
			next: []step{{command: "systemctl start " + string(c.Binary)}, verb("cluster-list"),
				verb("workers-cleanup --cluster " + shellWord(c.Name))}})
	}
	return out
}
