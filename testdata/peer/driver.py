#!/usr/bin/python3
"""The installed Cinder's own backup drivers, called through JSON.

    driver.py <requests >answers

Each line of standard input is a request, so that no secret is in a process
list, and each is answered with a line:

    driver   class path, such as cinder.backup.drivers.s3.S3BackupDriver
    options  of cinder.conf, by name
    context  attributes of the request context, such as project_id
    call     backup, restore, delete or check (check_for_setup_error)
    rows     the backups that the database would know, by their columns
    id       of the row that the call is about
    file     the volume: read for backup, written for restore

The driver does all the work, unchanged; only the database and the message bus
are not there.  The answer is the row as it is then, or {"error": text} when the
driver raised.  Run it with the Python that has the
cinder package.
"""

import contextlib
import datetime
import importlib
import inspect
import json
import logging
import os
import sys
import traceback
import types


class Row(types.SimpleNamespace):
    """The attributes and item access of a Backup row, without a database."""

    def __getitem__(self, name):
        return getattr(self, name)

    def save(self):
        pass

    def refresh(self):
        pass

    @contextlib.contextmanager
    def as_read_deleted(self):
        yield


def make_row(given, status):
    row = dict(
        container=None, service_metadata=None, parent_id=None, display_name="peer",
        display_description=None, size=1, object_count=0, temp_volume_id=None, status=status,
        created_at=datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc))
    row.update(given)
    return Row(**row)


def make_driver(request, rows):
    from oslo_config import cfg
    from cinder.backup import chunkeddriver

    module, name = request["driver"].rsplit(".", 1)
    driver_class = getattr(importlib.import_module(module), name)
    cfg.CONF.clear()  # what the request before set
    cfg.CONF([], project="cinder", default_config_files=[])
    for option, value in (request.get("options") or {}).items():
        cfg.CONF.set_override(option, value)

    # No message bus and no database: what remains is the driver's own work.
    chunkeddriver.volume_utils.notify_about_backup_usage = lambda *a, **k: None
    chunkeddriver.objects = types.SimpleNamespace(
        Backup=types.SimpleNamespace(get_by_id=lambda ctx, bid: rows[bid]))

    context = types.SimpleNamespace(**(request.get("context") or {}))
    driver = driver_class(context)
    driver.db = types.SimpleNamespace(
        volume_get=lambda ctx, vid: {"id": vid, "size": rows[request["id"]].size})
    driver.get_metadata = lambda vid: json.dumps({
        "version": 2,
        "volume-base-metadata": {"id": vid, "display_name": "peer", "status": "backing-up"},
        "volume-metadata": {}, "volume-glance-metadata": {}})
    driver.put_metadata = lambda vid, text: None
    return driver


def call(request, driver, row):
    from eventlet import tpool  # what the service uses around its file objects

    if request["call"] == "backup":
        with open(request["file"], "rb") as f:
            driver.backup(row, tpool.Proxy(f))
    elif request["call"] == "restore":
        extra = ()
        if "volume_is_new" in inspect.signature(driver.restore).parameters:
            extra = (True,)
        with open(request["file"], "wb") as f:
            driver.restore(row, row.volume_id, tpool.Proxy(f), *extra)
    elif request["call"] == "delete":
        driver.delete_backup(row)
    elif request["call"] == "check":
        driver.check_for_setup_error()
    else:
        raise SystemExit("no such call: %s" % request["call"])


STATUS = {"backup": "creating", "restore": "restoring", "delete": "deleting"}


def answer(request):
    status = STATUS.get(request["call"], "available")
    rows = {given["id"]: make_row(given, "available") for given in request.get("rows") or []}
    row = rows.get(request.get("id"))
    if row is not None:
        row.status = status
    if request["call"] == "restore":
        for other in rows.values():
            other.status = status
    try:
        call(request, make_driver(request, rows), row)
    except Exception as e:
        traceback.print_exc()
        return {"error": "%s: %s" % (type(e).__name__, e)}
    return {} if row is None else {
        k: v for k, v in vars(row).items() if isinstance(v, (str, int, type(None)))}


def main():
    from oslo_config import cfg
    from oslo_log import log as oslo_logging

    oslo_logging.register_options(cfg.CONF)
    from cinder.common import config  # noqa: F401, options such as the zone
    logging.disable(logging.CRITICAL)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints is no answer
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
