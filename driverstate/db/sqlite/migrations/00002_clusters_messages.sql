-- +goose Up
CREATE TABLE clusters (
    name            TEXT NOT NULL,
    "binary"        TEXT NOT NULL,
    disabled        INTEGER NOT NULL DEFAULT 0,
    disabled_reason TEXT,
    created_at      TEXT,
    updated_at      TEXT,
    PRIMARY KEY (name, "binary")
) STRICT;

CREATE TABLE messages (
    id            TEXT PRIMARY KEY,
    project_id    TEXT,
    request_id    TEXT,
    resource_type TEXT,
    resource_uuid TEXT,
    action_id     TEXT NOT NULL,
    detail_id     TEXT NOT NULL,
    message_level TEXT NOT NULL,
    created_at    TEXT,
    expires_at    TEXT
) STRICT;
CREATE INDEX messages_expire ON messages (expires_at);
