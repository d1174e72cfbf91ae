package s3_test

import (
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers/drivertest"
	"github.com/cinder-go/cinder-go/driverstate/drivers/s3"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
	"github.com/cinder-go/cinder-go/driverstate/objectstore/wirefault"
	"github.com/cinder-go/cinder-go/driverstate/volume"
)

// backup writes a small backup into the account's bucket.
func (a *account) backup(t *testing.T) *driverstate.Backup {
	t.Helper()
	d := a.Open(t, drivertest.Settings{ObjectSize: 32768, BlockSize: 32768, Compression: "none"})
	defer d.Close()
	b := &driverstate.Backup{
		ID: "11111111-2222-4333-8444-555555555555", VolumeID: "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee",
		Size: 1, CreatedAt: time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC), Service: d.Service(),
	}
	var err error
	b.Container, b.ServiceMetadata, err = d.Place(b, nil, b.CreatedAt)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "volume")
	writeFile(t, path, []byte("a small volume"))
	src, err := volume.OpenSource(path, nil)
	require.NoError(t, err)
	defer src.Close()
	_, err = d.Backup(t.Context(), b, nil, src, nil)
	require.NoError(t, err)
	return b
}

func scan(t *testing.T, c s3.Config, bucket string) (ids []string) {
	t.Helper()
	d, err := s3.New(t.Context(), c)
	require.NoError(t, err)
	defer d.Close()
	for f, err := range d.(driverstate.Scanner).Scan(t.Context(), bucket) {
		require.NoError(t, err)
		ids = append(ids, f.Backup.ID)
	}
	return ids
}

// A bucket that its owner shares is in no listing of the other's buckets.
func TestABucketThatAnotherAccountSharesIsScannedWhenItIsNamed(t *testing.T) {
	a := newBucket(t, rgw.config(t))
	b := a.backup(t)
	u, err := url.Parse(a.cfg.Endpoint)
	require.NoError(t, err)
	owner, err := minio.New(u.Host, &minio.Options{Creds: credentials.NewStaticV4(rgw.access, rgw.secret, "")})
	require.NoError(t, err)
	policy := `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam:::user/%s"]},
		"Action": ["s3:ListBucket", "s3:GetObject"], "Resource": ["arn:aws:s3:::%s", "arn:aws:s3:::%[2]s/*"]}]}`
	require.NoError(t, owner.SetBucketPolicy(t.Context(), a.cfg.Bucket, fmt.Sprintf(policy, rgw.emptyAccess, a.cfg.Bucket)))

	guest := a.cfg
	guest.AccessKey, guest.SecretKey, guest.Bucket = s3.Secret(rgw.emptyAccess), s3.Secret(rgw.emptyKey), ""
	assert.NotContains(t, scan(t, guest, ""), b.ID)
	assert.Equal(t, []string{b.ID}, scan(t, guest, a.cfg.Bucket))
	err = open(t, guest).Delete(t.Context(), a.cfg.Bucket, b.ServiceMetadata+"_metadata")
	require.ErrorIs(t, err, objectstore.ErrForbidden)
}

func TestAKeyThatMayNotListBucketsHasTheConfiguredOne(t *testing.T) {
	a := newBucket(t, rgw.config(t))
	b := a.backup(t)
	p := wirefault.New(t, a.cfg.Endpoint)
	p.Set(func(r wirefault.Request) *wirefault.Fault {
		if r.Path == "/" {
			return &wirefault.Fault{Kind: wirefault.Status, Code: http.StatusForbidden}
		}
		return nil
	})
	c := a.cfg
	c.Endpoint = p.URL
	store := open(t, c)
	require.NoError(t, store.Check(t.Context()))
	assert.Equal(t, []string{b.ID}, scan(t, c, ""))
	assert.Positive(t, p.Total())

	c.Bucket = "absent-" + c.Bucket
	require.ErrorIs(t, open(t, c).Check(t.Context()), objectstore.ErrForbidden)
	assert.True(t, slices.Contains(scan(t, c, a.cfg.Bucket), b.ID), "a bucket that is named is scanned all the same")
}
