package remotefs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
)

// mountinfo is the kernel's table of what is mounted (proc(5)).
const mountinfo = "/proc/self/mountinfo"

// entry is a line of it.
type entry struct {
	point, source, kind string
	device              string // major:minor
}

// entry is the share's mount point in the table: the last one, if several are
// stacked.
func (s *Share) entry() (entry, bool, error) {
	// The directory itself is not touched: that of a dead server would hang.
	base, err := filepath.EvalSymlinks(s.Base)
	if errors.Is(err, fs.ErrNotExist) {
		return entry{}, false, nil
	}
	if err != nil {
		return entry{}, false, driverstate.Fail(driverstate.ErrForbidden, fmt.Sprintf("mount point of share %s: %v", s.Name, err))
	}
	table, err := os.ReadFile(mountinfo)
	if err != nil {
		return entry{}, false, driverstate.Fail(driverstate.ErrUnavailable, fmt.Sprintf("what is mounted cannot be told: %v", err))
	}
	point := filepath.Join(base, filepath.Base(s.Point()))
	var last entry
	found := false
	for line := range strings.Lines(string(table)) {
		if e, ok := parseEntry(line); ok && e.point == point {
			last, found = e, true
		}
	}
	return last, found, nil
}

// parseEntry reads a line such as
// "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue".
func parseEntry(line string) (entry, bool) {
	before, after, ok := strings.Cut(line, " - ")
	first, second := strings.Fields(before), strings.Fields(after)
	if !ok || len(first) < 6 || len(second) < 2 {
		return entry{}, false
	}
	return entry{point: unescape(first[4]), device: first[2], kind: unescape(second[0]), source: unescape(second[1])}, true
}

// unescape undoes the octal form that the kernel gives blanks and backslashes.
func unescape(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+3 < len(text) {
			if n, err := strconv.ParseUint(text[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(text[i])
	}
	return b.String()
}
