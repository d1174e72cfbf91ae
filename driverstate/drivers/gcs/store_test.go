package gcs_test

import (
	"context"
	"crypto/rand"
	"io"
	"iter"
	"strings"
	"testing"

	"github.com/cinder-go/cinder-go/driverstate/drivers/drivertest"
	"github.com/cinder-go/cinder-go/driverstate/drivers/gcs"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
	"github.com/cinder-go/cinder-go/driverstate/objectstore/storetest"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

// own is a part of the emulator that belongs to one test: buckets whose names
// begin alike. The emulator has neither accounts nor projects.
type own struct {
	*gcs.Store
	prefix string
}

// name leaves what is no bucket's name to be refused as it is.
func (o own) name(bucket string) string {
	if plain.MatchString(bucket) {
		return o.prefix + bucket
	}
	return bucket
}

func (o own) PutContainer(ctx context.Context, bucket string) error {
	return o.Store.PutContainer(ctx, o.name(bucket))
}

func (o own) Containers(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for bucket, err := range o.Store.Containers(ctx) {
			rest, mine := strings.CutPrefix(bucket, o.prefix)
			if (mine || err != nil) && !yield(rest, err) {
				return
			}
		}
	}
}

func (o own) List(ctx context.Context, bucket, prefix string) iter.Seq2[objectstore.Info, error] {
	return o.Store.List(ctx, o.name(bucket), prefix)
}

func (o own) Get(ctx context.Context, bucket, name string, off, n int64) (io.ReadCloser, error) {
	return o.Store.Get(ctx, o.name(bucket), name, off, n)
}

func (o own) Put(ctx context.Context, bucket, name string, r io.ReadSeeker, size int64) error {
	return o.Store.Put(ctx, o.name(bucket), name, r, size)
}

func (o own) Delete(ctx context.Context, bucket, name string) error {
	return o.Store.Delete(ctx, o.name(bucket), name)
}

func (o own) RemoveContainer(ctx context.Context, bucket string) error {
	return o.Store.RemoveContainer(ctx, o.name(bucket))
}

func TestBucketsKeepTheContractOfStores(t *testing.T) {
	for name, values := range map[string]oslo.Values{
		"Cinder's defaults":  nil,
		"one request each":   {"backup_gcs_reader_chunk_size": "-1", "backup_gcs_writer_chunk_size": "-1"},
		"many requests each": {"backup_gcs_reader_chunk_size": "1500", "backup_gcs_writer_chunk_size": "262144"},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, storetest.Harness{
				Slashes: true, KeepsEmpty: true,
				Open: func(t *testing.T) objectstore.Store {
					s := own{open(t, config(t, values)), "t" + strings.ToLower(rand.Text()[:8]) + "-"}
					return s
				},
			})
		})
	}
}

func TestGCSDriverKeepsTheContract(t *testing.T) {
	drivertest.Run(t, drivertest.Harness{New: func(t *testing.T) drivertest.Store { return newBucketStore(t) }})
}
