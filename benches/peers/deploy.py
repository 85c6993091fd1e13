"""What prov's roles do on the sample estate, with files that are rendered already."""

from pyinfra import host
from pyinfra.facts.runit import RunitStatus
from pyinfra.operations import apt, files, server

apt.packages(name="packages", packages=host.data.packages, no_recommends=True)

if host.data.name_server:
    files.directory(
        name="folder of names",
        path="/etc/dnsmasq-hosts.d",
        user="root",
        group="root",
        mode="0755",
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

files.line(
    name="alias of root", path="/etc/aliases", line="^root:.*", replace="root: user1fname"
)

files.line(
    name="the host's own name",
    path="/etc/hosts",
    line=host.data.host_pattern + ".*",
    replace=host.data.host_line,
)

# The operation runit.service would manage the supervisor's folders too, which are not prov's business either.
for service in host.data.services:
    status = host.get_fact(RunitStatus, service=service, svdir="/run/service")
    if not status[service]:
        server.shell(name=service, commands=[f"sv start {service}"])
