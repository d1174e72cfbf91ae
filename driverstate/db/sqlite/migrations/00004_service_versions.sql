-- +goose Up
-- NULL of a service whose program wrote none.
ALTER TABLE services ADD COLUMN rpc_current_version INTEGER;
