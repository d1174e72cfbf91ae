package api

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ownRules are of calls that Cinder has not.
var ownRules = map[string]access{"backup:manageable": forAdmins, "backup:manage": forAdmins, "backup:verify": forAdmins, "backup:ship": forAdmins, "backup:examine": forAdmins, "backup:device": forAdmins}

func TestEveryRouteHasAPolicyOfCinder(t *testing.T) {
	raw, err := os.ReadFile("../../testdata/api/zed-policies.txt")
	require.NoError(t, err)
	rules := map[string]access{}
	for line := range strings.Lines(string(raw)) {
		if rule, who, ok := strings.Cut(strings.TrimSpace(line), " "); ok && rule != "#" {
			rules[rule] = map[string]access{"reader": forReaders, "member": forMembers, "admin": forAdmins}[who]
		}
	}
	for rule, who := range ownRules {
		rules[rule] = who
	}
	for name, p := range policies {
		if p.who == forAll {
			assert.Empty(t, p.rule, name)
			continue
		}
		who, known := rules[p.rule]
		assert.True(t, known, "%s: Cinder has no rule %s", name, p.rule)
		assert.Equal(t, who, p.who, "%s: %s", name, p.rule)
	}
	routes := map[string]bool{}
	for _, rt := range (&server{}).table() {
		name := rt.method + " " + rt.path
		routes[name] = true
		assert.Contains(t, policies, name, "the route needs an entry of policies, or only admins may use it")
	}
	for name := range policies {
		words := strings.Fields(name)
		assert.True(t, routes[words[0]+" "+words[1]], "%s is the policy of no route", name)
	}
}
