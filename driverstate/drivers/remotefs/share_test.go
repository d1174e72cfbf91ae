package remotefs_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers/remotefs"
)

type shareOf = remotefs.Share

// of is the share of d, whose pauses are kept and not made.
func of(d *disk, attempts int, pauses *[]time.Duration) *remotefs.Share {
	return &remotefs.Share{
		Type: "nfs", Name: d.share, Option: "backup_share", Base: d.base, Options: []string{"ro,vers=4,minorversion=1", "ro"}, Attempts: attempts,
		Program: []string{d.program},
		Wait: func(_ context.Context, p time.Duration) error {
			*pauses = append(*pauses, p)
			return nil
		},
	}
}

func TestTheMountPointIsNamedAsCinderDoes(t *testing.T) {
	// printf %s 192.0.2.30:/export/kolla-backups | md5sum
	s := remotefs.Share{Name: "192.0.2.30:/export/kolla-backups", Base: "/var/lib/cinder/backup"}
	assert.Equal(t, "/var/lib/cinder/backup/9aafc3ec9e6f126ddb90f67396a6c4ac", s.Point())
}

func TestMountIsTriedWithAllOptionsAndAgain(t *testing.T) {
	d := newDisk(t, "nfs", "nas:/export")
	var pauses []time.Duration
	d.fail(t, "mount.nfs: Protocol not supported", "mount.nfs: Connection timed out", "mount.nfs: Protocol not supported")
	require.NoError(t, of(d, 3, &pauses).Mount(t.Context()))
	assert.Equal(t, []string{
		"-t nfs -o ro,vers=4,minorversion=1 nas:/export", "-t nfs -o ro nas:/export",
		"-t nfs -o ro,vers=4,minorversion=1 nas:/export", "-t nfs -o ro nas:/export",
	}, d.told(t))
	assert.Equal(t, []time.Duration{time.Second}, pauses)
	require.NoError(t, of(d, 3, &pauses).Mount(t.Context()))
	assert.Len(t, d.told(t), 4, "it is mounted")
}

func TestMountThatFailsSaysWhatTheProgramSaid(t *testing.T) {
	d := newDisk(t, "nfs", "nas:/export")
	var pauses []time.Duration
	const no = "mount.nfs: access denied by server while mounting nas:/export"
	d.fail(t, no, no, no, no, no, no, no)
	s := of(d, 3, &pauses)
	err := s.Mount(t.Context())
	require.ErrorIs(t, err, driverstate.ErrUnavailable)
	assert.ErrorContains(t, err, "share nas:/export of option backup_share cannot be mounted: ")
	assert.ErrorContains(t, err, "-t nfs -o ro nas:/export "+d.point()+": exit status 32: "+no)
	assert.ErrorContains(t, err, "(3 attempts)")
	assert.Equal(t, []time.Duration{time.Second, 2 * time.Second}, pauses)
	require.ErrorIs(t, s.Check(), driverstate.ErrUnavailable)
	d.fail(t)
	require.NoError(t, s.Mount(t.Context()), "it may be tried again")
}

func TestMountProgramsThatDoNotWork(t *testing.T) {
	d := newDisk(t, "nfs", "nas:/export")
	var pauses []time.Duration
	s := of(d, 3, &pauses)
	s.Program = []string{"true"}
	require.ErrorContains(t, s.Mount(t.Context()), "true ended without an error, and nothing is mounted")
	pauses = nil
	s.Program = []string{"/absent/mount"}
	require.ErrorContains(t, s.Mount(t.Context()), "/absent/mount")
	pauses = nil
	s.Program = []string{"no-such-program"}
	require.ErrorContains(t, s.Mount(t.Context()), "executable file not found")
	assert.Empty(t, pauses, "a program that is not there is not looked for again")
}

func TestMountThatHangsEndsWithItsContext(t *testing.T) {
	d := newDisk(t, "nfs", "nas:/export")
	started := filepath.Join(d.dir, "started")
	require.NoError(t, os.WriteFile(d.program, []byte("#!/bin/sh\ntouch "+started+"\nexec sleep 600\n"), 0o700))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var pauses []time.Duration
	ended := make(chan error, 1)
	go func() { ended <- of(d, 3, &pauses).Mount(ctx) }()
	require.Eventually(t, func() bool { _, err := os.Stat(started); return err == nil }, time.Minute, time.Millisecond)
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
}

func TestLinesOfMountinfo(t *testing.T) {
	for line, want := range map[string][3]string{
		"36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue":                     {"/mnt2", "/dev/root", "98:0"},
		"41 27 0:45 / /var/lib/cinder/backup\\040mount/ab rw shared:7 master:2 - nfs4 nas:/a\\040b\\134c rw": {"/var/lib/cinder/backup mount/ab", `nas:/a b\c`, "0:45"},
		"42 27 0:46 / /m rw - nfs4 [fd00::1]:/export rw":                                                     {"/m", "[fd00::1]:/export", "0:46"},
	} {
		point, source, device, ok := remotefs.ParseEntry(line)
		require.True(t, ok, line)
		assert.Equal(t, want, [3]string{point, source, device})
	}
	for _, line := range []string{"", "garbage", "1 2 3:4 / /m rw shared:1 ext4 /dev/sda rw", "1 2 - nfs x"} {
		_, _, _, ok := remotefs.ParseEntry(line)
		assert.False(t, ok, line)
	}
}

func TestSlashesAtTheEndDoNotCount(t *testing.T) {
	assert.True(t, remotefs.SamePath("nas:/export", "nas:/export/"))
	assert.True(t, remotefs.SamePath("nas:/", "nas:/"))
	assert.True(t, remotefs.SamePath("nas:/", "nas://"))
	assert.False(t, remotefs.SamePath("nas:/export", "nas:/exports"))
	assert.False(t, remotefs.SamePath("nas:/export", "nas:/"))
}

func TestTheCommandThatIsToldWorksWhereThereIsNoMountPoint(t *testing.T) {
	s := remotefs.Share{Type: "nfs", Name: "nas:/export", Base: filepath.Join(t.TempDir(), "base")}
	mount := "mount -t nfs nas:/export " + s.Point()
	assert.Equal(t, "mkdir -p "+s.Point()+" && "+mount, s.Command())
	require.ErrorContains(t, s.Check(), "is not mounted on "+s.Point()+": "+s.Command())
	require.NoError(t, os.MkdirAll(s.Point(), 0o700))
	assert.Equal(t, mount, s.Command())
}
