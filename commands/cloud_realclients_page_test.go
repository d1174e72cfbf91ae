package commands

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// compatibilityPage is docs/compatibility.md.
func compatibilityPage(t *testing.T, lines []clientLine, ends [2][]clientEnd) []byte {
	t.Helper()
	var b bytes.Buffer
	b.WriteString("# How compatible the engine is\n\n" +
		"What `serve` was compared with, and how it came out. The real side is the Cinder of `testdata/cloud`: 21.3.1 (Zed),\n" +
		"highest microversion 3.70, behind Keystone 22.0.2. `TestCloudRealClients` types the commands and writes this page with\n" +
		"`CINDER_GO_UPDATE=1`; without it, what is said here is held.\n\n")
	clientTable(&b, lines, ends)
	replayTables(t, &b)
	b.WriteString("## Tests of others\n\n`make test-conformance` runs them against both sides' Keystone; the lists in `testdata/conformance` name each test and\n" +
		"say why what fails does.\n\n| Tests | against the engine | where Cinder's result is another |\n| --- | --- | --- |\n")
	for _, list := range []struct {
		title, file string
		before      int // words before the result
	}{{"Tempest 33.0.0, volume tests", "tempest.txt", 1}, {"gophercloud's acceptance tests", "gophercloud.txt", 2}} {
		engine, cinder := conformanceCounts(t, list.file, list.before)
		fmt.Fprintf(&b, "| %s | %s | %s |\n", list.title, engine, cinder)
	}
	return b.Bytes()
}

// clientTable is a line for each command; what is alike is said once.
func clientTable(b *bytes.Buffer, lines []clientLine, ends [2][]clientEnd) {
	alike, better, differs := 0, 0, 0
	for _, line := range lines {
		switch {
		case line.better != "":
			better++
		case line.differs != "":
			differs++
		default:
			alike++
		}
	}
	fmt.Fprintf(b, "## python-cinderclient and openstackclient\n\npython-cinderclient 9.1.0 and openstackclient 6.0.0, Debian's, with the same volumes, backups and snapshots on both\n"+
		"sides: %d commands, of which %d print the same on standard output and standard error and exit with the same code, %d\n"+
		"are better on purpose, and %d are otherwise for the reason given. Ids, times and the widths of columns are left out of\n"+
		"the comparison; *names* says that the clouds hold other things, and only the columns and properties were compared.\n"+
		"$VOL, $VOL2 are volumes, $FULL, $INC (an increment on it), $OTHER and $BAD (error) backups, $SNAP a snapshot; $THEIRVOL and\n"+
		"$THEIRS are a tenant's; $RECORD is the record of $FULL.\n\n"+
		"| typed | Cinder | engine | output |\n| --- | --- | --- | --- |\n", len(lines), alike, better, differs)
	for i, line := range lines {
		typed, how := "`"+line.typed+"`", "same"
		if line.user != "" {
			typed += " as a tenant"
		}
		if line.shape {
			how = "same names"
		}
		if line.codes {
			how = "not compared"
		}
		if line.better != "" {
			how = "better: " + line.better
		} else if line.differs != "" {
			how = "differs: " + line.differs
		}
		fmt.Fprintf(b, "| %s | %d | %d | %s |\n", typed, ends[0][i].code, ends[1][i].code, how)
	}
}

// replayTables count the recorded requests.
func replayTables(t *testing.T, b *bytes.Buffer) {
	t.Helper()
	scenarios, requests, ours := readScenarios(t), 0, 0
	var table, reasons bytes.Buffer
	for _, sc := range scenarios {
		n, other := 0, 0
		for _, step := range sc.steps {
			if step.wait != "" {
				continue
			}
			n++
			if step.ours() {
				other++
				kind, reason := "differs", step.differs
				if step.better != "" {
					kind, reason = "better", step.better
				}
				line, _, _ := strings.Cut(step.line, " -> ")
				if len(line) > 100 {
					line = line[:100] + "..."
				}
				fmt.Fprintf(&reasons, "| %s | `%s` | %s: %s |\n", sc.name, strings.ReplaceAll(line, "|", `\|`), kind, reason)
			}
		}
		requests, ours = requests+n, ours+other
		fmt.Fprintf(&table, "| %s | %d | %d |\n", sc.name, n, other)
	}
	fmt.Fprintf(b, "\n## Recorded requests\n\n%d requests of %d scenarios in `testdata/api/replay`, which the real Cinder answered: `TestReplay` asks the engine the same,\n"+
		"and status, fault, message and members are equal in all but %d, for the reasons below. `TestCloudReplay` asks the cloud\nagain.\n\n"+
		"| scenario | requests | answered otherwise |\n| --- | --- | --- |\n%s\n| scenario | request | |\n| --- | --- | --- |\n%s\n", requests, len(scenarios), ours, &table, &reasons)
}

// conformanceCounts count the results in a list of testdata/conformance.
func conformanceCounts(t *testing.T, file string, before int) (engine, cinder string) {
	t.Helper()
	text, err := os.ReadFile("../testdata/conformance/" + file)
	require.NoError(t, err)
	counts, others := map[string]int{}, map[string]int{}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		require.Greater(t, len(words), before, line)
		counts[words[before]]++
		if len(words) > before+1 {
			others[words[before+1]]++
		}
	}
	tell := func(n map[string]int) string {
		var words []string
		for _, word := range []string{"pass", "fail", "skip"} {
			if n[word] > 0 {
				words = append(words, fmt.Sprintf("%d %s", n[word], word))
			}
		}
		return cmp.Or(strings.Join(words, ", "), "none")
	}
	return tell(counts), tell(others)
}
