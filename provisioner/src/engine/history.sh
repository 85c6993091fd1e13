prov_history_begin() { # run header most; the oldest runs go, so that neither their number nor what they keep grows for ever
  umask 077; past=$prov_state/history; [ ! -d "$past/$1" ] || return 0
  mkdir -p -m 0700 -- "$prov_state" "$past" && mkdir -m 0700 -- "$past/$1" && printf %s "$2" | base64 -d >"$past/$1/run" || return
  ls -1 -- "$past" | head -n "-$3" | while read -r old; do rm -rf -- "$past/$old"; done
  while [ "$(du -sk -- "$past" | cut -f 1)" -gt 131072 ] && old=$(ls -1 -- "$past" | head -n 1) && [ "$old" != "$1" ]; do rm -rf -- "$past/$old"; done; }
prov_history_keep() { # run digest path; other bytes than those are not kept, where their digest is known
  kept=$prov_state/history/$1/$2; [ ! -e "$kept" ] && [ -f "$3" ] || return 0
  ( umask 077; cat -- "$3" >"$kept.new" ) || { rm -f -- "$kept.new"; return 1; }
  case $2 in (before-*) same=yes;; (*) same=; [ "$(sha256sum <"$kept.new")" = "$2  -" ] && same=yes;; esac
  if [ -n "$same" ]; then mv -f -- "$kept.new" "$kept"; else rm -f -- "$kept.new"; fi; }
prov_history_note() { # run line
  printf %s "$2" | base64 -d | ( umask 077; cat >>"$prov_state/history/$1/changes" ); }
