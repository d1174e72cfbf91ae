package commands

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
)

type messageListOptions struct {
	print  func(output.View) error
	client func(context.Context) (messageLister, error)

	standalone bool
	out        outputFlags
	filter     client.MessageListOpts
}

func newMessageList(f *Factory, run runner[messageListOptions]) *cobra.Command {
	o := &messageListOptions{client: func(ctx context.Context) (messageLister, error) { return f.Client(ctx) }}
	o.print = func(v output.View) error { return f.printer(&o.out).Print(v) }
	cmd := &cobra.Command{
		Use:   "message-list",
		Short: "List what the cloud told of operations that failed",
		Long: `List the messages that the cloud left for the users of your project about
operations that failed after they were accepted, the newest first (API 3.5).
They expire, after 30 days by default.

Changes nothing. Cinder shows the messages of one's own project only, to an
admin too: what a tenant was told, only the tenant can list.`,
		Example: `  cinder-go message-list --resource-uuid 8b3d499c-9301-44d3-a41f-414bf2c5f6a5
  cinder-go message-list --resource-type VOLUME_BACKUP --limit 20 -f json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.standalone = f.g.standalone
			if err := o.out.check(messageColumns()); err != nil {
				return err
			}
			if o.filter.Limit < 0 {
				return usagef("--limit must not be negative")
			}
			o.filter.ResourceType, o.filter.Level = strings.ToUpper(o.filter.ResourceType), strings.ToUpper(o.filter.Level)
			return run(cmd.Context(), o)
		},
	}
	fs := cmd.Flags()
	// cinderclient spells them with underscores.
	fs.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-"))
	})
	o.out.addFlags(fs)
	o.out.addLong(fs)
	fs.StringVar(&o.filter.ResourceID, "resource-uuid", "", "only those about the resource with this `ID`")
	fs.StringVar(&o.filter.ResourceType, "resource-type", "", "only those about this `TYPE`: VOLUME, VOLUME_BACKUP, VOLUME_SNAPSHOT")
	fs.StringVar(&o.filter.RequestID, "request-id", "", "only those of the request with this `ID`")
	fs.StringVar(&o.filter.Level, "level", "", "only those of this `LEVEL`: ERROR or WARNING")
	fs.IntVar(&o.filter.Limit, "limit", 0, "at most this many; 0 for all")
	return cmd
}

func messageColumns() []output.Column {
	return []output.Column{
		{Key: "created_at", Title: "Created At"}, {Key: "resource_type", Title: "Resource Type"},
		{Key: "resource_uuid", Title: "Resource UUID"}, {Key: "event_id", Title: "Event ID"},
		{Key: "user_message", Title: "User Message"}, {Key: "message_level", Title: "Level", Wide: true},
		{Key: "request_id", Title: "Request ID", Wide: true}, {Key: "guaranteed_until", Title: "Guaranteed Until", Wide: true},
		{Key: "id", Title: "ID", Wide: true},
	}
}

func runMessageList(ctx context.Context, o *messageListOptions) error {
	c, err := o.client(ctx)
	if err != nil {
		return err
	}
	messages, err := c.ListMessages(ctx, o.filter)
	if err != nil {
		return notHere(err, o.standalone)
	}
	v := output.View{Columns: messageColumns()}
	for _, m := range messages {
		v.Rows = append(v.Rows, []any{m.CreatedAt, m.ResourceType, m.ResourceUUID, m.EventID, m.UserMessage,
			m.MessageLevel, m.RequestID, m.GuaranteedUntil, m.ID})
	}
	return o.print(v)
}
