package manager

import (
	"context"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

// UpdateBackup changes what a backup is called, in any status.
func (m *Manager) UpdateBackup(ctx context.Context, c driverstate.Caller, id string, u driverstate.BackupUpdate) (*driverstate.Backup, error) {
	b, err := m.visible(ctx, c, id)
	if err != nil || u.Name == nil && u.Description == nil && u.Metadata == nil {
		return b, err
	}
	err = m.db.Update(ctx, func(tx db.Tx) error {
		if b, err = tx.BackupGet(ctx, id); err != nil {
			return named(err, backupNotFound(id))
		}
		if u.Name != nil {
			b.Name = *u.Name
		}
		if u.Description != nil {
			b.Description = *u.Description
		}
		if u.Metadata != nil {
			b.Metadata = u.Metadata
		}
		return tx.BackupUpdate(ctx, b, b.Status)
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}
