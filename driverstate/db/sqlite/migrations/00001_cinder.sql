-- +goose Up
-- Column names are those of Cinder's tables, so that an operator's filters and
-- queries mean the same here. Times are UTC text that sorts, NULL when unset.
CREATE TABLE backups (
    id                    TEXT PRIMARY KEY,
    volume_id             TEXT,
    user_id               TEXT,
    project_id            TEXT,
    host                  TEXT,
    availability_zone     TEXT,
    display_name          TEXT,
    display_description   TEXT,
    container             TEXT,
    service_metadata      TEXT,
    service               TEXT,
    parent_id             TEXT,
    status                TEXT NOT NULL,
    fail_reason           TEXT,
    size                  INTEGER,
    object_count          INTEGER,
    temp_volume_id        TEXT,
    temp_snapshot_id      TEXT,
    num_dependent_backups INTEGER,
    snapshot_id           TEXT,
    data_timestamp        TEXT,
    restore_volume_id     TEXT,
    metadata              TEXT NOT NULL,
    encryption_key_id     TEXT,
    created_at            TEXT,
    updated_at            TEXT,
    deleted_at            TEXT,
    deleted               INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX backups_created ON backups (deleted, created_at, id);
CREATE INDEX backups_parent ON backups (parent_id) WHERE deleted = 0;
CREATE INDEX backups_volume ON backups (volume_id) WHERE deleted = 0;

CREATE TABLE volumes (
    id                TEXT PRIMARY KEY,
    user_id           TEXT,
    project_id        TEXT,
    host              TEXT,
    display_name      TEXT,
    display_description TEXT,
    size              INTEGER,
    status            TEXT NOT NULL,
    previous_status   TEXT,
    availability_zone TEXT,
    metadata          TEXT NOT NULL,
    path              TEXT,
    managed           INTEGER NOT NULL,
    created_at        TEXT,
    updated_at        TEXT
) STRICT;

CREATE TABLE services (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    "binary"          TEXT NOT NULL,
    host              TEXT NOT NULL,
    cluster_name      TEXT,
    availability_zone TEXT,
    disabled          INTEGER NOT NULL DEFAULT 0,
    disabled_reason   TEXT,
    reason            TEXT,
    created_at        TEXT,
    updated_at        TEXT,
    UNIQUE ("binary", host)
) STRICT;

CREATE TABLE workers (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    resource_type  TEXT NOT NULL,
    resource_id    TEXT NOT NULL,
    status         TEXT NOT NULL,
    service_id     INTEGER,
    race_preventer INTEGER NOT NULL DEFAULT 0,
    updated_at     TEXT,
    UNIQUE (resource_type, resource_id)
) STRICT;

CREATE TABLE verifications (
    id          TEXT PRIMARY KEY,
    backup_id   TEXT NOT NULL,
    depth       TEXT NOT NULL,
    status      TEXT NOT NULL,
    report      TEXT NOT NULL,
    error       TEXT,
    bytes_done  INTEGER NOT NULL,
    bytes_total INTEGER NOT NULL,
    created_at  TEXT,
    finished_at TEXT
) STRICT;
CREATE INDEX verifications_backup ON verifications (backup_id, created_at);
