package commands

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cinder-go/cinder-go/commands/iostreams"
	"github.com/cinder-go/cinder-go/commands/progress"
	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/testdata/drillstore"
)

// shown is how many backups of the store the drill names.
const shown = 16

// held is a backup of the store, as backup-manageable-list tells of it.
type held struct {
	ID        string                `json:"id"`
	VolumeID  string                `json:"volume_id"`
	ParentID  string                `json:"parent_id"`
	Name      string                `json:"name"`
	Size      int64                 `json:"size"`
	Container string                `json:"container"`
	Prefix    string                `json:"object_prefix"`
	Condition driverstate.Condition `json:"condition"`
	Reason    string                `json:"reason"`
	Bytes     int64                 `json:"bytes"`
}

// play goes through the rehearsal. An error says that it could not go on.
func (d *drill) play(ctx context.Context) error {
	before, err := treeSum(d.root)
	if err != nil {
		return err
	}
	found, err := d.look(ctx)
	if err != nil {
		return err
	}
	bad := d.adopt(ctx, found)
	records := d.export(ctx, found, bad)
	d.rebuild(ctx, records)
	d.restore(ctx, found, bad)
	after, err := treeSum(d.root)
	if err != nil {
		return err
	}
	d.check(before == after, "the store is as it was: not one file was written")
	if err := d.repair(ctx, found); err != nil {
		return err
	}
	return ctx.Err()
}

// look lists the store.
func (d *drill) look(ctx context.Context) ([]held, error) {
	d.step("What does the store hold, and in what condition?")
	d.standalone(d.url, "engine", true)
	r := d.run(ctx, "backup-manageable-list", "-f", "json")
	var found []held
	if err := json.Unmarshal([]byte(r.out), &found); !d.expect(r, 0, "%d backups found without a database", len(found)) || err != nil {
		return nil, fmt.Errorf("drill: the store cannot be listed: %s", strings.TrimSpace(r.errs))
	}
	counts := map[driverstate.Condition]int{}
	for i, b := range found {
		counts[b.Condition]++
		if i == shown {
			d.detail("and %d more", len(found)-shown)
		}
		if i >= shown {
			continue
		}
		what := "full"
		if b.Condition == driverstate.ConditionPartial {
			what = "-"
		}
		if b.ParentID != "" {
			what = "on " + short(b.ParentID)
		}
		d.detail("%s  %-8s  %-11s  %2d GiB  %s%s", short(b.ID), b.Condition, what, b.Size, b.Name, because(b.Reason))
	}
	if d.embedded {
		d.check(counts[driverstate.ConditionWhole] == len(drillstore.Expected())+1, "%d look whole", counts[driverstate.ConditionWhole])
		for id, want := range map[string]driverstate.Condition{
			drillstore.MissingChunk: driverstate.ConditionDamaged,
			drillstore.Unfinished:   driverstate.ConditionPartial,
			drillstore.Orphan:       driverstate.ConditionOrphaned,
		} {
			i := slices.IndexFunc(found, func(b held) bool { return b.ID == id })
			d.check(i >= 0 && found[i].Condition == want, "%s is %s, as it was made to be", short(id), want)
		}
	}
	return found, nil
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}

// adopt takes the whole backups under management and proves their data. It
// returns those that are not what they looked like.
func (d *drill) adopt(ctx context.Context, found []held) map[string]bool {
	d.step("Take what is whole under management")
	r := d.run(ctx, "backup-manage", "--all", "-f", "json")
	managed := 0
	for _, row := range rowsOf(r.out) {
		if row["result"] == string(changed) {
			managed++
		}
	}
	d.expect(r, 0, "%d backups have rows again, %d were skipped", managed, len(found)-managed)

	d.step("Prove the data: read, inflate and hash every byte")
	args := []string{"backup-verify", "--all", "-f", "json"}
	if total := storedBytes(found); total > smallStore {
		args = append(args, "--depth", "structure")
		d.detail("the store holds %s: only structure is looked at; leave out --depth to read it all", progress.Bytes(total))
	}
	r = d.run(ctx, args...)
	bad := map[string]bool{}
	var volumeBytes float64
	for _, row := range rowsOf(r.out) {
		n, _ := row["bytes_read"].(float64)
		volumeBytes += n
		if row["condition"] != string(driverstate.ConditionWhole) {
			id, _ := row["id"].(string)
			bad[id] = true
			d.detail("%s is %v: %v", short(id), row["condition"], row["reason"])
		}
	}
	if r.took.Seconds() > 0 && volumeBytes > 0 {
		d.detail("%s of volume data proven", progress.Bytes(int64(volumeBytes)))
	}
	switch {
	case d.embedded:
		d.expect(r, 9, "damage is found, and told by exit code 9")
		d.check(len(bad) == 1 && bad[drillstore.ForgedChunk], "it is %s, whose chunk has the right size and the wrong bytes", short(drillstore.ForgedChunk))
	case len(bad) > 0:
		d.expect(r, 9, "%d backups are not whole", len(bad))
	default:
		d.expect(r, 0, "all are whole")
	}
	for id := range bad {
		r := d.run(ctx, "backup-reset-state", "--state", "error", id)
		d.expect(r, 0, "%s is marked, so that nobody relies on it", short(id))
	}
	return bad
}

// export writes the records, and returns the file.
func (d *drill) export(ctx context.Context, found []held, bad map[string]bool) string {
	d.step("Export the records that the rebuilt cloud will import")
	file := filepath.Join(d.dir, "records.jsonl")
	r := d.run(ctx, "backup-export", "--all", "--output", file)
	want := 0
	for _, b := range found {
		if b.Condition == driverstate.ConditionWhole && !bad[b.ID] {
			want++
		}
	}
	raw, err := os.ReadFile(file)
	d.expect(r, 0, "the export is complete")
	d.check(err == nil && strings.Count(string(raw), "\n") == want, "%d records, one for each good backup", want)
	return file
}

