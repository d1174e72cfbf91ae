package engine

import (
	"context"
	"time"

	"github.com/cinder-go/cinder-go/driverstate/db"
)

// healthTimeout bounds one question to the database.
const healthTimeout = 5 * time.Second

// asks is a health check that asks the database something small.
func asks(services db.Services) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, healthTimeout)
		defer cancel()
		_, err := services.ServiceGetAll(ctx)
		return err
	}
}
