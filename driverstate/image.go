package driverstate

import "context"

// Imager is a driver that can read the image of a chain at any offset without
// restoring it.
type Imager interface {
	// OpenImage opens the image of c.Tip. It reads the documents of the chain,
	// not its data. The image ends with ctx, or when it is closed.
	OpenImage(ctx context.Context, c Chain) (Image, error)
}

// Image is what a volume held when it was backed up. It is safe for concurrent
// use, and keeps a bounded part of the image in memory whatever its size is.
type Image interface {
	Size() int64 // bytes
	// ReadAt fills p with the bytes at off, which must lie within the image.
	// Every byte is proven by its hash first. Damage is ErrCorrupt and a
	// Damaged; then p is not to be used. Bytes that are not asked for are not
	// missed: the rest of a damaged image can be read.
	ReadAt(ctx context.Context, p []byte, off int64) error
	// Zeros reports whether the bytes at off are zeros by their hashes, without
	// reading them, and up to where, at most end, the answer is the same.
	Zeros(off, end int64) (zero bool, until int64)
	// Warnings are what of the chain does not keep it from being read.
	Warnings() []string
	Close() error
}

// Damaged is an error that tells where damage is.
type Damaged interface {
	error
	Damage() Problem
}
