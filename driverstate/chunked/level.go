package chunked

import (
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Level is how hard new backups are packed. Cinder has none: it restores all.
type Level string

// Levels. The zero value packs as Cinder does or smaller: zlib's level 6, zstd's 3.
const (
	LevelCinder  Level = ""
	LevelFast    Level = "fast"
	LevelFastest Level = "fastest"
)

// ParseLevel answers driverstate.ErrInvalidInput to a word that is no level.
func ParseLevel(word string) (Level, error) {
	switch l := Level(word); l {
	case LevelCinder, LevelFast, LevelFastest:
		return l, nil
	}
	return "", driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("level %.40q is neither fast nor fastest", word))
}

// zlib is the level of DEFLATE. The encoder of 6 is smaller than Cinder's zlib of
// that level, that of 5 up to 3 % larger and of 3 up to 9 %.
func (l Level) zlib() int {
	switch l {
	case LevelFast:
		return 5
	case LevelFastest:
		return 3
	}
	return 6
}

// zstd has two levels that are worth having; the one above takes twice the time.
func (l Level) zstd() zstd.EncoderLevel {
	if l == LevelCinder {
		return zstd.SpeedDefault
	}
	return zstd.SpeedFastest
}
