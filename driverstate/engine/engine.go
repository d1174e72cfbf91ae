// Package engine is cinder-go's own Cinder: it wires the database, the drivers
// of stores, the manager and the API into one http.Handler, over a state
// directory that it alone uses.
package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/api"
	"github.com/cinder-go/cinder-go/driverstate/drivers"
	"github.com/cinder-go/cinder-go/driverstate/loglevel"
	"github.com/cinder-go/cinder-go/driverstate/manager"
	"github.com/cinder-go/cinder-go/driverstate/nbd"
	"github.com/cinder-go/cinder-go/driverstate/volume"
)

var _ api.Operations = (*manager.Stores)(nil)

// Engine is a running engine.
type Engine struct {
	handler http.Handler
	metrics http.Handler
	manager *manager.Stores
	closers []io.Closer // in the order of closing
	lost    chan error

	once sync.Once
	err  error
}

// Start opens the state directory and the stores and takes over what an earlier
// engine left unfinished there. ErrConflict when another process uses the
// state directory. A store that cannot be reached is no error: its backup
// service is then down, and comes up when the store does. ctx bounds Start
// only; Close ends the engine.
func Start(ctx context.Context, c Config) (*Engine, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(c.StateDir)
	if err != nil {
		return nil, err
	}
	if err := prepare(dir); err != nil {
		return nil, err
	}
	if err := arm(&c); err != nil {
		return nil, err
	}
	c.Logger = traced(c.Logger)
	e := &Engine{lost: make(chan error, 1)}
	if err := e.open(ctx, dir, c); err != nil {
		return nil, errors.Join(err, e.closeAll())
	}
	return e, nil
}

func (e *Engine) open(ctx context.Context, dir string, c Config) error {
	held, err := lock(dir, filepath.Join(dir, lockFile), c.Listen)
	if err != nil {
		return err
	}
	e.closesFirst(held)
	if c.Host, err = hostOf(dir, c.Host); err != nil {
		return fmt.Errorf("name of the host: %w", err)
	}
	if c.Stores, err = nameStores(c.Stores); err != nil {
		return err
	}
	if strings.Contains(c.Host, "@") && c.Stores[len(c.Stores)-1].Name != "" {
		return invalid("host %q has an @, which begins the name of a store: say --host NAME", c.Host)
	}
	levels := loglevel.New(ctx, c.Logger)
	if c.AutoCleanup && c.Cluster == "" {
		c.Logger.Warn("auto_cleanup_enabled does nothing: this engine is in no cluster, whose dead members it would clean up after; serve --cluster NAME joins one")
	}
	if c.Cluster != "" && c.DatabaseURL == "" {
		c.Logger.Warn("this engine is alone in its cluster: nobody else has the rows that are in its state directory; serve --db URL shares them", "cluster", c.Cluster)
	}
	storeLog, shipLog := levels.Logger("cinder_go.driver"), levels.Logger("cinder_go.ship")
	if c.StoreLogger != nil {
		storeLog, shipLog = c.StoreLogger, c.StoreLogger
	}
	stores, err := e.openStores(c, storeLog)
	if err != nil {
		return err
	}
	if err := keepPlaces(dir, c.Host, c.Stores); err != nil {
		return err
	}
	notifier, err := openNotifier(ctx, c)
	if err != nil {
		return err
	}
	e.closesFirst(notifier)
	counts := newMetrics(e, c, notifier)
	e.metrics = counts.Handler()
	database, err := openDatabase(ctx, dir, c)
	if err != nil {
		return err
	}
	e.closesFirst(database)
	volumes := cmp.Or(c.VolumeDir, filepath.Join(dir, volumesDir))
	if err := os.MkdirAll(volumes, 0o700); err != nil {
		return fmt.Errorf("directory of volumes: %w", err)
	}
	var device func(context.Context, driverstate.DeviceRequest, driverstate.Image) (manager.DeviceServer, error)
	if c.Devices {
		device = openDevice
	}
	ships := newShipper(c, shipLog)
	e.closesFirst(ships)
	m, err := manager.NewStores(manager.Config{
		Device: device,
		DB:     wrapDB(database), Canonical: drivers.Canonical,
		Host: c.Host, AvailabilityZone: c.AvailabilityZone, Cluster: c.Cluster,
		VolumeDir: volumes, TargetDirs: c.TargetDirs, Stdout: c.Stdout,
		OpenTarget: wrapTargets(sparesStores(openTarget, c, volumes)), OpenSource: openSource, DropTarget: volume.DropPartial, CheckMap: volume.CheckMap, WriteMap: volume.WriteMap,
		Ship:       ships.ship,
		CopyVolume: volume.Copy, Space: volume.Space, Quotas: c.Quotas,
		Observer: counts.Observer(c.Observer), Logger: levels.Logger("cinder_go.manager"), Now: c.Now,
		Notify: publisher(notifier, c.Logger), JobDone: countJobs(counts),
		KeepHost:       keeperOf(database),
		ReportInterval: c.ReportInterval, ServiceDownTime: c.ServiceDownTime, InitInterval: c.InitInterval,
		InitTimeout: c.InitTimeout, InitOnce: c.InitOnce, CheckInterval: c.CheckInterval,
		ProgressInterval: cmp.Or(c.ProgressInterval, progressInterval),
		AutoCleanup:      c.AutoCleanup, AutoCleanupChecks: c.AutoCleanupChecks,
		Jobs: c.Jobs,
	}, stores)
	if err != nil {
		return err
	}
	if err := m.Start(ctx); err != nil {
		return err
	}
	e.manager = m
	if keep := keeperOf(database); keep != nil {
		e.closesFirst(e.keepHost(ctx, keep, cmp.Or(c.ReportInterval, manager.DefaultReportInterval), c.Logger))
	}
	e.handler = api.New(m, api.Config{
		Logger: levels.Logger("cinder_go.api"), Host: c.Host, LogLevels: levels, PublicURL: c.PublicURL, MaxLimit: c.MaxLimit, Auth: c.Auth, MaxRequests: c.MaxRequests, Health: asks(database), Served: countRequests(counts),
	})
	return nil
}

