package api

import (
	"fmt"
	"net/http"
	"regexp"

	"github.com/cinder-go/cinder-go/driverstate"
)

// access is whom a policy rule lets in by its default.
type access int

const (
	forAll     access = iota // no rule
	forReaders               // rule:xena_system_admin_or_project_reader
	forMembers               // rule:xena_system_admin_or_project_member
	forAdmins                // rule:admin_api
)

// policy is a rule of Cinder's policies (cinder/policies/*.py of Zed).
type policy struct {
	rule string
	who  access
}

// policies are the rules of the routes, and of the actions behind their name.
// That an admin is needed for one backup, volume or snapshot is the manager's
// to say, after it has looked whether the thing is there; so it is in Cinder.
// A route that stands not here is for admins.
var policies = merged(backupPolicies, neighbourPolicies)

func merged(maps ...map[string]policy) map[string]policy {
	all := map[string]policy{}
	for _, m := range maps {
		for route, p := range m {
			all[route] = p
		}
	}
	return all
}

var backupPolicies = map[string]policy{
	"GET backups":                              {"backup:get_all", forReaders},
	"GET backups/detail":                       {"backup:get_all", forReaders},
	"POST backups":                             {"backup:create", forMembers},
	"POST backups/import_record":               {"backup:backup-import", forAdmins},
	"GET backups/{id}":                         {"backup:get", forReaders},
	"PUT backups/{id}":                         {"backup:update", forMembers},
	"DELETE backups/{id}":                      {"backup:delete", forMembers},
	"POST backups/{id}/restore":                {"backup:restore", forMembers},
	"POST backups/{id}/action":                 {"backup:update", forMembers}, // of an action that is not known
	"GET backups/{id}/export_record":           {"backup:export-import", forAdmins},
	"POST backups/{id}/action os-force_delete": {"volume_extension:backup_admin_actions:force_delete", forAdmins},
	"POST backups/{id}/action os-reset_status": {"volume_extension:backup_admin_actions:reset_status", forAdmins},

	"GET os-services":          {"volume_extension:services:index", forAdmins},
	"PUT os-services/{action}": {"volume_extension:services:update", forAdmins},
	"GET clusters":             {"clusters:get_all", forAdmins},
	"GET clusters/detail":      {"clusters:get_all", forAdmins},
	"GET clusters/{name}":      {"clusters:get", forAdmins},
	"PUT clusters/{name}":      {"clusters:update", forAdmins},
	"POST workers/cleanup":     {"workers:cleanup", forAdmins},

	// What only an engine has.
	"GET manageable_backups":  {"backup:manageable", forAdmins},
	"POST manageable_backups": {"backup:manage", forAdmins},
	"POST verifications":      {"backup:verify", forAdmins},
	"GET verifications/{id}":  {"backup:verify", forAdmins},
	"POST shipments":          {"backup:ship", forAdmins},
	"GET shipments/{id}":      {"backup:ship", forAdmins},
	"DELETE shipments/{id}":   {"backup:ship", forAdmins},
	"POST examinations":       {"backup:examine", forAdmins},
	"POST devices":            {"backup:device", forAdmins},
	"GET devices/{id}":        {"backup:device", forAdmins},
	"DELETE devices/{id}":     {"backup:device", forAdmins},

	"GET messages":         {"message:get_all", forReaders},
	"GET messages/{id}":    {"message:get", forReaders},
	"DELETE messages/{id}": {"message:delete", forMembers},
}

// aboutOne are the paths of things that a caller may not see.
var aboutOne = regexp.MustCompile(`^(?:backups|volumes|snapshots)/\{id\}`)

// permitted refuses what the caller's role leaves out.
func (q *request) permitted(rt route) *fault {
	if q.caller.Admin || rt.open {
		return nil
	}
	if q.caller.Limit == driverstate.NotAllowed {
		return newFault(http.StatusForbidden, "Not authorized.")
	}
	p, known := q.policy(rt)
	switch {
	case !known:
		return refused(rt.method + " " + rt.path)
	case p.who == forAdmins && !aboutOne.MatchString(rt.path) && !rt.bodyFirst:
		return refused(p.rule)
	case p.who == forReaders && q.caller.Limit == driverstate.NoRole,
		p.who == forMembers && q.caller.Limit != driverstate.NoLimit:
		return refused(p.rule)
	}
	return nil
}

func refused(rule string) *fault {
	return newFault(http.StatusForbidden, fmt.Sprintf("Policy doesn't allow %s to be performed.", rule))
}

// policy is the rule of the action in the body, or else that of the route.
func (q *request) policy(rt route) (policy, bool) {
	name := rt.method + " " + rt.path
	if body, ok := q.body.(map[string]any); ok && rt.body == actionBody {
		for action := range body { // exactly one
			if p, ok := policies[name+" "+action]; ok {
				return p, true
			}
		}
	}
	p, ok := policies[name]
	return p, ok
}
