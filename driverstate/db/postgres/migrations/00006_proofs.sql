-- +goose Up
-- When the objects of a backup were last read and proven: runs is driverstate.ProofRuns.
CREATE TABLE proofs (
    backup_id  TEXT COLLATE "C" PRIMARY KEY,
    identity   TEXT COLLATE "C" NOT NULL,
    objects    BIGINT NOT NULL,
    bytes      BIGINT NOT NULL,
    runs       TEXT COLLATE "C" NOT NULL,
    faults     JSON NOT NULL,
    updated_at TIMESTAMP
);

ALTER TABLE verifications ADD COLUMN request JSON NOT NULL DEFAULT 'null';
ALTER TABLE verifications ADD COLUMN results JSON NOT NULL DEFAULT 'null';
