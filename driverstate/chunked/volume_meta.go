package chunked

import (
	"bytes"
	"fmt"
)

// volumeFacts is what the volume's own columns, inside volume_meta, tell of a
// backup (cinder/backup/driver.py BackupMetadataAPI). The rest of the columns
// may hold secrets and is not kept.
type volumeFacts struct {
	size                int64
	project, user, zone string
	encryptionKey       string
}

// parseVolumeMeta reads the facts from the text of volume_meta.
func parseVolumeMeta(text []byte) (volumeFacts, error) {
	var f volumeFacts
	if len(text) == 0 {
		return f, nil
	}
	s := newScanner(bytes.NewReader(text), maxVolumeMeta)
	defer s.release()
	column := func(key string) error {
		var into *string
		switch key {
		case "project_id":
			into = &f.project
		case "user_id":
			into = &f.user
		case "availability_zone":
			into = &f.zone
		case "encryption_key_id":
			into = &f.encryptionKey
		case "size":
			if null, err := s.null(); null || err != nil {
				return err
			}
			var err error
			f.size, err = s.integer()
			if err == nil && f.size > maxGiB {
				err = s.fail("size %d is out of range", f.size)
			}
			return err
		default:
			return s.skip(2)
		}
		if null, err := s.null(); null || err != nil {
			return err
		}
		word, err := s.str(255 * 4)
		*into = string(word)
		return err
	}
	err := s.object(func(key string) error {
		if key == "volume-base-metadata" {
			return s.object(column)
		}
		return s.skip(1)
	})
	if err == nil {
		err = s.finish()
	}
	if err != nil {
		return volumeFacts{}, fmt.Errorf("volume_meta: %w", err)
	}
	return f, nil
}
