//go:build !linux

package posix

import "errors"

func (d *dir) openBelow([]string) (*dir, error) { return nil, errors.ErrUnsupported }
