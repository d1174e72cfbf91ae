package commands

import (
	"encoding/json"
	"fmt"

	"github.com/cinder-go/cinder-go/commands/iostreams"
	"github.com/cinder-go/cinder-go/commands/progress"
	"github.com/cinder-go/cinder-go/driverstate"
)

// console is how verbs talk to whoever watches standard error: a person, or a
// program when --json-events is given.
type console struct {
	io         *iostreams.Streams
	quiet      bool
	jsonEvents bool
	standalone bool               // the target is an engine in this process
	target     string             // the flags that name the target, for the next commands
	renderer   *progress.Renderer // nil until the flags are known
	audit      *auditLog          // nil for none
	// enough says that the reader of the output has all that it wants, so that
	// what fails from then on is no failure; nil for never.
	enough func() bool
}

// Observe shows the progress of a long operation.
func (c *console) Observe(e driverstate.Event) {
	switch {
	case c.renderer == nil:
	case e.Type == driverstate.EventError && c.enough != nil && c.enough():
		c.clear()
	default:
		c.renderer.Observe(e)
	}
}

func (c *console) clear() {
	if c.renderer != nil {
		c.renderer.Clear()
	}
}

// eventLine is one line of --json-events that is not progress.
type eventLine struct {
	Type     string `json:"type"`
	BackupID string `json:"backup_id,omitempty"`
	Message  string `json:"message"`
	ExitCode int    `json:"exit_code,omitempty"`
	Hint     string `json:"hint,omitempty"`
}

func (c *console) event(v any) {
	if line, err := json.Marshal(v); err == nil {
		c.io.Errf("%s", line)
	}
}

// fail tells of an error and, if there is one, of the next command.
func (c *console) fail(err error) {
	c.clear()
	text, hint := message(err), hintFor(err)
	if c.standalone {
		hint = hintOfStore(err, hint)
	}
	hint = aimed(hint, c.target)
	if c.jsonEvents {
		c.event(eventLine{Type: "error", Message: text, ExitCode: exitCode(err), Hint: hint})
		return
	}
	c.io.Errf("%s %s", c.io.Red("error:"), iostreams.Escape(text))
	if hint != "" {
		c.io.Errf("%s %s", c.io.Bold("hint:"), iostreams.Escape(hint))
	}
}

// warn tells of something that did not stop the verb. Quiet does not hide it.
func (c *console) warn(backupID, format string, args ...any) {
	c.clear()
	text := aimed(fmt.Sprintf(format, args...), c.target)
	if c.jsonEvents {
		c.event(eventLine{Type: "warning", BackupID: backupID, Message: text})
		return
	}
	if backupID != "" {
		text = "backup " + backupID + ": " + text
	}
	c.io.Errf("%s %s", c.io.Yellow("warning:"), iostreams.Escape(text))
}

// note tells what is going on, unless told to be quiet.
func (c *console) note(format string, args ...any) {
	c.clear()
	text := aimed(fmt.Sprintf(format, args...), c.target)
	switch {
	case c.quiet:
	case c.jsonEvents:
		c.event(eventLine{Type: "note", Message: text})
	default:
		c.io.Errf("%s", iostreams.Escape(text))
	}
}

// summary is the last line of every verb that takes several items.
func (c *console) summary(op string, selected, changed, unchanged, skipped, failed int) {
	c.clear()
	switch {
	case c.quiet:
	case c.jsonEvents:
		c.event(struct {
			Type      string `json:"type"`
			Op        string `json:"op"`
			Selected  int    `json:"selected"`
			Changed   int    `json:"changed"`
			Unchanged int    `json:"unchanged"`
			Skipped   int    `json:"skipped"`
			Failed    int    `json:"failed"`
		}{"summary", op, selected, changed, unchanged, skipped, failed})
	default:
		c.io.Errf("%s: %d selected, %d changed, %d unchanged, %d skipped, %d failed",
			op, selected, changed, unchanged, skipped, failed)
	}
}
