package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/driverstate"
)

// rowClient asks for what no view of a backup shows: its host and its driver.
type rowClient interface {
	ListServices(ctx context.Context, host, binary string) ([]client.Service, error)
	IsOnHost(ctx context.Context, id, host string) (bool, error)
	HasHost(ctx context.Context, id string) (bool, error)
	HasService(ctx context.Context, id string) (bool, error)
	IsOfDriver(ctx context.Context, id, part string) (bool, error)
	ListMessages(ctx context.Context, o client.MessageListOpts) ([]client.Message, error)
}

// hosts are the cinder-backup services of a cloud.
type hosts struct {
	unknown  bool // the caller may not see them
	down, up []client.Service
}

func isUp(s client.Service) bool { return s.State == "up" }

func backupHosts(ctx context.Context, c rowClient) (hosts, error) {
	list, err := c.ListServices(ctx, "", string(driverstate.BinaryBackup))
	if errors.Is(err, driverstate.ErrForbidden) {
		return hosts{unknown: true}, nil
	}
	if err != nil {
		return hosts{}, fmt.Errorf("looking at the backup services: %w", err)
	}
	var h hosts
	for _, s := range list {
		if isUp(s) {
			h.up = append(h.up, s)
		} else {
			h.down = append(h.down, s)
		}
	}
	return h, nil
}

// driverFault is what an engine tells of why the driver of a service that is
// down does not work. Cinder has a reason for services that are disabled alone.
func driverFault(s client.Service) string {
	if isUp(s) || s.Status != serviceEnabled {
		return ""
	}
	return deref(s.DisabledReason)
}

// noneUp adds to err, that no cinder-backup is up, why that is, if it is told.
// Without that, hint is what to type next.
func (h *hosts) noneUp(err error, hint string) error {
	for _, s := range h.down {
		if fault := driverFault(s); fault != "" {
			return withHint(fmt.Errorf("%w; %s: %s", err, s.Host, fault), "cinder-go driver-check --host "+shellWord(s.Host)+" shows step by step why")
		}
	}
	return withHint(err, hint)
}

// hostState says whether anybody answers for a row.
type hostState int

const (
	hostUnseen hostState = iota // the caller may not know
	hostUp
	hostDown
	hostGone // the row names a host that is no service of the cloud
	hostNone // the row names no host
)

// of finds the host of the backup id among the services. A cloud too old to be
// asked by host leaves it unseen.
func (h *hosts) of(ctx context.Context, c rowClient, id string) (hostState, client.Service, error) {
	if h.unknown {
		return hostUnseen, client.Service{}, nil
	}
	state, service, err := h.find(ctx, c, id)
	if errors.Is(err, driverstate.ErrNotSupported) || errors.Is(err, driverstate.ErrForbidden) {
		return hostUnseen, client.Service{}, nil
	}
	return state, service, err
}

func (h *hosts) find(ctx context.Context, c rowClient, id string) (hostState, client.Service, error) {
	for i, s := range slices.Concat(h.down, h.up) {
		on, err := c.IsOnHost(ctx, id, s.Host)
		switch {
		case err != nil:
			return hostUnseen, client.Service{}, err
		case on && i < len(h.down):
			return hostDown, s, nil
		case on:
			return hostUp, s, nil
		}
	}
	named, err := c.HasHost(ctx, id)
	switch {
	case err != nil:
		return hostUnseen, client.Service{}, err
	case named:
		return hostGone, client.Service{}, nil
	}
	return hostNone, client.Service{}, nil
}

// absence says in words that nobody answers for a row; empty when somebody does.
func absence(state hostState, s client.Service, now time.Time) string {
	switch state {
	case hostDown:
		text := "its host " + s.Host + " is down"
		if !s.UpdatedAt.IsZero() && now.After(s.UpdatedAt) {
			text += " (last heard of " + now.Sub(s.UpdatedAt).Round(time.Second).String() + " ago)"
		}
		return text
	case hostGone:
		return "its row names a host that is no cinder-backup of this cloud"
	}
	return ""
}

// why says what can be seen of the reason that a change of the backup id was
// accepted and did not happen; empty when nothing can. It only looks, and what
// it may not see it leaves out.
func why(ctx context.Context, c rowClient, id string, now time.Time) string {
	asked := "" // the host that answers for the row, where there are others
	if taken, err := c.HasService(ctx, id); err == nil && !taken {
		return "no backup service ever took it, as its row names no driver: Cinder accepts a reset of such a row and does nothing; cinder-go backup-force-delete " + id + " removes it"
	}
	if h, err := backupHosts(ctx, c); err == nil {
		if len(h.up) == 0 && !h.unknown {
			return "no cinder-backup is up"
		}
		if state, s, err := h.of(ctx, c, id); err == nil {
			if text := absence(state, s, now); text != "" {
				return text
			}
			if state == hostUp && len(h.up) > 1 {
				asked = s.Host
			}
		}
	}
	if told := cloudTold(ctx, c, id); told != "" {
		return told
	}
	if driver := driverOf(ctx, c, id); asked != "" && driver != "" {
		return fmt.Sprintf("host %s was asked, which does nothing when its driver is not the row's, %s; its log says more", asked, driver)
	}
	return ""
}

// cloudTold is the last that the cloud told its user about the resource id;
// empty when there is none or it may not be seen.
func cloudTold(ctx context.Context, c messageLister, id string) string {
	list, err := c.ListMessages(ctx, client.MessageListOpts{ResourceID: id, Limit: 1})
	if err != nil || len(list) == 0 {
		return ""
	}
	return "the cloud's message of " + list[0].CreatedAt.Format(time.RFC3339) + ": " + list[0].UserMessage
}

// driverModules are the drivers that a row may name, by their modules
// (cinder/backup/drivers, of all releases).
var driverModules = []string{"posix", "nfs", "glusterfs", "swift", "s3", "gcs", "google", "ceph", "tsm"}

// driverOf is the module of the driver that the row of the backup id names;
// empty when it is not known.
func driverOf(ctx context.Context, c rowClient, id string) string {
	for _, module := range driverModules {
		if is, err := c.IsOfDriver(ctx, id, "."+module); err == nil && is {
			return module
		}
	}
	return ""
}

// explained adds the reason that can be seen to an error that says that a
// change did not happen.
func explained(ctx context.Context, c rowClient, id string, now time.Time, err error) error {
	if !errors.Is(err, driverstate.ErrNotApplied) || ctx.Err() != nil {
		return err
	}
	if reason := why(ctx, c, id, now); reason != "" {
		return fmt.Errorf("%w; %s", err, reason)
	}
	return err
}

// addSingleAccount adds the flag that turns off the care for foreign backups in
// Swift.
func addSingleAccount(fs *pflag.FlagSet, to *bool) {
	fs.BoolVar(to, "single-account", false, "the Swift driver keeps the backups of all projects in one account (backup_swift_auth=single_user)")
}

// foreignSwift reports whether only the owner of b can reach its objects: the
// Swift driver looks into the account of the caller (backup_swift_auth=per_user,
// its default). What the caller may not know is not so.
func foreignSwift(ctx context.Context, c rowClient, mine string, b client.Backup) bool {
	if mine == "" || b.ProjectID == "" || b.ProjectID == mine {
		return false
	}
	swift, err := c.IsOfDriver(ctx, b.ID, "swift")
	return err == nil && swift
}

func ownerHint(b client.Backup) string {
	return "act in that project: --os-project-id " + b.ProjectID + "; if this cloud keeps all backups in one account, say --single-account"
}
