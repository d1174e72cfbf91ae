package chunked

import (
	"context"
	"fmt"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

func (d *Driver) newRun(op string, p *plan, obs driverstate.Observer) *run {
	if obs == nil {
		obs = driverstate.Discard
	}
	tip := p.tip().backup
	m := newMeter(d.cfg.Workers)
	return &run{d: d, p: p, meter: m, watch: &progress{
		obs: obs, told: time.Now(), load: m.load,
		event: driverstate.Event{Op: op, BackupID: tip.ID, VolumeID: tip.VolumeID, BytesTotal: p.wanted(), ObjectsTotal: len(p.units)},
	}}
}

// Restore implements driverstate.Driver. Each byte of the image is read from
// the object that wrote it last, proven, and written once.
func (d *Driver) Restore(ctx context.Context, c driverstate.Chain, dst driverstate.Target, o driverstate.RestoreOptions, obs driverstate.Observer) (driverstate.Restored, error) {
	out, err := d.restore(ctx, c, dst, o, obs)
	if err != nil && len(c) > 0 {
		err = &driverstate.Error{Op: "restore", Resource: "backup", ID: c.Tip().ID, Err: err}
	}
	return out, err
}

func (d *Driver) restore(ctx context.Context, c driverstate.Chain, dst driverstate.Target, o driverstate.RestoreOptions, obs driverstate.Observer) (out driverstate.Restored, err error) {
	load := d.load
	if o.Salvage {
		load = d.loadRemains
		if dst.Sequential() {
			return out, driverstate.Fail(driverstate.ErrNotSupported, "to salvage takes a file or a device: what is found last belongs anywhere")
		}
	}
	p, err := load(ctx, c)
	if err != nil {
		return out, err
	}
	defer p.close()
	wanted, err := o.Within(p.length)
	if err != nil {
		return out, err
	}
	if o.Partial() {
		p.clip(wanted)
	}
	r := d.newRun("restore", p, obs)
	r.target = dst
	if o.Partial() {
		r.target = &part{dst, wanted.Offset}
	}
	r.watch.tell(driverstate.EventStart, "")
	defer func() { r.watch.end(err) }()
	if len(p.gaps) > 0 && !o.Salvage {
		return out, p.gapFault(p.gaps[0])
	}
	if o.Resume {
		if out.BytesKept, err = r.resume(ctx, dst); err != nil {
			return out, err
		}
	}
	begun := time.Now()
	if !o.Salvage { // which finds out by itself
		err = d.survey(ctx, p)
	}
	since(&r.meter.before, begun)
	if err != nil {
		return out, err
	}
	if _, err := d.cfg.restore(p, d.cfg.Workers); err != nil { // before the target is touched
		return out, err
	}
	if err := dst.Begin(wanted.Length); err != nil {
		return out, err
	}
	if o.Salvage {
		s := &salvage{run: r}
		err = s.restore(ctx)
		out.Holes, out.BytesFilled = s.lost(), s.full
	} else {
		err = r.execute(ctx)
	}
	if err != nil {
		return out, err
	}
	if err := ctx.Err(); err != nil { // nothing was left to notice it
		return out, err
	}
	synced := time.Now()
	err = dst.Sync()
	since(&r.meter.after, synced)
	if err != nil {
		return out, err
	}
	return driverstate.Restored{
		Length: wanted.Length, BytesKept: out.BytesKept, BytesFilled: out.BytesFilled, Holes: out.Holes, BytesWritten: r.written.Load(), ObjectsRead: int(r.read.Load()),
		VolumeMeta: p.tip().meta.VolumeMeta, Method: r.method, Warnings: p.warnings,
	}, nil
}

// survey compares what the documents of the chain list with what the store
// lists, so that an object that is not there is known before the target is
// touched. What does not stop the restore is a warning.
func (d *Driver) survey(ctx context.Context, p *plan) error {
	needed := make(map[objectID]bool, len(p.units))
	for _, u := range p.units {
		needed[u.id()] = true
	}
	for _, l := range p.layers {
		b := l.backup
		groups, err := d.collect(ctx, b.Container, b.ServiceMetadata, "")
		if err != nil {
			return storeError(err)
		}
		there := groups[b.ServiceMetadata]
		if there == nil {
			there = &group{container: b.Container, prefix: b.ServiceMetadata}
		}
		if err := d.askForChunks(ctx, l.meta, there); err != nil {
			return storeError(err)
		}
		f := &copyFound{}
		f.Backup.ID, f.Condition = b.ID, driverstate.ConditionWhole
		f.judgeObjects(l.meta, there)
		for _, problem := range f.Problems {
			switch {
			case needed[objectOf(&problem)] && (problem.Reason == reasonMissing || problem.Reason == reasonEmpty):
				return &damage{Problem: problem}
			case !needed[objectOf(&problem)]:
				f.warn("object %s is %s; nothing of it is needed", problem.Object, problem.Reason)
			}
		}
		for _, warning := range f.Warnings {
			p.warnings = append(p.warnings, fmt.Sprintf("backup %s: %s", b.ID, warning))
		}
	}
	return nil
}

// gapFault says that no object of the chain holds a range of the image.
func (p *plan) gapFault(s segment) *damage {
	return &damage{Problem: driverstate.Problem{BackupID: p.tip().backup.ID, Offset: s.off, Length: s.end - s.off,
		Reason: "no object of the chain holds these bytes of the volume"}}
}
