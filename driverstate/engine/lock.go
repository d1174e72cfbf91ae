package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/cinder-go/cinder-go/driverstate"
)

// holder is what a lock file says of the process that holds it.
type holder struct {
	PID    int    `json:"pid"`
	Listen string `json:"listen,omitempty"`
}

// lock makes the state directory this process's own until the returned file is
// closed, or the process ends, however it ends. ErrConflict names who has it.
func lock(dir, path, listen string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = driverstate.Fail(driverstate.ErrConflict, inUse(dir, file))
	}
	if err == nil {
		err = sign(file, holder{PID: os.Getpid(), Listen: listen})
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

func inUse(dir string, file io.Reader) string {
	text := "state directory " + dir + " is in use by "
	var by holder
	raw, err := io.ReadAll(io.LimitReader(file, 4096))
	if err != nil || json.Unmarshal(raw, &by) != nil || by.PID == 0 {
		return text + "another process"
	}
	text += fmt.Sprintf("process %d", by.PID)
	if by.Listen != "" {
		text += ", which serves " + by.Listen
	}
	return text
}

func sign(file *os.File, h holder) error {
	raw, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err = file.WriteAt(append(raw, '\n'), 0)
	return err
}
