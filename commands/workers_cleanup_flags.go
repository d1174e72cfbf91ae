package commands

import (
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/driverstate"
)

// cleanupText are the filters as they were typed.
type cleanupText struct {
	cluster, host, binary, isUp, disabled, resourceID, resourceType, serviceID string
}

func (t *cleanupText) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&t.cluster, "cluster", "", "only services of this cluster `NAME`")
	fs.StringVar(&t.host, "host", "", "only services on this `HOST`; without a back end (@) all of its back ends")
	fs.StringVar(&t.binary, "binary", "", "only this `BINARY`: cinder-volume or cinder-scheduler, or cinder-backup, which Cinder refuses and an engine of cinder-go does")
	fs.StringVar(&t.isUp, "is-up", "", "`True|False`: services that are up, or that are down; when left out, only those that are down")
	fs.StringVar(&t.disabled, "disabled", "", "`True|False`: only disabled services, or only enabled ones; of a cluster its own status counts")
	fs.StringVar(&t.resourceID, "resource-id", "", "only the work on the volume or snapshot of this `ID`, or on this backup of an engine")
	fs.StringVar(&t.resourceType, "resource-type", "", "only work on this `TYPE`: Volume or Snapshot, or Backup, which Cinder refuses and an engine of cinder-go does")
	fs.StringVar(&t.serviceID, "service-id", "", "only the service with this `NUMBER`, as the table shows it")
}

// cleanupSpelling takes the names of the API (is_up, cluster_name) for those of
// cinderclient (is-up, cluster).
func cleanupSpelling(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	name = strings.ReplaceAll(name, "_", "-")
	if name == "cluster-name" {
		name = "cluster"
	}
	return pflag.NormalizedName(name)
}

// truthWords are what the API takes for a boolean.
var truthWords = map[string]bool{
	"true": true, "1": true, "on": true, "yes": true, "y": true, "t": true,
	"false": false, "0": false, "off": false, "no": false, "n": false, "f": false,
}

func (t *cleanupText) parse(given func(string) bool) (o client.CleanupOpts, err error) {
	o = client.CleanupOpts{ClusterName: t.cluster, Host: t.host, ResourceID: t.resourceID}
	for _, f := range []struct{ flag, text string }{
		{"cluster", t.cluster}, {"host", t.host}, {"binary", t.binary},
		{"resource-id", t.resourceID}, {"resource-type", t.resourceType},
	} {
		if given(f.flag) && strings.TrimSpace(f.text) == "" {
			return o, usagef("--%s is empty: leave it out to mean any", f.flag)
		}
	}
	switch b := driverstate.Binary(t.binary); b {
	case "", driverstate.BinaryVolume, driverstate.BinaryScheduler, driverstate.BinaryBackup:
		o.Binary = t.binary
	default:
		return o, usagef("--binary %q is none of cinder-volume, cinder-scheduler and, on an engine, cinder-backup", t.binary)
	}
	switch strings.ToLower(t.resourceType) {
	case "":
	case "volume":
		o.ResourceType = client.CleanableVolume
	case "snapshot":
		o.ResourceType = client.CleanableSnapshot
	case "backup":
		o.ResourceType = client.CleanableBackup
	default:
		return o, usagef("--resource-type %q is none of Volume, Snapshot and Backup", t.resourceType)
	}
	for _, b := range []struct {
		flag, text string
		to         **bool
	}{{"is-up", t.isUp, &o.IsUp}, {"disabled", t.disabled, &o.Disabled}} {
		if !given(b.flag) {
			continue
		}
		v, ok := truthWords[strings.ToLower(b.text)]
		if !ok {
			return o, usagef("--%s %q is neither True nor False", b.flag, b.text)
		}
		*b.to = &v
	}
	if given("service-id") {
		n, err := strconv.ParseInt(t.serviceID, 10, 64)
		if err != nil || n < 0 {
			return o, usagef("--service-id %q is no number", t.serviceID)
		}
		o.ServiceID = &n
	}
	return o, nil
}
