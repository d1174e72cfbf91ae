package engine

import (
	"fmt"

	"github.com/cinder-go/cinder-go/driverstate"
)

// quota is the option for the limit that every project has of a resource.
func quota(name, resource, what string) Option {
	standard := "-1"
	if limit, ok := driverstate.CinderQuotas[resource]; ok {
		standard = fmt.Sprintf("-1; with --auth keystone %d, as in Cinder", limit)
	}
	return Option{
		Name: name, Default: standard, Range: "-1 for no limit, or at least 0", Help: what + " of a project, until another limit is set for it",
		set: number(driverstate.Unlimited, 1<<31-1, func(c *Config, n int64) {
			if c.Quotas == nil {
				c.Quotas = map[string]int64{}
			}
			c.Quotas[resource] = n
		}),
	}
}
