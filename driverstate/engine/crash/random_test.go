package crash

import (
	"math/rand/v2"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// seedOf is the seed of this run: CRASH_SEED, or a new one.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if s := os.Getenv("CRASH_SEED"); s != "" {
		var err error
		seed, err = strconv.ParseUint(s, 10, 64)
		require.NoError(t, err)
	}
	t.Logf("CRASH_SEED=%d repeats the requests and the kills, not their timing", seed)
	return seed
}

// lasting is how long the load lasts: the variable's seconds, else those given.
func lasting(t *testing.T, variable string, seconds int) time.Duration {
	t.Helper()
	if s := os.Getenv(variable); s != "" {
		var err error
		seconds, err = strconv.Atoi(s)
		require.NoError(t, err)
	}
	return time.Duration(seconds) * time.Second
}

// TestKillsUnderLoadAreRecovered kills a server that is busy, again and again.
func TestKillsUnderLoadAreRecovered(t *testing.T) {
	seconds := 3
	switch {
	case os.Getenv("CRASH_FULL") != "":
		seconds = 45
	case testing.Short():
		t.Skip("seconds of load; the long run has them")
	}
	seed, length := seedOf(t), lasting(t, "CRASH_SECONDS", seconds)
	p := newPlace(t)
	server, up := launch(t, p, host)
	require.True(t, up, server.said())
	var base atomic.Value
	base.Store(server.base)
	c := newCrew(t, p, seed, func(*rand.Rand) string { return base.Load().(string) })
	r := openSQLite(t, p)
	defer r.close()
	var hands []*hand
	for n := range 6 {
		hands = append(hands, c.join(n, 2, []int{small, small, large}[n%3]))
	}
	c.lose(hands[0], r, 6)
	seen := r.watch(t, p)
	for _, h := range hands {
		c.begin(h)
	}
	kills := 0
	random := rand.New(rand.NewPCG(seed, 99))
	for end := time.Now().Add(length); time.Now().Before(end); kills++ {
		time.Sleep(time.Duration(200+random.IntN(1800)) * time.Millisecond) // the load is what is waited for
		server.kill()
		server, up = launch(t, p, host)
		require.True(t, up, server.said())
		base.Store(server.base)
	}
	c.end()
	at := time.Now()
	census := r.settled(t, p, patience)
	wrong := append(census.violations(t, c.world()), c.failures...)
	t.Logf("%d kills in %s, all at rest %s after the last; %s; %d backups and %d volumes in the end, %d violations\n%s",
		kills, length, time.Since(at).Round(time.Millisecond), seen.stop(), len(census.backups), len(census.volumes), len(wrong), c.table())
	for _, s := range wrong {
		t.Error(s)
	}
	if len(wrong) > 0 {
		p.keepLogs(t, host)
	}
}
