package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// rows are the tables, inside a transaction or outside of one.
type rows struct {
	q   querier
	now db.Clock
}

func notFound(resource, id string) error {
	return &driverstate.Error{Resource: resource, ID: id, Err: driverstate.ErrNotFound}
}

func moved(resource, id, what string) error {
	return &driverstate.Error{Resource: resource, ID: id, Err: driverstate.Fail(driverstate.ErrConflict, what)}
}

// get reads one row into fields.
func (r rows) get(ctx context.Context, t table, fields []field, where string, args ...any) error {
	row := r.q.QueryRowContext(ctx, fmt.Sprintf("SELECT %s FROM %s WHERE %s", t.list(), t.name, where), args...)
	return row.Scan(values(fields)...)
}

// all reads every row of a query, each into what next returns fields of.
func (r rows) all(ctx context.Context, t table, rest string, args []any, next func() []field) error {
	found, err := r.q.QueryContext(ctx, fmt.Sprintf("SELECT %s FROM %s %s", t.list(), t.name, rest), args...)
	if err != nil {
		return fmt.Errorf("reading %s: %w", t.name, err)
	}
	defer found.Close()
	for found.Next() {
		if err := found.Scan(values(next())...); err != nil {
			return fmt.Errorf("reading %s: %w", t.name, err)
		}
	}
	return found.Err()
}

// put updates the row whose key is fields[0] where the condition holds too, and
// reports whether there was one.
func (r rows) put(ctx context.Context, t table, fields []field, where string, args ...any) (bool, error) {
	all := append(values(fields[1:]), fields[0])
	result, err := r.q.ExecContext(ctx, t.update()+where, append(all, args...)...)
	if err != nil {
		return false, fmt.Errorf("writing %s: %w", t.name, err)
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

func in[S ~string](column string, from []S) (where string, args []any) {
	if len(from) == 0 {
		return "", nil
	}
	for _, s := range from {
		args = append(args, string(s))
	}
	return fmt.Sprintf(" AND %s IN (?%s)", column, strings.Repeat(", ?", len(from)-1)), args
}

// VolumeCreate inserts v; ErrConflict if its id exists.
func (r rows) VolumeCreate(ctx context.Context, v *driverstate.Volume) error {
	_, err := r.q.ExecContext(ctx, volumeTable.insert(), values(volumeFields(v))...)
	if conflicts(err) {
		return moved("volume", v.ID, "exists already")
	}
	return err
}

// VolumeGet returns the volume of id.
func (r rows) VolumeGet(ctx context.Context, id string) (*driverstate.Volume, error) {
	v := new(driverstate.Volume)
	err := r.get(ctx, volumeTable, volumeFields(v), "id = ?", id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, notFound("volume", id)
	}
	return v, err
}

// VolumeGetAll returns the volumes of a project, of all when it is empty, newest first.
func (r rows) VolumeGetAll(ctx context.Context, projectID string) ([]*driverstate.Volume, error) {
	var out []*driverstate.Volume
	err := r.all(ctx, volumeTable, "WHERE ? IN ('', project_id) ORDER BY created_at DESC, id DESC", []any{projectID}, func() []field {
		out = append(out, new(driverstate.Volume))
		return volumeFields(out[len(out)-1])
	})
	return out, err
}

// VolumeUpdate writes v over the row whose status is one of from.
func (r rows) VolumeUpdate(ctx context.Context, v *driverstate.Volume, from ...driverstate.VolumeStatus) error {
	v.UpdatedAt = r.now()
	where, args := in("status", from)
	done, err := r.put(ctx, volumeTable, volumeFields(v), where, args...)
	if err != nil || done {
		return err
	}
	if _, err := r.VolumeGet(ctx, v.ID); err != nil {
		return err
	}
	return moved("volume", v.ID, "its status changed meanwhile")
}

// VolumeDestroy removes the row.
func (r rows) VolumeDestroy(ctx context.Context, id string) error {
	return r.one(ctx, "volume", id, "DELETE FROM volumes WHERE id = ?", id)
}

// VolumeUsage sums up the volumes of a project.
func (r rows) VolumeUsage(ctx context.Context, projectID string) (count, gigabytes int64, err error) {
	err = r.q.QueryRowContext(ctx, "SELECT COUNT(*), COALESCE(SUM(size), 0) FROM volumes WHERE project_id = ?", projectID).
		Scan(&count, &gigabytes)
	return count, gigabytes, err
}

// one runs a statement that must change the row of id.
func (r rows) one(ctx context.Context, resource, id, query string, args ...any) error {
	result, err := r.q.ExecContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("writing %s %s: %w", resource, id, err)
	}
	if n, err := result.RowsAffected(); err != nil || n > 0 {
		return err
	}
	return notFound(resource, id)
}

// ServiceUpsert keeps what an operator set: disabled and its reason.
func (r rows) ServiceUpsert(ctx context.Context, s *driverstate.Service) error {
	now := r.now()
	s.UpdatedAt = now
	if s.CreatedAt.IsZero() {
		s.CreatedAt = now
	}
	t := table{serviceTable.name, serviceTable.columns[1:]}
	query := t.insert() + ` ON CONFLICT ("binary", host) DO UPDATE SET cluster_name = excluded.cluster_name,
		availability_zone = excluded.availability_zone, reason = excluded.reason, updated_at = excluded.updated_at
		RETURNING id, disabled, disabled_reason, created_at`
	return r.q.QueryRowContext(ctx, query, values(serviceFields(s)[1:])...).
		Scan(number[int64]{&s.ID}, flag{&s.Disabled}, text[string]{&s.DisabledReason}, stamp{&s.CreatedAt})
}

// ServiceGetAll returns all services, oldest first.
func (r rows) ServiceGetAll(ctx context.Context) ([]*driverstate.Service, error) {
	var out []*driverstate.Service
	err := r.all(ctx, serviceTable, "ORDER BY id", nil, func() []field {
		out = append(out, new(driverstate.Service))
		return serviceFields(out[len(out)-1])
	})
	return out, err
}

// ServiceUpdate writes Disabled and DisabledReason.
func (r rows) ServiceUpdate(ctx context.Context, s *driverstate.Service) error {
	return r.one(ctx, "service", s.Host, "UPDATE services SET disabled = ?, disabled_reason = ? WHERE id = ?",
		flag{&s.Disabled}, text[string]{&s.DisabledReason}, s.ID)
}

// VerificationCreate inserts v.
func (r rows) VerificationCreate(ctx context.Context, v *driverstate.Verification) error {
	_, err := r.q.ExecContext(ctx, verificationTable.insert(), values(verificationFields(v))...)
	if conflicts(err) {
		return moved("verification", v.ID, "exists already")
	}
	return err
}

// VerificationGet returns the verification of id.
func (r rows) VerificationGet(ctx context.Context, id string) (*driverstate.Verification, error) {
	v := new(driverstate.Verification)
	err := r.get(ctx, verificationTable, verificationFields(v), "id = ?", id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, notFound("verification", id)
	}
	return v, err
}

// VerificationUpdate writes every column of v.
func (r rows) VerificationUpdate(ctx context.Context, v *driverstate.Verification) error {
	done, err := r.put(ctx, verificationTable, verificationFields(v), "")
	if err == nil && !done {
		return notFound("verification", v.ID)
	}
	return err
}
