# Puts the folder of an archive in place: what is in the archive comes to a new folder beside its place first, which only root can
# enter until the new one is complete.

prov_members() { # form; refuses what would leave the folder, and devices, before anything is unpacked
  if [ "$1" = zip ]; then unzip -Z1 ./file >./names; else tar --quoting-style=escape -tf ./file >./names; fi || return
  ! out=$(grep -E -m 1 '^/|(^|/)\.\.(/|$)' ./names) || { printf '%s\n' "the archive has a member outside of its folder: $out"; return 1; }
  [ "$1" = zip ] || ! tar -tvf ./file | grep -q '^[bcp]' || { printf '%s\n' "the archive has a device or a pipe among its members"; return 1; }; }
prov_members_to() { # form strip; a leading ./ is no part of a name; unpacks them to ./new, without owners and without bits for user and group
  members=./file
  if [ "$1" = zip ]; then members=./packed
    # unzip leaves no parts of names out, and what was in several folders comes together.
    unzip -qq -d ./raw ./file && ( cd ./raw && find . -mindepth 1 -maxdepth 1 -printf '%P\0' ) >./names &&
      tar -cf ./packed -C ./raw --null -T - <./names && rm -rf -- ./raw || return
  fi; tar -xf "$members" -C ./new --no-same-owner --no-same-permissions --transform='s,^\(\./\)*,,S' "--strip-components=$2"; }
prov_exchange() { # puts ./new in its place; at no time is there neither, where mv knows how (coreutils 9.5)
  if [ ! -e "../$name" ]; then mv -T -- new "../$name"
  elif mv --exchange --version >/dev/null 2>&1; then mv --exchange -T -- new "../$name"
  else mv -T -- "../$name" before && { mv -T -- new "../$name" || { mv -T -- before "../$name"; ! :; }; }; fi && sync -f -- ..; }
prov_unpack() { # path owner group mode digest form strip record creates url; without url, the bytes as `prov_receive` gets them
  prov_enter_folder "$1" && [ ! -L "./$name" ] && prov_enter_staging && {
    if [ -n "${10}" ]; then prov_fetch "${10}" "$5"; else prov_receive; fi &&
      mkdir -m 0755 ./new && prov_members "$6" && prov_members_to "$6" "$7" &&
      { [ -n "$(ls -A ./new)" ] || { printf '%s\n' "nothing of the archive is left after $7 parts of each name were left out"; ! :; }; } &&
      { [ -z "$9" ] || [ -e "./new/$9" ] || { printf '%s\n' "the archive has no $9"; ! :; }; } &&
      ( cd ./new && find . -mindepth 1 -printf '%P\n' ) >./names && { printf '%s\n' "$8" && cat ./names; } >./record && mv -fT -- ./record ./new/.prov-archive &&
      chown -hR -- "$2:$3" ./new && chmod -- "0$4" ./new &&
      { ! prov_mounted_in "$(cd .. && pwd -P)/$name" || { printf '%s\n' "something is mounted in $1: unmount it first"; ! :; }; } && prov_exchange
    status=$?; rm -rf -- ./new ./raw ./packed ./names ./record
    if [ -d ./before ] && [ ! -e "../$name" ]; then keep=yes; printf '%s\n' "what $folder/$name held is in $folder/$staging/before"; else rm -rf -- ./before; fi
    ( exit $status ); prov_leave_staging; }; }
