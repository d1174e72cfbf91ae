-- +goose Up
CREATE TABLE snapshots (
    id                  TEXT PRIMARY KEY,
    volume_id           TEXT,
    user_id             TEXT,
    project_id          TEXT,
    display_name        TEXT,
    display_description TEXT,
    status              TEXT NOT NULL,
    volume_size         INTEGER,
    metadata            TEXT NOT NULL,
    path                TEXT,
    created_at          TEXT,
    updated_at          TEXT
) STRICT;
CREATE INDEX snapshots_volume ON snapshots (volume_id);

CREATE TABLE quotas (
    project_id TEXT NOT NULL,
    resource   TEXT NOT NULL,
    hard_limit INTEGER NOT NULL,
    created_at TEXT,
    updated_at TEXT,
    PRIMARY KEY (project_id, resource)
) STRICT;

ALTER TABLE volumes ADD COLUMN bootable INTEGER NOT NULL DEFAULT 0;
ALTER TABLE volumes ADD COLUMN attachments TEXT NOT NULL DEFAULT 'null';
ALTER TABLE volumes ADD COLUMN snapshot_id TEXT;
ALTER TABLE volumes ADD COLUMN source_volid TEXT;
ALTER TABLE volumes ADD COLUMN volume_type TEXT;
