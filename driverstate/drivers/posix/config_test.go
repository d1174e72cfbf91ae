package posix_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers/posix"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

// Cinder joins the option to its path, so that a slash at its end counts for
// nothing there (posix.py put_container).
func TestAContainerWithASlashAtItsEndIsThatDirectory(t *testing.T) {
	for option, want := range map[string]string{"all": "all", "all/": "all", "a/b//": "a/b", "": ""} {
		c, err := posix.NewConfig(oslo.Values{"backup_posix_path": "/srv/backup", "backup_container": option})
		require.NoError(t, err)
		require.NoError(t, c.Validate(), option)
		assert.Equal(t, want, c.Container)
	}
	for _, option := range []string{"/", "/all/", "../all/"} {
		c, err := posix.NewConfig(oslo.Values{"backup_posix_path": "/srv/backup", "backup_container": option})
		require.NoError(t, err)
		require.ErrorIs(t, c.Validate(), driverstate.ErrInvalidInput, option)
	}
}
