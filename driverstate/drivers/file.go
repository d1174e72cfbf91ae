package drivers

import (
	"context"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
	"github.com/cinder-go/cinder-go/driverstate/tape"
)

// pipePath is tape_path of the tape in a pipe.
const pipePath = "-"

// Pipe reports whether the store is the tape in a pipe: standard input for one
// that is read, standard output for one that is shipped to.
func (s Store) Pipe() bool { return s.Module == file.module && s.Values["tape_path"] == pipePath }

// file is no driver of Cinder's: a tape, which is read here. Only a shipment
// writes one.
var file = spec{
	module:   "file",
	usage:    "file:///absolute/path.cbk[?compression=zlib&volume_size=N&object_size=N&block_size=N], or - or file:- for a pipe",
	options:  tape.Options,
	prefixes: []string{"tape_", "backup_"}, short: map[string]string{"compression": chunked.CompressionOption.Name},
	place: directory("tape_path"),
	open: func(ctx context.Context, v oslo.Values, rt chunked.Runtime) (driverstate.Driver, error) {
		c, err := tape.NewConfig(v)
		if err != nil {
			return nil, err
		}
		c.Runtime = rt
		if c.Path == pipePath {
			if c.In = rt.Stdin; c.In == nil {
				return nil, invalid("a tape in a pipe can be read by --standalone alone, from its standard input")
			}
		}
		return tape.New(ctx, c)
	},
}
