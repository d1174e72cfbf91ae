package fault_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate/fault"
)

// childSpec arms a child of this test, which then passes points by turns.
const childSpec = "FAULT_TEST_CHILD_SPEC"

func TestChildThatKillsItself(t *testing.T) {
	spec := os.Getenv(childSpec)
	if spec == "" {
		t.Skip("runs only as a child of the tests below")
	}
	require.NoError(t, fault.Arm(spec))
	for range 3 {
		fault.Point("job.begin")
		_, err := os.Stdout.WriteString("between\n")
		require.NoError(t, err)
		fault.Point("job.end")
	}
}

// killed runs the child and returns how often it came between its points, and
// whether it was killed.
func killed(t *testing.T, spec string) (between int, byKill bool) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChildThatKillsItself$")
	child.Env = append(os.Environ(), childSpec+"="+spec)
	out, err := child.Output()
	if err != nil {
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit)
		byKill = exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
	}
	return strings.Count(string(out), "between\n"), byKill
}

func TestAnArmedProcessIsKilledAtItsPoint(t *testing.T) {
	control := filepath.Join(t.TempDir(), "control")
	for _, c := range []struct {
		name, spec, file string
		between          int
		killed           bool
	}{
		{"the first time", "kill:job.end", "", 1, true},
		{"the third time", "kill:job.begin:3", "", 2, true},
		{"a time that never comes", "kill:job.begin:4", "", 3, false},
		{"a point that is not passed", "kill:tx.done:finishCreate:1", "", 3, false},
		{"by a file", "@" + control, "kill:job.end:2\n", 2, true},
		{"by a file that says nothing", "@" + control, "", 3, false},
	} {
		require.NoError(t, os.WriteFile(control, []byte(c.file), 0o600))
		_ = os.Remove(control + fault.TraceSuffix)
		between, byKill := killed(t, c.spec)
		assert.Equal(t, c.between, between, c.name)
		assert.Equal(t, c.killed, byKill, c.name)
	}
	trace, err := os.ReadFile(control + fault.TraceSuffix)
	require.NoError(t, err)
	assert.Equal(t, strings.Repeat("job.begin\njob.end\n", 3), string(trace))
}

func TestASpecThatCannotBeTakenArmsNothing(t *testing.T) {
	control := filepath.Join(t.TempDir(), "control")
	require.NoError(t, os.WriteFile(control, []byte("kill:no.such.point"), 0o600))
	for _, spec := range []string{"", "1", "true", "job.end", "kill:", "kill:no.such.point:1", "kill:tx.done:", "@" + control, "@" + t.TempDir()} {
		require.Error(t, fault.Arm(spec), spec)
		assert.False(t, fault.Armed(), spec)
	}
}

func TestHookIsToldOfEveryPoint(t *testing.T) {
	var passed []string
	disarm := fault.Hook(func(name string) { passed = append(passed, name) })
	fault.Point("job.begin")
	disarm()
	fault.Point("job.end")
	assert.Equal(t, []string{"job.begin"}, passed)
	assert.False(t, fault.Armed())
}

// kinds are those of the objects that a point can be passed for.
var kinds = []string{"chunk", "hashes", "metadata"}

func TestThePointsOfTheTableAreThoseOfTheCode(t *testing.T) {
	used := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err == nil {
			ast.Inspect(file, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					collect(call, used)
				}
				return true
			})
		}
		return err
	})
	require.NoError(t, err)
	table := map[string]bool{}
	for _, e := range fault.Points {
		assert.False(t, table[e.Name], "%s is in the table twice", e.Name)
		assert.NotEmpty(t, e.After, e.Name)
		table[e.Name] = true
	}
	assert.Equal(t, table, used, "the table and the code name the same points")
}

// collect adds the points that a call passes.
func collect(call *ast.CallExpr, used map[string]bool) {
	name := ""
	switch f := call.Fun.(type) {
	case *ast.Ident:
		name = f.Name
	case *ast.SelectorExpr:
		if x, ok := f.X.(*ast.Ident); ok {
			name = x.Name + "." + f.Sel.Name
		}
	}
	if name != "fault.Point" && name != "after" && name != "around" {
		return
	}
	for _, arg := range call.Args {
		suffixes := []string{""}
		if sum, ok := arg.(*ast.BinaryExpr); ok {
			arg, suffixes = sum.X, kinds
		}
		literal, ok := arg.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			continue
		}
		prefix, err := strconv.Unquote(literal.Value)
		for _, suffix := range suffixes {
			if err == nil {
				used[prefix+suffix] = true
			}
		}
	}
}

func BenchmarkPointOff(b *testing.B) {
	for b.Loop() {
		fault.Point("job.begin")
	}
}
