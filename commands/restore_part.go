package commands

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/spf13/pflag"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/driverstate"
)

// partFlags ask for a part of an image, and how it is restored.
type partFlags struct {
	offset, length string
	from, n        int64 // bytes, by check; n is 0 for all that follows
	resume         bool
	salvage        bool
	mapFile        string // absolute, by check
}

// addRestoreFlags adds those that need a target which can be read.
func (p *partFlags) addRestoreFlags(fs *pflag.FlagSet) {
	p.addFlags(fs)
	fs.BoolVar(&p.salvage, "salvage", false, "with --to: go on after damage, and restore all that can be proven")
	fs.StringVar(&p.mapFile, "map", "", "with --salvage: `FILE` for the map of the holes, in ddrescue's format (default: the target's name with .map)")
	fs.BoolVar(&p.resume, "resume", false, "with --to: write only what the target does not hold yet; when interrupted, keep what is there")
}

func (p *partFlags) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&p.offset, "offset", "", "first `BYTE` of the image that is wanted, such as 512 or 4KiB")
	fs.StringVar(&p.length, "length", "", "how many `BYTES` are wanted, such as 1G; all that follow when not said")
}

func (p *partFlags) check() (err error) {
	if p.offset != "0" {
		if p.from, err = parseBytes("--offset", p.offset); err != nil {
			return err
		}
	}
	if p.n, err = parseBytes("--length", p.length); err != nil || p.mapFile == "" {
		return err
	}
	if !p.salvage {
		return usagef("--map belongs to --salvage")
	}
	p.mapFile, err = filepath.Abs(p.mapFile)
	return err
}

// wanted is the flag that only an engine understands; empty for none.
func (p *partFlags) wanted() string {
	switch {
	case p.from != 0 || p.n != 0:
		return "--offset and --length belong"
	case p.resume:
		return "--resume belongs"
	case p.salvage:
		return "--salvage belongs"
	}
	return ""
}

// ask adds to o what the flags say.
func (p *partFlags) ask(o client.RestoreOpts) client.RestoreOpts {
	o.Offset, o.Length, o.Resume, o.Salvage, o.Map = p.from, p.n, p.resume, p.salvage, p.mapFile
	return o
}

// restorable is restorable, of what is to be salvaged also when it is error.
func (o *restoreOptions) restorable(b client.Backup) error {
	if o.part.salvage && b.Status == driverstate.StatusError {
		return nil
	}
	return restorable(b)
}

// told says how much of a target was right already, and what came from
// elsewhere.
func (p *partFlags) told(con *console, b client.Backup, v client.Volume) {
	if filled, err := strconv.ParseInt(v.Metadata["restore_bytes_filled"], 10, 64); err == nil && filled > 0 {
		con.note("backup %s: %d bytes were damaged and had from other objects, where they are proven to be the same", b.ID, filled)
	}
	kept, err := strconv.ParseInt(v.Metadata["restore_bytes_kept"], 10, 64)
	if !p.resume || err != nil {
		return
	}
	con.note("backup %s: %d bytes were right already, %s were written", b.ID, kept, v.Metadata["restore_bytes_written"])
}

// goOn gives err the next command after an interruption or damage. What the
// engine cannot do as it was asked is a mistake in the flags.
func (o *restoreOptions) goOn(ctx context.Context, id string, err error) error {
	if errors.Is(err, driverstate.ErrInvalidInput) {
		return &usageError{err}
	}
	if errors.Is(err, driverstate.ErrCorrupt) && o.to != "-" && !o.part.salvage {
		return withHint(err, fmt.Sprintf("cinder-go backup-verify %s -f json tells what is damaged; "+
			"%s --salvage restores all that can be proven", shellWord(id), o.line(id)))
	}
	switch {
	case err == nil || !o.part.resume:
		return err
	case ctx.Err() != nil:
		return withHint(err, o.line(id)+" goes on")
	case errors.Is(err, driverstate.ErrNotApplied): // such as for want of room
		return withHint(err, "when the cause is mended: "+o.line(id)+" goes on")
	}
	return err
}

// line is the command line of this restore to o.to; the console adds where from.
func (o *restoreOptions) line(id string) string {
	line := fmt.Sprintf("cinder-go backup-restore %s --to %s", shellWord(id), shellWord(o.to))
	if o.part.offset != "" {
		line += " --offset " + shellWord(o.part.offset)
	}
	if o.part.length != "" {
		line += " --length " + shellWord(o.part.length)
	}
	if o.overwrite {
		line += " --overwrite"
	}
	if o.part.resume {
		line += " --resume"
	}
	if o.part.salvage {
		line += " --salvage"
	}
	if o.part.mapFile != "" {
		line += " --map " + shellWord(o.part.mapFile)
	}
	return line
}
