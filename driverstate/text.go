package driverstate

import (
	"strings"
	"unicode/utf8"
)

// TextFault says why s cannot be kept, in words that follow a name; empty for a
// text that can. SQLite keeps any bytes as a text and PostgreSQL only UTF-8
// without U+0000 (its manual, 8.3), so no text is taken that one of them would
// refuse.
func TextFault(s string) string {
	switch {
	case !utf8.ValidString(s):
		return "is not UTF-8"
	case strings.ContainsRune(s, 0):
		return "holds U+0000"
	}
	return ""
}

// KeptText is s without what TextFault is about, for what is not ours to refuse.
func KeptText(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}
