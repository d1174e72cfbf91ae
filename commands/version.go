package commands

import (
	"runtime"

	"github.com/spf13/cobra"

	"github.com/cinder-go/cinder-go/commands/output"
)

// Stamped by the linker.
var (
	version = "dev"
	commit  = ""
)

func newVersion(f *Factory) *cobra.Command {
	var out outputFlags
	columns := []output.Column{
		{Key: "version", Title: "Version"}, {Key: "commit", Title: "Commit"}, {Key: "go", Title: "Go"},
		{Key: "platform", Title: "Platform"}, {Key: "output_version", Title: "Output Version"},
	}
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Show the version",
		Long: `Show the version of this program, and of the shape of its machine-readable output:
output_version grows when a field is renamed, removed or changes its type.

Changes nothing, and calls nobody.`,
		Example: `  cinder-go version
  cinder-go version -f value -c version`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := out.check(columns); err != nil {
				return err
			}
			return f.printer(&out).Print(output.View{Single: true, Columns: columns, Rows: [][]any{{
				version, orNil(commit), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH, output.Version,
			}}})
		},
	}
	out.addFlags(cmd.Flags())
	return cmd
}
