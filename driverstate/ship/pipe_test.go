package ship_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/ship"
	"github.com/cinder-go/cinder-go/driverstate/tape"
)

// Backups that are shipped one by one down a pipe are on one tape, which knows
// the parents that went before.
func TestShipmentsDownAPipeAreOneTape(t *testing.T) {
	from := open(t, posixURL(filepath.Join(t.TempDir(), "a")), nil)
	aChain(t, from)
	var raw bytes.Buffer
	pipe := tape.NewPipe(&raw, nil, nil)
	down := func(id string, r driverstate.ShipRequest) (driverstate.ShipResult, error) {
		l := ship.NewLanding("")
		c := tapeConfig("", l.Wrap)
		c.Out = pipe
		d, err := tape.New(t.Context(), c)
		require.NoError(t, err)
		require.NoError(t, d.DoSetup(t.Context()))
		job := &ship.Job{Source: from, Target: d, Landing: l, Request: r, Observer: driverstate.Discard}
		out, err := job.Ship(t.Context(), lineOf(t, from, id))
		require.NoError(t, d.Close())
		return out, err
	}
	_, err := down(ids()[1], driverstate.ShipRequest{})
	require.ErrorIs(t, err, driverstate.ErrInvalidStatus)
	assert.ErrorContains(t, err, "it stands on "+ids()[0]+", which did not go down the same pipe before it: ship the chain, or flatten it")
	for _, id := range ids()[:2] {
		out, err := down(id, driverstate.ShipRequest{})
		require.NoError(t, err)
		require.Len(t, out.Landed, 1)
		assert.False(t, out.Landed[0].There)
	}
	sent := raw.Len()
	out, err := down(ids()[1], driverstate.ShipRequest{Chain: true})
	require.NoError(t, err)
	require.Len(t, out.Landed, 2)
	assert.True(t, out.Landed[0].There && out.Landed[1].There)
	assert.Equal(t, sent, raw.Len(), "what went before is not sent again")
	_, err = down(ids()[1], driverstate.ShipRequest{Flatten: true})
	require.ErrorIs(t, err, driverstate.ErrConflict)
	_, err = down(ids()[2], driverstate.ShipRequest{})
	require.NoError(t, err)
	require.NoError(t, pipe.Close())

	path := filepath.Join(t.TempDir(), "x.cbk")
	require.NoError(t, os.WriteFile(path, raw.Bytes(), 0o600))
	requireImages(t, open(t, "file://"+path, nil))
	assert.Equal(t, 1, bytes.Count(raw.Bytes(), []byte(`"format":"cinder-go tape"`)), "one head")
}

// What is restored into a new increment is compared with the parent's hash list,
// which a pipe does not give back.
func TestAnIncrementThatIsNoCopyIsRefusedDownAPipe(t *testing.T) {
	at := open(t, posixURL(filepath.Join(t.TempDir(), "a")), nil)
	aChain(t, at)
	var raw bytes.Buffer
	pipe := tape.NewPipe(&raw, nil, nil)
	down := func(id string, r driverstate.ShipRequest) error {
		l := ship.NewLanding("")
		c := tapeConfig("", l.Wrap)
		c.Out = pipe
		d, err := tape.New(t.Context(), c)
		require.NoError(t, err)
		defer func() { require.NoError(t, d.Close()) }()
		_, err = (&ship.Job{Source: alone{at, t}, Target: d, Landing: l, Request: r, Observer: driverstate.Discard}).Ship(t.Context(), lineOf(t, at, id))
		return err
	}
	for _, r := range []driverstate.ShipRequest{{Chain: true}, {}} {
		err := down(ids()[1], r)
		require.ErrorIs(t, err, driverstate.ErrNotSupported)
		assert.ErrorContains(t, err, "backup "+ids()[1]+": it stands on "+ids()[0]+", with which its image cannot be compared down a pipe: flatten it")
	}
	require.Zero(t, raw.Len(), "nothing was sent")
	require.NoError(t, down(ids()[0], driverstate.ShipRequest{Chain: true}))
	require.NoError(t, down(ids()[2], driverstate.ShipRequest{Flatten: true}))
	require.NoError(t, pipe.Close())
	path := filepath.Join(t.TempDir(), "x.cbk")
	require.NoError(t, os.WriteFile(path, raw.Bytes(), 0o600))
	there := open(t, "file://"+path, nil)
	for _, i := range []int{0, 2} {
		var got disk
		_, err := there.Restore(t.Context(), chainOf(lineOf(t, there, ids()[i])), &got, driverstate.RestoreOptions{}, nil)
		require.NoError(t, err)
		assert.True(t, bytes.Equal(images()[i], got.image), "backup %d", i)
	}
}
