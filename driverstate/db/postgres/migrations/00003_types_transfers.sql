-- +goose Up
-- __DEFAULT__ has no row: every engine has it.
CREATE TABLE volume_types (
    id          TEXT COLLATE "C" PRIMARY KEY,
    name        TEXT COLLATE "C" NOT NULL UNIQUE,
    description TEXT COLLATE "C",
    is_public   BOOLEAN NOT NULL,
    extra_specs JSON NOT NULL,
    projects    JSON NOT NULL,
    created_at  TIMESTAMP,
    updated_at  TIMESTAMP
);

CREATE TABLE quota_classes (
    class_name TEXT COLLATE "C" NOT NULL,
    resource   TEXT COLLATE "C" NOT NULL,
    hard_limit BIGINT NOT NULL,
    created_at TIMESTAMP,
    updated_at TIMESTAMP,
    PRIMARY KEY (class_name, resource)
);

CREATE TABLE transfers (
    id                TEXT COLLATE "C" PRIMARY KEY,
    volume_id         TEXT COLLATE "C" NOT NULL,
    display_name      TEXT COLLATE "C",
    salt              TEXT COLLATE "C" NOT NULL,
    crypt_hash        TEXT COLLATE "C" NOT NULL,
    source_project_id TEXT COLLATE "C",
    no_snapshots      BOOLEAN NOT NULL,
    created_at        TIMESTAMP,
    updated_at        TIMESTAMP
);
CREATE INDEX transfers_volume ON transfers (volume_id);

-- What another who makes a snapshot has told; NULL when nobody has.
ALTER TABLE snapshots ADD COLUMN progress TEXT COLLATE "C";
