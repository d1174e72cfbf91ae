package commands

import (
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/cinder-go/cinder-go"

// mayImport says what each package may import besides the standard library. A
// name that ends in /... allows everything below it. Packages of this module
// are named from its root.
var mayImport = map[string][]string{
	"cmd/cinder-go": {"commands", "commands/iostreams", "driverstate/cores"},
	"cmd/gen-docs":  {"commands", "commands/iostreams", cobraPkg + "/..."},

	"commands": {"client", "client/clouds", "client/inproc", "driverstate", "driverstate/api", "driverstate/identity", "driverstate/engine", "driverstate/fault", "driverstate/notify", "commands/...",
		"testdata/drillstore", cobraPkg, "github.com/spf13/pflag", gophercloudPkg, uuidPkg, "golang.org/x/sync/..."},
	"commands/iostreams": {"golang.org/x/term"},
	"commands/output":    {"commands/iostreams", tablewriterPkg + "/...", "gopkg.in/yaml.v3"},
	"commands/prompt":    {"commands/iostreams", surveyPkg + "/..."},
	"commands/progress":  {"commands/iostreams", "driverstate"},

	"client":            {"driverstate", gophercloudPkg + "/...", "client/workers", "client/manageable", "golang.org/x/sync/..."},
	"client/clouds":     {gophercloudPkg + "/...", "gopkg.in/yaml.v3"},
	"client/workers":    {gophercloudPkg + "/..."},
	"client/manageable": {gophercloudPkg + "/..."},
	"client/inproc":     {},

	"driverstate":              {},
	"driverstate/trace":        {},
	"driverstate/api":          {"driverstate", "driverstate/trace", uuidPkg},
	"driverstate/loglevel":     {"driverstate"},
	"driverstate/manager":      {"driverstate", "driverstate/db", "driverstate/trace", uuidPkg, "golang.org/x/sync/..."},
	"driverstate/db":           {"driverstate"},
	"driverstate/db/rows":      {"driverstate", "driverstate/db"},
	"driverstate/db/riverjobs": {"driverstate/db", "driverstate/db/rows", "github.com/riverqueue/river/..."},
	"driverstate/db/sqlite": {"driverstate", "driverstate/db", "driverstate/db/rows", "driverstate/db/riverjobs",
		"github.com/riverqueue/river/...", "github.com/pressly/goose/v3/...", "modernc.org/sqlite/..."},
	"driverstate/db/postgres": {"driverstate", "driverstate/db", "driverstate/db/rows", "driverstate/db/riverjobs",
		"github.com/riverqueue/river/...", "github.com/pressly/goose/v3/...", "github.com/jackc/pgx/v5/..."},
	"driverstate/metrics":           {"driverstate", "github.com/prometheus/client_golang/..."},
	"driverstate/notify":            {"driverstate/trace", uuidPkg, "github.com/rabbitmq/amqp091-go"},
	"driverstate/fault":             {},
	"driverstate/fault/wrap":        {"driverstate", "driverstate/db", "driverstate/fault", "driverstate/manager", "driverstate/objectstore"},
	"driverstate/identity":          {"driverstate", "driverstate/api", gophercloudPkg, "golang.org/x/sync/singleflight"},
	"driverstate/objectstore":       {"golang.org/x/time/rate"},
	"driverstate/oslo":              {"driverstate"},
	"driverstate/cores":             {},
	"driverstate/bunzip":            {"driverstate/cores"},
	"driverstate/inflate":           {},
	"driverstate/chunked":           {"driverstate", "driverstate/objectstore", "driverstate/oslo", "driverstate/cores", "driverstate/bunzip", "driverstate/inflate", "github.com/klauspost/compress/...", "github.com/dsnet/compress/...", "golang.org/x/sync/..."},
	"driverstate/drivers/posix":     {"driverstate", "driverstate/objectstore", "driverstate/oslo", "driverstate/chunked", "driverstate/fault", "golang.org/x/sys/...", "golang.org/x/sync/..."},
	"driverstate/drivers/remotefs":  {"driverstate", "driverstate/chunked", "driverstate/drivers/posix", "golang.org/x/sys/..."},
	"driverstate/drivers/nfs":       {"driverstate", "driverstate/oslo", "driverstate/drivers/posix", "driverstate/drivers/remotefs"},
	"driverstate/drivers/glusterfs": {"driverstate", "driverstate/oslo", "driverstate/drivers/posix", "driverstate/drivers/remotefs"},
	"driverstate/drivers/gcs": {"driverstate", "driverstate/objectstore", "driverstate/oslo", "driverstate/chunked", "driverstate/drivers/server", "golang.org/x/oauth2/...",
		"google.golang.org/api/googleapi", "google.golang.org/api/option", "google.golang.org/api/storage/v1"},
	"driverstate/drivers/s3":     {"driverstate", "driverstate/objectstore", "driverstate/oslo", "driverstate/chunked", "driverstate/drivers/server", "github.com/minio/minio-go/v7/..."},
	"driverstate/drivers/swift":  {"driverstate", "driverstate/objectstore", "driverstate/oslo", "driverstate/chunked", "driverstate/drivers/server", "github.com/ncw/swift/v2", gophercloudPkg + "/..."},
	"driverstate/drivers/server": {"driverstate"},
	"driverstate/nbd":            {"driverstate", "golang.org/x/sync/..."},
	"driverstate/tape":           {"driverstate", "driverstate/objectstore", "driverstate/oslo", "driverstate/chunked", "golang.org/x/sys/..."},
	"driverstate/ship":           {"driverstate", "driverstate/cores", "driverstate/objectstore", "driverstate/chunked", "golang.org/x/sync/..."},
	"driverstate/drivers/ceph":   {"driverstate", "driverstate/objectstore", "driverstate/oslo", "driverstate/chunked", "golang.org/x/sync/..."},
	"driverstate/drivers":        {"driverstate", "driverstate/tape", "driverstate/objectstore", "driverstate/oslo", "driverstate/chunked", "driverstate/drivers/..."},
	"driverstate/volume":         {"driverstate", "golang.org/x/sys/..."},
	"driverstate/engine":         {"driverstate/..."},

	"testdata/drillstore": {"github.com/klauspost/compress/zstd"},
}

// Libraries that one package alone may know.
const (
	cobraPkg       = "github.com/spf13/cobra"
	gophercloudPkg = "github.com/gophercloud/gophercloud/v2"
	tablewriterPkg = "github.com/olekukonko/tablewriter"
	surveyPkg      = "github.com/AlecAivazis/survey/v2"
	uuidPkg        = "github.com/google/uuid"
)

// testOnly are packages that no program may contain.
var testOnly = []string{"driverstate/drivers/drivertest", "driverstate/objectstore/storetest", "driverstate/objectstore/wirefault", "driverstate/db/dbtest", "driverstate/engine/crash",
	"driverstate/db/postgres/pgtest", "testdata/corpus"}

// onlyIn holds rules that are narrower than a package: who of commands may
// import what.
var onlyIn = map[string][]string{
	module + "/driverstate/engine":   {"factory.go", "stores.go", "config_files.go", "serve.go", "serve_options.go", "engine_migrate.go"},
	module + "/testdata/drillstore":  {"drill.go", "drill_steps.go", "drill_repair.go"},
	module + "/driverstate/api":      {"serve_auth.go"},
	module + "/driverstate/notify":   {"serve_notify.go"},
	module + "/driverstate/identity": {"serve_auth.go"},
	gophercloudPkg:                   {"factory.go", "serve_auth.go"},
}

func TestPackagesImportOnlyWhatTheTableAllows(t *testing.T) {
	list := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	list.Dir = ".."
	raw, err := list.Output()
	require.NoError(t, err)
	seen := map[string]bool{}
	for d := json.NewDecoder(strings.NewReader(string(raw))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		if slices.Contains(testOnly, name) {
			continue
		}
		allowed, known := mayImport[name]
		if !assert.True(t, known, "package %s is not in the table", name) {
			continue
		}
		seen[name] = true
		for _, path := range p.Imports {
			path = strings.TrimPrefix(path, module+"/")
			local := len(path) > 0 && (strings.HasPrefix(path, "driverstate") || strings.HasPrefix(path, "commands") ||
				strings.HasPrefix(path, "client") || strings.HasPrefix(path, "testdata"))
			if !local && !strings.Contains(strings.Split(path, "/")[0], ".") {
				continue // the standard library
			}
			assert.True(t, slices.ContainsFunc(allowed, func(rule string) bool { return allows(rule, path) }),
				"%s imports %s, which the table does not allow", name, path)
		}
	}
	assert.True(t, seen["commands"] && seen["driverstate"], "go list has found the module")
}

func allows(rule, path string) bool {
	if below, ok := strings.CutSuffix(rule, "/..."); ok {
		return path == below || strings.HasPrefix(path, below+"/")
	}
	return path == rule
}

func TestOnlySomeFilesOfCommandsKnowTheEngine(t *testing.T) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, spec := range file.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			if allowed, narrow := onlyIn[path]; narrow {
				assert.Contains(t, allowed, name, "%s imports %s", name, path)
			}
		}
	}
}
