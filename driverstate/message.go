package driverstate

import "time"

// Message tells a user why an operation failed after it was accepted: Cinder's
// user messages (cinder/message).
type Message struct {
	ID           string
	ProjectID    string // of who asked
	RequestID    string
	ResourceType string // VOLUME_BACKUP, VOLUME
	ResourceID   string
	Action       MessageAction
	Detail       MessageDetail
	Level        string // ERROR
	CreatedAt    time.Time
	ExpiresAt    time.Time
}

// Kinds of resources in messages.
const (
	MessageOfBackup = "VOLUME_BACKUP"
	MessageOfVolume = "VOLUME"
)

// MessageAction is what was being done (cinder/message/message_field.py Action).
type MessageAction string

// Actions of messages.
const (
	MessageAllocateVolume MessageAction = "001"
	MessageBackupCreate   MessageAction = "013"
	MessageBackupDelete   MessageAction = "014"
	MessageBackupRestore  MessageAction = "015"
)

// MessageDetail is why it failed (cinder/message/message_field.py Detail).
type MessageDetail string

// Details of messages.
const (
	MessageNoBackend     MessageDetail = "003"
	MessageServiceDown   MessageDetail = "018"
	MessageNoDevice      MessageDetail = "019"
	MessageCreateFailed  MessageDetail = "020"
	MessageNotScheduled  MessageDetail = "024"
	MessageDeleteFailed  MessageDetail = "025"
	MessageRestoreFailed MessageDetail = "026"
	MessageVolumeInvalid MessageDetail = "027"
)

var messageActions = map[MessageAction]string{
	MessageAllocateVolume: "schedule allocate volume",
	MessageBackupCreate:   "create backup",
	MessageBackupDelete:   "delete backup",
	MessageBackupRestore:  "restore backup",
}

var messageDetails = map[MessageDetail]string{
	MessageNoBackend:     "Could not find any available weighted backend.",
	MessageServiceDown:   "Backup service is down.",
	MessageNoDevice:      "Failed to get backup device from the volume service.",
	MessageCreateFailed:  "Backup driver failed to create backup.",
	MessageNotScheduled:  "Backup failed to schedule. Service not found for creating backup.",
	MessageDeleteFailed:  "Backup driver failed to delete backup.",
	MessageRestoreFailed: "Backup driver failed to restore backup.",
	MessageVolumeInvalid: "Volume status is invalid.",
}

// EventID is Cinder's name of the event, such as VOLUME_VOLUME_BACKUP_013_020.
func (m *Message) EventID() string {
	return "VOLUME_" + m.ResourceType + "_" + string(m.Action) + "_" + string(m.Detail)
}

// Text is what the user reads.
func (m *Message) Text() string {
	action, ok := messageActions[m.Action]
	if !ok {
		action = "unknown action"
	}
	detail, ok := messageDetails[m.Detail]
	if !ok {
		detail = "An unknown error occurred."
	}
	return action + ":" + detail
}
