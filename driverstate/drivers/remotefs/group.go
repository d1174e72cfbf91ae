package remotefs

import (
	"io/fs"
	"syscall"
)

// groupOf is the group of a file; -1 where files have none.
func groupOf(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Gid)
	}
	return -1
}
