-- +goose Up
-- Twins are found by their place; what a project has is listed by age and summed
-- up from the index alone.
CREATE INDEX backups_place ON backups (container, service_metadata) WHERE deleted = 0;
CREATE INDEX backups_project ON backups (project_id, created_at, id, size) WHERE deleted = 0;

-- With deleted as its first column SQLite took it for as selective as an id.
DROP INDEX backups_created;
CREATE INDEX backups_created ON backups (created_at, id) WHERE deleted = 0;
