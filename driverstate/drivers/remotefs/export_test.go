package remotefs

import "context"

// Admit is admit with the ids of another process.
func (s *Share) Admit(ctx context.Context, uid, gid int) error { return s.admit(ctx, uid, gid) }

// ParseEntry returns where and from where a line of mountinfo says something
// is mounted.
func ParseEntry(line string) (point, source, device string, ok bool) {
	e, ok := parseEntry(line)
	return e.point, e.source, e.device, ok
}
