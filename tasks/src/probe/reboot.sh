# Says whether packages that were upgraded want the host to be started again. Newer kernels wait for that whether or not
# a program of the host says so.
prov_wants_reboot() {
  [ ! -e /run/reboot-required ] || return 0
  set -- $(printf '%s\n' /boot/vmlinuz-* | sort -V | tail -n 1)
  [ -e "$1" ] && [ "${1#/boot/vmlinuz-}" != "$(uname -r)" ]
}
