"""Runs cinder and openstack, each in a process of its own, without loading
their packages anew every time.

Reads JSON lines with id, words, env, dir, out and err (names of files), starts
each at once, and writes a line with id and code when it ends. What runs is what
the console scripts of Debian's packages run.
"""
import importlib
import json
import logging
import os
import sys
import threading

MAINS = {name: importlib.import_module(module).main
         for name, module in (('cinder', 'cinderclient.shell'),
                              ('openstack', 'openstackclient.shell'))}
# What they would load when they are told what to do.
for module in ('cinderclient.v3.shell', 'cinderclient.v3.client', 'keystoneauth1.identity.v3', 'keystoneclient.v3.client',
               'openstackclient.volume.client', 'openstackclient.identity.client', 'openstack'):
    importlib.import_module(module)
# Which cinderclient.shell sets up as it is loaded; openstack does not load it.
logging.root.handlers.clear()


def child(job):
    if job['words'][0] == 'cinder':
        logging.basicConfig()
    for fd, name in ((1, 'out'), (2, 'err')):
        os.dup2(os.open(job[name], os.O_CREAT | os.O_WRONLY | os.O_TRUNC), fd)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(job['dir'])
    os.environ.clear()
    os.environ.update(job['env'])
    sys.argv = job['words']
    sys.exit(MAINS[job['words'][0]]())


def wait(job, pid):
    status = os.waitpid(pid, 0)[1]
    with lock:
        print(json.dumps({'id': job['id'],
                          'code': os.waitstatus_to_exitcode(status)}),
              flush=True)


lock = threading.Lock()
for line in sys.stdin:
    job = json.loads(line)
    with lock:
        pid = os.fork()
    if not pid:
        child(job)
    threading.Thread(target=wait, args=(job, pid)).start()
