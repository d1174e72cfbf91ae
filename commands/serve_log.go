package commands

import (
	"io"
	"log/slog"

	"github.com/spf13/pflag"
)

// logFlags say what serve writes to standard error of its work, one line per
// request and per step of the service.
type logFlags struct{ format, level string }

func (o *logFlags) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.format, "log-format", "text", "`FORMAT` of the log on standard error: text or json")
	fs.StringVar(&o.level, "log-level", "info", "`LEVEL` of the log: debug, info, warn, error or off; --debug is debug, --quiet error")
}

// logger returns the log that was asked for, on w.
func (o *logFlags) logger(g *globalFlags, w io.Writer) (*slog.Logger, error) {
	level := slog.LevelInfo
	switch {
	case g.debug:
		level = slog.LevelDebug
	case g.quiet:
		level = slog.LevelError
	case o.level == "off":
		return slog.New(slog.DiscardHandler), nil
	default:
		if level.UnmarshalText([]byte(o.level)) != nil {
			return nil, usagef("--log-level %q is none of debug, info, warn, error and off", o.level)
		}
	}
	options := &slog.HandlerOptions{Level: level}
	switch {
	case o.format == "json" || g.jsonEvents:
		return slog.New(slog.NewJSONHandler(w, options)), nil
	case o.format == "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	}
	return nil, usagef("--log-format %q is neither text nor json", o.format)
}
