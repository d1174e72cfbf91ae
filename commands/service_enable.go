package commands

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

// What a service is set to.
const (
	serviceEnabled  = "enabled"
	serviceDisabled = "disabled"
)

type serviceSetClient interface {
	serviceListClient
	EnableService(ctx context.Context, host, binary string) (client.ServiceState, error)
	DisableService(ctx context.Context, host, binary, reason string) (client.ServiceState, error)
}

type serviceSetOptions struct {
	con    *console
	print  func(output.View) error
	client func(context.Context) (serviceSetClient, error)

	verb, status string
	standalone   bool
	out          outputFlags
	guard        guardFlags
	host, binary string
	reason       string
}

func newServiceEnable(f *Factory, run runner[serviceSetOptions]) *cobra.Command {
	o := newServiceSetOptions(f, "service-enable", serviceEnabled)
	cmd := o.command(f, run)
	cmd.Short = "Let a service take work again"
	cmd.Long = `Let a service take new work again (admin), and show its row. That it is enabled
does not mean that it is up: the state column says whether it was heard of.`
	cmd.Example = `  cinder-go service-enable bak1 cinder-backup`
	return cmd
}

func newServiceDisable(f *Factory, run runner[serviceSetOptions]) *cobra.Command {
	o := newServiceSetOptions(f, "service-disable", serviceDisabled)
	cmd := o.command(f, run)
	cmd.Short = "Keep new work from a service"
	cmd.Long = `Keep new work from a service (admin), such as before its host is stopped, and
show its row. What it is doing goes on.

A cinder-backup that is disabled is not asked to restore, delete or reset its
own backups either: where a cloud sends these to the host of the row only
(backup_use_same_host), they are refused until it is enabled again.`
	cmd.Example = `  cinder-go service-disable --reason "disk full, ticket 4711" bak1 cinder-backup`
	cmd.Flags().StringVar(&o.reason, "reason", "", "`TEXT` that service-list shows as the reason")
	return cmd
}

func newServiceSetOptions(f *Factory, verb, status string) *serviceSetOptions {
	o := &serviceSetOptions{con: f.con, verb: verb, status: status,
		client: func(ctx context.Context) (serviceSetClient, error) { return f.Client(ctx) }}
	o.print = func(v output.View) error { return f.printer(&o.out).Print(v) }
	return o
}

func (o *serviceSetOptions) command(f *Factory, run runner[serviceSetOptions]) *cobra.Command {
	cmd := &cobra.Command{
		Use:  o.verb + " HOST BINARY",
		Args: exactly(2, "say the host and the binary, such as bak1 cinder-backup"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.standalone, o.host, o.binary = f.g.standalone, args[0], args[1]
			if err := first(o.out.check(serviceColumns()), storable(&f.g, "--reason", o.reason)); err != nil {
				return err
			}
			return run(cmd.Context(), o)
		},
	}
	o.out.addFlags(cmd.Flags())
	o.guard.addDryRun(cmd.Flags())
	return cmd
}

func runServiceSet(ctx context.Context, o *serviceSetOptions) error {
	c, err := o.client(ctx)
	if err != nil {
		return err
	}
	items := newBulk(o.con, o.verb)
	services, err := c.ListServices(ctx, "", o.binary)
	if err != nil {
		return failOne(items, o.host, err)
	}
	service, err := o.find(services)
	if err != nil {
		return failOne(items, o.host, err)
	}
	o.warn(service, services)
	r := result{id: o.host, name: o.binary, outcome: unchanged}
	switch {
	case service.Status == o.status && (o.reason == "" || service.DisabledReason != nil && *service.DisabledReason == o.reason):
	case o.guard.dryRun:
		r.outcome = skipped
		o.con.note("dry run: %s on %s would be %s", o.binary, o.host, o.status)
	default:
		r.outcome = changed
		if service, err = o.set(ctx, c, service); err != nil {
			r.err = notHere(err, o.standalone)
		}
	}
	r.status = service.Status
	view := output.View{Columns: serviceColumns(), Single: true, Rows: [][]any{{string(service.Binary), service.Host, service.Zone,
		service.Status, service.State, service.UpdatedAt, service.Cluster, service.DisabledReason}}}
	if err := o.print(view); err != nil {
		return err
	}
	items.add(r)
	return items.finish()
}

// find is the service that is meant, whose host must be named in full: Cinder's
// own filter matches the part before @ as well.
func (o *serviceSetOptions) find(services []client.Service) (client.Service, error) {
	hint := "cinder-go service-list --binary " + o.binary
	for _, s := range services {
		if s.Host == o.host && string(s.Binary) == o.binary {
			return s, nil
		}
		if strings.HasPrefix(s.Host, o.host+"@") {
			hint = fmt.Sprintf("cinder-go %s %s %s", o.verb, s.Host, o.binary)
		}
	}
	return client.Service{}, withHint(driverstate.Fail(driverstate.ErrNotFound, fmt.Sprintf("service %s on host %s: not found", o.binary, o.host)), hint)
}

// warn tells of what the new status does not do, or does besides.
func (o *serviceSetOptions) warn(service client.Service, services []client.Service) {
	if o.status == serviceEnabled {
		if !isUp(service) {
			o.con.warn("", "service %s on %s is down: it takes work when it is started", o.binary, o.host)
		}
		return
	}
	if service.Cluster != nil && *service.Cluster != "" {
		o.con.warn("", "service %s on %s belongs to cluster %s: it still gets work that is sent to the cluster while another of its services is enabled",
			o.binary, o.host, *service.Cluster)
	}
	for _, s := range services {
		if s.Host != o.host && s.Status == serviceEnabled && isUp(s) {
			return
		}
	}
	o.con.warn("", "no other %s is enabled and up: nobody takes new work then", o.binary)
}

// set asks for the status, and returns the service as it is afterwards.
func (o *serviceSetOptions) set(ctx context.Context, c serviceSetClient, before client.Service) (client.Service, error) {
	var err error
	if o.status == serviceEnabled {
		_, err = c.EnableService(ctx, o.host, o.binary)
	} else {
		_, err = c.DisableService(ctx, o.host, o.binary, o.reason)
	}
	if err != nil && !client.Lost(err) {
		return before, err
	}
	services, listErr := c.ListServices(ctx, "", o.binary)
	if listErr != nil {
		return before, first(err, listErr)
	}
	after, findErr := o.find(services)
	switch {
	case findErr != nil:
		return before, findErr
	case after.Status != o.status && err != nil:
		return after, lostButSame(err, "it is still "+after.Status, "cinder-go service-list --binary "+o.binary)
	case after.Status != o.status:
		return after, withHint(driverstate.Fail(driverstate.ErrNotApplied,
			fmt.Sprintf("service %s on host %s: is %s, not %s", o.binary, o.host, after.Status, o.status)), "cinder-go service-list --binary "+o.binary)
	}
	return after, nil
}
