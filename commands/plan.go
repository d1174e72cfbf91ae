package commands

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/driverstate"
)

// planVersion is the form of a plan file. Another one is refused.
const planVersion = 1

// plan says what a verb would do to which rows, as they were when it was made.
type plan struct {
	Version int                `json:"version"`
	Verb    string             `json:"verb"`
	State   driverstate.Status `json:"state,omitempty"` // of backup-reset-state
	Made    time.Time          `json:"made"`
	// Target is the endpoint or store that the rows are of.
	Target string `json:"target"`
	// What was said to the deletion that was planned, and holds for it too.
	AnyHost       bool      `json:"any_host,omitempty"`
	SingleAccount bool      `json:"single_account,omitempty"`
	Rows          []planRow `json:"rows"`
}

// planRow is a row that a plan changes. One that is not as it was is refused.
type planRow struct {
	ID        string             `json:"id"`
	Name      string             `json:"name,omitempty"`
	VolumeID  string             `json:"volume_id"`
	ProjectID string             `json:"project_id,omitempty"`
	Size      int64              `json:"size"`
	Status    driverstate.Status `json:"status"`
	UpdatedAt time.Time          `json:"updated_at"`
}

func newPlan(verb, target string, now time.Time, backups []client.Backup) plan {
	p := plan{Version: planVersion, Verb: verb, Made: now.UTC().Truncate(time.Second), Target: target, Rows: []planRow{}}
	for _, b := range backups {
		p.Rows = append(p.Rows, planRow{ID: b.ID, Name: nameOf(b), VolumeID: b.VolumeID, ProjectID: b.ProjectID,
			Size: b.Size, Status: b.Status, UpdatedAt: b.UpdatedAt})
	}
	return p
}

// write puts the plan into a file of its own; one that is there is replaced
// when all of the new one is on disk.
func (p plan) write(path string) error {
	text, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	if err := replaceFile(path, append(text, '\n')); err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	return nil
}

// maxPlan bounds the bytes of a plan that are read.
const maxPlan = 64 << 20

func readPlan(path string) (plan, error) {
	file, err := os.Open(path)
	if err != nil {
		return plan{}, &usageError{fmt.Errorf("plan: %w", err)}
	}
	defer file.Close()
	d := json.NewDecoder(io.LimitReader(file, maxPlan))
	d.DisallowUnknownFields()
	var p plan
	if err := d.Decode(&p); err != nil {
		return plan{}, driverstate.Fail(driverstate.ErrCorrupt, fmt.Sprintf("plan %s: %v", path, err))
	}
	if p.Version != planVersion {
		return plan{}, usagef("plan %s has version %d, and this program knows %d", path, p.Version, planVersion)
	}
	// An empty list is one; none at all may be another program's mistake, and
	// would be read as every backup.
	if p.Rows == nil {
		return plan{}, driverstate.Fail(driverstate.ErrCorrupt, fmt.Sprintf("plan %s: it has no rows, not even an empty list: nothing was done", path))
	}
	ids := map[string]bool{}
	for _, r := range p.Rows {
		if ids[r.ID] {
			return plan{}, driverstate.Fail(driverstate.ErrCorrupt, fmt.Sprintf("plan %s: backup %s is in it twice: nothing was done", path, r.ID))
		}
		ids[r.ID] = true
	}
	return p, nil
}

// stale says how a row differs from what was planned; nil when it does not.
func (r planRow) stale(b client.Backup) error {
	if b.Status == r.Status && b.UpdatedAt.Equal(r.UpdatedAt) {
		return nil
	}
	when := "never written"
	if !b.UpdatedAt.IsZero() {
		when = "written " + b.UpdatedAt.Format(time.RFC3339)
	}
	return withHint(backupError(r.ID, driverstate.ErrConflict, "changed since the plan was made: it was %s and is %s, %s", r.Status, b.Status, when),
		"look at it again: cinder-go backup-show "+r.ID+"; then make a new plan")
}
