package s3

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/encrypt"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// encryption is the customer's key of SSE-C, nil for none. Like Cinder
// (s3.py S3ObjectWriter), it takes both options to be set.
func (c Config) encryption() encrypt.ServerSide {
	if c.SSEAlgorithm == "" || c.SSEKey == "" {
		return nil
	}
	sse, err := encrypt.NewSSEC([]byte(c.SSEKey))
	if err != nil {
		return nil // Validate has refused it
	}
	return sse
}

// warnEncryption tells of options that look as if they encrypted and do not,
// in Cinder's words (s3.py check_for_setup_error).
func (c Config) warnEncryption(log *slog.Logger) {
	if (c.SSEAlgorithm == "") != (c.SSEKey == "") {
		log.Warn("Both the backup_s3_sse_customer_algorithm and backup_s3_sse_customer_key options must be set to enable SSE. SSE is disabled.")
	}
}

// proof is whether the server has been seen to encrypt. Servers exist that
// accept the headers of SSE-C and store the data in the clear.
type proof struct {
	mu   sync.Mutex
	done bool
}

// around runs put, and after the first that succeeds prove. Until then puts
// take turns, so that no more than one object is stored on trust.
func (p *proof) around(wanted bool, put, prove func() error) error {
	if !wanted {
		return put()
	}
	p.mu.Lock()
	if p.done {
		p.mu.Unlock()
		return put()
	}
	defer p.mu.Unlock()
	if err := put(); err != nil {
		return err
	}
	if err := prove(); err != nil {
		return err
	}
	p.done = true
	return nil
}

// proveEncrypted reads an object that was just written without the key, which
// a server that encrypts refuses. One that does not loses the object again.
func (s *Store) proveEncrypted(ctx context.Context, bucket, name string) error {
	asked, a := ask(ctx)
	body, _, _, err := s.client.GetObject(asked, bucket, name, minio.GetObjectOptions{})
	if err != nil {
		// 400 on most servers, 403 on some.
		if status := minio.ToErrorResponse(err).StatusCode; status == 400 || status == 403 {
			return nil
		}
		return s.failed(asked, a, bucket, name, err)
	}
	body.Close()
	if err := s.Delete(ctx, bucket, name); err != nil {
		return err
	}
	return objectstore.Permanent(driverstate.Fail(driverstate.ErrNotSupported, fmt.Sprintf(
		"%s accepted a customer's key (SSE-C) and stored the object in the clear; it was removed again. "+
			"Use a server that has SSE-C, or unset backup_s3_sse_customer_key and backup_s3_sse_customer_algorithm to store backups unencrypted", s.where(bucket))))
}
