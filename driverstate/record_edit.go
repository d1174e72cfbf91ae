package driverstate

import (
	"encoding/base64"
	"encoding/json"
	"unicode/utf8"
)

// EditRecord returns r with its members changed by edit, which reports whether
// it changed any. Values are those of encoding/json, numbers json.Number; null
// is nil. The base64 of what comes back is on one line; the members of a record
// that was changed are in the order of their names.
//
// It checks no more than that the text is a JSON object without duplicate keys:
// see DecodeRecord. Errors answer to ErrInvalidInput.
func EditRecord(r ExportedRecord, edit func(members map[string]any) (changed bool)) (ExportedRecord, error) {
	text, err := recordText(r.BackupURL)
	if err != nil {
		return ExportedRecord{}, err
	}
	if !json.Valid(text) || !utf8.Valid(text) {
		return ExportedRecord{}, Fail(ErrInvalidInput, "Can't parse backup record.")
	}
	members, err := recordMembers(text)
	if err != nil {
		return ExportedRecord{}, err
	}
	if edit(members) {
		w := recordWriter{}
		w.object(members)
		if w.err != nil {
			return ExportedRecord{}, w.err
		}
		text = []byte(w.out.String())
	}
	return ExportedRecord{BackupService: r.BackupService, BackupURL: base64.StdEncoding.EncodeToString(text)}, nil
}
