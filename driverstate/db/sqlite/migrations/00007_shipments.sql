-- +goose Up
CREATE TABLE shipments (
    id          TEXT PRIMARY KEY,
    backup_id   TEXT,
    request     TEXT NOT NULL,
    status      TEXT NOT NULL,
    result      TEXT NOT NULL,
    error       TEXT,
    fault       TEXT,
    bytes_done  INTEGER NOT NULL,
    bytes_total INTEGER NOT NULL,
    created_at  TEXT,
    finished_at TEXT
) STRICT;
