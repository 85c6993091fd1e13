"""The hosts of inventory.json, for pyinfra."""

import json

with open("inventory.json") as file:
    _hosts = json.load(file)["all"]["hosts"]

hosts = [
    (
        name,
        {
            **data,
            "ssh_hostname": data["ansible_host"],
            "ssh_user": data["ansible_user"],
            "ssh_key": "key",
            "ssh_known_hosts_file": "known_hosts",
            "ssh_strict_host_key_checking": "yes",
            "_sudo": True,
            "_sudo_password": data["ansible_become_password"],
        },
    )
    for name, data in _hosts.items()
]
