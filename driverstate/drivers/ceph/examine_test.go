package ceph

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// slowRados keeps an object in a file, and waits behind what it does for a verb.
const slowRados = `#!/bin/sh
for verb; do
	case $verb in
	put) cat >"$RADOS_DIR/object" ;;
	get) cat "$RADOS_DIR/object" ;;
	rm) rm "$RADOS_DIR/object" ;;
	*) continue ;;
	esac
	[ "$verb" = "$RADOS_WAITS" ] || exit 0
	: >"$RADOS_DIR/waits"
	until [ -e "$RADOS_DIR/go" ]; do sleep 0.02; done
	exit 0
done
`

func TestTheWriteStepThatIsGivenUpLeavesNoObject(t *testing.T) {
	for _, verb := range []string{"put", "get"} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(dir+"/rados", []byte(slowRados), 0o755))
		t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
		t.Setenv("RADOS_DIR", dir)
		t.Setenv("RADOS_WAITS", verb)
		made, err := New(t.Context(), Config{Pool: "backups"})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		failed := make(chan error, 1)
		go func() {
			_, err := made.(*Driver).examineWrite(ctx)
			failed <- err
		}()
		require.Eventually(t, func() bool { _, err := os.Stat(dir + "/waits"); return err == nil }, time.Minute, 5*time.Millisecond)
		require.FileExists(t, dir+"/object")
		cancel()
		require.NoError(t, os.WriteFile(dir+"/go", nil, 0o600))
		require.ErrorIs(t, <-failed, context.Canceled, verb)
		assert.NoFileExists(t, dir+"/object", verb)
	}
}
