"""The hosts of inventory.json, for BundleWrap, which logs in as root: it cannot give sudo a password."""

from json import load
from os.path import join

with open(join(repo_path, "..", "inventory.json")) as file:
    _hosts = load(file)["all"]["hosts"]

nodes = {
    name: {
        "hostname": data["ansible_host"],
        "username": "root",
        "os": "debian",
        "bundles": ["sample"],
        "metadata": {"sample": data},
    }
    for name, data in _hosts.items()
}
