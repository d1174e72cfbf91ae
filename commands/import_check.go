package commands

import (
	"errors"
	"fmt"

	"github.com/cinder-go/cinder-go/driverstate"
)

// pending is a record that passed the checks that need no target.
type pending struct {
	id, parent, name string

	row    driverstate.Backup // as the record describes it
	record driverstate.ExportedRecord
	said   []string // what was changed in it
}

// prepare maps and repairs a record, and checks it.
func (o *importOptions) prepare(r driverstate.ExportedRecord) (pending, error) {
	var p pending
	class := o.maps.service(r.BackupService)
	record, err := driverstate.EditRecord(r, func(members map[string]any) bool {
		p.said = append(o.maps.apply(members), repairRecord(members)...)
		return len(p.said) > 0
	})
	if err != nil {
		return p, err
	}
	if err := checkService(class); err != nil {
		return p, err
	}
	record.BackupService = class
	decoded, err := driverstate.DecodeRecord(record)
	if err != nil {
		return p, err
	}
	b := decoded.Backup
	p.id, p.parent, p.row, p.record = b.ID, b.ParentID, b, record
	if b.Name != nil {
		p.name = *b.Name
	}
	return p, checkRow(&b)
}

// ofProject reports whether a record is of the project that is asked for; one
// that cannot be read is, to be refused.
func (o *importOptions) ofProject(r driverstate.ExportedRecord) bool {
	if o.project == "" {
		return true
	}
	of := o.project
	_, err := driverstate.EditRecord(r, func(members map[string]any) bool {
		of, _ = members["project_id"].(string)
		return false
	})
	return err != nil || of == o.project
}

// checkRecords prepares records and orders them, each parent before those that
// stand on it. What cannot be imported goes to items.
func (o *importOptions) checkRecords(records []driverstate.ExportedRecord, items *bulk) []pending {
	byID := map[string]pending{}
	var order []string
	left := 0
	for n, r := range records {
		if !o.ofProject(r) {
			left++
			continue
		}
		p, err := o.prepare(r)
		if err != nil {
			items.add(result{id: fmt.Sprintf("record %d", n+1), name: p.name, err: withHint(
				driverstate.Fail(driverstate.ErrCorrupt, fmt.Sprintf("record %d%s: %v", n+1, inBrackets(p.id), err)),
				"it was not sent; backup-export writes it anew where its row still is")})
			continue
		}
		if _, twice := byID[p.id]; twice {
			items.add(result{id: p.id, name: p.name, outcome: skipped, detail: "given more than once"})
			continue
		}
		byID[p.id] = p
		order = append(order, p.id)
	}
	if left > 0 {
		o.con.note("%s of other projects left out", plural(left, "record"))
	}
	for _, m := range o.maps {
		if m.used == 0 {
			o.con.warn("", "--map %s: no record has this value", m)
		}
	}
	return inChainOrder(byID, order, items)
}

func inBrackets(id string) string {
	if id == "" {
		return ""
	}
	return " (" + id + ")"
}

// inChainOrder orders records, parents first and else as they came. Those that
// stand on each other in a circle go to items.
func inChainOrder(byID map[string]pending, order []string, items *bulk) []pending {
	queue := make([]pending, 0, len(order))
	const onTheWay, placed = 1, 2
	state := map[string]int{}
	for _, id := range order {
		var line []string
		for at := id; state[at] == 0; at = byID[at].parent {
			if _, here := byID[at]; !here {
				break
			}
			state[at] = onTheWay
			line = append(line, at)
		}
		// A parent that is on the way belongs to this very line: a loop.
		looped := len(line) > 0 && state[byID[line[len(line)-1]].parent] == onTheWay
		for i := len(line) - 1; i >= 0; i-- {
			state[line[i]] = placed
			if looped {
				items.fail(line[i], backupError(line[i], driverstate.ErrCorrupt, "the records make it its own ancestor"))
				continue
			}
			queue = append(queue, byID[line[i]])
		}
	}
	return queue
}

// readAll reads the records that are to be imported.
func (o *importOptions) readAll() ([]driverstate.ExportedRecord, error) {
	if o.record != nil {
		return []driverstate.ExportedRecord{*o.record}, nil
	}
	return readRecords(o.from, o.stdin)
}

// unanswerable reports whether err says that the target does not tell this
// caller, as opposed to not answering now.
func unanswerable(err error) bool {
	for _, kind := range []error{driverstate.ErrNotFound, driverstate.ErrNotSupported, driverstate.ErrForbidden, driverstate.ErrInvalidInput} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}
