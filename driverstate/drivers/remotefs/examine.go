package remotefs

import (
	"context"
	"errors"
	"iter"
	"net"
	"slices"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
)

var _ driverstate.Examiner = (*Driver)(nil)

// Examine implements driverstate.Examiner: configuration, name resolution,
// mount, and the steps of the posix driver, whose store the share then is. The
// share is mounted as DoSetup does.
func (d *Driver) Examine(ctx context.Context, o driverstate.ExamineOptions) iter.Seq[driverstate.Step] {
	s := d.share
	looks := []chunked.Look{
		{Name: "configuration", Advice: "set " + s.Option, See: func(context.Context) (string, error) { return s.Name + " on " + s.Point(), d.configured() }},
		{Name: "name resolution", Advice: "does this machine ask the right name server?", See: s.resolve},
		{Name: "mount", Advise: s.unmounted, See: func(ctx context.Context) (string, error) {
			return "the share is mounted", s.Mount(ctx)
		}},
	}
	return chunked.Examine(ctx, slices.Concat(looks, d.FileLooks(o)))
}

// unmounted is the advice for a share that could not be mounted for err.
func (s *Share) unmounted(err error) string {
	switch {
	case errors.Is(err, driverstate.ErrInvalidInput):
		return "as root: umount " + s.Point() + "; or correct " + s.Option
	case errors.Is(err, driverstate.ErrForbidden):
		return "as root: " + s.Command()
	}
	return "see that the server is up and lets this host have the share, and that this kernel has a client for " + s.Type + "; then: " + s.Command()
}

func (s *Share) resolve(ctx context.Context) (string, error) {
	i := strings.Index(s.Name, ":/")
	if i < 0 {
		i = strings.LastIndexByte(s.Name, ':')
	}
	host := strings.Trim(s.Name[:i], "[]")
	addresses, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return "", driverstate.Fail(driverstate.ErrUnavailable, err.Error())
	}
	return host + " is " + strings.Join(addresses, ", "), nil
}
