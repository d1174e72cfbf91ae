package loglevel_test

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/loglevel"
)

func TestALevelIsChangedForTheLoggersThatAreInUse(t *testing.T) {
	var out bytes.Buffer
	levels := loglevel.New(t.Context(), slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelInfo})))
	api, db := levels.Logger("cinder_go.api"), levels.Logger("cinder_go.db").With("k", "v")
	said := func() string {
		out.Reset()
		for _, logger := range []*slog.Logger{api, db} {
			logger.Debug("low")
			logger.Warn("high")
		}
		return out.String()
	}
	assert.Equal(t, map[string]string{"cinder_go.api": "INFO", "cinder_go.db": "INFO"}, levels.Get(""))
	assert.NotContains(t, said(), "low")
	require.NoError(t, levels.Set("cinder_go.d", "debug"))
	assert.Equal(t, map[string]string{"cinder_go.db": "DEBUG"}, levels.Get("cinder_go.db"))
	assert.Contains(t, said(), `level=DEBUG msg=low k=v`)
	assert.Equal(t, "INFO", levels.Get("cinder_go.api")["cinder_go.api"])
	require.NoError(t, levels.Set("", "Critical"))
	assert.Empty(t, said())
	for _, wrong := range []string{"", "bad", "notset"} {
		err := levels.Set("", wrong)
		require.ErrorIs(t, err, driverstate.ErrInvalidInput)
		assert.EqualError(t, err, wrong+" is not a valid log level.")
	}
}
