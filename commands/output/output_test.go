package output_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/cinder-go/cinder-go/commands/output"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if *update {
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), string(got))
}

type problem struct {
	Object string `json:"object"`
	Reason string `json:"reason"`
}

func sample() output.View {
	name := "nightly <1>"
	return output.View{
		Columns: []output.Column{
			{Key: "id", Title: "ID"}, {Key: "name", Title: "Name"}, {Key: "size", Title: "Size"},
			{Key: "incremental", Title: "Incremental"}, {Key: "created_at", Title: "Created At"},
			{Key: "warnings", Title: "Warnings", Wide: true}, {Key: "problems", Title: "Problems", Wide: true},
		},
		Rows: [][]any{
			{"31136ebd-183c-4c85-9249-b1a09f4e2cd7", &name, int64(1), false,
				time.Date(2026, 3, 1, 14, 5, 6, 0, time.FixedZone("", 7200)), []string{}, []problem{}},
			{"ef47d7b2-d70a-44fe-a65e-bfeed28da7fd", (*string)(nil), int64(1024), true,
				time.Time{}, []string{"stray object", "no hash list"}, []problem{{"x-00001", "missing"}}},
			{"1f75bec1-f620-49c6-92e2-4dd7cacede24", "a\x1b[2Jb\u202ec, \"d\"", int64(0), true, time.Time{}, []string{}, []problem{}},
		},
	}
}

func render(t *testing.T, p output.Printer, v output.View) []byte {
	t.Helper()
	var b bytes.Buffer
	p.Out = &b
	require.NoError(t, p.Print(v))
	return b.Bytes()
}

func TestEveryFormatKeepsItsShape(t *testing.T) {
	for _, name := range output.Formats {
		t.Run(name, func(t *testing.T) {
			f, err := output.ParseFormat(name)
			require.NoError(t, err)
			golden(t, "list."+name, render(t, output.Printer{Format: f}, sample()))
			one := sample()
			one.Single, one.Rows = true, one.Rows[1:2]
			golden(t, "single."+name, render(t, output.Printer{Format: f}, one))
			none := sample()
			none.Rows = nil
			golden(t, "none."+name, render(t, output.Printer{Format: f}, none))
		})
	}
}

func TestColumnsAreChosenAndOrdered(t *testing.T) {
	p := output.Printer{Format: output.Value, Columns: []string{"SIZE", "id"}}
	got := render(t, p, sample())
	assert.Equal(t, "1 31136ebd-183c-4c85-9249-b1a09f4e2cd7\n", strings.SplitAfter(string(got), "\n")[0])
	p.Format = output.JSON
	var rows []map[string]any
	require.NoError(t, json.Unmarshal(render(t, p, sample()), &rows))
	assert.Len(t, rows[0], 2)
}

func TestWideColumnsAreInTheTableOnlyWhenAskedFor(t *testing.T) {
	p := output.Printer{Format: output.Table}
	assert.NotContains(t, string(render(t, p, sample())), "Warnings")
	p.Long = true
	assert.Contains(t, string(render(t, p, sample())), "stray object; no hash list")
	p.Long = false
	p.Columns = []string{"id", "warnings"}
	assert.Contains(t, string(render(t, p, sample())), "stray object; no hash list")
}

func TestUnknownColumnIsRefused(t *testing.T) {
	err := output.Printer{Columns: []string{"colour"}}.Check(sample().Columns)
	assert.ErrorContains(t, err, `column "colour" is none of id, name, size`)
	assert.Error(t, output.Printer{Columns: []string{"colour"}, Out: &bytes.Buffer{}}.Print(sample()))
}

func TestUnknownFormatIsRefused(t *testing.T) {
	_, err := output.ParseFormat("xml")
	assert.ErrorContains(t, err, `format "xml" is none of table, json, yaml, csv, value`)
}

