"""Reads configuration files with oslo.config itself.

Each line of standard input is a JSON object: args (of the command line) and
env. The answer is one line for it: an object of option to value, with null for
an option that has none and {"error": ...} for one that oslo.config refuses, or
{"error": ...} when the files cannot be read at all.
"""
import json
import logging
import os
import sys

from oslo_config import cfg

logging.disable(logging.CRITICAL)


def table():
    return [
        (None, cfg.StrOpt('state_path', default='/var/lib/cinder')),
        (None, cfg.StrOpt('path', default='$state_path/backup',
                          deprecated_name='old_path')),
        (None, cfg.StrOpt('text')),
        (None, cfg.StrOpt('word', choices=['zlib', 'none'], default='zlib',
                          ignore_case=True)),
        (None, cfg.StrOpt('auth', choices=['per_user', 'single_user'])),
        (None, cfg.IntOpt('size', default=5,
                          deprecated_opts=[cfg.DeprecatedOpt('older_size'),
                                           cfg.DeprecatedOpt('size',
                                                             group='Old')])),
        (None, cfg.IntOpt('tries', min=1, default=3)),
        (None, cfg.FloatOpt('wait', default=60)),
        (None, cfg.BoolOpt('tls', default=True)),
        (None, cfg.ListOpt('codes', default=['429'])),
        (None, cfg.MultiStrOpt('driver', default=[],
                               deprecated_name='old_driver',
                               deprecated_group='Old')),
        ('user', cfg.StrOpt('name', deprecated_name='login',
                            deprecated_group='old')),
        ('user', cfg.StrOpt('text', default='$path')),
        ('user', cfg.BoolOpt('send', default=False)),
    ]


def answer(case):
    os.environ.clear()
    os.environ.update(case.get('env') or {})
    conf = cfg.ConfigOpts()
    opts = table()
    for group, opt in opts:
        conf.register_opt(opt, group=group)
    try:
        conf(case['args'], project='nothing', default_config_files=[],
             default_config_dirs=[])
    except Exception as e:
        return {'error': str(e)}
    out = {}
    for group, opt in opts:
        key = opt.name if group is None else group + '.' + opt.name
        try:
            holder = conf if group is None else conf[group]
            out[key] = getattr(holder, opt.name)
            if isinstance(out[key], float):
                out[key] = repr(out[key])
        except Exception as e:
            out[key] = {'error': str(e)}
    return out


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
