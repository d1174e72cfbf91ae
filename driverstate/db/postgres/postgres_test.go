package postgres_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate/db"
	"github.com/cinder-go/cinder-go/driverstate/db/dbtest"
	"github.com/cinder-go/cinder-go/driverstate/db/postgres"
	"github.com/cinder-go/cinder-go/driverstate/db/postgres/pgtest"
)

func open(t testing.TB, at string) db.DB {
	t.Helper()
	d, err := postgres.Open(t.Context(), at, postgres.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, d.Close()) })
	return d
}

func TestPostgreSQLKeepsTheContract(t *testing.T) {
	dbtest.Run(t, func(t *testing.T) db.DB { return open(t, pgtest.URL(t)) })
}

func TestPostgreSQLKeepsTheContractOfSeveralProcesses(t *testing.T) {
	dbtest.RunShared(t, func(t *testing.T) [2]db.DB {
		at := pgtest.URL(t)
		return [2]db.DB{open(t, at), open(t, at)}
	})
}

func TestWhatAKilledProcessLeaves(t *testing.T) {
	dbtest.Killed(t, func() string { return pgtest.URL(t) }, open)
}

func BenchmarkBackupGetAll(b *testing.B) { dbtest.ListOfTenThousand(b, open(b, pgtest.URL(b))) }
