// Package swift is Cinder's swift backup driver: backups in the containers of
// OpenStack's object store (cinder/backup/drivers/swift.py). It knows both of
// its ways: per_user, where a backup is in the account of the project that owns
// it, and single_user, where one account holds all.
//
// Cinder reaches a project's account with the token of whoever asks. Here one
// login works for all: it needs the role of a reseller admin in Swift for
// every account but its own project's.
package swift

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// Service is the class path that Cinder records for the swift driver.
const Service = "cinder.backup.drivers.swift.SwiftBackupDriver"

// New returns the swift driver. Nothing is asked of any server: it logs in
// when it is first used.
func New(_ context.Context, c Config) (driverstate.Driver, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s, err := newSession(&c)
	if err != nil {
		return nil, err
	}
	if text := c.doubt(); text != "" && c.Logger != nil {
		c.Logger.Warn(text)
	}
	store := s.store("")
	if c.SingleUser {
		store.account = s.ownAccount
	}
	store.owned = true
	own, err := c.driver(store)
	if err != nil {
		return nil, err
	}
	d := &driver{Driver: own, cfg: &c, store: store}
	if c.SingleUser {
		return d, nil
	}
	return &accounts{driver: d, s: s, others: map[string]*chunked.Driver{}}, nil
}

// ownAccount is that of the login.
func (s *session) ownAccount(ctx context.Context) (string, error) {
	g, err := s.current(ctx)
	return g.url, err
}

// store is the account of a project; of the login's when the id is empty.
func (s *session) store(project string) *Store {
	account := func(ctx context.Context) (string, error) {
		g, err := s.current(ctx)
		if err != nil {
			return "", err
		}
		return s.cfg.accountURL(g, project)
	}
	return &Store{s: s, account: account, project: project, container: s.cfg.Container, policy: s.cfg.StoragePolicy}
}

// accountURL is the URL of a project's account: backup_swift_url and the id, as
// in Cinder, or the catalogue's with the login's own id replaced.
func (c *Config) accountURL(g granted, project string) (string, error) {
	if project == "" {
		project = g.project
	}
	if c.URL != "" {
		if project == "" {
			return "", objectstore.Permanent(driverstate.Fail(driverstate.ErrInvalidInput, "the login has no project: set OS_PROJECT_NAME or OS_PROJECT_ID"))
		}
		return c.URL + project, nil
	}
	if project == g.project {
		return g.url, nil
	}
	if own := lastID(g.url); own != "" && own == g.project {
		return strings.TrimSuffix(g.url, own) + project, nil
	}
	return "", objectstore.Permanent(driverstate.Fail(driverstate.ErrInvalidInput,
		fmt.Sprintf("the catalogue's URL %s does not end in the project's id: set backup_swift_url", g.url)))
}

// accounts is the driver of per_user. The embedded one is that of the login's
// own account; each backup is looked for in the account of its project.
type accounts struct {
	*driver
	s  *session
	mu sync.Mutex
	// others are those of the accounts of other projects, by their ids.
	others map[string]*chunked.Driver
}

var (
	_ driverstate.Driver       = (*accounts)(nil)
	_ driverstate.Scanner      = (*accounts)(nil)
	_ driverstate.Sampler      = (*accounts)(nil)
	_ driverstate.Imager       = (*accounts)(nil)
	_ driverstate.ForceDeleter = (*accounts)(nil)
)

// of is the driver of the account that b is in. A project that Keystone cannot
// have given, such as that of an engine without Keystone, is the login's.
func (a *accounts) of(b *driverstate.Backup) (*chunked.Driver, error) {
	if b == nil || !driverstate.IsKeystoneID(b.ProjectID) {
		return a.Driver, nil
	}
	return a.account(b.ProjectID)
}

