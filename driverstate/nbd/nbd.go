// Package nbd serves an image as a read-only network block device, by the
// protocol of github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md: the
// fixed newstyle handshake, one export, structured replies and base:allocation,
// so that clients need not read what is known to be zeros.
//
// It sends no byte that the image has not proven: what cannot be read is
// answered with EIO, and the rest goes on being served. It writes nothing.
package nbd

// Magic numbers and bounds of the handshake.
const (
	initMagic   = 0x4e42444d41474943 // NBDMAGIC
	optionMagic = 0x49484156454F5054 // IHAVEOPT
	replyMagic  = 0x0003e889045565a9 // of an option's reply
	// maxOption bounds the data of an option; the longest there is has two
	// strings of at most 4096 bytes.
	maxOption = 64 << 10
	maxName   = 4096
)

// Flags of the handshake.
const (
	flagFixedNewstyle = 1 << 0
	flagNoZeroes      = 1 << 1
)

// Options.
const (
	optExportName      = 1
	optAbort           = 2
	optList            = 3
	optInfo            = 6
	optGo              = 7
	optStructuredReply = 8
	optListMeta        = 9
	optSetMeta         = 10
)

// Replies to options.
const (
	repAck         = 1
	repServer      = 2
	repInfo        = 3
	repMetaContext = 4
	repErrUnsup    = 1<<31 + 1
	repErrInvalid  = 1<<31 + 3
	repErrUnknown  = 1<<31 + 6
	repErrTooBig   = 1<<31 + 9
)

// What NBD_REP_INFO tells.
const (
	infoExport      = 0
	infoName        = 1
	infoDescription = 2
	infoBlockSize   = 3
)

// Flags of the export.
const (
	exportHasFlags     = 1 << 0
	exportReadOnly     = 1 << 1
	exportSendDF       = 1 << 7
	exportCanMultiConn = 1 << 8
)

// The transmission phase.
const (
	requestMagic    = 0x25609513
	simpleMagic     = 0x67446698
	structuredMagic = 0x668e33ef

	cmdRead        = 0
	cmdWrite       = 1
	cmdDisconnect  = 2
	cmdTrim        = 4
	cmdWriteZeroes = 6
	cmdBlockStatus = 7

	cmdFlagDF     = 1 << 2 // one chunk
	cmdFlagReqOne = 1 << 3 // one extent

	chunkDone        = 1 << 0 // flag of the last chunk
	chunkNone        = 0
	chunkOffsetData  = 1
	chunkOffsetHole  = 2
	chunkBlockStatus = 5
	chunkError       = 1<<15 + 1

	stateHole = 1 << 0
	stateZero = 1 << 1

	errPerm     = 1
	errIO       = 5
	errInvalid  = 22
	errOverflow = 75
	errShutdown = 108
)

// What requests may be. Cinder's hash blocks have 32 KiB: less is not decoded.
const (
	minBlock       = 1
	preferredBlock = 32 << 10
	maxBlock       = 32 << 20 // what clients suppose that do not ask
	// maxExtents bounds one answer about what is zeros.
	maxExtents = 8192
)

// metaAllocation is the one meta context there is, with the id that it has.
const (
	metaAllocation   = "base:allocation"
	metaAllocationID = 1
)
