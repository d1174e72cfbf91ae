package commands

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

// recordSink takes records, from several goroutines at once.
type recordSink interface {
	write(b client.Backup, r client.Record) (outcome, error)
	// commit brings out what was written, in the order of ids. Failed says how
	// many of those that were chosen are missing.
	commit(ids []string, failed int) error
}

// newRecordSink is the sink for path: a directory, when it is one or ends in /,
// a file, or stdout when it is empty or "-".
func newRecordSink(path string, stdout io.Writer) (recordSink, error) {
	switch info, err := os.Stat(path); {
	case path == "" || path == "-":
		return &streamSink{out: stdout}, nil
	case err == nil && info.IsDir(), strings.HasSuffix(path, string(filepath.Separator)):
		return dirSink{path}, os.MkdirAll(path, 0o755)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	return &fileSink{path: path}, nil
}

// kept are records that come out in an order that is known at the end only.
type kept struct {
	mu      sync.Mutex
	records map[string]keptRecord
}

type keptRecord struct {
	backup client.Backup
	record client.Record
}

func (k *kept) write(b client.Backup, r client.Record) (outcome, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.records == nil {
		k.records = map[string]keptRecord{}
	}
	k.records[b.ID] = keptRecord{b, r}
	return changed, nil
}

func (k *kept) lines(ids []string, w io.Writer) error {
	for _, id := range ids {
		line, err := lineOf(k.records[id].record)
		if err == nil {
			_, err = w.Write(line)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// streamSink writes JSON Lines.
type streamSink struct {
	kept
	out io.Writer
}

func (s *streamSink) commit(ids []string, _ int) error { return s.lines(ids, s.out) }

// viewSink writes the two words of each record in the format of -f.
type viewSink struct {
	kept
	print func(output.View) error
}

func (s *viewSink) commit(ids []string, _ int) error {
	view := output.View{Columns: exportColumns()}
	for _, id := range ids {
		k := s.records[id]
		view.Rows = append(view.Rows, []any{id, k.backup.Name, k.record.BackupService, k.record.BackupURL})
	}
	return s.print(view)
}

// fileSink writes JSON Lines into one file, which is there when all of it is.
type fileSink struct {
	kept
	path string
	// leftOut are the ids of backups that are there and have no record now.
	leftOut []string
}

// elsewhere is the way out when a file is not replaced.
const elsewhere = "say another --output; a directory keeps one file for each backup, and replaces only what it has anew"

// lost are those left out whose record is in the file. One that holds no
// records has none to lose.
func (s *fileSink) lost() []string {
	if len(s.leftOut) == 0 {
		return nil
	}
	old, err := readRecordFile(s.path)
	if err != nil {
		return nil
	}
	var ids []string
	for _, r := range old {
		var row struct {
			ID string `json:"id"`
		}
		if json.Unmarshal(recordText(r.BackupURL), &row) == nil && slices.Contains(s.leftOut, row.ID) {
			ids = append(ids, row.ID)
		}
	}
	return ids
}

func (s *fileSink) commit(ids []string, failed int) error {
	if len(ids) == 0 {
		return nil
	}
	if _, err := os.Stat(s.path); err == nil && failed > 0 {
		return withHint(driverstate.Fail(driverstate.ErrConflict, fmt.Sprintf(
			"%s: left as it was, because %s could not be exported now", s.path, plural(failed, "backup"))),
			elsewhere)
	}
	if lost := s.lost(); len(lost) > 0 {
		return withHint(driverstate.Fail(driverstate.ErrConflict, fmt.Sprintf(
			"%s: left as it was, because it has records of backups that have none now: %s", s.path, strings.Join(lost, ", "))),
			"export again when they are available, which cinder-go doctor helps with; or "+elsewhere)
	}
	var text bytes.Buffer
	if err := s.lines(ids, &text); err != nil {
		return err
	}
	if old, err := os.ReadFile(s.path); err == nil && bytes.Equal(old, text.Bytes()) {
		return nil
	}
	return replaceFile(s.path, text.Bytes())
}

// replaceFile writes beside the file and renames when all is on disk.
func replaceFile(path string, text []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		os.Remove(file.Name())
	}
	return err
}

// dirSink writes one file for each record.
type dirSink struct{ dir string }

func (s dirSink) write(b client.Backup, r client.Record) (outcome, error) {
	if b.ID == "" || strings.ContainsAny(b.ID, `/\`) || strings.HasPrefix(b.ID, ".") {
		return failed, driverstate.Fail(driverstate.ErrCorrupt, fmt.Sprintf("backup id %q cannot name a file", b.ID))
	}
	path := filepath.Join(s.dir, b.ID+".json")
	if old, err := readRecordFile(path); err == nil && len(old) == 1 && sameRecord(old[0], r) {
		return unchanged, nil
	}
	line, err := lineOf(r)
	if err != nil {
		return failed, err
	}
	return changed, replaceFile(path, line)
}

func (s dirSink) commit([]string, int) error { return nil }

// sameRecord reports whether two records say the same. The time of the last
// change does not count: Cinder writes it anew whenever it exports a record.
func sameRecord(old driverstate.ExportedRecord, r client.Record) bool {
	if old.BackupService != r.BackupService {
		return false
	}
	if old.BackupURL == r.BackupURL {
		return true
	}
	var was, is map[string]any
	if json.Unmarshal(recordText(old.BackupURL), &was) != nil || json.Unmarshal(recordText(r.BackupURL), &is) != nil {
		return false
	}
	delete(was, "updated_at")
	delete(is, "updated_at")
	return reflect.DeepEqual(was, is)
}

// others are the ids of the records in the directory that known does not have.
func (s dirSink) others(known map[string]bool) ([]string, error) {
	files, err := recordFiles(s.dir, ".json")
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, name := range files {
		id := strings.TrimSuffix(filepath.Base(name), ".json")
		if uuid.Validate(id) == nil && !known[id] {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}
