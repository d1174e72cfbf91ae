package s3_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers/drivertest"
	"github.com/cinder-go/cinder-go/driverstate/drivers/s3"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// account is a store of the driver's suite: a bucket of its own.
type account struct {
	cfg   s3.Config
	store *s3.Store
}

var buckets atomic.Int64

// newBucket is a bucket that no other test uses, removed at its end.
func newBucket(t *testing.T, c s3.Config) *account {
	t.Helper()
	c.Bucket = fmt.Sprintf("backups-%d-%d", os.Getpid(), buckets.Add(1))
	return emptyBucket(t, c)
}

// emptyBucket is the bucket that c names, removed when the test ends.
func emptyBucket(t *testing.T, c s3.Config) *account {
	t.Helper()
	a := &account{cfg: c, store: open(t, c)}
	require.NoError(t, a.store.PutContainer(t.Context(), c.Bucket))
	t.Cleanup(func() { remove(t, c) })
	return a
}

func (a *account) Open(t *testing.T, s drivertest.Settings) driverstate.Driver {
	t.Helper()
	c := a.cfg
	c.Compression, c.ObjectSize, c.BlockSize = s.Compression, s.ObjectSize, s.BlockSize
	c.ReadOnly, c.Workers = s.ReadOnly, s.Workers
	d, err := s3.New(t.Context(), c)
	require.NoError(t, err)
	return d
}

func (a *account) Names(t *testing.T, bucket string) []string {
	t.Helper()
	var names []string
	for o, err := range a.store.List(t.Context(), bucket, "") {
		if errors.Is(err, objectstore.ErrNoContainer) {
			return nil
		}
		require.NoError(t, err)
		names = append(names, o.Name)
	}
	return names
}

func (a *account) Read(t *testing.T, bucket, name string) []byte {
	t.Helper()
	r, err := a.store.Get(t.Context(), bucket, name, 0, -1)
	require.NoError(t, err)
	defer r.Close()
	content, err := io.ReadAll(r)
	require.NoError(t, err)
	return content
}

func (a *account) Write(t *testing.T, bucket, name string, content []byte) {
	t.Helper()
	require.NoError(t, a.store.Put(t.Context(), bucket, name, bytes.NewReader(content), int64(len(content))))
}

func (a *account) Remove(t *testing.T, bucket, name string) {
	t.Helper()
	require.NoError(t, a.store.Delete(t.Context(), bucket, name))
}

func TestDriverKeepsTheContract(t *testing.T) {
	for _, s := range both {
		t.Run(s.name, func(t *testing.T) {
			drivertest.Run(t, drivertest.Harness{New: func(t *testing.T) drivertest.Store { return newBucket(t, s.config(t)) }})
		})
	}
}
