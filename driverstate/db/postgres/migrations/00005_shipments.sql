-- +goose Up
CREATE TABLE shipments (
    id          TEXT COLLATE "C" PRIMARY KEY,
    backup_id   TEXT COLLATE "C",
    request     JSON NOT NULL,
    status      TEXT COLLATE "C" NOT NULL,
    result      JSON NOT NULL,
    error       TEXT COLLATE "C",
    fault       TEXT COLLATE "C",
    bytes_done  BIGINT NOT NULL,
    bytes_total BIGINT NOT NULL,
    created_at  TIMESTAMP,
    finished_at TIMESTAMP
);
