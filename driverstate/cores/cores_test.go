package cores_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cinder-go/cinder-go/driverstate/cores"
)

func TestWhatWaitsIsNotCountedAsComputing(t *testing.T) {
	t.Setenv("GOMAXPROCS", "")
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	assert.Equal(t, before, cores.Count())
	cores.LetWait()
	assert.Greater(t, runtime.GOMAXPROCS(0), before)
	assert.Equal(t, before, cores.Count())
}

func TestGOMAXPROCSIsObeyed(t *testing.T) {
	t.Setenv("GOMAXPROCS", "1")
	before := runtime.GOMAXPROCS(0)
	cores.LetWait()
	assert.Equal(t, before, runtime.GOMAXPROCS(0))
}
