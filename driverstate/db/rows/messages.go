package rows

import (
	"context"
	"fmt"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// MessageCreate inserts m; ErrConflict if its id exists.
func (r Rows) MessageCreate(ctx context.Context, m *driverstate.Message) error {
	return r.add(ctx, messageTable, messageFields(m), m.ID)
}

// MessageGet returns the message of id.
func (r Rows) MessageGet(ctx context.Context, id string) (*driverstate.Message, error) {
	m := new(driverstate.Message)
	if err := r.get(ctx, messageTable, messageFields(m), "id = ?", id); err != nil {
		return nil, err
	}
	return m, nil
}

// MessageGetAll returns the messages of a project, of all when it is empty.
func (r Rows) MessageGetAll(ctx context.Context, projectID string) ([]*driverstate.Message, error) {
	var out []*driverstate.Message
	err := r.all(ctx, messageTable, "WHERE ? IN ('', project_id) ORDER BY created_at DESC, id DESC", []any{projectID}, func() []field {
		out = append(out, new(driverstate.Message))
		return messageFields(out[len(out)-1])
	})
	return out, err
}

// MessageDestroy removes the row.
func (r Rows) MessageDestroy(ctx context.Context, id string) error {
	return r.remove(ctx, messageTable, id)
}

// MessagesExpire removes what expired before now.
func (r Rows) MessagesExpire(ctx context.Context, now time.Time) error {
	if _, err := r.Q.Exec(ctx, "DELETE FROM messages WHERE expires_at < ?", stamp{&now}); err != nil {
		return fmt.Errorf("expiring messages: %w", err)
	}
	return nil
}
