package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// MessageCreate inserts m.
func (r rows) MessageCreate(ctx context.Context, m *driverstate.Message) error {
	_, err := r.q.ExecContext(ctx, messageTable.insert(), values(messageFields(m))...)
	if conflicts(err) {
		return moved("message", m.ID, "exists already")
	}
	return err
}

// MessageGet returns the message of id.
func (r rows) MessageGet(ctx context.Context, id string) (*driverstate.Message, error) {
	m := new(driverstate.Message)
	err := r.get(ctx, messageTable, messageFields(m), "id = ?", id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, notFound("message", id)
	}
	return m, err
}

// MessageGetAll returns the messages of a project, of all when it is empty.
func (r rows) MessageGetAll(ctx context.Context, projectID string) ([]*driverstate.Message, error) {
	var out []*driverstate.Message
	err := r.all(ctx, messageTable, "WHERE ? IN ('', project_id) ORDER BY created_at DESC, id DESC", []any{projectID}, func() []field {
		out = append(out, new(driverstate.Message))
		return messageFields(out[len(out)-1])
	})
	return out, err
}

// MessageDestroy removes the row.
func (r rows) MessageDestroy(ctx context.Context, id string) error {
	return r.one(ctx, "message", id, "DELETE FROM messages WHERE id = ?", id)
}

// MessagesExpire removes what expired before now.
func (r rows) MessagesExpire(ctx context.Context, now time.Time) error {
	_, err := r.q.ExecContext(ctx, "DELETE FROM messages WHERE expires_at < ?", stamp{&now})
	return err
}
