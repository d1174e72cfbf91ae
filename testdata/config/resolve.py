#!/usr/bin/python3
"""What oslo.config and Cinder's own option definitions make of the files here.

resolve.py               every NAME.conf, with NAME.d as --config-dir if it is
                         there: backup_driver and the options of all drivers
resolve.py --definitions the options themselves, by driver

Needs Debian's python3-cinder. The output is JSON; resolved.json and
definitions.json are recorded copies of it.
"""
import copy
import importlib
import json
import logging
import os
import sys

sys.dont_write_bytecode = True
logging.disable(logging.CRITICAL)

from oslo_config import cfg  # noqa: E402
from oslo_config import types  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
DRIVERS = {
    'posix': 'posixbackup_service_opts',
    'nfs': 'nfsbackup_service_opts',
    'glusterfs': 'glusterfsbackup_service_opts',
    'swift': 'swiftbackup_service_opts',
    's3': 's3backup_service_opts',
    'gcs': 'gcsbackup_service_opts',
    'ceph': 'service_opts',
}
# Options of [service_user] that are read in the group that its auth_section
# names instead (keystoneauth1/loading/conf.py load_from_conf_options).
PLUGIN = ('auth_type', 'auth_url', 'username', 'user_id', 'password',
          'user_domain_name', 'user_domain_id', 'project_name', 'project_id',
          'project_domain_name', 'project_domain_id', 'default_domain_name',
          'default_domain_id')


def definitions():
    """The options of Cinder: module -> [(group, opt)]."""
    from cinder import objects
    objects.register_all()
    from cinder.backup import chunkeddriver
    from cinder.backup import manager
    from cinder.common import config
    from cinder import service_auth
    from keystoneauth1 import loading
    out = {'common': [(None, o) for o in config.core_opts
                      + [o for o in config.global_opts
                         if o.name in ('storage_availability_zone',)]
                      + [o for o in manager.backup_manager_opts
                         if o.name == 'backup_driver']
                      + chunkeddriver.backup_opts]}
    for module, name in DRIVERS.items():
        opts = getattr(importlib.import_module(
            'cinder.backup.drivers.' + module), name)
        out[module] = [(None, o) for o in opts]
    out['swift'] += [('service_user', o)
                     for o in service_auth.service_user_opts]
    out['swift'] += [
        ('service_user', o) for o in loading.get_session_conf_options()
        if o.dest in ('cafile', 'insecure')]
    out['swift'] += [
        ('service_user', o) for o in loading.get_auth_common_conf_options()
        + loading.get_auth_plugin_conf_options('password')
        if o.dest in PLUGIN]
    return out


def kind(opt):
    if opt.multi:
        return 'MultiString'
    for name, cls in (('Bool', types.Boolean), ('Int', types.Integer),
                      ('Float', types.Float), ('List', types.List)):
        if isinstance(opt.type, cls):
            return name
    return 'String'  # and what is checked to be a URI or an address


def plain(value):
    """A value as it could be written in a file; None for none."""
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return '%g' % value
    if isinstance(value, (list, tuple)):
        return ','.join(value)
    return str(value)


def key(group, opt):
    return opt.dest if group is None else group + '.' + opt.dest


def describe(group, opt):
    choices = getattr(opt.type, 'choices', None)
    return {
        'key': key(group, opt), 'kind': kind(opt),
        'default': plain(opt.default), 'secret': opt.secret,
        'min': getattr(opt.type, 'min', None),
        'max': getattr(opt.type, 'max', None),
        'choices': list(choices) if choices else None,
        'deprecated': [[d.group or group or 'DEFAULT', d.name or opt.dest]
                       for d in opt.deprecated_opts],
    }


def resolve(args, opts):
    from cinder.common import config
    from keystoneauth1 import loading
    conf = cfg.ConfigOpts()
    loading.register_auth_conf_options(conf, 'service_user')
    conf(args, project='none', default_config_files=[],
         default_config_dirs=[])
    section = conf.service_user.auth_section or 'service_user'
    places = [(section if group == 'service_user' and opt.dest in PLUGIN
               else group, opt) for group, opt in opts]
    for group, opt in places + [(None, o) for o in config.global_opts]:
        opt = copy.copy(opt)
        opt.required = False  # Cinder registers some only when it needs them
        conf.register_opt(opt, group=group)
    out = {}
    for (group, opt), (known, _) in zip(places, opts):
        holder = conf if group is None else conf[group]
        out[key(known, opt)] = plain(getattr(holder, opt.dest))
    return out


def main():
    known = definitions()
    if '--definitions' in sys.argv[1:]:
        out = {module: [describe(g, o) for g, o in opts]
               for module, opts in known.items()}
    else:
        opts = [pair for all_of in known.values() for pair in all_of]
        out = {}
        for name in sorted(os.listdir(HERE)):
            if not name.endswith('.conf'):
                continue
            args = ['--config-file', os.path.join(HERE, name)]
            directory = os.path.join(HERE, name[:-len('.conf')] + '.d')
            if os.path.isdir(directory):
                args += ['--config-dir', directory]
            out[name] = resolve(args, opts)
    json.dump(out, sys.stdout, indent=1, sort_keys=True)
    print()


main()
