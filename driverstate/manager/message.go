package manager

import (
	"context"
	"errors"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

// keepMessages is Cinder's message_ttl.
const keepMessages = 30 * 24 * time.Hour

// tell records in tx why what j was to do failed. Work that follows from no
// request, as what a start resumes, has nobody to tell.
func (m *Manager) tell(ctx context.Context, tx db.Tx, j db.Job, action driverstate.MessageAction, detail driverstate.MessageDetail) error {
	if j.ProjectID == "" {
		return nil
	}
	msg := driverstate.Message{
		ResourceType: driverstate.MessageOfBackup, ResourceID: j.BackupID, Action: action, Detail: detail,
		ProjectID: j.ProjectID, RequestID: j.RequestID,
	}
	if j.BackupID == "" {
		msg.ResourceType, msg.ResourceID = driverstate.MessageOfVolume, j.VolumeID
	}
	msg.ID, msg.Level, msg.CreatedAt = m.cfg.NewID(), "ERROR", m.cfg.Now().UTC()
	msg.ExpiresAt = msg.CreatedAt.Add(keepMessages)
	if err := tx.MessagesExpire(ctx, msg.CreatedAt); err != nil {
		return err
	}
	return tx.MessageCreate(ctx, &msg)
}

// detailOf is why work failed, where that was not the driver's doing.
func detailOf(cause error, driver driverstate.MessageDetail) driverstate.MessageDetail {
	switch {
	case errors.Is(cause, driverstate.ErrServiceDown):
		return driverstate.MessageServiceDown
	case errors.Is(cause, errVolumeMoved):
		return driverstate.MessageVolumeInvalid
	case errors.Is(cause, errNoDevice):
		return driverstate.MessageNoDevice
	}
	return driver
}

func messageNotFound(id string) error {
	return refuse("message", id, driverstate.ErrNotFound, "Message "+id+" could not be found.")
}

// Messages lists the messages of the caller's project, to an admin all, newest
// first. (Cinder lists those of every project to everybody: message_get_all of
// cinder/db/sqlalchemy/api.py forgets the project.)
func (m *Manager) Messages(ctx context.Context, c driverstate.Caller) ([]*driverstate.Message, error) {
	project := c.ProjectID
	if c.Admin {
		project = ""
	}
	return m.db.MessageGetAll(ctx, project)
}

// Message returns one message that c may see.
func (m *Manager) Message(ctx context.Context, c driverstate.Caller, id string) (*driverstate.Message, error) {
	msg, err := m.db.MessageGet(ctx, id)
	if err != nil {
		return nil, named(err, messageNotFound(id))
	}
	if !c.Admin && msg.ProjectID != c.ProjectID {
		return nil, messageNotFound(id)
	}
	return msg, nil
}

// DeleteMessage removes one message that c may see.
func (m *Manager) DeleteMessage(ctx context.Context, c driverstate.Caller, id string) error {
	if _, err := m.Message(ctx, c, id); err != nil {
		return err
	}
	return named(m.db.MessageDestroy(ctx, id), messageNotFound(id))
}
