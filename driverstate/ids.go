package driverstate

// UUIDPattern is a UUID in Cinder's spelling, for regular expressions.
const UUIDPattern = `[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`

// IsUUID reports whether s is a UUID in Cinder's spelling: 8-4-4-4-12 lower-case
// hexadecimal digits.
func IsUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch i {
		case 8, 13, 18, 23:
			if s[i] != '-' {
				return false
			}
		default:
			if !lowerHex(s[i]) {
				return false
			}
		}
	}
	return true
}

// IsKeystoneID reports whether Keystone can have given s to a project or a
// user: a UUID with or without its dashes, or the SHA-256 of a user of an
// external directory.
func IsKeystoneID(s string) bool {
	if len(s) != 32 && len(s) != 64 {
		return IsUUID(s)
	}
	for i := range len(s) {
		if !lowerHex(s[i]) {
			return false
		}
	}
	return true
}

func lowerHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' }
