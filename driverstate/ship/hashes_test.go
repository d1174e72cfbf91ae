package ship_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// No incremental backup can follow a copy without its hash list, and nothing but
// md5 has proven it.
func TestAHashListThatIsLeftOutIsTold(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"missing": os.Remove,
		"damaged": func(path string) error {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			b[len(b)/2] = '!'
			return os.WriteFile(path, b, 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			from := open(t, posixURL(filepath.Join(dir, "a")), nil)
			aChain(t, from)
			line := lineOf(t, from, ids()[0])
			require.NoError(t, spoil(filepath.Join(dir, "a", line[0].At.Container, line[0].At.ServiceMetadata+"_sha256file")))
			to := shipping(t, from, posixURL(filepath.Join(dir, "b")), driverstate.ShipRequest{Verify: driverstate.ShipVerifyFull})
			out, err := to.Ship(t.Context(), line)
			require.NoError(t, err)
			require.Len(t, out.Landed, 1)
			const lacks = ": its hash list is missing: restorable, but no incremental backup can follow"
			require.Len(t, out.Warnings, 2)
			assert.Contains(t, out.Warnings[0], "backup "+ids()[0]+" has no usable hash list")
			assert.Contains(t, out.Warnings[0], ": it is proven by md5 alone")
			assert.Equal(t, "backup "+ids()[0]+lacks, out.Warnings[1])

			out, err = to.Ship(t.Context(), line)
			require.NoError(t, err)
			assert.True(t, out.Landed[0].There)
			assert.Equal(t, []string{"backup " + ids()[0] + lacks}, out.Warnings)

			// What is made of an image gets a list of its own.
			flat := shipping(t, from, posixURL(filepath.Join(dir, "c")), driverstate.ShipRequest{Flatten: true})
			out, err = flat.Ship(t.Context(), line)
			require.NoError(t, err)
			require.Len(t, out.Warnings, 1)
			assert.Contains(t, out.Warnings[0], "has no usable hash list")
		})
	}
}

func TestOneBadReadLeavesNoHashListOut(t *testing.T) {
	dir := t.TempDir()
	var bad atomic.Bool
	from := open(t, posixURL(filepath.Join(dir, "a")), func(s objectstore.Store) objectstore.Store { return &misread{s, &bad} })
	aChain(t, from)
	line := lineOf(t, from, ids()[0])
	bad.Store(true)
	job := shipping(t, from, posixURL(filepath.Join(dir, "b")), driverstate.ShipRequest{})
	out, err := job.Ship(t.Context(), line)
	require.NoError(t, err)
	require.False(t, bad.Load(), "there was one")
	assert.Empty(t, out.Warnings)
	at := filepath.Join(line[0].At.Container, line[0].At.ServiceMetadata+"_sha256file")
	want, err := os.ReadFile(filepath.Join(dir, "a", at))
	require.NoError(t, err)
	assert.Equal(t, string(want), filesOf(t, filepath.Join(dir, "b"))["/"+at])
}

// misread gives one wrong byte of the next hash list that is read.
type misread struct {
	objectstore.Store
	bad *atomic.Bool
}

func (m *misread) Get(ctx context.Context, container, name string, off, n int64) (io.ReadCloser, error) {
	r, err := m.Store.Get(ctx, container, name, off, n)
	if err != nil || !strings.HasSuffix(name, "_sha256file") || !m.bad.CompareAndSwap(true, false) {
		return r, err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if len(b) > 0 {
		b[len(b)/2] = '!'
	}
	return io.NopCloser(bytes.NewReader(b)), err
}

// The record has it, which the store does not.
func TestAnEncryptionKeyOfARowIsNotLost(t *testing.T) {
	dir := t.TempDir()
	from := open(t, posixURL(filepath.Join(dir, "a")), nil)
	aChainOf(t, from, "", `p", "encryption_key_id": "k`)
	line := lineOf(t, from, ids()[0])
	keyless := []driverstate.ShipItem{line[0]}
	keyless[0].Row.EncryptionKeyID = ""
	out, err := shipping(t, from, posixURL(filepath.Join(dir, "b")), driverstate.ShipRequest{}).Ship(t.Context(), line)
	require.NoError(t, err)
	assert.Empty(t, out.Warnings)
	out, err = shipping(t, from, posixURL(filepath.Join(dir, "c")), driverstate.ShipRequest{}).Ship(t.Context(), keyless)
	require.NoError(t, err)
	assert.Equal(t, []string{"backup " + ids()[0] + ": its own encryption key is lost; the volume's was k"}, out.Warnings)
}
