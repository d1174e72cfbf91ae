package commands

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestWhatAStoreWarnsOfIsToldOnce(t *testing.T) {
	b := newBench()
	log := newStoreWarnings(b.con)
	for range 2 { // a store is looked at more than once
		log.Info("looked at")
		log.Warn("container left out of the scan", "container", "a\tb", "error", errors.New("permission denied"))
		log.With("tape", "/mnt/x").Warn("the tape is not whole", "problem", "volume 2 is missing")
		log.Error("told by the verb")
	}
	assert.Equal(t, "warning: container left out of the scan: container a\\tb, error permission denied\n"+
		"warning: the tape is not whole: tape /mnt/x, problem volume 2 is missing\n", b.err.String())
	for i := range 3 * mostStoreWarnings {
		log.Warn("container left out of the scan", "container", strconv.Itoa(i))
	}
	assert.Equal(t, mostStoreWarnings+1, strings.Count(b.err.String(), "\n"))
	assert.Contains(t, b.err.String(), "warning: the store warns of more: --debug tells all of it\n")
}
