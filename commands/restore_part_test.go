package commands

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

// The command that is told after damage or an interruption does the same
// restore: of the same part, to the same place, with what was allowed there.
func TestTheNextCommandOfARestoreDoesTheSame(t *testing.T) {
	const damaged = "cinder-go backup-verify nightly -f json tells what is damaged; "
	for _, c := range []struct {
		name, flags string
		err         error
		hint        string
	}{
		{"damage", "--to=/mnt/disk.raw", driverstate.ErrCorrupt,
			damaged + "cinder-go backup-restore nightly --to /mnt/disk.raw --salvage restores all that can be proven"},
		{"damage of a part", "--to=/dev/sdb|--offset=1G|--length=20G", driverstate.ErrCorrupt,
			damaged + "cinder-go backup-restore nightly --to /dev/sdb --offset 1G --length 20G --salvage restores all that can be proven"},
		{"damage, over a file that holds data", "--to=/mnt/old.raw|--overwrite", driverstate.ErrCorrupt,
			damaged + "cinder-go backup-restore nightly --to /mnt/old.raw --overwrite --salvage restores all that can be proven"},
		{"damage, with a part kept", "--to=/mnt/my disk.raw|--resume", driverstate.ErrCorrupt,
			damaged + "cinder-go backup-restore nightly --to '/mnt/my disk.raw' --resume --salvage restores all that can be proven"},
		{"interruption", "--to=/mnt/my disk.raw|--resume|--overwrite|--length=1G|--salvage|--map=/root/a map", context.Canceled,
			"cinder-go backup-restore nightly --to '/mnt/my disk.raw' --length 1G --overwrite --resume --salvage --map '/root/a map' goes on"},
		{"interruption, with nothing kept", "--to=/mnt/disk.raw", context.Canceled, ""},
		{"a failure, with a part kept", "--to=/mnt/disk.raw|--resume", driverstate.ErrNotApplied,
			"when the cause is mended: cinder-go backup-restore nightly --to /mnt/disk.raw --resume goes on"},
		{"a failure, with nothing kept", "--to=/mnt/disk.raw", driverstate.ErrNotApplied,
			"cinder-go backup-show BACKUP shows the status and the reason"},
		{"damage, of a store that flags name", "--to=/mnt/disk.raw|--standalone|--store=posix:///srv/my backup|--memory=64M", driverstate.ErrCorrupt,
			"cinder-go --standalone --store 'posix:///srv/my backup' backup-verify nightly -f json tells what is damaged; " +
				"cinder-go --standalone --store 'posix:///srv/my backup' backup-restore nightly --to /mnt/disk.raw --salvage restores all that can be proven"},
		{"interruption, of a server that a flag names", "--to=/mnt/disk.raw|--resume|--os-endpoint=http://127.0.0.1:8776/v3", context.Canceled,
			"cinder-go --os-endpoint http://127.0.0.1:8776/v3 backup-restore nightly --to /mnt/disk.raw --resume goes on"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, err := parse(t, newBackupRestore, nil, append([]string{"backup-restore", "nightly"}, strings.Split(c.flags, "|")...)...)
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if c.err == context.Canceled {
				cancel()
			}
			err = o.goOn(ctx, "nightly", c.err)
			require.ErrorIs(t, err, c.err)
			assert.Equal(t, c.hint, aimed(hintFor(err), o.con.target))
		})
	}
}
