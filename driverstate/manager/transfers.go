package manager

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

const volumeAwaitingTransfer driverstate.VolumeStatus = "awaiting-transfer"

// Lengths in characters (cinder/transfer/api.py volume_transfer_salt_length and
// volume_transfer_key_length).
const (
	transferSalt = 8
	transferKey  = 16
)

func transferNotFound(id string) error {
	return refuse("transfer", id, driverstate.ErrNotFound, "Transfer "+id+" could not be found.")
}

// randomHex is n random hexadecimal digits, which whoever has a keyboard can
// type.
func randomHex(n int) string {
	raw := make([]byte, (n+1)/2)
	rand.Read(raw) //nolint:errcheck // it never fails
	return hex.EncodeToString(raw)[:n]
}

// cryptHash is what is kept of a key (cinder/transfer/api.py _get_crypt_hash).
func cryptHash(salt, key string) string {
	mac := hmac.New(sha1.New, []byte(salt))
	mac.Write([]byte(key))
	return hex.EncodeToString(mac.Sum(nil))
}

// CreateTransfer offers an available volume to whoever has the key, which is
// told here and kept nowhere. The volume is awaiting-transfer then.
func (m *Manager) CreateTransfer(ctx context.Context, c driverstate.Caller, r driverstate.TransferRequest) (*driverstate.Transfer, string, error) {
	if _, err := m.visibleVolume(ctx, c, r.VolumeID); err != nil {
		return nil, "", err
	}
	salt, key := randomHex(transferSalt), randomHex(transferKey)
	t := &driverstate.Transfer{
		ID: m.cfg.NewID(), VolumeID: r.VolumeID, Name: r.Name, Salt: salt, CryptHash: cryptHash(salt, key), NoSnapshots: r.NoSnapshots,
		CreatedAt: m.cfg.Now().UTC(),
	}
	err := m.db.Update(ctx, func(tx db.Tx) error {
		v, err := tx.VolumeGet(ctx, r.VolumeID)
		if err != nil {
			return named(err, volumeNotFound(r.VolumeID))
		}
		if v.Status != driverstate.VolumeAvailable {
			return refuse("volume", v.ID, driverstate.ErrInvalidStatus, "status must be available")
		}
		if err := snapshotsAvailable(ctx, tx, t, "snapshot: %s status must be available"); err != nil {
			return err
		}
		t.SourceProjectID, v.Status = v.ProjectID, volumeAwaitingTransfer
		if err := tx.VolumeUpdate(ctx, v, driverstate.VolumeAvailable); err != nil {
			return err
		}
		return tx.TransferCreate(ctx, t)
	})
	if err != nil {
		return nil, "", err
	}
	return t, key, nil
}

// snapshotsAvailable refuses, in words about the id of one, a transfer with
// snapshots that are being worked on.
func snapshotsAvailable(ctx context.Context, tx db.Tx, t *driverstate.Transfer, words string) error {
	if t.NoSnapshots {
		return nil
	}
	all, err := tx.SnapshotGetAll(ctx, "", t.VolumeID)
	if err != nil {
		return err
	}
	for _, s := range all {
		if s.Status != driverstate.SnapshotAvailable {
			return refuse("snapshot", s.ID, driverstate.ErrInvalidStatus, fmt.Sprintf(words, s.ID))
		}
	}
	return nil
}

// Transfers lists what the caller's project offers, or, for an admin who asks,
// every project, oldest first.
func (m *Manager) Transfers(ctx context.Context, c driverstate.Caller, allProjects bool) ([]*driverstate.Transfer, error) {
	project, none := listed(c, allProjects)
	if none {
		return nil, nil
	}
	return m.db.TransferGetAll(ctx, project)
}

// Transfer returns one that c's project offers; an admin sees all.
func (m *Manager) Transfer(ctx context.Context, c driverstate.Caller, id string) (*driverstate.Transfer, error) {
	t, err := m.db.TransferGet(ctx, id)
	if err != nil {
		return nil, named(err, transferNotFound(id))
	}
	if !c.Admin && t.SourceProjectID != c.ProjectID {
		return nil, transferNotFound(id)
	}
	return t, nil
}

