"""What prov's roles do on the sample estate, with files that are rendered already.

Databases, calendars, keys, certificates, Apache's modules and commands are left out, and what follows a changed file,
so this does less than prov.
"""

from pyinfra import host
from pyinfra.facts.runit import RunitStatus
from pyinfra.operations import apt, files, server

apt.packages(name="packages", packages=host.data.packages, no_recommends=True)

for group in host.data.groups_wanted:
    server.group(name=f"group {group}", group=group)

for user in host.data.users:
    server.user(name=f"user {user}", user=user, ensure_home=False)

for folder in host.data.folders:
    files.directory(
        name=folder["path"],
        path=folder["path"],
        user=folder["owner"],
        group=folder["group"],
        mode=folder["mode"],
    )

for file in host.data.files:
    files.put(
        name=file["path"],
        src=file["source"],
        dest=file["path"],
        user=file["owner"],
        group=file["group"],
        mode=file["mode"],
    )

for link in host.data.links:
    files.link(name=link["path"], path=link["path"], target=link["target"])

for path in host.data.removed:
    files.file(name=path, path=path, present=False)

for line in host.data.lines:
    files.line(
        name=line["line"],
        path=line["path"],
        line=line["regexp"] + ".*",
        replace=line["line"],
        extended_regex=True,
    )

# The operation runit.service would manage the supervisor's folders too, which are not prov's business either.
for service in host.data.services:
    status = host.get_fact(RunitStatus, service=service, svdir="/run/service")
    if not status[service]:
        server.shell(name=service, commands=[f"sv start {service}"])
