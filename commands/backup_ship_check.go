package commands

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

// checkStores compares two stores. An engine in this process is one on the
// first.
func (o *shipOptions) checkStores(cmd *cobra.Command, f *Factory, args []string, data bool, run runner[shipOptions]) error {
	if len(args) != 2 {
		return usagef("--check takes two stores, such as posix:///srv/backup posix:///mnt/offsite")
	}
	if o.ask.To != "" || o.ask.Flatten || o.ask.Compression != "" || o.ask.VolumeSize != 0 || o.ask.BytesPerSec != 0 || o.records != "" || o.all || o.sel.chain || o.sel.filtered() {
		return usagef("--check takes two stores and --data, no more")
	}
	if err := o.out.check(differenceColumns()); err != nil {
		return err
	}
	o.check = args
	depth := driverstate.DepthStructure
	if data {
		depth = driverstate.DepthData
	}
	o.ask = client.ShipOpts{Mode: driverstate.ShipCompare, From: args[0], To: args[1], Depth: depth}
	if f.g.standalone && f.g.stores.none() {
		f.g.stores.urls, o.ask.From = args[:1], ""
	}
	return run(cmd.Context(), o)
}

func differenceColumns() []output.Column {
	return []output.Column{{Key: "id", Title: "Backup"}, {Key: "store", Title: "Store"}, {Key: "difference", Title: "Difference"}}
}

func (o *shipOptions) compare(ctx context.Context) error {
	c, err := o.client(ctx)
	if err != nil {
		return err
	}
	s, err := c.Ship(ctx, o.ask)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, driverstate.ErrUnavailable) {
		return withHint(err, "cinder-go --standalone driver-check --store URL, with the URL of that store, shows step by step why")
	}
	if err != nil {
		return err
	}
	for _, w := range s.Warnings {
		o.con.warn("", "%s", w)
	}
	name := map[string]string{"first": o.check[0], "second": o.check[1], "both": "both"}
	view := output.View{Columns: differenceColumns()}
	for _, d := range s.Differences {
		view.Rows = append(view.Rows, []any{d.BackupID, name[d.Store], d.Reason})
	}
	if err := o.print(view); err != nil {
		return err
	}
	o.con.note("backup-ship: %d in both stores, %d equal, %d differences", s.Compared, s.Equal, len(s.Differences))
	if len(s.Differences) == 0 {
		return nil
	}
	return withHint(driverstate.Fail(driverstate.ErrCorrupt, "the stores differ"),
		"backup-ship brings what is missing; backup-verify tells which copy is whole")
}
