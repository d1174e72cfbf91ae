package rows

import (
	"context"
	"database/sql/driver"
	"fmt"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

var proofTable = table{"proof", "proofs", []string{"backup_id", "identity", "objects", "bytes", "runs", "faults", "updated_at"}}

func proofFields(p *driverstate.Proof) []field {
	return []field{
		text[string]{&p.BackupID}, text[string]{&p.Identity}, number[int]{&p.Objects}, number[int64]{&p.Bytes},
		packed{&p.Runs}, document{&p.Faults}, stamp{&p.UpdatedAt},
	}
}

// packed are runs of objects in their own text.
type packed struct{ p *driverstate.ProofRuns }

func (f packed) Scan(v any) error {
	s, ok := v.(string)
	if !ok {
		return fmt.Errorf("want text, have %T", v)
	}
	return f.p.UnmarshalText([]byte(s))
}

func (f packed) Value() (driver.Value, error) {
	raw, err := f.p.MarshalText()
	return string(raw), err
}

// ProofGet returns what is remembered of a backup.
func (r Rows) ProofGet(ctx context.Context, backupID string) (*driverstate.Proof, error) {
	p := new(driverstate.Proof)
	if err := r.get(ctx, proofTable, proofFields(p), "backup_id = ?", backupID); err != nil {
		return nil, err
	}
	return p, nil
}

// ProofPut writes p in the place of what there was, and sets UpdatedAt.
func (r Rows) ProofPut(ctx context.Context, p *driverstate.Proof) error {
	p.UpdatedAt = r.now()
	statement := proofTable.insert() + ` ON CONFLICT (backup_id) DO UPDATE SET identity = excluded.identity, objects = excluded.objects,
		bytes = excluded.bytes, runs = excluded.runs, faults = excluded.faults, updated_at = excluded.updated_at`
	if _, err := r.Q.Exec(ctx, statement, values(proofFields(p))...); err != nil {
		return fmt.Errorf("writing proof %s: %w", p.BackupID, err)
	}
	return nil
}

// ProofsExpire forgets the backups without a live row of which nothing was
// written since before.
func (r Rows) ProofsExpire(ctx context.Context, before time.Time) error {
	_, err := r.Q.Exec(ctx, "DELETE FROM proofs WHERE updated_at < ? AND backup_id NOT IN (SELECT id FROM backups WHERE "+r.Dialect.Live+")", stamp{&before})
	if err != nil {
		return fmt.Errorf("removing old proofs: %w", err)
	}
	return nil
}