// rebuild imports the records into an empty database, twice.
func (d *drill) rebuild(ctx context.Context, file string) {
	d.step("The rebuilt cloud: a second, empty database imports them")
	d.standalone(d.url, "rebuilt", true)
	r := d.run(ctx, "backup-import", "--from", file)
	d.expect(r, 0, "every record was taken, parents first: %s", lastLine(r.errs))
	r = d.run(ctx, "backup-import", "--from", file)
	d.expect(r, 0, "again, and nothing changes: %s", lastLine(r.errs))
	again := filepath.Join(d.dir, "again.jsonl")
	r = d.run(ctx, "backup-export", "--all", "--output", again)
	d.expect(r, 0, "exported from there")
	first, second := recordsOf(file), recordsOf(again)
	d.check(len(first) > 0 && slices.Equal(first, second), "the records of both databases say the same")
}

// restore restores a full backup and a chain, from the rebuilt database.
func (d *drill) restore(ctx context.Context, found []held, bad map[string]bool) {
	d.step("Restore, and compare with the hashes on the store")
	full, tip := choose(found, bad, d.embedded)
	if full == nil && tip == nil {
		d.detail("no whole backup is on the store: nothing can be restored")
		return
	}
	for _, b := range []*held{full, tip} {
		if b == nil {
			continue
		}
		list, err := readStoreHashes(d.root, b.Container, b.Prefix)
		if err != nil {
			d.check(false, "the hash list of %s can be read: %v", short(b.ID), err)
			continue
		}
		file := filepath.Join(d.dir, short(b.ID)+".raw")
		r := d.run(ctx, "backup-restore", b.ID, "--to", file)
		if d.expect(r, 0, "%s", d.restored(b, found)) {
			proof, err := proveFile(file, list)
			d.judge(b, proof, err, "the file")
		}
		os.Remove(file)
	}
	b := full
	if b == nil {
		b = tip
	}
	list, err := readStoreHashes(d.root, b.Container, b.Prefix)
	if err != nil {
		return
	}
	proof, errs := newImageProof(list), &strings.Builder{}
	streams, _, _ := iostreams.Buffers(strings.NewReader(""))
	streams.Out, streams.Err = proof, errs
	r := d.runOn(ctx, streams, func() (string, string) { return "", errs.String() }, " | sha256sum", "backup-restore", b.ID, "--to", "-")
	if d.expect(r, 0, "%s to standard output", d.restored(b, found)) {
		d.judge(b, proof, nil, "the stream")
	}
}

func (d *drill) restored(b *held, found []held) string {
	steps := 0
	for at := b; at != nil && at.ParentID != ""; steps++ {
		i := slices.IndexFunc(found, func(f held) bool { return f.ID == at.ParentID })
		if i < 0 || steps > driverstate.MaxChain {
			break
		}
		at = &found[i]
	}
	if steps == 0 {
		return fmt.Sprintf("full backup %s (%s) restored", short(b.ID), b.Name)
	}
	return fmt.Sprintf("%s (%s) restored, through a full backup and %d increments", short(b.ID), b.Name, steps)
}

// judge compares an image with the store's hash list and, on the embedded
// store, with the hash of the volume as it was.
func (d *drill) judge(b *held, p *imageProof, err error, what string) {
	if err != nil {
		d.check(false, "%s can be read: %v", what, err)
		return
	}
	sum, bad := p.finish()
	d.check(bad == 0, "all %d blocks of %s match the hashes on the store", len(p.list.Hashes), what)
	if want := drillstore.Expected()[b.ID]; d.embedded && want != "" {
		d.check(sum == want, "%s has the SHA-256 of the volume that was backed up, %s…", what, sum[:16])
	}
}

// choose picks the backups to restore: the smallest full one, and the one
// with a parent that is smallest.
func choose(found []held, bad map[string]bool, embedded bool) (full, tip *held) {
	for i := range found {
		b := &found[i]
		switch {
		case b.Condition != driverstate.ConditionWhole || bad[b.ID] || b.Prefix == "":
		case embedded && b.ID != drillstore.Full && b.ID != drillstore.ChainTip:
		case b.ParentID == "":
			if full == nil || b.Size < full.Size {
				full = b
			}
		case tip == nil || b.Size < tip.Size:
			tip = b
		}
	}
	return full, tip
}

func storedBytes(found []held) (n int64) {
	for _, b := range found {
		n += b.Bytes
	}
	return n
}

// rowsOf are the objects of a JSON list; none if it is not one.
func rowsOf(text string) (rows []map[string]any) {
	if json.Unmarshal([]byte(text), &rows) != nil {
		return nil
	}
	return rows
}

// recordsOf are the decoded records of a file, without what a database may
// rightly say differently: when its row was written, and who wrote it.
func recordsOf(path string) []string {
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer file.Close()
	var out []string
	for decoder := json.NewDecoder(file); ; {
		var line struct{ Record map[string]any }
		if err := decoder.Decode(&line); err != nil {
			if err != io.EOF {
				return nil
			}
			slices.Sort(out)
			return out
		}
		for _, own := range []string{"updated_at", "host", "availability_zone"} {
			delete(line.Record, own)
		}
		text, err := json.Marshal(line.Record)
		if err != nil {
			return nil
		}
		out = append(out, string(text))
	}
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
