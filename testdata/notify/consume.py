#!/usr/bin/python3
"""Prints the notifications of a topic, one JSON object per line, until stopped.

It is a plain consumer written with oslo.messaging (Debian's
python3-oslo.messaging): what it prints, every such consumer understands.
"""
import argparse
import json
import signal
import sys
import threading

from oslo_config import cfg
import oslo_messaging

PRIORITIES = ("audit", "debug", "info", "warn", "error", "critical", "sample")


class Printer:
    def __init__(self):
        self.lock = threading.Lock()


def endpoint(priority, printer):
    def receive(self, ctxt, publisher_id, event_type, payload, metadata):
        line = json.dumps(dict(priority=priority, ctxt=ctxt, publisher_id=publisher_id,
                               event_type=event_type, payload=payload, metadata=metadata), sort_keys=True)
        with printer.lock:
            print(line, flush=True)
        return oslo_messaging.NotificationResult.HANDLED
    return type("Endpoint", (), {priority: receive})()


def main():
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("url", help="of the broker, such as rabbit://guest:guest@127.0.0.1:5672/")
    args.add_argument("--topic", default="notifications")
    args.add_argument("--exchange", default="openstack")
    args = args.parse_args()

    conf = cfg.ConfigOpts()
    conf([], default_config_files=[])
    transport = oslo_messaging.get_notification_transport(conf, url=args.url)
    target = oslo_messaging.Target(topic=args.topic, exchange=args.exchange)
    printer = Printer()
    listener = oslo_messaging.get_notification_listener(
        transport, [target], [endpoint(p, printer) for p in PRIORITIES], executor="threading")
    stop = threading.Event()
    for sig in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sig, lambda *_: stop.set())
    listener.start()
    print("listening", file=sys.stderr, flush=True)
    stop.wait()
    listener.stop()
    listener.wait()


if __name__ == "__main__":
    main()
