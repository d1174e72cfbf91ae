-- +goose Up
-- Twins are found by their place; what a project has is listed by age and summed
-- up from the index alone. Hashes, since a place may be longer than a B-tree's row.
CREATE INDEX backups_place ON backups USING hash (service_metadata) WHERE NOT deleted;
CREATE INDEX backups_project ON backups (project_id, created_at, id) INCLUDE (size) WHERE NOT deleted;
