# Root works in folders that belong to others, who can put a link in the place of anything between two commands. So a folder
# is entered part by part, by its own name and never by a link that anybody but root could have made.

prov_only_root() { # tells whether nobody but root makes links in this folder, or decides which folder it is
  list=. at=. above=$PWD below=
  while [ -n "${above%/}" ]; do at=$at/..; list="$list $at"; above=${above%/*}; done
  stat -c '%u %a' -- $list | { while read -r owner mode; do
    [ "$owner" = 0 ] || exit 1
    # With an access list, the bits of the group are the most that anybody named there may do.
    case $mode in *[2367]|*[2367]?)
      # In a folder like /tmp nobody moves what is root's.
      [ "$below" ] || exit 1; case $mode in [1357]???) ;; *) exit 1;; esac;;
    esac; below=yes
  done; [ "$below" ]; }; }
prov_may_follow() { # name of a link in this folder; leaves what it says in $target
  hops=$((hops + 1))
  [ $hops -le 40 ] || { printf '%s\n' "${PWD%/}/$1 is a link that leads to too many others"; return 1; }
  [ "$(stat -c %u -- "./$1")" = 0 ] && prov_only_root || {
    printf '%s\n' "${PWD%/}/$1 is a link, in a folder where not only root makes links"; return 1; }
  target=$(readlink -n -- "./$1" && printf .) && target=${target%.}; }
prov_walk() { # folder; enters it; with $making, makes what is missing
  rest=$1/; cd / || return
  while [ -n "$rest" ]; do
    part=${rest%%/*}; rest=${rest#*/}
    case $part in ''|.) continue;; ..) cd -P .. || return; continue;; esac
    expected=${PWD%/}/$part
    if [ -L "./$part" ]; then
      prov_may_follow "$part" || return
      case $target in /*) cd / || return;; esac
      rest=$target/$rest; continue
    fi
    made=; [ -z "$making" ] || [ -e "./$part" ] || { mkdir -m 0700 -- "./$part" && made=yes; } || return
    [ -d "./$part" ] || { printf '%s\n' "$expected is not a folder"; return 1; }
    cd -P -- "./$part" || return
    [ "$PWD" = "$expected" ] || { printf '%s\n' "$expected has become a link, in a folder where not only root makes links"; return 1; }
    # A new folder has the group of one with that bit; five digits take the bit away, too.
    [ -z "$made" ] || { chown -- 0:0 . && chmod -- 00755 .; } || return
  done; }
prov_enter_folder() { # path; enters the folder that it is in and leaves its last part in $name
  hops=0; name=${1##*/}; prov_walk "${1%/*}"; }
prov_enter_end() { # path; the same for what the path leads to
  prov_enter_folder "$1" || return
  while [ -L "./$name" ]; do
    prov_may_follow "$name" || return
    case $target in /*) ;; *) target=${PWD%/}/$target;; esac
    name=${target##*/}; prov_walk "${target%/*}" || return
  done; }
