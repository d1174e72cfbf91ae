package objectstore

import (
	"context"
	"errors"
)

// passing is a Store to be worn by a wrapper, with what a store may be besides.
type passing struct{ Store }

// Check passes the question on; a store that cannot answer it is taken for
// there.
func (p passing) Check(ctx context.Context) error {
	if c, ok := p.Store.(Checker); ok {
		return c.Check(ctx)
	}
	return nil
}

// Sweep passes the work on; a store that leaves nothing has nothing to sweep.
func (p passing) Sweep(ctx context.Context, container string) error {
	if s, ok := p.Store.(Sweeper); ok {
		return s.Sweep(ctx, container)
	}
	return nil
}

// surveyWith passes a Survey on to s, with the store that each visit is shown
// wrapped, too; errors.ErrUnsupported where s is no Surveyor.
func surveyWith(ctx context.Context, s Store, within string, visit Visit, wrap func(Store) Store) error {
	surveyor, ok := s.(Surveyor)
	if !ok {
		return errors.ErrUnsupported
	}
	return surveyor.Survey(ctx, within, func(container string, in Store, err error) error {
		if in != nil {
			in = wrap(in)
		}
		return visit(container, in, err)
	})
}
