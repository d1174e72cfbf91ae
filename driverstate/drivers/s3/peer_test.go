package s3_test

import (
	"testing"

	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/drivers/drivertest"
	"github.com/cinder-go/cinder-go/driverstate/drivers/s3"
)

// customersKey is as Cinder takes it: 32 characters.
const customersKey = "0123456789abcdef0123456789abcdef"

func peer(c s3.Config) drivertest.Peer {
	options := map[string]string{
		"backup_s3_endpoint_url": c.Endpoint, "backup_s3_store_bucket": c.Bucket,
		"backup_s3_store_access_key": string(c.AccessKey), "backup_s3_store_secret_key": string(c.SecretKey),
	}
	if c.SSEKey != "" {
		options["backup_s3_sse_customer_key"], options["backup_s3_sse_customer_algorithm"] = string(c.SSEKey), c.SSEAlgorithm
	}
	return drivertest.Peer{
		Class: s3.Service, Options: options, Imports: "boto3",
		SizeOption: "backup_s3_object_size", BlockOption: "backup_s3_block_size",
	}
}

func TestCinderAndOursReadWhatTheOtherWrote(t *testing.T) {
	c := rgw.config(t)
	c.Bucket = "peer"
	drivertest.RunPeer(t, drivertest.Harness{New: func(t *testing.T) drivertest.Store { return emptyBucket(t, c) }}, peer(c))
}

func TestCinderAndOursReadWhatTheOtherEncrypted(t *testing.T) {
	c := rgw.config(t)
	c.Bucket, c.SSEKey, c.SSEAlgorithm = "peer-encrypted", customersKey, "AES256"
	p := peer(c)
	p.Codecs = []chunked.Compression{chunked.CompressionNone, chunked.CompressionZlib}
	drivertest.RunPeer(t, drivertest.Harness{New: func(t *testing.T) drivertest.Store { return emptyBucket(t, c) }}, p)
}