func TestTableWrapsToTheTerminalAndLosesNothing(t *testing.T) {
	v := output.View{
		Columns: []output.Column{{Key: "id", Title: "ID"}, {Key: "reason", Title: "Reason"}},
		Rows: [][]any{{"31136ebd", "chunk volume_1/20260301/az_nova_backup_31136ebd-00001 is missing, and nothing else can stand for it"},
			{"ef47d7b2", strings.Repeat("日", 40)}},
	}
	for _, width := range []int{40, 60, 80} {
		got := string(render(t, output.Printer{Format: output.Table, Width: width}, v))
		squeezed := ""
		for line := range strings.Lines(got) {
			line = strings.TrimRight(line, "\n")
			columns := 0
			for _, r := range line {
				columns++
				if r == '日' {
					columns++
				}
			}
			assert.LessOrEqual(t, columns, width, line)
			if cells := strings.Split(line, "|"); len(cells) == 4 {
				squeezed += strings.TrimSpace(cells[2])
			}
		}
		flat := strings.ReplaceAll(squeezed, " ", "")
		assert.Contains(t, flat, "chunkvolume_1/20260301/az_nova_backup_31136ebd-00001ismissing,andnothingelsecanstandforit")
		assert.Contains(t, flat, strings.Repeat("日", 40))
	}
}

func TestTableIsNeverCutOffATerminal(t *testing.T) {
	long := strings.Repeat("x", 500)
	v := output.View{Columns: []output.Column{{Key: "reason", Title: "Reason"}}, Rows: [][]any{{long}}}
	assert.Contains(t, string(render(t, output.Printer{Format: output.Table}, v)), long)
}

func TestNoFormatLetsControlCharactersThrough(t *testing.T) {
	for _, name := range output.Formats {
		got := string(render(t, output.Printer{Format: output.Format(name)}, sample()))
		assert.NotContains(t, got, "\x1b", name)
		assert.NotContains(t, got, "\u202e", name)
	}
}

func TestJSONAndYAMLSayTheSame(t *testing.T) {
	var fromJSON, fromYAML any
	require.NoError(t, json.Unmarshal(render(t, output.Printer{Format: output.JSON}, sample()), &fromJSON))
	require.NoError(t, yaml.Unmarshal(render(t, output.Printer{Format: output.YAML}, sample()), &fromYAML))
	again, err := json.Marshal(fromYAML)
	require.NoError(t, err)
	want, err := json.Marshal(fromJSON)
	require.NoError(t, err)
	assert.JSONEq(t, string(want), string(again))
}

// A list that breaks off is not taken for the whole of it.
func TestAStreamThatFailsHalfWay(t *testing.T) {
	gone := errors.New("the store is gone")
	v := sample()
	for format, want := range map[output.Format]string{
		output.Value: "31136ebd-183c-4c85-9249-b1a09f4e2cd7\n", output.CSV: "id\n31136ebd-183c-4c85-9249-b1a09f4e2cd7\n",
		output.JSON:  "[\n  {\n    \"id\": \"31136ebd-183c-4c85-9249-b1a09f4e2cd7\"\n  }",
		output.Table: "", output.YAML: "",
	} {
		var out bytes.Buffer
		p := output.Printer{Format: format, Columns: []string{"id"}, Out: &out}
		require.ErrorIs(t, p.Stream(v.Columns, func(yield func([]any, error) bool) {
			if yield(v.Rows[0], nil) {
				yield(nil, gone)
			}
		}), gone)
		assert.Equal(t, want, out.String(), format)
	}
}

// A name may hold what no terminal shows, beyond the 16 bits of a \u too.
func TestYAMLOfAHiddenRuneBeyondTheFirstPlane(t *testing.T) {
	var out bytes.Buffer
	name := "a\U000E0001b"
	p := output.Printer{Format: output.YAML, Out: &out}
	require.NoError(t, p.Print(output.View{Columns: []output.Column{{Key: "name"}}, Rows: [][]any{{name}}}))
	assert.NotContains(t, out.String(), name)
}
