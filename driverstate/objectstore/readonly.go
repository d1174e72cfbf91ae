package objectstore

import (
	"context"
	"fmt"
	"io"
)

// ReadOnly returns s with every write refused: PutContainer, Put, Delete and
// RemoveContainer answer ErrReadOnly and touch nothing.
func ReadOnly(s Store) Store { return readOnly{s} }

type readOnly struct{ Store }

func refuse(op, container, name string) error {
	if name != "" {
		container += "/" + name
	}
	return fmt.Errorf("%s %s: %w", op, container, ErrReadOnly)
}

// Check passes the question on; a store that cannot answer it is taken for
// there.
func (r readOnly) Check(ctx context.Context) error {
	if c, ok := r.Store.(Checker); ok {
		return c.Check(ctx)
	}
	return nil
}

// Survey passes the work on, and lets none of those that are shown a container
// write to it.
func (r readOnly) Survey(ctx context.Context, within string, visit Visit) error {
	return surveyWith(ctx, r.Store, within, visit, ReadOnly)
}

func (readOnly) PutContainer(_ context.Context, container string) error {
	return refuse("make", container, "")
}

func (readOnly) Put(_ context.Context, container, name string, _ io.ReadSeeker, _ int64) error {
	return refuse("write", container, name)
}

func (readOnly) Delete(_ context.Context, container, name string) error {
	return refuse("delete", container, name)
}

func (readOnly) RemoveContainer(_ context.Context, container string) error {
	return refuse("remove", container, "")
}
