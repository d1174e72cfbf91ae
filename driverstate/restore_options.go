package driverstate

import "fmt"

// RestoreOptions say which bytes of an image are restored, onto what, and what
// becomes of damage. The zero value restores all of it onto a target whose
// content does not matter, and stops at the first damage.
//
// A driver that cannot do what they ask answers ErrNotSupported, and one whose
// image does not have the bytes ErrInvalidInput, before the target is touched.
type RestoreOptions struct {
	// Offset and Length, in bytes, are the part of the image that the target
	// holds afterwards, from the target's own beginning. Length 0 is to the
	// end of the image.
	Offset int64 `json:"offset,omitempty"`
	Length int64 `json:"length,omitempty"`
	// Resume compares what the target holds with the digests of the image, and
	// writes only what differs. The target must be Readable.
	Resume bool `json:"resume,omitempty"`
	// Salvage goes on after damage, and takes blocks that are proven to be the
	// same from other backups of the volume on the store. What cannot be proven
	// is not written: it reads as zeros, and is in Restored.Holes. The target
	// must not be Sequential.
	Salvage bool `json:"salvage,omitempty"`
}

// Partial reports whether they ask for less than the whole image.
func (o RestoreOptions) Partial() bool { return o.Offset != 0 || o.Length != 0 }

// Plain reports whether they ask for nothing but an ordinary restore.
func (o RestoreOptions) Plain() bool { return !o.Partial() && !o.Resume && !o.Salvage }

// Validate refuses what no image can satisfy.
func (o RestoreOptions) Validate() error {
	if o.Offset < 0 || o.Length < 0 {
		return Fail(ErrInvalidInput, fmt.Sprintf("offset %d and length %d of a restore must not be negative", o.Offset, o.Length))
	}
	return nil
}

// Within is the range that they ask for of an image of length bytes.
func (o RestoreOptions) Within(length int64) (Range, error) {
	if err := o.Validate(); err != nil {
		return Range{}, err
	}
	r := Range{Offset: o.Offset, Length: o.Length}
	switch {
	case r.Offset > length, r.Offset == length && o.Partial():
		return r, Fail(ErrInvalidInput, fmt.Sprintf("the image has %d bytes: nothing is at offset %d", length, r.Offset))
	case r.Length == 0:
		r.Length = length - r.Offset
	case r.Length > length-r.Offset:
		return r, Fail(ErrInvalidInput, fmt.Sprintf("the image has %d bytes: from offset %d on there are %d, not %d",
			length, r.Offset, length-r.Offset, r.Length))
	}
	return r, nil
}

// Range is a part of an image, in bytes.
type Range struct{ Offset, Length int64 }
