package commands

import (
	"github.com/spf13/cobra"
)

func newCompletion(f *Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "completion {bash|zsh|fish|powershell}",
		Short: "Write the completion script of a shell",
		Long: `Write the script that completes verbs and flags in a shell.

Changes nothing: put the script where the shell looks for it.`,
		Example: `  source <(cinder-go completion bash)
  cinder-go completion zsh > "${fpath[1]}/_cinder-go"`,
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		Args:      exactly(1, "say which shell: bash, zsh, fish or powershell"),
		RunE: func(cmd *cobra.Command, args []string) error {
			root, out := cmd.Root(), f.con.io.Out
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return root.GenFishCompletion(out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(out)
			}
			return usagef("there is no completion for %q: bash, zsh, fish or powershell", args[0])
		},
	}
}
