# Asks apt, and leaves no trace: what it needs meanwhile is in memory, as long as there is room. It may read the lists that it has parsed
# before, which spares it most of a second. Through such a name it cannot write them, and refuses where they are out of date: then it is
# asked once more, without.
prov_apt() { # a function that asks it, with $caches; leaves $answer and $exit
  parsed=/var/cache/apt/srcpkgcache.bin
  if [ -r "$parsed" ] && [ -z "$outdated" ]; then
    caches='-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=/proc/self/fd/6' exit=0
    answer=$(export TMPDIR=/dev/shm; "$1" 6<"$parsed") || exit=$?
    [ $exit != 0 ] || return 0
    case $answer in ('' | *'could not be parsed or opened'*) outdated=yes;; (*) return 0;; esac
  fi
  caches='-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=' exit=0
  answer=$(export TMPDIR=/dev/shm; "$1") || exit=$?
  [ $exit = 0 ] || [ "$answer" ] || { exit=0; answer=$("$1") || exit=$?; }
}
