package commands

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/driverstate"
)

// maxRecordFile bounds how much of one file of records is read.
const maxRecordFile = 1 << 30

// recordLine is one object of a file of records.
type recordLine struct {
	BackupService string          `json:"backup_service"`
	BackupURL     string          `json:"backup_url"`
	Record        json.RawMessage `json:"record,omitempty"` // for people; never read back
}

func lineOf(r client.Record) ([]byte, error) {
	line := recordLine{BackupService: r.BackupService, BackupURL: r.BackupURL}
	if text := recordText(r.BackupURL); json.Valid(text) {
		line.Record = text
	}
	b, err := json.Marshal(line)
	return append(b, '\n'), err
}

// recordText is the JSON inside a record; nil when there is none.
func recordText(url string) []byte {
	text, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(url), ""))
	if err != nil {
		return nil
	}
	return text
}

// readRecords reads every record of a file, of the *.json and *.jsonl files of
// a directory, or of stdin when path is "-". Anything that is no record is
// ErrCorrupt, with its place.
func readRecords(path string, stdin io.Reader) ([]driverstate.ExportedRecord, error) {
	if path == "-" {
		return decodeRecords(stdin, "standard input")
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	files := []string{path}
	if info.IsDir() {
		if files, err = recordFiles(path, ".json", ".jsonl"); err != nil {
			return nil, err
		}
		if len(files) == 0 {
			return nil, driverstate.Fail(driverstate.ErrNotFound, path+": no *.json or *.jsonl file is in it")
		}
	}
	var all []driverstate.ExportedRecord
	for _, name := range files {
		some, err := readRecordFile(name)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// recordFiles are the files of a directory that have one of the endings, by name. The
// directory may be called anything: to a pattern its name would belong.
func recordFiles(dir string, endings ...string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		if !e.IsDir() && slices.Contains(endings, filepath.Ext(e.Name())) {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	return files, nil
}

func readRecordFile(name string) ([]driverstate.ExportedRecord, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return decodeRecords(file, name)
}

func decodeRecords(r io.Reader, where string) ([]driverstate.ExportedRecord, error) {
	d := json.NewDecoder(io.LimitReader(r, maxRecordFile))
	var out []driverstate.ExportedRecord
	for n := 1; ; n++ {
		var line recordLine
		err := d.Decode(&line)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err == nil && (line.BackupService == "" || line.BackupURL == "") {
			err = errors.New("backup_service or backup_url is missing")
		}
		if err != nil {
			return nil, driverstate.Fail(driverstate.ErrCorrupt, fmt.Sprintf("%s: record %d: %v", where, n, err))
		}
		out = append(out, driverstate.ExportedRecord{BackupService: line.BackupService, BackupURL: line.BackupURL})
	}
}

// exported is a record of the client in the words of the package that reads it.
func exported(r client.Record) driverstate.ExportedRecord {
	return driverstate.ExportedRecord{BackupService: r.BackupService, BackupURL: r.BackupURL}
}
