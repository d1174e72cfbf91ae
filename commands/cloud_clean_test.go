package commands

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// clean brings the cloud back to how the script found it: its services run, and
// what carries its prefix, or was made of that, is gone from the API, the
// database and the stores, in whatever state the script left it.
func (s *cloudScript) clean(t *testing.T) {
	check := func(err error) {
		if err != nil {
			t.Errorf("cleaning up: %v", err)
		}
	}
	// What the others need comes first.
	first := []string{"mariadb", "rabbit", "memcached", "keystone", "cinder-scheduler"}
	for _, name := range append(first, s.touched...) {
		if slices.Contains(s.touched, name) && !slices.Contains(s.services, name) {
			_, err := s.run("service", "start", name)
			check(err)
		}
	}
	mine := fmt.Sprintf("display_name LIKE '%s-%%'", s.prefix)
	for _, id := range s.ids {
		mine += fmt.Sprintf(" OR id='%s'", id)
	}
	volumes := s.column(check, "SELECT id FROM volumes WHERE "+mine)
	mineOf := mine
	for _, id := range volumes {
		mineOf += fmt.Sprintf(" OR volume_id='%s'", id)
	}
	backups := s.column(check, "SELECT id FROM backups WHERE "+mineOf)
	for _, id := range backups {
		mine += fmt.Sprintf(" OR display_name='restore_backup_%s'", id)
	}
	for _, id := range volumes {
		mine += fmt.Sprintf(" OR display_name LIKE 'backup-vol-%s%%'", id)
	}

	s.remove(t, "backups", mineOf, "parent_id=NULL, num_dependent_backups=0, restore_volume_id=NULL", func(id, project string) error {
		return s.api("admin", project, "DELETE", "/backups/"+id, nil, nil)
	})
	s.remove(t, "snapshots", mineOf, "progress='100%'", func(id, project string) error {
		return s.api("admin", project, "DELETE", "/snapshots/"+id, nil, nil)
	})
	volumes = append(volumes, s.column(check, "SELECT id FROM volumes WHERE "+mine)...)
	volumes = append(volumes, s.ids...) // SQL may have removed the rows
	s.remove(t, "volumes", mine, "attach_status='detached', migration_status=NULL", func(id, project string) error {
		return s.api("admin", project, "POST", "/volumes/"+id+"/action", map[string]any{"os-force_delete": struct{}{}}, nil)
	})
	for _, id := range volumes {
		if err := os.Remove(s.volumeFile(id)); err != nil && !os.IsNotExist(err) {
			check(err)
		}
	}
	check(s.sweepPosix(volumes, append(backups, s.ids...)))
	check(s.sweepSwift(volumes))
	for _, name := range s.services {
		_, err := s.run("backup-service", "remove", name)
		check(err)
	}
	for _, id := range volumes {
		_, err := s.sql(fmt.Sprintf("DELETE FROM workers WHERE resource_id='%s'", id))
		check(err)
	}
	// Rows that SQL removed or added are in no counter, and no script has a quota of its own after its end.
	_, err := s.sql(`UPDATE quota_usages q SET in_use = (SELECT COUNT(*) FROM backups b WHERE b.deleted=0 AND b.project_id=q.project_id) WHERE resource='backups';
		UPDATE quota_usages q SET in_use = (SELECT COALESCE(SUM(size), 0) FROM backups b WHERE b.deleted=0 AND b.project_id=q.project_id) WHERE resource='backup_gigabytes';
		DELETE FROM quotas;
		UPDATE services SET disabled=0, disabled_reason=NULL`)
	check(err)
}

// column is the first column of an answer.
func (c *cloud) column(check func(error), statement string) []string {
	out, err := c.sql(statement)
	check(err)
	return strings.Fields(out)
}

// remove makes rows fit to be deleted, has Cinder delete them, and removes by
// SQL what Cinder refused or did not do.
func (s *cloudScript) remove(t *testing.T, table, where, fit string, del func(id, project string) error) {
	where = "deleted=0 AND (" + where + ")"
	rows, err := s.sql(fmt.Sprintf("UPDATE %s SET status='available', %s WHERE %s; SELECT id, project_id FROM %s WHERE %s", table, fit, where, table, where))
	if err != nil {
		t.Errorf("cleaning up: %v", err)
	}
	if rows == "" {
		return
	}
	fields := strings.Fields(rows)
	refused := 0
	for pair := range slices.Chunk(fields, 2) {
		if err := del(pair[0], pair[1]); err != nil {
			t.Logf("cleaning up by SQL: %v", err)
			refused++
		}
	}
	var left []string
	eventually(30*time.Second, func() bool {
		left = s.column(func(e error) { err = e }, fmt.Sprintf("SELECT id FROM %s WHERE %s", table, where))
		return err != nil || len(left) <= refused
	})
	if len(left) > 0 {
		t.Logf("cleaning up %s by SQL: %s", table, strings.Join(left, " "))
		_, err = s.sql(fmt.Sprintf("UPDATE %s SET deleted=1, deleted_at=UTC_TIMESTAMP(), status='deleted' WHERE %s", table, where))
	}
	if err != nil {
		t.Errorf("cleaning up: %v", err)
	}
}

// sweepPosix removes the objects of these volumes' backups from the posix
// directory, whether there are rows or not, and what these backups leave of it.
func (c *cloud) sweepPosix(volumes, backups []string) error {
	store := filepath.Join(c.dir, "posix")
	err := filepath.WalkDir(store, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && ofVolumes(entry.Name(), volumes) {
			err = os.Remove(path)
		}
		return err
	})
	for _, id := range backups {
		// Cinder leaves aa/bb/<id> behind; a directory goes only when it is empty.
		for dir := filepath.Join(store, id[:2], id[2:4], id); dir != store && os.Remove(dir) == nil; {
			dir = filepath.Dir(dir)
		}
	}
	return err
}

// ofVolumes reports whether an object's name begins as Cinder's for the backups
// of one of these volumes.
func ofVolumes(object string, volumes []string) bool {
	return slices.ContainsFunc(volumes, func(id string) bool { return strings.HasPrefix(object, "volume_"+id) })
}

// sweepSwift removes them from every container of every account.
func (c *cloud) sweepSwift(volumes []string) error {
	s3, err := c.request("GET", c.vars["CLOUD_SWIFT"]+"/auth/v1.0", map[string]string{"X-Auth-User": "cloud:s3", "X-Auth-Key": "s3secret"}, nil, nil)
	if err != nil {
		return err
	}
	accounts := map[string]string{"TEMP_cloud": s3.Get("X-Auth-Token")}
	for _, project := range []string{c.vars["CLOUD_ADMIN_PROJECT"], c.vars["CLOUD_DEMO_PROJECT"]} {
		if accounts["AUTH_"+project], err = c.token(project); err != nil {
			return err
		}
	}
	for account, token := range accounts {
		header := map[string]string{"X-Auth-Token": token}
		base := c.vars["CLOUD_SWIFT"] + "/v1/" + account
		var containers, objects []struct{ Name string }
		if _, err := c.request("GET", base+"?format=json", header, nil, &containers); err != nil {
			return err
		}
		for _, container := range containers {
			base := base + "/" + url.PathEscape(container.Name)
			if _, err := c.request("GET", base+"?format=json&prefix=volume_", header, nil, &objects); err != nil {
				return err
			}
			for _, object := range objects {
				if !ofVolumes(object.Name, volumes) {
					continue
				}
				if _, err := c.request("DELETE", base+"/"+(&url.URL{Path: object.Name}).EscapedPath(), header, nil, nil); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