// account is the driver of the account of a project, the same at every call;
// of the login's when the id is empty.
func (a *accounts) account(project string) (*chunked.Driver, error) {
	if project == "" {
		return a.Driver, nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if d := a.others[project]; d != nil {
		return d, nil
	}
	d, err := a.cfg.driver(a.s.store(project))
	if err == nil {
		a.others[project] = d
	}
	return d, err
}

// ChunkedOf is the driver of the account that b is in, for what works on the
// objects of backups.
func (a *accounts) ChunkedOf(b *driverstate.Backup) (*chunked.Driver, error) { return a.of(b) }

// Backup implements driverstate.Driver.
func (a *accounts) Backup(ctx context.Context, b, parent *driverstate.Backup, src driverstate.Source, obs driverstate.Observer) (driverstate.Stored, error) {
	d, err := a.of(b)
	if err != nil {
		return driverstate.Stored{}, err
	}
	return d.Backup(ctx, b, parent, src, obs)
}

// Restore implements driverstate.Driver. A chain is in one account: Cinder
// looks for parents in the project of who asks.
func (a *accounts) Restore(ctx context.Context, c driverstate.Chain, dst driverstate.Target, o driverstate.RestoreOptions, obs driverstate.Observer) (driverstate.Restored, error) {
	d, err := a.of(c.Tip())
	if err != nil {
		return driverstate.Restored{}, err
	}
	return d.Restore(ctx, c, dst, o, obs)
}

// Delete implements driverstate.Driver.
func (a *accounts) Delete(ctx context.Context, b *driverstate.Backup) error {
	d, err := a.of(b)
	if err != nil {
		return err
	}
	return d.Delete(ctx, b)
}

// Verify implements driverstate.Verifier.
func (a *accounts) Verify(ctx context.Context, c driverstate.Chain, depth driverstate.Depth, obs driverstate.Observer) (driverstate.Report, error) {
	d, err := a.of(c.Tip())
	if err != nil {
		return driverstate.Report{}, err
	}
	return d.Verify(ctx, c, depth, obs)
}

// Layout implements driverstate.Sampler.
func (a *accounts) Layout(ctx context.Context, b *driverstate.Backup) (driverstate.Layout, error) {
	d, err := a.of(b)
	if err != nil {
		return driverstate.Layout{}, err
	}
	return d.Layout(ctx, b)
}

// VerifyObjects implements driverstate.Sampler.
func (a *accounts) VerifyObjects(ctx context.Context, c driverstate.Chain, ledger driverstate.Ledger, obs driverstate.Observer) (driverstate.Report, error) {
	d, err := a.of(c.Tip())
	if err != nil {
		return driverstate.Report{}, err
	}
	return d.VerifyObjects(ctx, c, ledger, obs)
}

// OpenImage implements driverstate.Imager.
func (a *accounts) OpenImage(ctx context.Context, c driverstate.Chain) (driverstate.Image, error) {
	d, err := a.of(c.Tip())
	if err != nil {
		return nil, err
	}
	return d.OpenImage(ctx, c)
}

// Scan implements driverstate.Scanner over the accounts that the configuration
// names. Whose account a backup is in is better evidence of its project than
// the owner of its volume.
func (a *accounts) Scan(ctx context.Context, container string) iter.Seq2[driverstate.Found, error] {
	scans := sync.OnceValues(func() ([]scan, error) { return a.scans(ctx, container) })
	return func(yield func(driverstate.Found, error) bool) {
		accounts, err := scans()
		if err != nil {
			yield(driverstate.Found{}, err)
			return
		}
		for _, of := range accounts {
			if !a.scan(of, len(accounts) > 1, yield) {
				return
			}
		}
	}
}

// scan is what is found in the account of a project.
type scan struct {
	project string
	found   iter.Seq2[driverstate.Found, error]
}

func (a *accounts) scans(ctx context.Context, container string) (all []scan, err error) {
	projects := a.cfg.Projects
	if slices.Contains(projects, "all") {
		if projects, err = a.s.projects(ctx); err != nil {
			return nil, err
		}
	}
	if len(projects) == 0 {
		projects = []string{""}
	}
	for _, project := range projects {
		d, err := a.account(project)
		if err != nil {
			return nil, err
		}
		all = append(all, scan{project, d.Scan(ctx, container)})
	}
	return all, nil
}

// scan goes through one account. In one of several a container that is not
// there is not an error.
func (a *accounts) scan(of scan, several bool, yield func(driverstate.Found, error) bool) bool {
	for f, err := range of.found {
		switch {
		case err != nil && several && errors.Is(err, driverstate.ErrNotFound):
			return true
		case err != nil && of.project != "":
			err = fmt.Errorf("account of project %s: %w", of.project, err)
		case err == nil:
			f.Backup.ProjectID = cmp.Or(of.project, a.s.project(), f.Backup.ProjectID)
		}
		if !yield(f, err) || err != nil {
			return false
		}
	}
	return true
}

// Inspect implements driverstate.Scanner.
func (a *accounts) Inspect(ctx context.Context, b *driverstate.Backup) (driverstate.Found, error) {
	d, err := a.of(b)
	if err != nil {
		return driverstate.Found{}, err
	}
	f, err := d.Inspect(ctx, b)
	switch {
	case err != nil:
	case driverstate.IsKeystoneID(b.ProjectID):
		f.Backup.ProjectID = b.ProjectID
	default:
		f.Backup.ProjectID = cmp.Or(a.s.project(), f.Backup.ProjectID)
	}
	return f, err
}
