package commands

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

// What became of a resource.
const (
	cleaned    = "cleaned"
	notCleaned = "not-cleaned"
)

// follow watches what was under way at the services that are cleaned up after,
// and shows what became of it.
func (p *cleanupPlan) follow(ctx context.Context) error {
	var watched []client.Cleanable
	for _, row := range p.rows {
		p.con.note("%s: %s on %s, with %s under way", row.result, row.Binary, row.Host, counted(row.left))
		if row.result == cleaning {
			watched = append(watched, row.left...)
		}
	}
	if len(p.rows) == 0 {
		p.nothingMatched()
	}
	now, err := p.watch(ctx, watched)
	if err != nil && !errors.Is(err, driverstate.ErrNotApplied) {
		return err
	}
	v, done := p.became(watched, now)
	if err := p.print(v); err != nil {
		return err
	}
	waiting := p.tellWaiting()
	p.tellBackups(ctx)
	p.con.summary("workers-cleanup", len(v.Rows), done, 0, len(v.Rows)-len(watched), len(watched)-done)
	if err == nil {
		return waiting
	}
	return withHint(err, "cinder-go doctor tells what it waits for; a status that was set by hand is cleaned up by nobody: cinder-go volume-reset-state")
}

func (p *cleanupPlan) watch(ctx context.Context, watched []client.Cleanable) (now []client.Cleanable, err error) {
	if len(watched) == 0 {
		return nil, nil
	}
	left := 0
	tell := func(r client.Cleanable) {
		left++
		p.con.note("%s %s: %s (%d of %d)", strings.ToLower(r.Type), r.ID, orGone(r.Status), left, len(watched))
	}
	err = p.wait.within(ctx, "cleanup", func(ctx context.Context) error {
		var err error
		now, err = p.c.WaitCleaned(ctx, watched, tell)
		return err
	})
	if errors.Is(err, driverstate.ErrNotApplied) {
		err = driverstate.Fail(driverstate.ErrNotApplied, fmt.Sprintf(
			"cleanup: of %s, %d did not leave their status within %s", counted(watched), len(watched)-left, p.wait.timeout))
	}
	return now, err
}

// became is a row for each resource: those that were watched, then those that
// nobody could clean up after.
func (p *cleanupPlan) became(before, now []client.Cleanable) (v output.View, done int) {
	v.Columns = followColumns()
	row := func(r client.Cleanable, result, status string) {
		v.Rows = append(v.Rows, []any{r.Type, r.ID, orNil(r.Name), orNil(r.Host), r.Status, result, status})
	}
	for i, r := range before {
		if now[i].Status == r.Status {
			row(r, notCleaned, r.Status)
			continue
		}
		done++
		row(r, cleaned, orGone(now[i].Status))
	}
	for _, s := range p.rows {
		if s.result != unavailable {
			continue
		}
		for _, r := range s.left {
			row(r, unavailable, r.Status)
		}
	}
	return v, done
}

func orGone(status string) string {
	if status == "" {
		return "deleted"
	}
	return status
}
