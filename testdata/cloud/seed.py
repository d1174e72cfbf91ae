"""Seeds the cloud, once each: identity in Keystone, volume types in Cinder.

seed.py identity   projects, users, roles and the catalogue; prints the
                   projects' ids as shell variables
seed.py types      volume types, and no limit in the default quota class
"""
import os
import sys

from keystoneauth1 import session
from keystoneauth1.identity import v3
from keystoneclient.v3 import client


def identity(sess):
    ks = client.Client(session=sess)
    roles = {r.name: r for r in ks.roles.list()}
    for name in ('member', 'service', 'ResellerAdmin'):
        if name not in roles:
            roles[name] = ks.roles.create(name)
    projects = {p.name: p for p in ks.projects.list()}
    for name in ('demo', 'service'):
        if name not in projects:
            projects[name] = ks.projects.create(name, domain='default')
    users = {u.name: u for u in ks.users.list()}
    for name, project, role in (('demo', 'demo', 'member'),
                                ('cinder', 'service', 'admin'),
                                ('swift', 'service', 'admin')):
        if name not in users:
            users[name] = ks.users.create(name, password=name,
                                          default_project=projects[project])
        ks.roles.grant(roles[role], user=users[name],
                       project=projects[project])
    # The admin may work inside the tenant's project too.
    ks.roles.grant(roles['admin'], user=users['admin'],
                   project=projects['demo'])
    services = {s.type: s for s in ks.services.list()}
    api = os.environ['CLOUD_API'] + '/v3/%(project_id)s'
    for kind, name, url in (
            ('volumev3', 'cinderv3', api),
            ('block-storage', 'cinder', api),
            ('object-store', 'swift',
             os.environ['CLOUD_SWIFT'] + '/v1/AUTH_%(project_id)s')):
        if kind not in services:
            service = ks.services.create(name, type=kind)
            for interface in ('public', 'internal', 'admin'):
                ks.endpoints.create(service, url, interface=interface,
                                    region='RegionOne')
    for name in ('admin', 'demo'):
        print('CLOUD_%s_PROJECT=%s' % (name.upper(), projects[name].id))


def types(sess):
    def call(method, path, body=None):
        answer = sess.request(
            path, method, json=body, raise_exc=True,
            endpoint_filter={'service_type': 'volumev3',
                             'interface': 'public'})
        return answer.json() if answer.content else {}

    known = {t['name']: t['id'] for t in call('GET', '/types')['volume_types']}
    for name, backend in (('__DEFAULT__', 'file'), ('solo', 'solo')):
        if name not in known:
            known[name] = call('POST', '/types', {
                'volume_type': {'name': name}})['volume_type']['id']
        call('POST', '/types/%s/extra_specs' % known[name],
             {'extra_specs': {'volume_backend_name': backend}})
    # The class of that name, made with Cinder's tables, beats its quota_*
    # options.
    call('PUT', '/os-quota-class-sets/default', {'quota_class_set': {
        name: -1 for name in ('volumes', 'snapshots', 'gigabytes',
                              'backups', 'backup_gigabytes')}})


auth = v3.Password(auth_url=os.environ['CLOUD_AUTH_URL'], username='admin',
                   password='admin', project_name='admin',
                   user_domain_id='default', project_domain_id='default')
{'identity': identity, 'types': types}[sys.argv[1]](
    session.Session(auth=auth))
