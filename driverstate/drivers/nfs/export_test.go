package nfs

// Versions is versions.
func Versions(given string) []string { return versions(given) }
