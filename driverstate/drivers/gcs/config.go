package gcs

import (
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

// Options are those that the driver reads (cinder/backup/drivers/gcs.py), but
// for backup_gcs_endpoint, which Cinder has not.
var Options = []oslo.Opt{
	chunked.CompressionOption,
	{Name: "backup_gcs_bucket", Help: "bucket of backups that name none; no default"},
	{Name: "backup_gcs_object_size", Kind: oslo.Int, Default: "52428800", Help: "bytes of volume per object, a multiple of backup_gcs_block_size"},
	{Name: "backup_gcs_block_size", Kind: oslo.Int, Default: "32768", Help: "bytes per digest, in which changes are found"},
	{Name: "backup_gcs_reader_chunk_size", Kind: oslo.Int, Default: "2097152", Help: "bytes that one request reads; -1 for all of the object"},
	{Name: "backup_gcs_writer_chunk_size", Kind: oslo.Int, Default: "2097152", Help: "bytes that one request of a resumable upload writes, rounded up to 256 KiB; -1 for all of the object"},
	{Name: "backup_gcs_num_retries", Kind: oslo.Int, Default: "3", Min: 0, Max: 100, Help: "how often a request that failed is made again"},
	{Name: "backup_gcs_retry_error_codes", Kind: oslo.List, Default: "429", Help: "HTTP status codes below 500 after which a request is made again"},
	{Name: "backup_gcs_bucket_location", Default: "US", Help: "location of a bucket that is made"},
	{Name: "backup_gcs_storage_class", Default: "NEARLINE", Help: "storage class of a bucket that is made"},
	{Name: "backup_gcs_credential_file", Help: "JSON key file of a service account"},
	{Name: "backup_gcs_project_id", Help: "project that owns the buckets; that of the service account when empty"},
	{Name: "backup_gcs_user_agent", Default: "gcscinder", Help: "name that requests give"},
	{Name: "backup_gcs_enable_progress_timer", Kind: oslo.Bool, Default: "true", Help: "notify of the progress of a backup every backup_timer_interval seconds too"},
	{Name: "backup_gcs_proxy_url", Secret: true, Help: "HTTP proxy; those of the environment when empty"},
	{Name: "backup_gcs_endpoint", Help: "address of another server than Google's, such as an emulator: http://127.0.0.1:4443"},
	{Name: "storage_availability_zone", Default: "nova", Help: "availability zone that new object prefixes name"},
}

// Config is what the driver can be told. NewConfig gives Cinder's defaults.
type Config struct {
	Bucket         string              // backup_gcs_bucket
	ObjectSize     int64               // backup_gcs_object_size, bytes
	BlockSize      int64               // backup_gcs_block_size, bytes
	ReaderChunk    int64               // backup_gcs_reader_chunk_size, bytes; -1 for all
	WriterChunk    int64               // backup_gcs_writer_chunk_size, bytes; -1 for all
	Retries        int                 // backup_gcs_num_retries, after the first attempt
	RetryCodes     []int               // backup_gcs_retry_error_codes; those from 500 on always are
	Location       string              // backup_gcs_bucket_location
	StorageClass   string              // backup_gcs_storage_class
	CredentialFile string              // backup_gcs_credential_file; empty for an emulator
	Project        string              // backup_gcs_project_id; that of the credentials when empty
	UserAgent      string              // backup_gcs_user_agent
	Proxy          string              // backup_gcs_proxy_url; a secret, as it may hold a password
	Endpoint       string              // backup_gcs_endpoint; Google's when empty
	Zone           string              // storage_availability_zone
	Compression    chunked.Compression // backup_compression_algorithm
	chunked.Runtime
}

// NewConfig reads Options.
func NewConfig(v oslo.Values) (Config, error) {
	r := oslo.Read(Options, v)
	c := Config{
		Bucket: r.String("backup_gcs_bucket"), ObjectSize: r.Int("backup_gcs_object_size"), BlockSize: r.Int("backup_gcs_block_size"),
		ReaderChunk: r.Int("backup_gcs_reader_chunk_size"), WriterChunk: r.Int("backup_gcs_writer_chunk_size"),
		Retries: int(r.Int("backup_gcs_num_retries")), Location: r.String("backup_gcs_bucket_location"),
		StorageClass: r.String("backup_gcs_storage_class"), CredentialFile: r.String("backup_gcs_credential_file"),
		Project: r.String("backup_gcs_project_id"), UserAgent: r.String("backup_gcs_user_agent"), Proxy: r.String("backup_gcs_proxy_url"),
		Endpoint: r.String("backup_gcs_endpoint"), Zone: r.String("storage_availability_zone"),
	}
	r.Bool("backup_gcs_enable_progress_timer")
	codes, word := r.List("backup_gcs_retry_error_codes"), r.String("backup_compression_algorithm")
	if err := r.Err(); err != nil {
		return c, err
	}
	for _, text := range codes {
		code, err := strconv.Atoi(text)
		if err != nil || code < 100 || code > 599 {
			return c, invalid("option backup_gcs_retry_error_codes: %q is not an HTTP status code", text)
		}
		c.RetryCodes = append(c.RetryCodes, code)
	}
	// STORAGE_EMULATOR_HOST, from which the endpoint may come, is often without a scheme.
	if c.Endpoint != "" && !strings.Contains(c.Endpoint, "://") {
		c.Endpoint = "http://" + c.Endpoint
	}
	var err error
	c.Compression, err = chunked.ParseCompression(word)
	return c, err
}

// Validate answers driverstate.ErrInvalidInput to what cannot work. The sizes
// are the format's to judge; options that are missing are told by
// CheckForSetupError.
func (c Config) Validate() error {
	if c.Bucket != "" {
		if err := (chunked.ObjectLayout{}).CheckContainer(c.Bucket); err != nil {
			return err
		}
	}
	for name, n := range map[string]int64{"backup_gcs_reader_chunk_size": c.ReaderChunk, "backup_gcs_writer_chunk_size": c.WriterChunk} {
		if n < 1 && n != -1 {
			return invalid("option %s: %d is neither a number of bytes nor -1", name, n)
		}
	}
	if _, err := parseURL(c.Proxy); err != nil {
		return invalid("option backup_gcs_proxy_url is not a URL such as http://proxy:3128")
	}
	endpoint, err := parseURL(c.Endpoint)
	if err != nil {
		return invalid("option backup_gcs_endpoint: %q is not a URL such as https://storage.googleapis.com", c.Endpoint)
	}
	if endpoint != nil && endpoint.Scheme == "http" && c.CredentialFile != "" && !isLoopback(endpoint.Hostname()) {
		return invalid("option backup_gcs_endpoint: %s would be sent the access token of %s in clear text; use https, or drop the credential file if it is an emulator",
			c.Endpoint, c.CredentialFile)
	}
	return nil
}

// parseURL is nil for an empty one.
func parseURL(text string) (*url.URL, error) {
	if text == "" {
		return nil, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("not an http URL")
	}
	return u, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (c Config) format() chunked.Config {
	return chunked.Config{
		Service: Service, ObjectSize: c.ObjectSize, BlockSize: c.BlockSize, Compression: c.Compression,
		Workers: c.Workers, Tuning: c.Tuning, Logger: c.Logger,
	}
}

func invalid(format string, args ...any) error {
	return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf(format, args...))
}

func (c Config) log() *slog.Logger {
	if c.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Logger
}
