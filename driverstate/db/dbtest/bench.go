package dbtest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

// ListOfTenThousand measures reading ten thousand backups by pages of a
// thousand, all of them, and the page in the middle.
func ListOfTenThousand(b *testing.B, d db.DB) {
	require.NoError(b, d.Update(b.Context(), func(tx db.Tx) error {
		for n := range 10_000 {
			row := backup(n)
			row.CreatedAt = time.Unix(int64(n), 0).UTC()
			if err := tx.BackupCreate(b.Context(), row); err != nil {
				return err
			}
		}
		return nil
	}))
	page := func(b *testing.B, marker string) []*driverstate.Backup {
		found, err := d.BackupGetAll(b.Context(), driverstate.BackupFilter{Marker: marker, Limit: 1000})
		require.NoError(b, err)
		return found
	}
	b.Run("all pages", func(b *testing.B) {
		for b.Loop() {
			n, marker := 0, ""
			for rows := page(b, marker); len(rows) > 0; rows = page(b, marker) {
				n, marker = n+len(rows), rows[len(rows)-1].ID
			}
			require.Equal(b, 10_000, n)
		}
	})
	for _, at := range []int{9_999, 5_000, 1_000} { // newest first
		b.Run(fmt.Sprintf("page after %d", 10_000-at), func(b *testing.B) {
			for b.Loop() {
				require.Len(b, page(b, id(at)), 1000)
			}
		})
	}
}
