package glusterfs

// Same is same.
func Same(source, share string) bool { return same(source, share) }
