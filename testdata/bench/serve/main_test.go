package main

import (
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWithoutACloudOneLineSaysWhatIsLeftOut(t *testing.T) {
	t.Setenv("CLOUD_DIR", t.TempDir())
	t.Setenv("TMPDIR", t.TempDir())
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	printed := os.Stdout
	os.Stdout = w
	err = compare(t.Context(), "/no/program", 1)
	os.Stdout = printed
	require.NoError(t, w.Close())
	require.NoError(t, err)
	out, err := io.ReadAll(r)
	require.NoError(t, err)
	assert.Equal(t, noCloud+"\n", string(out))
	left, err := os.ReadDir(os.TempDir())
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestMakeBenchMeasuresServeToo(t *testing.T) {
	plan := func(args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), "make", append([]string{"-n", "-C", "../../..", "bench"}, args...)...).CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	const serve = " run ./testdata/bench/serve bin/cinder-go\n"
	assert.Contains(t, plan(), serve)
	assert.Contains(t, plan("BENCH=-n 1 -o x.json"), serve)
	assert.NotContains(t, plan("BENCH=-run zlib"), serve, "only what is asked for")
}
