"""What prov's roles do on the sample estate, with files that are rendered already.

Databases, calendars, keys, certificates, Apache's modules, commands and lines of files are left out, and what follows a
changed file, so this does less than prov.
"""

from base64 import b64encode
from shlex import quote

_wanted = node.metadata.get("sample")


def _body(source):
    with open(source, "rb") as file:
        return b64encode(file.read()).decode()


def _mode(mode):
    return mode[-4:]


pkg_apt = {name: {} for name in _wanted["packages"]}
groups = {name: {} for name in _wanted["groups_wanted"]}
users = {name: {} for name in _wanted["users"]}

directories = {
    folder["path"]: {
        "owner": folder["owner"],
        "group": folder["group"],
        "mode": _mode(folder["mode"]),
    }
    for folder in _wanted["folders"]
}

files = {
    file["path"]: {
        "content": _body(file["source"]),
        "content_type": "base64",
        "owner": file["owner"],
        "group": file["group"],
        "mode": _mode(file["mode"]),
    }
    for file in _wanted["files"]
}
files.update({path: {"delete": True} for path in _wanted["removed"]})

symlinks = {link["path"]: {"target": link["target"]} for link in _wanted["links"]}

actions = {
    f"start_{name}": {
        "command": f"sv start {quote(name)}",
        "unless": f"sv status {quote(name)} | grep -q ^run:",
    }
    for name in _wanted["services"]
}
