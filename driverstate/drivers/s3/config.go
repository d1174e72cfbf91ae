package s3

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

// Defaults of Cinder's options (cinder/backup/drivers/s3.py).
const (
	DefaultBucket          = "volumebackups"
	DefaultObjectSize      = 52428800
	DefaultBlockSize       = 32768
	DefaultTimeout         = 60 * time.Second
	DefaultPoolConnections = 10
)

// How a bucket is named in a request, in the words of Cinder's library
// (boto3, s3 addressing_style).
const (
	AddressingAuto    = "auto"    // virtual for Amazon and its like, path for all others
	AddressingPath    = "path"    // http://server/bucket/object
	AddressingVirtual = "virtual" // http://bucket.server/object
)

// Options are those that the driver reads: Cinder's, and two that Cinder's
// library takes from its own configuration, region and addressing style.
var Options = []oslo.Opt{
	{Name: "backup_s3_endpoint_url", Help: "URL of the server, http or https"},
	{Name: "backup_s3_store_access_key", Secret: true, Help: "access key"},
	{Name: "backup_s3_store_secret_key", Secret: true, Help: "secret key"},
	{Name: "backup_s3_store_bucket", Default: DefaultBucket, Help: "bucket of backups that name none"},
	{Name: "backup_s3_object_size", Kind: oslo.Int, Default: "52428800", Help: "bytes of volume per object, a multiple of backup_s3_block_size"},
	{Name: "backup_s3_block_size", Kind: oslo.Int, Default: "32768", Help: "bytes per digest, in which changes are found"},
	{Name: "backup_s3_enable_progress_timer", Kind: oslo.Bool, Default: "true", Help: "notify of the progress of a backup every backup_timer_interval seconds too"},
	{Name: "backup_s3_http_proxy", Help: "proxy for an http server; that of the environment when no proxy is set"},
	{Name: "backup_s3_https_proxy", Help: "proxy for an https server; that of the environment when no proxy is set"},
	{Name: "backup_s3_timeout", Kind: oslo.Float, Default: "60", Help: "seconds to wait for a connection, and for each piece of an answer"},
	{Name: "backup_s3_max_pool_connections", Kind: oslo.Int, Default: "10", Help: "connections that are kept open"},
	{Name: "backup_s3_retry_max_attempts", Kind: oslo.Int, Default: "4", Help: "how often a request is tried again"},
	{Name: "backup_s3_retry_mode", Default: "legacy", Choices: []string{"legacy", "standard", "adaptive"}, Help: "accepted; every mode waits half a second and then twice as long each time, or as long as the server asks"},
	{Name: "backup_s3_verify_ssl", Kind: oslo.Bool, Default: "true", Help: "whether the server's certificate is verified"},
	{Name: "backup_s3_ca_cert_file", Help: "file of the authorities that the server's certificate is verified by; the system's when empty"},
	{Name: "backup_s3_md5_validation", Kind: oslo.Bool, Default: "true", Help: "whether objects are sent with their MD5"},
	{Name: "backup_s3_sse_customer_key", Secret: true, Help: "32 bytes with which the server encrypts objects (SSE-C)"},
	{Name: "backup_s3_sse_customer_algorithm", Help: "AES256, together with backup_s3_sse_customer_key"},
	{Name: "backup_s3_region", Help: "region of the bucket; asked of the server when empty (not an option of Cinder's)"},
	{Name: "backup_s3_addressing_style", Default: AddressingAuto, Choices: []string{AddressingAuto, AddressingPath, AddressingVirtual},
		Help: "whether the bucket is part of the path or of the host (not an option of Cinder's)"},
	{Name: "storage_availability_zone", Default: "nova", Help: "availability zone in the names of new objects"},
	chunked.CompressionOption,
}

// Secret is a value that is never printed.
type Secret string

func (Secret) String() string   { return "***" }
func (Secret) GoString() string { return "***" }

// Config is what the s3 driver can be told. Zero fields take Cinder's
// defaults, but for Retries.
type Config struct {
	Endpoint             string // backup_s3_endpoint_url
	AccessKey, SecretKey Secret // backup_s3_store_access_key, backup_s3_store_secret_key
	Bucket               string // backup_s3_store_bucket
	Region               string // asked of the server when empty
	AddressingStyle      string // one of the Addressing constants; auto when empty

	ObjectSize  int64               // backup_s3_object_size, bytes
	BlockSize   int64               // backup_s3_block_size, bytes
	Compression chunked.Compression // backup_compression_algorithm; zlib when empty
	Zone        string              // storage_availability_zone; nova when empty

	Insecure              bool   // backup_s3_verify_ssl is false
	CAFile                string // backup_s3_ca_cert_file
	HTTPProxy, HTTPSProxy string // backup_s3_http_proxy, backup_s3_https_proxy
	Timeout               time.Duration
	PoolConnections       int  // backup_s3_max_pool_connections
	Retries               int  // backup_s3_retry_max_attempts: tries after the first
	SkipMD5               bool // backup_s3_md5_validation is false
	// Backoff is the pause before the first repetition; half a second when 0.
	Backoff time.Duration

	SSEKey       Secret // backup_s3_sse_customer_key, 32 bytes
	SSEAlgorithm string // backup_s3_sse_customer_algorithm
	chunked.Runtime
}

