package driverstate

import "time"

// ObjectsPerProgress is how many objects a driver copies at most before it
// tells of its progress once more: Cinder's default of
// backup_object_number_per_notification.
const ObjectsPerProgress = 10

// EventType says what an Event tells.
type EventType string

// Event types. They are also the "type" of --json-events and must not change.
const (
	EventStart    EventType = "start"
	EventProgress EventType = "progress"
	EventWarning  EventType = "warning"
	EventEnd      EventType = "end"
	EventError    EventType = "error"
)

// Event is one step of a long operation. Counters only grow within one
// operation.
type Event struct {
	Type         EventType
	Op           string // backup, restore, delete, verify, scan
	BackupID     string
	VolumeID     string
	Time         time.Time
	BytesDone    int64 // volume bytes
	BytesTotal   int64
	ObjectsDone  int
	ObjectsTotal int
	Message      string // for warning and error
	Load         Load   // of the whole operation, at its end
}

// Observer is told of events as they happen. Observe must be safe for
// concurrent use and must not block for long.
type Observer interface{ Observe(Event) }

// ObserverFunc makes a function an Observer.
type ObserverFunc func(Event)

// Observe calls f.
func (f ObserverFunc) Observe(e Event) { f(e) }

// Discard is the Observer that nobody reads.
var Discard Observer = ObserverFunc(func(Event) {})
