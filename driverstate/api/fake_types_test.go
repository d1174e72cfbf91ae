package api_test

import (
	"context"

	"github.com/cinder-go/cinder-go/driverstate"
)

var defaultType = &driverstate.VolumeTypeRow{ID: driverstate.DefaultType, Name: driverstate.VolumeType, Description: "Default Volume Type", Public: true}

func (f *fake) VolumeTypes(_ context.Context, c driverstate.Caller) ([]*driverstate.VolumeTypeRow, error) {
	return []*driverstate.VolumeTypeRow{defaultType}, f.call(c, "VolumeTypes", "")
}

func (f *fake) VolumeType(_ context.Context, c driverstate.Caller, id string) (*driverstate.VolumeTypeRow, error) {
	if id != defaultType.ID {
		return nil, &driverstate.Error{Resource: "volume type", ID: id, Err: driverstate.ErrNotFound}
	}
	return defaultType, f.call(c, "VolumeType", id)
}

func (f *fake) CreateVolumeType(_ context.Context, c driverstate.Caller, t driverstate.VolumeTypeRow) (*driverstate.VolumeTypeRow, error) {
	return &t, f.call(c, "CreateVolumeType", t.Name)
}

func (f *fake) UpdateVolumeType(_ context.Context, c driverstate.Caller, id string, _ driverstate.TypeUpdate) (*driverstate.VolumeTypeRow, error) {
	return defaultType, f.call(c, "UpdateVolumeType", id)
}

func (f *fake) DeleteVolumeType(_ context.Context, c driverstate.Caller, id string) error {
	return f.call(c, "DeleteVolumeType", id)
}

func (f *fake) ChangeExtraSpecs(_ context.Context, c driverstate.Caller, id string, m driverstate.MetadataChange) error {
	f.metadata = m
	return f.call(c, "ChangeExtraSpecs", id)
}

func (f *fake) ChangeTypeAccess(_ context.Context, c driverstate.Caller, id, _ string, let bool) error {
	f.flag = let
	return f.call(c, "ChangeTypeAccess", id)
}

func (f *fake) CreateTransfer(_ context.Context, c driverstate.Caller, r driverstate.TransferRequest) (*driverstate.Transfer, string, error) {
	return &driverstate.Transfer{VolumeID: r.VolumeID}, "key", f.call(c, "CreateTransfer", r.VolumeID)
}

func (f *fake) Transfers(_ context.Context, c driverstate.Caller, all bool) ([]*driverstate.Transfer, error) {
	f.all = all
	return nil, f.call(c, "Transfers", "")
}

func (f *fake) Transfer(_ context.Context, c driverstate.Caller, id string) (*driverstate.Transfer, error) {
	if err := f.call(c, "Transfer", id); err != nil {
		return nil, err
	}
	return nil, &driverstate.Error{Resource: "transfer", ID: id, Err: driverstate.ErrNotFound}
}

func (f *fake) DeleteTransfer(_ context.Context, c driverstate.Caller, id string) error {
	return &driverstate.Error{Resource: "transfer", ID: id, Err: driverstate.ErrNotFound}
}

func (f *fake) AcceptTransfer(_ context.Context, c driverstate.Caller, id, _ string) (*driverstate.Transfer, error) {
	return nil, f.call(c, "AcceptTransfer", id)
}
