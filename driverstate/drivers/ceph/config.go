package ceph

import (
	"strings"

	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

// Options are those that the ceph driver reads (cinder/backup/drivers/ceph.py
// service_opts). backup_ceph_max_snapshots came with 2023.2; it prunes the
// snapshots that backups leave on RBD volumes, which this driver never makes.
var Options = []oslo.Opt{
	{Name: "backup_ceph_conf", Default: "/etc/ceph/ceph.conf", Help: "Ceph configuration file"},
	{Name: "backup_ceph_user", Default: "cinder", Help: "Ceph user, without client."},
	{Name: "backup_ceph_pool", Default: "backups", Help: "pool of the backups"},
	{Name: "backup_ceph_chunk_size", Kind: oslo.Int, Default: "134217728", Min: 512, Max: 1 << 40, Help: "bytes that are moved at once, at most 4194304 here"},
	{Name: "backup_ceph_stripe_unit", Kind: oslo.Int, Default: "0", Min: 0, Max: 1 << 32, Help: "stripe unit of new images, bytes"},
	{Name: "backup_ceph_stripe_count", Kind: oslo.Int, Default: "0", Min: 0, Max: 1 << 16, Help: "stripe count of new images"},
	{Name: "backup_ceph_image_journals", Kind: oslo.Bool, Default: "false", Help: "new images have a journal, for mirroring"},
	{Name: "backup_ceph_max_snapshots", Kind: oslo.Int, Default: "0", Min: 0, Max: 1 << 31, Help: "snapshots kept on RBD volumes, of which this driver makes none"},
	{Name: "restore_discard_excess_bytes", Kind: oslo.Bool, Default: "true", Help: "what a restored volume has beyond the image reads as zeros; it always does here"},
}

// Config is what the ceph driver can be told. Zero fields take Cinder's
// defaults.
type Config struct {
	Conf          string // backup_ceph_conf
	User          string // backup_ceph_user
	Pool          string // backup_ceph_pool
	ChunkSize     int64  // backup_ceph_chunk_size, bytes
	StripeUnit    int64  // backup_ceph_stripe_unit, bytes; 0 with StripeCount 0
	StripeCount   int64  // backup_ceph_stripe_count
	ImageJournals bool   // backup_ceph_image_journals
	// Runtime: Workers is how many backups a scan looks at once. Limit holds
	// what goes through the programs. Wrap is not used: there is no object store
	// below.
	chunked.Runtime
}

// NewConfig reads Options.
func NewConfig(v oslo.Values) (Config, error) {
	r := oslo.Read(Options, v)
	c := Config{
		Conf: r.String("backup_ceph_conf"), User: r.String("backup_ceph_user"), Pool: r.String("backup_ceph_pool"),
		ChunkSize:  r.Int("backup_ceph_chunk_size"),
		StripeUnit: r.Int("backup_ceph_stripe_unit"), StripeCount: r.Int("backup_ceph_stripe_count"),
		ImageJournals: r.Bool("backup_ceph_image_journals"),
	}
	// They change nothing here, and a value that Cinder refuses is refused.
	r.Int("backup_ceph_max_snapshots")
	r.Bool("restore_discard_excess_bytes")
	if err := r.Err(); err != nil {
		return c, err
	}
	// Cinder does not start with one of them empty (check_for_setup_error).
	for _, name := range []string{"backup_ceph_conf", "backup_ceph_user", "backup_ceph_pool"} {
		if r.String(name) == "" {
			return c, invalid("option %s is empty: Cinder's driver needs it too", name)
		}
	}
	return c, c.Validate()
}

func (c *Config) setDefaults() {
	if c.Conf == "" {
		c.Conf = "/etc/ceph/ceph.conf"
	}
	if c.User == "" {
		c.User = "cinder"
	}
	if c.Pool == "" {
		c.Pool = "backups"
	}
	if c.ChunkSize == 0 {
		c.ChunkSize = maxPiece
	}
}

// pieceSize is how many bytes are moved at once: whole blocks.
func (c Config) pieceSize() int64 {
	n := min(c.ChunkSize, maxPiece)
	return max(blockSize, n-n%blockSize)
}

// Validate answers driverstate.ErrInvalidInput to names that cannot be given
// to Ceph's programs and to a striping that Ceph does not have.
func (c Config) Validate() error {
	c.setDefaults()
	switch {
	case strings.HasPrefix(c.Conf, "-") || hasControl(c.Conf):
		return invalid("backup_ceph_conf %.300q is not a path", c.Conf)
	case strings.HasPrefix(c.User, "client."):
		return invalid("backup_ceph_user %q: leave out \"client.\", Ceph adds it", c.User)
	case strings.HasPrefix(c.User, "-") || hasControl(c.User):
		return invalid("backup_ceph_user %.300q is not a Ceph user", c.User)
	case c.ChunkSize < 512:
		return invalid("backup_ceph_chunk_size %d is under 512", c.ChunkSize)
	case c.StripeUnit < 0 || c.StripeCount < 0 || (c.StripeUnit == 0) != (c.StripeCount == 0):
		return invalid("backup_ceph_stripe_unit %d and backup_ceph_stripe_count %d go together", c.StripeUnit, c.StripeCount)
	case c.StripeUnit > 0 && (objectSize%c.StripeUnit != 0 || c.StripeUnit%512 != 0):
		return invalid("backup_ceph_stripe_unit %d is not a multiple of 512 that divides %d", c.StripeUnit, int64(objectSize))
	}
	return checkPool(c.Pool)
}
