# Each function runs in a shell of its own, as it changes the folder. A file is made ready as ./file in a new folder beside its
# place, which only root can enter, and which `prov_enter_staging` enters.

prov_is_mounted() { # path
  written=$1; case $1 in *[[:space:]\\]*) written=$(printf %s "$1" | sed 's/\\/\\134/g; s/ /\\040/g; s/\t/\\011/g');; esac # as the kernel writes it
  while read -r _ _ _ _ mounted _; do [ "$mounted" = "$written" ] && return 0; done </proc/self/mountinfo; return 1; }
prov_names_go() { # refuses a folder in which nothing that is made can be renamed or removed again (chattr(1), a)
  flags=$(lsattr -d -- . 2>/dev/null) || return 0
  case ${flags%% *} in (*a*) printf '%s\n' "$PWD is append-only, and files are replaced: Operation not permitted"; return 1;; esac; }
prov_enter_staging() { # leaves the folder that it was called in in $folder
  keep=; prov_names_go || return; staging=$(mktemp -d -- .prov.XXXXXXXXXX) && folder=${PWD%/} && cd -P -- "./$staging" && [ -O . ] && [ "$PWD" = "$folder/$staging" ]; }
prov_leave_staging() { status=$?; [ -n "$keep" ] && return $status; rm -f -- ./file ./old ./kept; cd -P .. && rmdir -- "./$staging"; return $status; }
prov_hold() { # gives the file that has the name a second one here, ./old, which nobody else can put a link in the place of
  held= names=0 said=
  [ -e "../$name" ] || [ -L "../$name" ] || return 0
  if prov_is_mounted "$folder/$name"; then cp --preserve=mode,ownership,timestamps,xattr -- "../$name" old || return; held=yes; return; fi
  # Not every file system knows second names, and a file that must not change gets none. Where only root works, none is needed.
  if ! said=$(ln -P -- "../$name" old 2>&1); then
    ( cd -P .. && prov_only_root ) || { printf '%s\n' "$said"; return 1; }
    [ ! -f "../$name" ] || [ -L "../$name" ] || { cp --preserve=mode,ownership,timestamps,xattr -- "../$name" old && held=yes; }; return
  fi
  # A link that is in the place is replaced by the file.
  [ -f old ] && [ ! -L old ] || { rm -f -- old; return 0; }
  names=$(($(stat -c %h -- old) - 2)); held=yes
  [ $names -le 0 ] || ( cd -P .. && prov_only_root ) || {
    printf '%s\n' "$folder/$name has $names other names (hard links), which others could have made"; return 1; }; }
prov_as_read() { # digest of what the change was made from, or nothing
  [ -z "$1" ] || { [ -n "$held" ] && [ "$(sha256sum <old)" = "$1  -" ]; } || {
    printf '%s\n' "$folder/$name is not as it was when it was read: somebody else changes it"; return 1; }; }
prov_dress() { # owner group mode: gives ./file its attributes, and those that the one before it had besides
  chown -- "$1:$2" file || return
  # What another owner than root had granted to others is not granted for new bytes of a new owner, and not taken away unseen.
  if [ -n "$held" ]; then case $(stat -c %u -- old) in
    0|"$(stat -c %u -- file)") cp --attributes-only --preserve=mode,xattr -- old file || return;;
    *) case $(ls -ld -- old) in ??????????+*) printf '%s\n' "$folder/$name has an access list that its owner made, and is to have other bytes and another owner: take the list away (setfacl -b), or give it the new owner alone first"; return 1;; esac;;
  esac; fi
  chmod -- "0$3" file && sync -- file; }
prov_place() { # puts ./file in its place; what has other names, or is a mount point, keeps them and is written in place
  if prov_is_mounted "$folder/$name" || [ "$names" -gt 0 ]; then prov_overwrite
  else mv -fT -- file "../$name"; fi && { sync -- .. || :; }; }
prov_room() { # size; sees to it that the file in the place can have it, before anything is written
  [ "$1" -le "$before" ] && return 0
  said=$(fallocate -n -l "$1" -- "../$name" 2>&1) && return 0
  case $said in *'No space'*|*quota*) printf '%s\n' "$said"; return 1;; esac; }
prov_fill() { # file; writes its bytes over those in the place, without giving any room away before it is done
  cat -- "$1" 1<>"../$name" && truncate -s "$(stat -c %s -- "$1")" -- "../$name" &&
    cp --attributes-only --preserve=mode,ownership,xattr -- "$1" "../$name" && sync -- "../$name"; }
prov_overwrite() { # the old bytes are put back if the new ones cannot be written
  cp --preserve=mode,ownership,timestamps,xattr -- "../$name" kept && before=$(stat -c %s -- kept) && prov_room "$(stat -c %s -- file)" || return
  prov_fill file && return
  if prov_fill kept; then printf '%s\n' "$folder/$name was left as it was"
  else keep=yes; printf '%s\n' "$folder/$name is broken: what it held before is in $folder/$staging/kept"; fi; return 1; }
prov_receive() { # writes the bytes in base64 in $content, or those in the file $spooled
  if [ -n "$spooled" ]; then cat -- "$spooled" >file; else printf %s "$content" | base64 -d >file; fi; }
