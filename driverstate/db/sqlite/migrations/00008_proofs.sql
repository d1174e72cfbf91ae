-- +goose Up
-- When the objects of a backup were last read and proven: runs is driverstate.ProofRuns.
CREATE TABLE proofs (
    backup_id  TEXT PRIMARY KEY,
    identity   TEXT NOT NULL,
    objects    INTEGER NOT NULL,
    bytes      INTEGER NOT NULL,
    runs       TEXT NOT NULL,
    faults     TEXT NOT NULL,
    updated_at TEXT
) STRICT, WITHOUT ROWID;

ALTER TABLE verifications ADD COLUMN request TEXT NOT NULL DEFAULT 'null';
ALTER TABLE verifications ADD COLUMN results TEXT NOT NULL DEFAULT 'null';