// NewConfig reads Options.
func NewConfig(v oslo.Values) (Config, error) {
	r := oslo.Read(Options, v)
	c := Config{
		Endpoint:  strings.TrimRight(r.String("backup_s3_endpoint_url"), "/"),
		AccessKey: Secret(r.String("backup_s3_store_access_key")), SecretKey: Secret(r.String("backup_s3_store_secret_key")),
		Bucket: r.String("backup_s3_store_bucket"), Region: r.String("backup_s3_region"), AddressingStyle: r.String("backup_s3_addressing_style"),
		ObjectSize: r.Int("backup_s3_object_size"), BlockSize: r.Int("backup_s3_block_size"), Zone: r.String("storage_availability_zone"),
		Insecure: !r.Bool("backup_s3_verify_ssl"), CAFile: r.String("backup_s3_ca_cert_file"),
		HTTPProxy: r.String("backup_s3_http_proxy"), HTTPSProxy: r.String("backup_s3_https_proxy"),
		Timeout:         time.Duration(r.Float("backup_s3_timeout") * float64(time.Second)),
		PoolConnections: int(r.Int("backup_s3_max_pool_connections")),
		Retries:         int(r.Int("backup_s3_retry_max_attempts")),
		SkipMD5:         !r.Bool("backup_s3_md5_validation"),
		SSEKey:          Secret(r.String("backup_s3_sse_customer_key")), SSEAlgorithm: r.String("backup_s3_sse_customer_algorithm"),
	}
	word := r.String("backup_compression_algorithm")
	// Read for their errors alone.
	r.Bool("backup_s3_enable_progress_timer")
	r.String("backup_s3_retry_mode")
	if err := r.Err(); err != nil {
		return c, err
	}
	var err error
	c.Compression, err = chunked.ParseCompression(word)
	return c, err
}

// withDefaults is c with Cinder's defaults in its zero fields.
func (c Config) withDefaults() Config {
	if c.Bucket == "" {
		c.Bucket = DefaultBucket
	}
	if c.AddressingStyle == "" {
		c.AddressingStyle = AddressingAuto
	}
	if c.ObjectSize == 0 {
		c.ObjectSize = DefaultObjectSize
	}
	if c.BlockSize == 0 {
		c.BlockSize = DefaultBlockSize
	}
	if c.Compression == "" {
		c.Compression = chunked.CompressionZlib
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Backoff == 0 {
		c.Backoff = defaultBackoff
	}
	if c.PoolConnections == 0 {
		c.PoolConnections = DefaultPoolConnections
	}
	return c
}

// Validate answers driverstate.ErrInvalidInput to what cannot work. Sizes and
// compression are the format's to judge.
func (c Config) Validate() error {
	bad := func(format string, args ...any) error {
		return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf(format, args...))
	}
	// s3.py check_for_setup_error requires these three.
	switch "" {
	case c.Endpoint:
		return bad("backup_s3_endpoint_url is not set")
	case string(c.AccessKey):
		return bad("backup_s3_store_access_key is not set; beside a store URL it is taken from AWS_ACCESS_KEY_ID")
	case string(c.SecretKey):
		return bad("backup_s3_store_secret_key is not set; beside a store URL it is taken from AWS_SECRET_ACCESS_KEY")
	}
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return bad("backup_s3_endpoint_url %q is not a URL such as https://s3.example.org", c.Endpoint)
	}
	if strings.Trim(u.Path, "/") != "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return bad("backup_s3_endpoint_url has more than a host and a port; it is such as https://s3.example.org:8443")
	}
	switch c.AddressingStyle {
	case "", AddressingAuto, AddressingPath, AddressingVirtual:
	default:
		return bad("addressing style %q is not auto, path or virtual", c.AddressingStyle)
	}
	switch {
	case c.Timeout < 0:
		return bad("backup_s3_timeout is negative")
	case c.PoolConnections < 0:
		return bad("backup_s3_max_pool_connections %d is negative", c.PoolConnections)
	case c.Retries < 0:
		return bad("backup_s3_retry_max_attempts %d is negative", c.Retries)
	}
	if c.SSEAlgorithm != "" && c.SSEKey != "" {
		switch {
		case c.SSEAlgorithm != "AES256":
			return bad("backup_s3_sse_customer_algorithm %q is not AES256, the only one that S3 has", c.SSEAlgorithm)
		case len(c.SSEKey) != 32:
			return bad("backup_s3_sse_customer_key has %d bytes and not 32", len(c.SSEKey))
		}
	}
	if c.Bucket == "" {
		return nil
	}
	return layout{}.CheckContainer(c.Bucket)
}

// defaultBackoff doubles to the pauses that Cinder's library makes in the mean
// (botocore.retryhandler delay_exponential: a random part of 1, 2, 4 s).
const defaultBackoff = 500 * time.Millisecond

func (c Config) retries() objectstore.Retries {
	return objectstore.Retries{Attempts: c.Retries, Backoff: c.Backoff}
}

func (c Config) secure() bool { return strings.HasPrefix(c.Endpoint, "https://") }
