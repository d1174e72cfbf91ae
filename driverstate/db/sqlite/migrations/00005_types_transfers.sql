-- +goose Up
-- __DEFAULT__ has no row: every engine has it.
CREATE TABLE volume_types (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    description TEXT,
    is_public   INTEGER NOT NULL,
    extra_specs TEXT NOT NULL,
    projects    TEXT NOT NULL,
    created_at  TEXT,
    updated_at  TEXT
) STRICT;

CREATE TABLE quota_classes (
    class_name TEXT NOT NULL,
    resource   TEXT NOT NULL,
    hard_limit INTEGER NOT NULL,
    created_at TEXT,
    updated_at TEXT,
    PRIMARY KEY (class_name, resource)
) STRICT;

CREATE TABLE transfers (
    id                TEXT PRIMARY KEY,
    volume_id         TEXT NOT NULL,
    display_name      TEXT,
    salt              TEXT NOT NULL,
    crypt_hash        TEXT NOT NULL,
    source_project_id TEXT,
    no_snapshots      INTEGER NOT NULL,
    created_at        TEXT,
    updated_at        TEXT
) STRICT;
CREATE INDEX transfers_volume ON transfers (volume_id);

-- What another who makes a snapshot has told; NULL when nobody has.
ALTER TABLE snapshots ADD COLUMN progress TEXT;
