# A dead man's switch. Before a change that may lock prov out, `prov_guard_arm` keeps what it may have to put back, and starts a process
# outside the session that puts it back at a time of the clock since boot. Whoever gets in by a new session takes that away.

put_back=/run/prov.put-back
prov_guard_now() { read -r now _ </proc/uptime; now=${now%%.*}; }
prov_guard_hold() { # seconds from now on; not once it is too late
  [ -e "$clock/deadline" ] && prov_guard_now && printf '%s\n' $((now + $1)) >"$clock/deadline.new" && mv -f -- "$clock/deadline.new" "$clock/deadline"; }
prov_guard_systemd() { [ -d /run/systemd/system ]; }

# What is there, as far as it can be told apart without reading it: an entry ends with a zero byte and has the path on its second line.
prov_guard_list() { # folder
  cd -- "$1" && find . -mindepth 1 \( -type d -printf '%y %m %U %G\n%p\0' -o -printf '%y %m %U %G %s %T@ %l\n%p\0' \) | sort -z; }
prov_guard_times() { cd -- "$1" && find . -type d -printf '%T@\n%p\0' | sort -z; }
prov_guard_paths() { sed -z 's/^[^\n]*\n//' | sort -z; }
prov_guard_place='kept=$1 place=$2; shift 2; for p; do
  if [ -d "$kept/$p" ] && [ ! -L "$kept/$p" ]; then
    [ -d "$place/$p" ] && [ ! -L "$place/$p" ] || { rm -rf --one-file-system -- "$place/$p"; mkdir -m 0700 -- "$place/$p"; }
    chown --reference="$kept/$p" -- "$place/$p"; chmod -- "0$(stat -c %a -- "$kept/$p")" "$place/$p"
  elif ! { [ -f "$kept/$p" ] && [ -f "$place/$p" ] && [ ! -L "$place/$p" ] && cmp -s -- "$kept/$p" "$place/$p" && cp --attributes-only --preserve=all -- "$kept/$p" "$place/$p"; } 2>/dev/null || [ -L "$kept/$p" ]; then
    [ -L "$place/$p" ] || [ ! -d "$place/$p" ] || rm -rf --one-file-system -- "$place/$p"
    new=${place}/${p%/*}/.prov-guard; rm -f -- "$new"
    # A second name takes no room where the disk is full, and what is mounted there can only be written in its place.
    { ln -P -- "$kept/$p" "$new" 2>/dev/null || cp -a -- "$kept/$p" "$new"; } && mv -fT -- "$new" "$place/$p" 2>/dev/null ||
      { rm -f -- "$new"; cp -a --remove-destination -- "$kept/$p" "$place/$p" 2>/dev/null || { cat -- "$kept/$p" >"$place/$p"; cp --attributes-only --preserve=all -- "$kept/$p" "$place/$p"; }; }
  fi; printf "%s\n" "$place/${p#./}"; done'
prov_guard_clear='kept=$1 place=$2 packaged=$3; shift 3; for p; do
  [ -e "$kept/$p" ] || [ -L "$kept/$p" ] || { [ -n "$packaged" ] && dpkg -S "$place/${p#./}" >/dev/null 2>&1; } || {
    if [ -d "$place/$p" ] && [ ! -L "$place/$p" ]; then rmdir -- "$place/$p"; else rm -f -- "$place/$p"; fi && printf "%s\n" "$place/${p#./}"; }; done'
prov_guard_tree() { # kept place; makes the folder what it was, and says which paths were otherwise
  kept=$(mktemp -p /run prov.XXXXXXXXXX) && now=$(mktemp -p /run prov.XXXXXXXXXX) || return
  packaged=; [ /var/lib/dpkg/status -nt "$guard/began" ] && packaged=yes # what a package has brought since then is its own
  ( prov_guard_list "$1" ) >"$kept"; ( prov_guard_list "$2" ) >"$now"
  ( cd -- "$2" && comm -z -13 "$kept" "$now" | prov_guard_paths | sort -zr | xargs -0 -r sh -c "$prov_guard_clear" prov "$1" "$2" "$packaged" )
  ( cd -- "$2" && comm -z -23 "$kept" "$now" | prov_guard_paths | xargs -0 -r sh -c "$prov_guard_place" prov "$1" "$2" )
  ( prov_guard_times "$1" ) >"$kept"; ( prov_guard_times "$2" ) >"$now"
  ( cd -- "$2" && comm -z -23 "$kept" "$now" | prov_guard_paths | xargs -0 -r sh -c 'kept=$1; shift; for p; do touch -r "$kept/$p" -- "$p"; done' prov "$1" )
  rm -f -- "$kept" "$now"; }

prov_guard_keep() { # path, and `whole` for a folder that is about to go; /etc is kept as it is
  case $1 in /etc/*) return 0;; esac
  kept=$guard/paths/$(printf %s "$1" | sha256sum | cut -c 1-24)
  [ ! -e "$kept.path" ] || return 0
  if [ -d "$1" ] && [ ! -L "$1" ] && [ -z "$2" ]; then stat -c '%u:%g 0%a' -- "$1" >"$kept.dressed" || return
  elif [ -e "$1" ] || [ -L "$1" ]; then
    [ "$(du -skx -- "$1" | cut -f 1)" -le 262144 ] || {
      printf '%s\n' "$1 is too large to be kept until the run is confirmed; make this change in a run of its own"; return 1; }
    cp -a --remove-destination -T -- "$1" "$kept.old" || return
  else above=${1%/*}; while [ -n "$above" ] && [ ! -e "$above" ]; do printf '%s\n' "$above"; above=${above%/*}; done >"$kept.made"; fi
  [ ! -d "${1%/*}/" ] || touch -r "${1%/*}/" -- "$kept.above" || return
  printf %s "$1" >"$kept.path"; }
prov_guard_touch() { printf '%s\n' "$1" >>"$guard/touched"; }

prov_guard_addresses() { ip -o address show | sed -n 's/^[0-9]*: *\([^ ]*\) *inet6\{0,1\} \([^ ]*\) .*/\1 \2/p' | grep -v ' fe80:' | sort; }
prov_guard_routes() { { ip -4 route show; ip -6 route show | grep -v '^fe80:'; } | grep -v ' proto kernel ' | sed 's/ expires [^ ]*//; s/ *$//' | sort; }
prov_guard_rules() { # without what was counted
  nft -s list ruleset 2>/dev/null | sed 's/ counter packets [0-9]* bytes [0-9]*/ counter/'; }
prov_guard_own_rules() { # of those tables that nft itself can write; the others are of iptables
  awk '/^table /{ all = ""; other = 0 } { all = all $0 "\n" } / xt (target|match) /{ other = 1 } /^}/{ if (!other) printf "%s", all }'; }
prov_guard_links() { ip -o link show up | sed -n 's/^[0-9]*: *\([^:@ ]*\).*/\1/p' | sort; }

prov_guard_arm() { # seconds holder run, and addresses of name servers that may come up in the same run
  [ ! -e "$guard" ] || { printf '%s\n' 'another change waits to be confirmed'; return 1; }
  umask 077; new=$guard.new
  rm -rf -- "$new" "$clock" && mkdir -p -m 0700 -- "${guard%/*}" && mkdir -m 0700 -- "$clock" && mkdir -m 0700 -- "$new" "$new/state" "$new/paths" &&
    : >"$new/began" && cp -a -- /etc "$new/etc" || { rm -rf -- "$new" "$clock"; return 1; }
  for one in pending declared; do [ ! -e "$prov_state/$one" ] || cp -a -- "$prov_state/$one" "$new/state/" || { rm -rf -- "$new" "$clock"; return 1; }; done
  ! prov_guard_systemd || systemctl list-units --plain --no-legend --no-pager --state=active --type=service,socket,timer,path,mount | cut -d ' ' -f 1 >"$new/units"
  if command -v nft >/dev/null; then prov_guard_rules >"$new/nft" || rm -f -- "$new/nft"; fi
  for one in iptables ip6tables; do ! command -v $one-save >/dev/null || $one-save >"$new/$one" 2>/dev/null || rm -f -- "$new/$one"; done
  ! command -v ip >/dev/null || { prov_guard_addresses >"$new/addresses"; prov_guard_routes >"$new/routes"; prov_guard_links >"$new/links"; }
  # Names that the host needs are those of its package sources; an address tells nothing.
  for asked in $(sed -n 's%^\(deb\|URIs:\)[^#]*https*://\([^/: ]*\).*%\2%p' /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | sort -u | head -n 4); do
    case $asked in (*[!0-9.]*) if timeout 5 getent ahosts "$asked" >/dev/null; then printf %s "$asked" >"$new/name"; break; fi;; esac; done
  printf '%s\n' $4 >"$new/servers"
  printf %s "$rollback" | base64 -d >"$new/rollback"; printf '%s\n' "$2" >"$new/holder"; printf %s "$3" >"$new/run"
  prov_guard_born $$ && printf '%s %s\n' $$ "$began" >"$clock/session"
  printf '%s\n' "$1" >"$clock/patience"
  prov_guard_now && printf '%s\n' $((now + $1)) >"$clock/deadline" && mv -T -- "$new" "$guard" || return
  if prov_guard_systemd; then
    # Should the host be started again meanwhile, this does it; being new in /etc, it goes with what is put back.
    printf '[Unit]\nDescription=Put back what prov has changed and nobody has confirmed\nBefore=ssh.service\n[Service]\nType=oneshot\nExecStart=/bin/sh %s/rollback now\n' "$guard" >/etc/systemd/system/prov-guard-boot.service
    chmod 0644 /etc/systemd/system/prov-guard-boot.service; mkdir -p -m 0755 /etc/systemd/system/multi-user.target.wants
    ln -sf ../prov-guard-boot.service /etc/systemd/system/multi-user.target.wants/prov-guard-boot.service
  fi
  { prov_guard_systemd && systemd-run --quiet --collect --unit=prov-guard --property=OOMScoreAdjust=-900 /bin/sh "$guard/rollback"; } 2>/dev/null ||
    setsid /bin/sh "$guard/rollback" </dev/null >/dev/null 2>&1 9>&- &
  waited=0; while [ ! -s "$clock/process" ]; do
    [ $waited -lt 50 ] || { printf '%s\n' 'the process that would put the change back does not start'; prov_guard_disarm; return 1; }
    sleep 0.1; waited=$((waited + 1)); done; }
prov_guard_disarm() {
  ! prov_guard_lives "$clock/process" || kill "$process"
  rm -f -- /etc/systemd/system/multi-user.target.wants/prov-guard-boot.service /etc/systemd/system/prov-guard-boot.service
  prov_guard_forget; }
prov_guard_forget() { # whoever is about to confirm may put a file there while the folder is emptied
  rm -rf -- "$guard" || rm -rf -- "$guard"; rm -rf -- "$clock"; }
prov_guard_told() { # run; tells what was put back from a confirmation by the code; another run may have taken the notice
  if [ -e "$put_back" ]; then cat -- "$put_back"; rm -f -- "$put_back"; return 3; fi
  ! grep -qsxF '{"put_back":true}' "$prov_state/history/$1/changes" || return 3; }
prov_guard_names() { # fails where names are not resolved any more, unless a server of the estate is to do that
  [ -s "$guard/name" ] || return 0
  for asked in $(sed -n 's/^nameserver[[:space:]]*//p' /etc/resolv.conf); do ! grep -qxF -- "$asked" "$guard/servers" || return 0; done
  timeout 8 getent ahosts "$(cat -- "$guard/name")" >/dev/null; }
prov_guard_confirm() { # run; says that a new session has come in
  [ -d "$guard" ] || { prov_guard_told "$1"; return; }
  prov_guard_names || { printf '%s\n' "the host resolved $(cat -- "$guard/name") before, and does not any more"; return 4; }
  dd if=/dev/zero of="$guard/room" bs=64k count=1 conv=fsync 2>/dev/null || {
    [ -d "$guard" ] || { prov_guard_told "$1"; return; }
    printf '%s\n' "nothing can be written below $prov_state any more"; return 4; }
  mkdir -- "$clock/decided" 2>/dev/null || {
    waited=0; while [ -d "$guard" ] && [ $waited -lt 600 ]; do sleep 0.2; waited=$((waited + 1)); done; prov_guard_told "$1"; return; }
  prov_guard_disarm; }
prov_guard_network() {
  if [ -e "$guard/nft" ]; then
    [ "$(prov_guard_rules)" = "$(cat -- "$guard/nft")" ] || {
      { printf 'flush ruleset\n'; prov_guard_own_rules <"$guard/nft"; } | nft -f - && printf '%s\n' 'the rules of the firewall'
      for one in iptables ip6tables; do [ ! -s "$guard/$one" ] || $one-restore <"$guard/$one"; done; }
  elif command -v nft >/dev/null && [ -n "$(nft list ruleset 2>/dev/null)" ]; then nft flush ruleset && printf '%s\n' 'the rules of the firewall'; fi
  [ -e "$guard/addresses" ] || return 0
  prov_guard_links | comm -13 - "$guard/links" | while read -r link; do ip link set "$link" up && printf '%s\n' "the interface $link"; done
  prov_guard_addresses | comm -13 - "$guard/addresses" | while read -r link address; do ip address add "$address" brd + dev "$link" 2>/dev/null || ip address add "$address" dev "$link"; printf '%s\n' "the address $address"; done
  prov_guard_addresses | comm -23 - "$guard/addresses" | while read -r link address; do ip address del "$address" dev "$link" && printf '%s\n' "the address $address"; done
  prov_guard_routes | comm -13 - "$guard/routes" | while read -r route; do ip route replace $route && printf '%s\n' "the route $route"; done
  prov_guard_routes | comm -23 - "$guard/routes" | while read -r route; do ip route del $route && printf '%s\n' "the route $route"; done; }
prov_guard_units() { # what ran before runs again by what is there again, and what did not run does not
  if ! prov_guard_systemd; then
    if [ -s /run/sshd.pid ] && kill -HUP "$(cat /run/sshd.pid)" 2>/dev/null; then :; elif [ -x /etc/init.d/ssh ]; then /etc/init.d/ssh start; fi; return; fi
  timeout 60 systemctl daemon-reload
  sort -u -- "$guard/touched" 2>/dev/null | while read -r unit; do
    systemctl reset-failed "$unit" 2>/dev/null
    if grep -qxF -- "$unit" "$guard/units"; then timeout 60 systemctl restart "$unit"
    else ! systemctl is-active --quiet "$unit" || timeout 60 systemctl stop "$unit"; fi && printf '%s\n' "$unit"; done
  for unit in dbus.service systemd-logind.service systemd-networkd.service networking.service NetworkManager.service systemd-resolved.service nftables.service ssh.socket ssh.service; do
    grep -qxF -- "$unit" "$guard/units" && ! systemctl is-active --quiet "$unit" || continue
    systemctl reset-failed "$unit" 2>/dev/null; timeout 60 systemctl start "$unit" && printf '%s\n' "$unit"; done
  # A command may have had it read what has been put back by now.
  ! grep -qxF ssh.service "$guard/units" || ! /usr/sbin/sshd -t 2>/dev/null || timeout 60 systemctl restart ssh.service; }
prov_guard_put_back() {
  # Nobody goes on changing what is put back.
  if prov_guard_lives "$clock/session"; then kill -9 "$process"; fi
  umask 077; : >"$put_back.new"
  { prov_guard_tree "$guard/etc" /etc
    for record in "$guard"/paths/*.path; do [ -e "$record" ] || continue
      path=$(cat -- "$record"; printf .); path=${path%.}; kept=${record%.path}
      if [ -e "$kept.dressed" ]; then read -r owner mode <"$kept.dressed"; chown -- "$owner" "$path"; chmod -- "$mode" "$path"
      elif [ -e "$kept.old" ] || [ -L "$kept.old" ]; then
        [ -f "$kept.old" ] && cp -a -T -- "$kept.old" "$path.prov-guard" && mv -fT -- "$path.prov-guard" "$path" || {
          rm -rf --one-file-system -- "$path.prov-guard" "$path"; cp -a -T -- "$kept.old" "$path"; }
      else rm -rf --one-file-system -- "$path"; while read -r made; do rmdir -- "$made"; done <"$kept.made"; fi
      [ ! -e "$kept.above" ] || touch -r "$kept.above" -- "${path%/*}/"; printf '%s\n' "$path"; done
    for one in pending declared; do rm -rf -- "$prov_state/$one"; [ ! -e "$guard/state/$one" ] || cp -a -- "$guard/state/$one" "$prov_state/"; done
    prov_guard_units; prov_guard_network; } >>"$put_back.new" 2>&1
  past=$prov_state/history/$(cat -- "$guard/run"); [ ! -d "$past" ] || printf '\n{"put_back":true}\n' >>"$past/changes"
  mv -f -- "$put_back.new" "$put_back" || { rm -f -- "$put_back.new"; : >"$put_back"; }
  ! command -v logger >/dev/null || logger -t prov -- "nobody has confirmed the changes of $(cat -- "$guard/holder"): what was there before is there again"
  prov_guard_forget; }
prov_guard_left() { # a session that has ended at work, killed or cut off, does nothing more: what is left is the time to confirm
  ! prov_guard_lives "$clock/session" && read -r patience 2>/dev/null <"$clock/patience" && [ "$deadline" -gt $((now + patience)) ] &&
    prov_guard_hold "$patience"; }
prov_guard_watch() { # the process outside the session; with `now`, for one that died
  LC_ALL=C; export LC_ALL
  [ -d "$guard" ] && mkdir -p -m 0700 -- "$clock" || exit 0
  prov_guard_born $$ && printf '%s %s\n' $$ "$began" >"$clock/process.new" && mv -f -- "$clock/process.new" "$clock/process"
  if [ "$1" = now ]; then
    mkdir -- "$clock/decided" 2>/dev/null || [ -e "$clock/decided/back" ] || { rm -rf -- "$clock/process"; prov_guard_disarm; exit 0; }
  else
    while prov_guard_now && read -r deadline <"$clock/deadline" && [ "$now" -lt "$deadline" ]; do prov_guard_left; sleep 1; done
    [ -d "$guard" ] && mkdir -- "$clock/decided" 2>/dev/null || exit 0
  fi
  : >"$clock/decided/back"; rm -f -- "$clock/deadline"; prov_guard_put_back; }
