package commands

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
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

// recordSink takes records. What was not committed is not left behind as a
// file that looks complete.
type recordSink interface {
	write(id string, r client.Record) error
	commit() error
	abort()
}

func openRecordSink(path string, stdout io.Writer) (recordSink, error) {
	switch info, err := os.Stat(path); {
	case path == "" || path == "-":
		return &streamSink{w: bufio.NewWriter(stdout)}, nil
	case err == nil && info.IsDir(), strings.HasSuffix(path, string(filepath.Separator)):
		return &dirSink{dir: path}, os.MkdirAll(path, 0o755)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	return newFileSink(path)
}

func lineOf(r client.Record) ([]byte, error) {
	line := recordLine{BackupService: r.BackupService, BackupURL: r.BackupURL}
	text, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(r.BackupURL), ""))
	if err == nil && json.Valid(text) {
		line.Record = text
	}
	b, err := json.Marshal(line)
	return append(b, '\n'), err
}

type streamSink struct{ w *bufio.Writer }

func (s *streamSink) write(_ string, r client.Record) error {
	line, err := lineOf(r)
	if err != nil {
		return err
	}
	_, err = s.w.Write(line)
	return err
}

func (s *streamSink) commit() error { return s.w.Flush() }
func (s *streamSink) abort()        {}

// fileSink writes beside the file and renames when all is there.
type fileSink struct {
	streamSink
	file *os.File
	path string
}

func newFileSink(path string) (*fileSink, error) {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, err
	}
	return &fileSink{streamSink{bufio.NewWriter(file)}, file, path}, nil
}

func (s *fileSink) commit() error {
	if err := errors.Join(s.w.Flush(), s.file.Sync(), s.file.Close()); err != nil {
		return err
	}
	return os.Rename(s.file.Name(), s.path)
}

func (s *fileSink) abort() {
	s.file.Close()
	os.Remove(s.file.Name())
}

// dirSink writes one file for each record.
type dirSink struct{ dir string }

func (s *dirSink) write(id string, r client.Record) error {
	if id == "" || strings.ContainsAny(id, `/\`) || strings.HasPrefix(id, ".") {
		return driverstate.Fail(driverstate.ErrCorrupt, fmt.Sprintf("backup id %q cannot name a file", id))
	}
	one, err := newFileSink(filepath.Join(s.dir, id+".json"))
	if err != nil {
		return err
	}
	defer one.abort()
	if err := one.write(id, r); err != nil {
		return err
	}
	return one.commit()
}

func (s *dirSink) commit() error { return nil }
func (s *dirSink) abort()        {}

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
		files = nil
		for _, pattern := range []string{"*.json", "*.jsonl"} {
			some, err := filepath.Glob(filepath.Join(path, pattern))
			if err != nil {
				return nil, err
			}
			files = append(files, some...)
		}
		slices.Sort(files)
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