prov_fetch() { # url digest; not as _apt, who cannot enter the folder: what it fetches is data until it is checked
  /usr/lib/apt/apt-helper -q -o APT::Sandbox::User=root -o Acquire::Retries=2 download-file "$1" "$folder/$staging/file" "SHA256:$2" || { rm -f -- ./file.*; ! :; }; }
prov_write_file() { # path owner group mode digest; the bytes as `prov_receive` gets them
  prov_enter_folder "$1" && prov_enter_staging && {
    prov_receive && prov_hold && prov_as_read "$5" && prov_dress "$2" "$3" "$4" && prov_place; prov_leave_staging; }; }
prov_fetch_file() { # path owner group mode url digest
  prov_enter_folder "$1" && prov_enter_staging && { prov_fetch "$5" "$6" && prov_hold && prov_dress "$2" "$3" "$4" && prov_place; prov_leave_staging; }; }
prov_set_attributes() { # path owner group mode
  prov_enter_folder "$1" || return
  if [ -d "./$name" ] && [ ! -L "./$name" ]; then
    target=${PWD%/}/$name; cd -P -- "./$name" || return
    [ "$PWD" = "$target" ] || { printf '%s\n' "$target has become a link to $PWD"; return 1; }
    # chmod takes the bits of user and group away from a folder only where it is given five digits.
    chown -- "$2:$3" . && chmod -- "0$4" .
  elif [ -L "./$name" ]; then printf '%s\n' "${PWD%/}/$name has become a link"; return 1
  elif prov_only_root; then prov_own "./$name" "$2" "$3" "$4"
  else prov_enter_staging && { place=old
    if prov_is_mounted "$folder/$name"; then place=../$name
    else prov_hold && { [ -n "$held" ] || { printf '%s\n' "$folder/$name is not a file any more"; ! :; }; }; fi &&
      prov_own "$place" "$2" "$3" "$4"; prov_leave_staging; }; fi; }
prov_own() { # file owner group mode; a new owner takes capabilities and bits away, which are put back
  case $(stat -c ' %U:%G %u:%g %U:%g %u:%G ' -- "$1") in *" $2:$3 "*) ;; *)
    prov_names_go && kept=$(mktemp -- .prov.XXXXXXXXXX) && { cp --attributes-only --preserve=xattr -- "$1" "$kept" && chown -- "$2:$3" "$1" && cp --attributes-only --preserve=xattr -- "$kept" "$1"; status=$?; rm -f -- "$kept"; [ $status = 0 ]; } || return;;
  esac; chmod -- "0$4" "$1"; }
prov_make_directory() { # path owner group mode
  hops=0 making=yes; prov_walk "${1%/*}" || return; making=
  prov_enter_folder "$1" && { [ -d "./$name" ] || mkdir -m 0700 -- "./$name"; } && prov_set_attributes "$@"; }
prov_make_link() { # path target
  prov_enter_folder "$1" && prov_enter_staging && { ln -s -- "$2" file && mv -fT -- file "../$name"; prov_leave_staging; }; }
prov_mounted_in() { # physical path; tells whether something is mounted there or below (proc_pid_mountinfo(5))
  mounted=$1; case $1 in *[[:space:]\\]*) mounted=$(printf %s "$1" | sed 's/\\/\\134/g; s/ /\\040/g; s/\t/\\011/g');; esac
  while read -r _ _ _ _ place _; do case $place in ("$mounted"|"$mounted"/*) return 0;; esac; done </proc/self/mountinfo; return 1; }
prov_remove() { # path; what is mounted in it belongs to somebody else
  prov_enter_folder "$1" || return
  ! prov_mounted_in "$(pwd -P | sed 's,^/$,,')/$name" || { printf '%s\n' "something is mounted at or below $1: unmount it first"; return 1; }
  rm -rf --one-file-system -- "./$name"; }
prov_keep() { # handler key path; only root may see what was there before, and a folder of earlier releases could be read by all
  kept=$prov_state/undo/$1/$2; mkdir -p -m 0700 -- "$prov_state" "$prov_state/undo" "${kept%/*}" && chmod 0700 -- "$prov_state/undo" || return
  [ -e "$kept.path" ] && return 0
  if [ -d "${3%/*}/" ]; then prov_enter_folder "$3" || return; [ ! -d "./$name" ] || [ -L "./$name" ] || return 0
    if [ -f "./$name" ] || [ -L "./$name" ]; then cp -a --remove-destination -- "./$name" "$kept.old" || return; fi; fi
  # A program says why it cannot write; the shell does not.
  printf %s "$3" | cat >"$kept.new" && mv -f -- "$kept.new" "$kept.path"; }
prov_put_back() { # handler
  for record in "$prov_state"/undo/"$1"/*.path; do [ -e "$record" ] || continue
    path=$(cat -- "$record"); old=${record%.path}.old
    if [ -e "$old" ] || [ -L "$old" ]; then
      ( prov_enter_folder "$path" && prov_enter_staging && { cp -a -- "$old" file && prov_hold && prov_place; prov_leave_staging; } ) || return
    elif [ -d "${path%/*}/" ]; then ( prov_enter_folder "$path" && rm -f -- "./$name" ) || return; fi
    printf '%s\n' "$path"
  done; rm -rf -- "$prov_state"/undo/"$1"; }
