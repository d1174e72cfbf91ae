package wrap_test

import (
	"context"
	"path/filepath"
	"reflect"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
	"github.com/cinder-go/cinder-go/driverstate/db/sqlite"
	"github.com/cinder-go/cinder-go/driverstate/fault"
	"github.com/cinder-go/cinder-go/driverstate/fault/wrap"
)

func TestTransactionsAreNamedAfterWhoRunsThem(t *testing.T) {
	inner, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "db"), sqlite.Options{})
	require.NoError(t, err)
	defer inner.Close()
	var passed []string
	defer fault.Hook(func(name string) { passed = append(passed, name) })()
	m := &someone{wrap.DB(inner)}
	require.NoError(t, m.update(t.Context()))
	assert.Equal(t, []string{"tx.begin:update", "tx.commit:update", "tx.done:update"}, passed)
	passed = nil
	require.ErrorIs(t, m.fails(t.Context()), driverstate.ErrNotFound)
	assert.Equal(t, []string{"tx.begin:fails"}, passed, "nothing is written, nothing committed")
	passed = nil
	require.NoError(t, generic(t.Context(), m.db, 1))
	assert.Equal(t, []string{"tx.begin:generic", "tx.commit:generic", "tx.done:generic"}, passed)
}

func generic[T any](ctx context.Context, d db.DB, _ T) error {
	return d.Update(ctx, func(tx db.Tx) error {
		return tx.BackupCreate(ctx, &driverstate.Backup{ID: "y", Status: driverstate.StatusError})
	})
}

type someone struct{ db db.DB }

func (s *someone) update(ctx context.Context) error {
	return func() error {
		return s.db.Update(ctx, func(tx db.Tx) error {
			return tx.BackupCreate(ctx, &driverstate.Backup{ID: "x", Status: driverstate.StatusError})
		})
	}()
}

func (s *someone) fails(ctx context.Context) error { return s.db.BackupDestroy(ctx, "absent") }

// reads are the methods of a database that change nothing.
var reads = regexp.MustCompile(`(Get|GetAll|Count|Usage)$|^Close$|^UsageOfTypes$|^VolumesOfType$`)

// Every call is made with zero arguments on a database that panics: the point
// before the write is passed first.
func TestEveryWriteHasItsPoints(t *testing.T) {
	var passed []string
	defer fault.Hook(func(name string) { passed = append(passed, name) })()
	d := reflect.ValueOf(wrap.DB(nil))
	for m := range d.Type().NumMethod() {
		name := d.Type().Method(m).Name
		if reads.MatchString(name) || name == "Work" {
			continue
		}
		passed = nil
		call := d.Method(m)
		args := make([]reflect.Value, 0, call.Type().NumIn())
		for i := range call.Type().NumIn() {
			if call.Type().IsVariadic() && i == call.Type().NumIn()-1 {
				break
			}
			args = append(args, reflect.Zero(call.Type().In(i)))
		}
		assert.Panics(t, func() { call.Call(args) }, name)
		assert.Len(t, passed, 1, "%s writes without a fault point", name)
	}
}
