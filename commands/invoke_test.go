package commands

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/commands/iostreams"
)

func envOf(env map[string]string) lookup {
	return func(k string) (string, bool) { v, ok := env[k]; return v, ok }
}

// invoke runs the program in this process.
func invoke(t *testing.T, env map[string]string, args ...string) (code int, out, errOut string) {
	t.Helper()
	s, o, e := iostreams.Buffers(strings.NewReader(""))
	code = runMain(t.Context(), args, s, envOf(env))
	return code, o.String(), e.String()
}

// factoryOf returns the factory after args were parsed.
func factoryOf(t *testing.T, env map[string]string, args ...string) *Factory {
	t.Helper()
	s, _, _ := iostreams.Buffers(strings.NewReader(""))
	f := newFactory(s, envOf(env), time.Now)
	root := newRoot(f)
	root.SetArgs(args)
	require.NoError(t, root.ExecuteContext(t.Context()))
	return f
}

func TestTheVersionFlagIsOneLineOnStandardOutput(t *testing.T) {
	code, out, errOut := invoke(t, nil, "--version")
	assert.Zero(t, code)
	assert.Equal(t, "cinder-go version dev\n", out)
	assert.Empty(t, errOut)
}
