package rows

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Copied is what was copied of a table.
type Copied struct {
	Table string
	Rows  int
	Sum   string // SHA-256 of all columns of all rows, in the order of the keys
}

// whole is a table as it is copied.
type whole struct {
	table
	order string
	blank func() []field // of a new struct
}

func wholes() []whole {
	type quota struct {
		project, resource string
		limit             int64
		created, updated  time.Time
	}
	limits := func() []field {
		q := new(quota)
		return []field{text[string]{&q.project}, text[string]{&q.resource}, number[int64]{&q.limit}, stamp{&q.created}, stamp{&q.updated}}
	}
	return []whole{
		{serviceTable, "id", func() []field { return serviceFields(new(driverstate.Service)) }},
		{clusterTable, `name, "binary"`, func() []field { return clusterFields(new(driverstate.Cluster)) }},
		{volumeTable, "id", func() []field { return volumeFields(new(driverstate.Volume)) }},
		{snapshotTable, "id", func() []field { return snapshotFields(new(driverstate.Snapshot)) }},
		{backupTable, "id", func() []field { return backupFields(new(driverstate.Backup)) }},
		{workerTable, "id", func() []field { return workerFields(new(driverstate.Worker)) }},
		{messageTable, "id", func() []field { return messageFields(new(driverstate.Message)) }},
		{verificationTable, "id", func() []field { return verificationFields(new(driverstate.Verification)) }},
		{proofTable, "backup_id", func() []field { return proofFields(new(driverstate.Proof)) }},
		{shipmentTable, "id", func() []field { return shipmentFields(new(driverstate.Shipment)) }},
		{table{"quota", "quotas", []string{"project_id", "resource", "hard_limit", "created_at", "updated_at"}}, "project_id, resource", limits},
		{table{"quota class", "quota_classes", []string{"class_name", "resource", "hard_limit", "created_at", "updated_at"}}, "class_name, resource", limits},
		{typeTable, "id", func() []field { return typeFields(new(driverstate.VolumeTypeRow)) }},
		{transferTable, "id", func() []field { return transferFields(new(driverstate.Transfer)) }},
	}
}

// Tables are the names of all tables.
func Tables() []string {
	var out []string
	for _, w := range wholes() {
		out = append(out, w.name)
	}
	return out
}

// Count counts all rows of a table, those that are deleted included.
func (r Rows) Count(ctx context.Context, name string) (int, error) {
	var n int
	if _, err := r.first(ctx, "SELECT COUNT(*) FROM "+name, nil, &n); err != nil {
		return 0, fmt.Errorf("counting %s: %w", name, err)
	}
	return n, nil
}

// batch is how many rows one statement inserts: PostgreSQL takes 65,535
// arguments.
const batch = 200

// CopyAll writes every row of from, those that are deleted included, into the
// empty tables of to, keys as they are, and reads them back. An error when what
// was read differs from what was written; ErrCorrupt, which names the rows,
// before anything is written when some hold a text that not every database can
// keep. to should be a transaction.
func CopyAll(ctx context.Context, from, to Rows) ([]Copied, error) {
	var unfit []string
	for _, w := range wholes() {
		if err := w.unfit(ctx, from, &unfit); err != nil {
			return nil, fmt.Errorf("reading %s: %w", w.name, err)
		}
	}
	if len(unfit) > 0 {
		return nil, driverstate.Fail(driverstate.ErrCorrupt, "rows hold texts that it cannot keep: "+strings.Join(unfit, "; "))
	}
	var out []Copied
	for _, w := range wholes() {
		there, err := w.copy(ctx, from, to)
		if err != nil {
			return nil, fmt.Errorf("copying %s: %w", w.name, err)
		}
		here, err := w.read(ctx, to, nil)
		if err != nil {
			return nil, fmt.Errorf("reading %s back: %w", w.name, err)
		}
		if here != there {
			return nil, fmt.Errorf("%s differ: %d rows (%s) were written, %d rows (%s) are read back", w.name, there.Rows, there.Sum, here.Rows, here.Sum)
		}
		out = append(out, there)
	}
	return out, nil
}

func (w whole) copy(ctx context.Context, from, to Rows) (Copied, error) {
	one := "(?" + strings.Repeat(", ?", len(w.columns)-1) + ")"
	var args []any
	flush := func() error {
		if len(args) == 0 {
			return nil
		}
		statement := fmt.Sprintf("INSERT INTO %s (%s) VALUES %s%s", w.name, w.list(), one, strings.Repeat(", "+one, len(args)/len(w.columns)-1))
		_, err := to.Q.Exec(ctx, statement, args...)
		args = args[:0]
		return err
	}
	there, err := w.read(ctx, from, func(fields []field) error {
		args = append(args, values(fields)...)
		if len(args) < batch*len(w.columns) {
			return nil
		}
		return flush()
	})
	if err != nil {
		return there, err
	}
	return there, flush()
}

// unfit adds the rows with a text that not every database can keep to found, as
// "table key: column what".
func (w whole) unfit(ctx context.Context, from Rows, found *[]string) error {
	keys := strings.Split(strings.ReplaceAll(w.order, `"`, ""), ", ")
	_, err := w.read(ctx, from, func(fields []field) error {
		var key, wrong []string
		for i, f := range fields {
			v, err := f.Value()
			if err != nil {
				return err
			}
			if slices.Contains(keys, w.columns[i]) {
				key = append(key, strings.Trim(strconv.QuoteToASCII(fmt.Sprint(v)), `"`))
			}
			if s, ok := v.(string); ok && driverstate.TextFault(s) != "" {
				wrong = append(wrong, w.columns[i]+" "+driverstate.TextFault(s))
			}
		}
		if len(wrong) > 0 {
			*found = append(*found, w.name+" "+strings.Join(key, " ")+": "+strings.Join(wrong, ", "))
		}
		return nil
	})
	return err
}

// read gives each row to use, if not nil, and sums all of them up.
func (w whole) read(ctx context.Context, from Rows, use func([]field) error) (Copied, error) {
	sum := sha256.New()
	out := Copied{Table: w.name}
	found, err := from.Q.Query(ctx, fmt.Sprintf("SELECT %s FROM %s ORDER BY %s", w.list(), w.name, w.order))
	if err != nil {
		return out, err
	}
	defer found.Close()
	for found.Next() {
		fields := w.blank()
		if err := found.Scan(values(fields)...); err != nil {
			return out, fmt.Errorf("row %d: %w", out.Rows+1, err)
		}
		if err := add(sum, fields); err != nil {
			return out, fmt.Errorf("row %d: %w", out.Rows+1, err)
		}
		if use != nil {
			if err := use(fields); err != nil {
				return out, err
			}
		}
		out.Rows++
	}
	out.Sum = hex.EncodeToString(sum.Sum(nil))
	return out, found.Err()
}

// add adds a row to a sum, in a form that no two rows share.
func add(sum hash.Hash, fields []field) error {
	for _, f := range fields {
		v, err := f.Value()
		if err != nil {
			return err
		}
		if at, ok := v.(time.Time); ok {
			v = at.Format(TimeForm)
		}
		fmt.Fprintf(sum, "%T %q\n", v, fmt.Sprint(v))
	}
	_, err := sum.Write([]byte("\n"))
	return err
}