// DeleteTransfer withdraws an offer. A volume that is no longer
// awaiting-transfer, because an admin has reset it, keeps its status.
func (m *Manager) DeleteTransfer(ctx context.Context, c driverstate.Caller, id string) error {
	t, err := m.Transfer(ctx, c, id)
	if err != nil {
		return err
	}
	return m.db.Update(ctx, func(tx db.Tx) error {
		v, err := tx.VolumeGet(ctx, t.VolumeID)
		if err != nil && !errors.Is(err, driverstate.ErrNotFound) {
			return err
		}
		if err == nil && v.Status == volumeAwaitingTransfer {
			v.Status = driverstate.VolumeAvailable
			if err := tx.VolumeUpdate(ctx, v, volumeAwaitingTransfer); err != nil {
				return err
			}
		}
		return named(tx.TransferDestroy(ctx, id), transferNotFound(id))
	})
}

// AcceptTransfer gives the volume, and its snapshots unless they were left out,
// to the caller's project, if the key is the right one and the quotas of the
// project admit them. All of it happens, or nothing.
func (m *Manager) AcceptTransfer(ctx context.Context, c driverstate.Caller, id, key string) (t *driverstate.Transfer, err error) {
	err = m.db.Update(ctx, func(tx db.Tx) error {
		if t, err = tx.TransferGet(ctx, id); err != nil {
			return named(err, transferNotFound(id))
		}
		if !hmac.Equal([]byte(cryptHash(t.Salt, key)), []byte(t.CryptHash)) {
			return driverstate.Fail(driverstate.ErrInvalidStatus, "Invalid auth key: Attempt to transfer "+id+" with invalid auth key.")
		}
		if err := m.giveVolume(ctx, tx, c, t); err != nil {
			return err
		}
		return tx.TransferDestroy(ctx, id)
	})
	if err != nil {
		return nil, acceptError(err)
	}
	return t, nil
}

// giveVolume moves what a transfer is about to the caller's project.
func (m *Manager) giveVolume(ctx context.Context, tx db.Tx, c driverstate.Caller, t *driverstate.Transfer) error {
	v, err := tx.VolumeGet(ctx, t.VolumeID)
	if err != nil {
		return named(err, volumeNotFound(t.VolumeID))
	}
	if v.Status == "maintenance" {
		return refuse("volume", v.ID, driverstate.ErrInvalidStatus, "The volume cannot accept transfer in maintenance mode.")
	}
	if v.Status != volumeAwaitingTransfer {
		return refuse("volume", v.ID, driverstate.ErrInvalidStatus,
			"Transfer "+t.ID+": Volume id "+v.ID+" expected in awaiting-transfer state.")
	}
	if err := m.admitVolume(ctx, tx, c.ProjectID, typeName(v), v.Size); err != nil {
		return err
	}
	v.Status, v.UserID, v.ProjectID = driverstate.VolumeAvailable, c.UserID, c.ProjectID
	if err := tx.VolumeUpdate(ctx, v, volumeAwaitingTransfer); err != nil || t.NoSnapshots {
		return err
	}
	if err := snapshotsAvailable(ctx, tx, t, "Transfer "+t.ID+": Snapshot %s is not in the expected available state."); err != nil {
		return err
	}
	all, err := tx.SnapshotGetAll(ctx, "", v.ID)
	if err != nil {
		return err
	}
	for _, s := range all {
		if err := m.admitSnapshot(ctx, tx, c.ProjectID, typeName(v), s.Size); err != nil {
			return err
		}
		s.UserID, s.ProjectID = c.UserID, c.ProjectID
		if err := tx.SnapshotUpdate(ctx, s, driverstate.SnapshotAvailable); err != nil {
			return err
		}
	}
	return nil
}

// acceptError tells too many gigabytes as an accept does
// (cinder/api/contrib/volume_transfer.py accept).
func acceptError(err error) error {
	if strings.HasPrefix(err.Error(), "VolumeSizeExceedsAvailableQuota: ") {
		return withoutClass(err)
	}
	return err
}
