package crash

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// unreached are functions of the manager whose transaction no scenario runs,
// and why.
var unreached = map[string]string{
	"SetCluster":           "one statement that decides nothing",
	"UpdateSnapshotStatus": "one statement, of somebody else's work",
	"State":                "it reads, for metrics",
	"start":                "the row of a cluster, one statement that can be made again",
	"volumeIdle":           "it waits for other members of a cluster, and writes nothing",
	"askCleanup":           "one member of a cluster asks another",
	"leftSomething":        "it reads, whether a dead service left work",
	"cleanBackups":         "one member of a cluster cleans up another",
	"strays":               "it reads, by the clock",
	"dropStrays":           "it takes off what nobody runs, which a start does too",
}

// writes are the methods of a database that change something.
var writes = regexp.MustCompile(`^(Update|([A-Z][a-z]+)+(Create|Update|Destroy|Upsert|Ensure|Set|Claim|ClaimForCleanup|Release|Expire))$`)

// writers are the functions of the manager that write to the database in a
// transaction of their own, and where they are.
func writers(tb testing.TB) map[string]string {
	tb.Helper()
	paths, err := filepath.Glob("../../manager/*.go")
	require.NoError(tb, err)
	found := map[string]string{}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, 0)
		require.NoError(tb, err)
		for _, d := range file.Decls {
			function, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(function, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok && writesToDB(call) {
					found[function.Name.Name] = set.Position(call.Pos()).String()
				}
				return true
			})
		}
	}
	require.NotEmpty(tb, found)
	return found
}

// writesToDB recognises m.db.Update(...) and its like.
func writesToDB(call *ast.CallExpr) bool {
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || !writes.MatchString(method.Sel.Name) {
		return false
	}
	of, ok := method.X.(*ast.SelectorExpr)
	return ok && of.Sel.Name == "db"
}
