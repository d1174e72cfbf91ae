// Package pgtest gives tests a PostgreSQL: the one that CINDER_GO_POSTGRES
// names, such as that of testdata/postgres. Without it a test is skipped, or
// fails when CINDER_GO_REQUIRE_POSTGRES is set.
package pgtest

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// server is the URL of the server's database.
func server(t testing.TB) string {
	t.Helper()
	if at := os.Getenv("CINDER_GO_POSTGRES"); at != "" {
		return at
	}
	const missing = `no PostgreSQL: testdata/postgres/up && eval "$(testdata/postgres/env)"`
	if os.Getenv("CINDER_GO_REQUIRE_POSTGRES") != "" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}

// URL is of a schema of its own, empty, that ends with the test.
func URL(t testing.TB) string {
	t.Helper()
	at := server(t)
	schema := "t_" + rand.Text()
	exec(t, at, `CREATE SCHEMA "`+schema+`"`)
	t.Cleanup(func() { exec(t, at, `DROP SCHEMA "`+schema+`" CASCADE`) })
	u, err := url.Parse(at)
	require.NoError(t, err)
	q := u.Query()
	q.Set("search_path", `"`+schema+`"`)
	u.RawQuery = q.Encode()
	return u.String()
}

// Connect is a plain connection to a URL, that ends with the test.
func Connect(t testing.TB, at string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), at)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close(context.WithoutCancel(t.Context())) }) //nolint:errcheck // it may be closed already
	return conn
}

func exec(t testing.TB, at, statement string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgx.Connect(ctx, at)
	require.NoError(t, err)
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	require.NoError(t, err)
}
