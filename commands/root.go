package commands

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cinder-go/cinder-go/commands/iostreams"
)

// Groups of verbs in the help.
const (
	groupLook     = "look"
	groupRepair   = "repair"
	groupRecover  = "recover"
	groupEveryday = "everyday"
	groupOther    = "other"
)

// NewRoot returns the command tree, for documentation and completion. Its
// commands write to s.
func NewRoot(s *iostreams.Streams) *cobra.Command {
	return newRoot(newFactory(s, func(string) (string, bool) { return "", false }, nil))
}

func newRoot(f *Factory) *cobra.Command {
	root := &cobra.Command{
		Use:     "cinder-go",
		Version: version,
		Short:   "recover, repair and move OpenStack Cinder backups",
		Long: `cinder-go is for OpenStack Cinder backups in trouble: stuck in a status, refused by
a dead host, or orphaned because the database is gone.

Every verb works on any of three targets:

  a cloud        credentials in OS_* variables, or --os-cloud NAME of clouds.yaml
  an endpoint    --os-endpoint URL, without Keystone (such as "cinder-go serve")
  a store        --standalone --store URL: the engine in this process, no cloud needed;
                 on a backup host: --standalone --config-file /etc/cinder/cinder.conf

Data goes to standard output, everything else to standard error. Verbs that
change something wait for the real outcome and end with a summary line.
The store is never written except by the verb that says so.

Exit codes:

` + exitCodeList(),
		Example: `  cinder-go --standalone --store posix:///srv/backup backup-manageable-list
  cinder-go --os-cloud prod backup-reset-state --state error nightly
  cinder-go drill`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: f.prepare,
		// Two letters wrong, or the beginning of a verb.
		SuggestionsMinimumDistance: 2,
		CompletionOptions:          cobra.CompletionOptions{DisableDefaultCmd: true},
		Args:                       cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
					return usagef("there is no verb %q; there is %s", args[0], strings.Join(near, ", "))
				}
				return usagef("there is no verb %q", args[0])
			}
			return cmd.Help()
		},
	}
	root.SetIn(f.con.io.In)
	root.SetOut(f.con.io.Out)
	root.SetErr(f.con.io.Err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	f.g.addFlags(root.PersistentFlags())
	root.AddGroup(
		&cobra.Group{ID: groupLook, Title: "Look:"},
		&cobra.Group{ID: groupRepair, Title: "Repair:"},
		&cobra.Group{ID: groupRecover, Title: "Recover:"},
		&cobra.Group{ID: groupEveryday, Title: "Everyday:"},
		&cobra.Group{ID: groupOther, Title: "Other:"},
	)
	add := func(group string, cmds ...*cobra.Command) {
		for _, c := range cmds {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add(groupLook,
		newBackupList(f, runBackupList),
		newBackupShow(f, runBackupShow),
		newBackupChain(f, runBackupChain),
		newVolumeList(f, runVolumeList),
		newVolumeShow(f, runVolumeShow),
		newSnapshotList(f, runSnapshotList),
		newServiceList(f, runServiceList),
		newDoctor(f, runDoctor),
		newDriverCheck(f, runDriverCheck),
		newClusterList(f, runClusterList),
		newMessageList(f, runMessageList),
	)
	add(groupRepair,
		newBackupResetState(f, runBackupResetState),
		newBackupDelete(f, runBackupDelete),
		newBackupForceDelete(f, runBackupDelete),
		newApply(f, runApply),
		newWorkersCleanup(f, runWorkersCleanup),
		newVolumeResetState(f, runVolumeResetState),
		newVolumeDelete(f, runVolumeDelete),
		newServiceEnable(f, runServiceSet),
		newServiceDisable(f, runServiceSet),
	)
	add(groupRecover,
		newManageableList(f, runManageableList),
		newBackupManage(f, runBackupManage),
		newBackupVerify(f, runBackupVerify),
		newBackupRestore(f, runBackupRestore),
		newBackupCat(f, runBackupCat),
		newBackupNBD(f, runBackupNBD),
		newBackupExport(f, runBackupExport),
		newBackupShip(f, runBackupShip),
		newBackupImport(f, runBackupImport),
	)
	add(groupEveryday,
		newBackupCreate(f, runBackupCreate),
		newBackupUpdate(f, runBackupUpdate),
		newVolumeCreate(f, runVolumeCreate),
	)
	add(groupOther,
		newServe(f, runServe),
		newEngineMigrate(f, runEngineMigrate),
		newDrill(f, runDrill),
		newVersion(f),
		newCompletion(f),
	)
	root.SetHelpCommandGroupID(groupOther)
	return root
}

// runner is what a verb does once its options are complete.
type runner[O any] func(context.Context, *O) error

func exitCodeList() string {
	var b strings.Builder
	for _, c := range ExitCodes() {
		fmt.Fprintf(&b, "  %3d  %s\n", c.Code, c.Meaning)
	}
	return strings.TrimRight(b.String(), "\n")
}
