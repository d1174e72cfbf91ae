package commands

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/client/clouds"
	"github.com/cinder-go/cinder-go/driverstate"
)

func errorf(format string, args ...any) error { return fmt.Errorf(format, args...) }

// hintedError carries a next command that only the verb could know.
type hintedError struct {
	err  error
	hint string
}

func (e *hintedError) Error() string { return e.err.Error() }
func (e *hintedError) Unwrap() error { return e.err }

func withHint(err error, hint string) error {
	if err == nil || hint == "" {
		return err
	}
	return &hintedError{err, hint}
}

// hintFor turns an error into a next command, or "" when none would help.
func hintFor(err error) string {
	var hinted *hintedError
	if errors.As(err, &hinted) {
		return hinted.hint
	}
	if errors.Is(err, context.Canceled) {
		return ""
	}
	if untrusted := (*clouds.TLSError)(nil); errors.As(err, &untrusted) {
		return untrusted.Hint()
	}
	var answered *client.Error
	if errors.As(err, &answered) && errors.Is(err, driverstate.ErrForbidden) && (answered.Status == http.StatusUnauthorized || answered.Resource == "") {
		return "check the credentials (--os-cloud, OS_*)" // no role would help
	}
	if errors.Is(err, driverstate.ErrUnavailable) && answered != nil && answered.Resource == "store" {
		return "cinder-go driver-check shows step by step why" // only an engine has calls about its store
	}
	for _, h := range []struct {
		kind error
		hint string
	}{
		{errNeedsYes, "look first with --dry-run, then say --yes"},
		{client.ErrEngineOnly, "straight on the backup store: the same with --standalone --store URL, or on a backup host with --standalone --config-file /etc/cinder/cinder.conf"},
		{driverstate.ErrNotApplied, "cinder-go backup-show " + backupOf(err) + " shows the status and the reason"},
		{driverstate.ErrHasDependents, "delete the incremental backups that stand on it first: cinder-go backup-list"},
		{driverstate.ErrServiceDown, "cinder-go service-list shows which services are up"},
		{driverstate.ErrForbidden, "this needs the admin role; check the credentials (--os-cloud, OS_*)"},
		{driverstate.ErrCorrupt, "cinder-go backup-verify " + backupOf(err) + " -f json tells what is damaged, object by object"},
		{driverstate.ErrReadOnly, "leave out --read-only to let this verb write to the store"},
		{driverstate.ErrUnavailable, "without the cloud: cinder-go --standalone --store posix:///PATH backup-manageable-list"},
		{driverstate.ErrNotFound, "cinder-go backup-list"},
	} {
		if errors.Is(err, h.kind) {
			return h.hint
		}
	}
	return ""
}

// hintOfStore is the hint for an error of an engine in this process, which has
// no cloud to be without and no roles: there the store is what does not work.
func hintOfStore(err error, hint string) string {
	if hinted := (*hintedError)(nil); errors.As(err, &hinted) {
		return hint
	}
	for _, kind := range []error{driverstate.ErrUnavailable, driverstate.ErrServiceDown, driverstate.ErrForbidden} {
		if errors.Is(err, kind) {
			return "cinder-go driver-check shows step by step why"
		}
	}
	return hint
}

// nextCommand is a verb that a sentence tells to type at the target that this
// run has. A flag after the program's name says that it is for another one, and
// so does serve.
var nextCommand = regexp.MustCompile(`\bcinder-go ((?:backup|volume|snapshot|service|cluster|message|driver|workers)-[a-z]|doctor\b|apply\b)`)

// aimed gives the commands in text the flags that name the target, so that they
// can be pasted as they are.
func aimed(text, target string) string {
	if target == "" {
		return text
	}
	return nextCommand.ReplaceAllStringFunc(text, func(found string) string {
		return "cinder-go" + target + strings.TrimPrefix(found, "cinder-go")
	})
}

// backupOf is the id of the backup that err is about, or a word in its place.
func backupOf(err error) string {
	var named *driverstate.Error
	if errors.As(err, &named) && named.Resource == "backup" && named.ID != "" {
		return named.ID
	}
	var answered *client.Error
	if errors.As(err, &answered) && answered.Resource == "backup" && answered.ID != "" {
		return answered.ID
	}
	return "BACKUP"
}