func openDevice(ctx context.Context, r driverstate.DeviceRequest, image driverstate.Image) (manager.DeviceServer, error) {
	s, err := nbd.Listen(ctx, r, image)
	if err != nil {
		return nil, err // not a nil *nbd.Server
	}
	return s, nil
}

func openTarget(path string, o manager.TargetOptions) (manager.Target, error) {
	return volume.OpenTarget(path, volume.TargetOptions{Size: o.Size, Overwrite: o.Overwrite, Resume: o.Resume, Stdout: o.Stdout})
}

func openSource(path string, volumeMeta []byte) (manager.Source, error) {
	return volume.OpenSource(path, volumeMeta)
}

func (e *Engine) closesFirst(c io.Closer) { e.closers = append([]io.Closer{c}, e.closers...) }

func (e *Engine) closeAll() error {
	var err error
	for _, c := range e.closers {
		err = errors.Join(err, c.Close())
	}
	return err
}

// Handler is the API. It answers until Close.
func (e *Engine) Handler() http.Handler { return e.handler }

// Manager gives tests and the engine's owner the operations without HTTP.
func (e *Engine) Manager() *manager.Stores { return e.manager }

// Lost answers once, with why, when another process has become the host of this
// one: that one has its work now, and this one is to be closed.
func (e *Engine) Lost() <-chan error { return e.lost }

// Close cancels the work in progress, waits until its rows are true, at most
// until ctx ends, and releases the state directory. Later calls answer the
// same.
func (e *Engine) Close(ctx context.Context) error {
	e.once.Do(func() {
		e.err = errors.Join(e.manager.Stop(ctx), e.closeAll())
	})
	return e.err
}
