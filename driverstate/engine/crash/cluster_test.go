package crash

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate/db/postgres/pgtest"
)

// members of the cluster, each a process.
var members = []string{"north", "east", "south"}

// memberOptions let the others notice a death soon, and see to it themselves.
var memberOptions = []string{
	"--cluster", "crew", "--set", "report_interval=1", "--set", "service_down_time=3",
	"--set", "auto_cleanup_enabled=true", "--set", "auto_cleanup_checks=1", "--set", "backup_max_operations=2",
}

// cluster are the processes and where they answer now.
type cluster struct {
	t *testing.T
	place
	url     string
	servers []*process
	bases   []atomic.Value // of strings
}

func newCluster(t *testing.T) *cluster {
	c := &cluster{t: t, place: newPlace(t), url: pgtest.URL(t), servers: make([]*process, len(members)), bases: make([]atomic.Value, len(members))}
	for i := range members {
		c.start(i)
	}
	return c
}

func (c *cluster) start(i int) {
	c.t.Helper()
	var up bool
	c.servers[i], up = launch(c.t, c.place, members[i], append(slices.Clone(memberOptions), "--db", c.url)...)
	require.True(c.t, up, c.servers[i].said())
	c.bases[i].Store(c.servers[i].base)
}

// base is the address of any member, which may just be dead.
func (c *cluster) base(r *rand.Rand) string {
	return c.bases[r.IntN(len(c.bases))].Load().(string)
}

// TestAClusterWhoseMembersAreKilledLosesNothing is three processes on one
// database, one store and one directory of volumes, of which one after the
// other is killed and started again while all are busy.
func TestAClusterWhoseMembersAreKilledLosesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("seconds of load; the long run has them")
	}
	seed, length := seedOf(t), lasting(t, "CRASH_CLUSTER_SECONDS", 10)
	s := newCluster(t)
	r := openPostgres(t, s.url)
	defer r.close()
	c := newCrew(t, s.place, seed, s.base)
	var hands []*hand
	for n := range 40 {
		hands = append(hands, c.join(n, 2, []int{small, large}[n%2]))
	}
	c.lose(hands[0], r, 20)
	c.stock(hands, 6)
	if left := r.settled(t, s.place, patience).restless(); left != "" {
		s.keepLogs(t, members...)
		t.Fatal("before any kill: " + left)
	}
	seen := r.watch(t, s.place)
	for _, h := range hands {
		c.begin(h)
	}
	kills, taken := 0, 0
	random := rand.New(rand.NewPCG(seed, 99))
	for end := time.Now().Add(length); time.Now().Before(end); kills++ {
		time.Sleep(time.Duration(1000+random.IntN(2000)) * time.Millisecond) // the load is what is waited for
		i := random.IntN(len(members))
		s.servers[i].kill()
		if random.IntN(2) == 0 { // the others take its work over
			time.Sleep(time.Duration(4000+random.IntN(2000)) * time.Millisecond)
			taken++
		}
		s.start(i)
	}
	c.end()
	at := time.Now()
	census := r.settled(t, s.place, patience)
	rest := time.Since(at)
	wrong := append(census.violations(t, c.world()), c.failures...)
	wrong = append(wrong, s.stayDown()...)
	t.Logf("%d kills in %s, %d of them with the dead one away for longer than service_down_time; all at rest %s after the load; %s; %d backups and %d volumes in the end, %d violations\n%s",
		kills, length, taken, rest.Round(time.Millisecond), seen.stop(), len(census.backups), len(census.volumes), len(wrong), c.table())
	for _, s := range wrong {
		t.Error(s)
	}
	if len(wrong) > 0 {
		s.keepLogs(t, members...)
	}
}

// stayDown are the members that are not up in the end: one heartbeat may be late.
func (c *cluster) stayDown() []string {
	wrong := c.down()
	for end := time.Now().Add(patience); len(wrong) > 0 && time.Now().Before(end); wrong = c.down() {
		time.Sleep(pace)
	}
	return wrong
}

// down are the members that say that they are not up.
func (c *cluster) down() []string {
	var wrong []string
	for i, s := range c.servers {
		if a := ask(s.base, http.MethodGet, "os-services", nil); !a.ok() || strings.Contains(a.String(), `"down"`) {
			wrong = append(wrong, members[i]+" says that a service is down: "+a.String())
		}
	}
	return wrong
}
